//! A connection of HTTP/1 that is watched: how long its client may take.
//!
//! hyper knows one deadline for waiting and reading a head, none for writing, and mends some heads
//! before it shows them. So what it reads and writes passes here, and heads go by `framing`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::{BodyForm, HeadSoFar, Verdict};
use super::limits::Deadlines;

/// What a connection is at, told by those who know: the service and the socket.
#[derive(Debug, Default)]
pub struct Phase {
    at: AtomicU8,
    /// The head that comes next was seen whole, and is sound.
    is_sound: AtomicBool,
    /// Where the next request begins can't be told.
    is_last: AtomicBool,
}

/// A request is waited for, or its head is coming.
const WAITING: u8 = 0;
/// It is here, and being answered.
const ANSWERING: u8 = 1;
/// The answer is there, and on its way.
const ANSWERED: u8 = 2;

impl Phase {
    /// A head is complete. Says whether it lay soundly on the wire; one that was not seen, because
    /// it came before its turn, did not.
    pub fn begin(&self) -> bool {
        self.at.store(ANSWERING, Ordering::SeqCst);
        self.is_sound.swap(false, Ordering::SeqCst)
    }

    /// Whether the connection must close with this reply.
    pub fn is_last(&self) -> bool {
        self.is_last.load(Ordering::SeqCst)
    }

    pub fn end(&self) {
        self.at.store(ANSWERED, Ordering::SeqCst);
    }

    fn is_waiting(&self) -> bool {
        self.at.load(Ordering::SeqCst) == WAITING
    }

    /// What was answered is sent, if something was: says whether, and waits for the next.
    fn take_sent(&self) -> bool {
        let sent = (ANSWERED, WAITING);
        let swapped = self
            .at
            .compare_exchange(sent.0, sent.1, Ordering::SeqCst, Ordering::SeqCst);
        swapped.is_ok()
    }
}

#[derive(Debug)]
pub struct Watch<S> {
    stream: S,
    phase: Arc<Phase>,
    deadlines: Deadlines,
    head: Head,
    /// What is still to come of the body behind it.
    body_left: u64,
    /// For the next request to begin, or for its head to be complete.
    reading: Pin<Box<Sleep>>,
    /// For something to be taken of what is written; only while nothing is.
    writing: Option<Pin<Box<Sleep>>>,
}

/// What came of a head so far.
#[derive(Debug)]
enum Head {
    Nothing,
    Some(HeadSoFar),
    All,
}

impl<S> Watch<S> {
    pub fn new(stream: S, deadlines: Deadlines) -> (Self, Arc<Phase>) {
        let phase = Arc::<Phase>::default();
        let watch = Self {
            stream,
            phase: Arc::clone(&phase),
            deadlines,
            head: Head::Nothing,
            body_left: 0,
            reading: Box::pin(sleep_until(after(deadlines.head))),
            writing: None,
        };
        (watch, phase)
    }

    /// Looks at what came while a head is waited for.
    fn see(&mut self, came: &[u8]) {
        let mut head = match std::mem::replace(&mut self.head, Head::All) {
            Head::All => return self.follow(came.len()),
            Head::Nothing => {
                self.reading.as_mut().reset(after(self.deadlines.head));
                HeadSoFar::default()
            }
            Head::Some(head) => head,
        };
        match head.take(came) {
            Verdict::Incomplete => self.head = Head::Some(head),
            Verdict::Unsound => self.phase.is_last.store(true, Ordering::SeqCst),
            Verdict::Sound { behind, body } => {
                let is_sound = !self.phase.is_last();
                self.phase.is_sound.store(is_sound, Ordering::SeqCst);
                match body {
                    BodyForm::Bytes(length) => self.body_left = length,
                    // Its end is not looked for, so nothing may come behind it.
                    BodyForm::Chunks => self.phase.is_last.store(true, Ordering::SeqCst),
                }
                self.follow(behind);
            }
        }
    }

    /// So many bytes came behind a head: what is more than its body came before its turn, and
    /// would not be seen again.
    fn follow(&mut self, bytes: usize) {
        match self.body_left.checked_sub(bytes as u64) {
            Some(left) => self.body_left = left,
            None => self.phase.is_last.store(true, Ordering::SeqCst),
        }
    }

