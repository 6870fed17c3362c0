//! Framing: where a request of HTTP/1 ends, judged by its head as it lies on the wire.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Incomplete,
    /// So many bytes came behind its end.
    Sound {
        behind: usize,
        body: BodyForm,
    },
    /// A line that ends in a bare LF, or a length that is said twice or beside chunks: two
    /// programs may disagree about where the request ends.
    Unsound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    Bytes(u64),
    Chunks,
}

/// A head as it comes, judged by what hyper would mend: RFC 9112, sections 2.2 and 6.3.
#[derive(Debug, Default)]
pub struct HeadSoFar {
    /// What came of the line whose end did not.
    line: Vec<u8>,
    has_begun: bool,
    is_bare: bool,
    lengths: u32,
    codings: u32,
    length: u64,
}

impl HeadSoFar {
    /// Takes what came, and judges the head once its end is there.
    pub fn take(&mut self, mut came: &[u8]) -> Verdict {
        while let Some(end) = came.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = came.split_at(end + 1);
            came = rest;
            self.line.extend_from_slice(line);
            let line = std::mem::take(&mut self.line);
            if let Some(body) = self.end_line(&line) {
                let is_clear = !self.is_bare && self.lengths + self.codings <= 1;
                let behind = came.len();
                return if is_clear {
                    Verdict::Sound { behind, body }
                } else {
                    Verdict::Unsound
                };
            }
        }
        self.line.extend_from_slice(came);
        Verdict::Incomplete
    }

    /// Looks at a whole line. Its body's form, if the head ends with it.
    fn end_line(&mut self, line: &[u8]) -> Option<BodyForm> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or_else(|| {
            self.is_bare = true;
            text
        });
        if text.is_empty() {
            let body = if self.codings > 0 {
                BodyForm::Chunks
            } else {
                BodyForm::Bytes(self.length)
            };
            return self.has_begun.then_some(body); // Lines before a head are passed over.
        }
        self.has_begun = true;
        let mut parts = text.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            // What is no number hyper refuses.
            let value = std::str::from_utf8(parts.next().unwrap_or_default());
            self.length = value.map_or(0, |value| value.trim().parse().unwrap_or(0));
        }
        self.codings += u32::from(name.eq_ignore_ascii_case(b"transfer-encoding"));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a head that comes in pieces of so many bytes.
    fn judged(head: &str, piece: usize) -> Verdict {
        let mut so_far = HeadSoFar::default();
        let mut rest = head.as_bytes();
        while !rest.is_empty() {
            let (came, later) = rest.split_at(piece.min(rest.len()));
            rest = later;
            match so_far.take(came) {
                Verdict::Incomplete => {}
                Verdict::Unsound => return Verdict::Unsound,
                Verdict::Sound { behind, body } => {
                    let behind = behind + rest.len();
                    return Verdict::Sound { behind, body };
                }
            }
        }
        Verdict::Incomplete
    }

    #[test]
    fn a_head_whose_end_is_not_clear_is_unsound_however_it_comes() {
        let sound = [
            (
                "GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
                0,
                BodyForm::Bytes(0),
            ),
            (
                "\r\n\r\nGET / HTTP/1.1\r\nHost: shop\r\n\r\nand more",
                8,
                BodyForm::Bytes(0),
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nContent-Length: 5\r\n\r\n",
                21,
                BodyForm::Bytes(5),
            ),
            (
                "POST / HTTP/1.1\r\nX-Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                0,
                BodyForm::Chunks,
            ),
        ];
        let unsound = [
            "GET / HTTP/1.1\nHost: shop\n\n",
            "GET / HTTP/1.1\r\nHost: shop\n\r\n",
            "GET / HTTP/1.1\r\nHost: shop\r\n\n",
            "\nGET / HTTP/1.1\r\nHost: shop\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        ];
        for piece in [1, 2, 3, 7, 1_000] {
            for (head, behind, body) in sound {
                let said = judged(head, piece);
                assert_eq!(said, Verdict::Sound { behind, body }, "{head:?} by {piece}");
            }
            for head in unsound {
                assert_eq!(judged(head, piece), Verdict::Unsound, "{head:?} by {piece}");
            }
            for head in ["GET / HTTP/1.1\r\nHost: shop\r\n", "\r\n\r\n"] {
                assert_eq!(
                    judged(head, piece),
                    Verdict::Incomplete,
                    "{head:?} by {piece}"
                );
            }
        }
    }
}
