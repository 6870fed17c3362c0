//! Fuzzing: what each parser that meets outside bytes must keep, whatever the bytes.
//!
//! `tests/fuzz` runs these targets under cargo-fuzz, the tests here over the committed corpus. None
//! of it is in the shop's own binary.

mod import;
mod json;
mod list;
mod multipart;
mod record;
mod request;
mod search;
mod shop;
mod token;

#[cfg(test)]
mod tests;

/// Something that takes any bytes and panics where a promise is broken.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    Target { name: "request", run: request::run },
    Target { name: "json", run: json::run },
    Target { name: "list", run: list::run },
    Target { name: "token", run: token::run },
    Target { name: "multipart", run: multipart::run },
    Target { name: "search", run: search::run },
    Target { name: "import", run: import::run },
    Target { name: "record", run: record::run },
];

/// Hands the bytes to a target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of the table");
    (target.run)(bytes);
}

/// What a line of text keeps that the shop took.
#[track_caller]
fn is_line(text: &str, min: usize, max: usize) {
    assert!((min..=max).contains(&text.chars().count()), "{text:?}");
    assert!(text.trim() == text && !text.contains('\0'), "{text:?}");
}