    /// Polls a write, which may not wait for ever.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.writing = None;
            return polled;
        }
        let patience = self.deadlines.write_stall;
        let stall = self
            .writing
            .get_or_insert_with(|| Box::pin(sleep_until(after(patience))));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

fn after(time: Duration) -> Instant {
    Instant::now() + time
}

impl<S: AsyncRead + Unpin> AsyncRead for Watch<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let is_waiting = this.phase.is_waiting();
        // Somebody who sends a byte now and then is never waited for, and late all the same.
        if is_waiting && Instant::now() >= this.reading.deadline() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if polled.is_pending() {
            if is_waiting {
                ready!(this.reading.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            return Poll::Pending;
        }
        let (_, came) = buf.filled().split_at(before);
        if is_waiting {
            this.see(came);
        } else {
            this.follow(came.len());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watch<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.written(cx, polled))?;
        if self.phase.take_sent() {
            self.head = Head::Nothing;
            self.body_left = 0;
            let idle = after(self.deadlines.idle);
            self.reading.as_mut().reset(idle);
            // hyper may not read again before something comes: only this wakes it when nothing does.
            if self.reading.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

    fn watched() -> (DuplexStream, Watch<DuplexStream>, Arc<Phase>) {
        let (client, server) = duplex(1_024);
        let (watch, phase) = Watch::new(server, Deadlines::default());
        (client, watch, phase)
    }

    /// How long reading goes on until it fails.
    async fn patience(watch: &mut Watch<DuplexStream>) -> Duration {
        let began = Instant::now();
        let error = watch.read_to_end(&mut Vec::new()).await;
        assert_eq!(
            error.map_err(|error| error.kind()),
            Err(io::ErrorKind::TimedOut)
        );
        began.elapsed()
    }

    /// A head is read and answered.
    async fn exchange(client: &mut DuplexStream, watch: &mut Watch<DuplexStream>, phase: &Phase) {
        client.write_all(HEAD).await.expect("sent");
        watch
            .read_exact(&mut vec![0; HEAD.len()])
            .await
            .expect("read");
        assert!(phase.begin());
        watch
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .expect("written");
        phase.end();
        watch.flush().await.expect("sent");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_a_head_is_not_waited_for() {
        let (_client, mut watch, _) = watched();
        assert_eq!(patience(&mut watch).await.as_secs(), 5);

        let (mut client, mut watch, _) = watched();
        client.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
        assert_eq!(patience(&mut watch).await.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_has_no_more_time_than_another() {
        let (mut client, mut watch, phase) = watched();
        exchange(&mut client, &mut watch, &phase).await;
        tokio::time::sleep(Duration::from_secs(50)).await; // Idling is no part of it.
        let drip = tokio::spawn(async move {
            for byte in HEAD.iter().cycle().filter(|byte| **byte != b'\n') {
                tokio::time::sleep(Duration::from_millis(900)).await;
                if client.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        });
        let took = patience(&mut watch).await.as_millis();
        assert!((5_000..7_000).contains(&took), "{took} ms");
        drop(watch);
        drip.await.expect("it ends with the connection");
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_a_minute_and_while_one_is_answered_all_the_time() {
        let (mut client, mut watch, phase) = watched();
        exchange(&mut client, &mut watch, &phase).await;
        assert_eq!(patience(&mut watch).await.as_secs(), 60);

        let (mut client, mut watch, phase) = watched();
        client.write_all(HEAD).await.expect("sent");
        watch
            .read_exact(&mut vec![0; HEAD.len()])
            .await
            .expect("read");
        assert!(phase.begin());
        let waited = tokio::time::timeout(Duration::from_hours(1), watch.read_u8()).await;
        assert!(waited.is_err(), "a slow body is somebody else's matter");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_a_reply_for_half_a_minute_is_left() {
        let (mut client, mut watch, _) = watched();
        let began = Instant::now();
        let reader = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                client
                    .read_exact(&mut [0; 100])
                    .await
                    .expect("there is more");
            }
            client // Open, and left alone.
        });
        let error = watch
            .write_all(&[0; 4_096])
            .await
            .expect_err("it takes too little");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 10 * 29 + 30);
        reader.await.expect("it took its time");
    }
}
