//! Photo forms: any is refused, or its photo is kept in our own encoding, which is a photo again.

use super::shop::shop;

const CALL: &str = "PATCH /auth/profile/photo/";
const OURS: &str = "multipart/form-data; boundary=x";

/// The first line is the Content-Type, the rest the body.
pub fn run(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n');
    let (content_type, body) = bytes.split_at(line.unwrap_or(0));
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let content_type: String = content_type
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|c| matches!(c, ' '..='~'))
        .collect();
    let heard = shop().ask("ann", CALL, &content_type, body);
    heard.is_well();
    if heard.status != 200 {
        let refusals = [400, 413, 415, 503];
        assert!(refusals.contains(&heard.status), "{}", heard.status);
        return;
    }
    let path = heard.json()["photo"].as_str().expect("its path").to_owned();
    let shown = shop().ask("", &format!("GET {path}"), "", b"");
    assert_eq!(shown.status, 200);
    let format = shown.header("content-type").expect("a photo's");
    assert!(["image/jpeg", "image/png", "image/webp"].contains(&format));
    let again = shop().ask("ann", CALL, OURS, &form_of(&shown.body));
    assert_eq!(again.status, 200, "what we encode we read");
}

fn form_of(photo: &[u8]) -> Vec<u8> {
    let head = b"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"p\"\r\n\r\n";
    [&head[..], photo, b"\r\n--x--\r\n"].concat()
}
