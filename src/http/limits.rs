//! Limits of a connection and a request, each with its reason, and the README's table of them.

use std::time::Duration;

/// Request line and headers together; browsers and gateways stay under 8 KiB.
pub const HEAD_MAX_BYTES: usize = 16 << 10;

/// Path and query: the longest search there is, 255 characters, takes 3 KiB percent-encoded.
pub const TARGET_MAX_BYTES: usize = 8 << 10;

/// A JSON or form body of short fields.
pub const BODY_MAX_BYTES: usize = 64 << 10;

/// A body with the longest text there is, 20,000 characters, each written as twelve: `\\ud83d\\ude00`.
pub const LONG_BODY_MAX_BYTES: usize = 256 << 10;

/// A photo in its form.
pub const PHOTO_MAX_BYTES: usize = 5 << 20;

/// JSON inside JSON inside JSON; no body here needs more than one.
pub const JSON_DEPTH_MAX: usize = 32;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A TLS handshake, from the connection to its end.
    pub handshake: Duration,
    /// From the first byte of a head, or the connection, to the head's end.
    pub head: Duration,
    /// A body's time before its speed counts.
    pub body_grace: Duration,
    /// A whole body, however fast: few photos are taken at once, and nobody may hold their places.
    pub body: Duration,
    /// How long nothing may be taken of what is sent.
    pub write_stall: Duration,
    /// From a reply to the next request: browsers keep connections open for about as long.
    pub idle: Duration,
}

pub const DEADLINES: Deadlines = Deadlines {
    handshake: Duration::from_secs(5),
    head: Duration::from_secs(5),
    body_grace: Duration::from_secs(10),
    body: Duration::from_mins(2),
    write_stall: Duration::from_secs(30),
    idle: Duration::from_mins(1),
};

impl Default for Deadlines {
    fn default() -> Self {
        DEADLINES
    }
}

/// A body's least speed once its grace is over, on the whole; the slowest mobile network does it.
pub const BODY_MIN_BYTES_PER_S: u32 = 1_000;

/// What is read and forgotten of a body that nobody wanted, so that its sender hears the reply:
/// three times the largest body that any path takes.
pub const LEFTOVER_MAX_BYTES: usize = 16 << 20;

/// How long the reply waits for that.
pub const LEFTOVER_DEADLINE: Duration = Duration::from_secs(5);

/// Connections at once. Each holds a task and, while a head comes, its buffer.
pub const CONNECTIONS_MAX: usize = 16_384;

/// Connections at once from one address, which may be a whole office's; a browser opens six.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_024;

/// Bodies that came and replies that are not taken yet, of one address and of all: whoever has more
/// is refused before some are done with. A page of 1,000 products takes some 500 KiB.
pub const LOAD_PER_ADDRESS_MAX_BYTES: usize = 64 << 20;
pub const LOAD_MAX_BYTES: usize = 512 << 20;

/// What one address may have all the same when all together have too much: nobody goes without
/// because others are greedy.
pub const LOAD_ALWAYS_BYTES: usize = 128 << 10;

/// File descriptors that are not for connections: the store, the index, the log, backups.
pub const OTHER_FILES: u64 = 256;

/// Requests at once on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 64;

/// What an HTTP/2 client may send of one body, and of all on its connection, before any of it is
/// read: a photo of 5 MiB over 100 ms of distance takes 8 s.
pub const STREAM_WINDOW_BYTES: u32 = 64 << 10;
pub const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;

/// After the signal to stop: how long requests under way may take to finish.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// Pause after a failed accept (no file descriptor left): time for connections to close.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The rows of the README's table: what is bounded, by how much, and what whoever passes it hears.
pub fn table() -> Vec<(&'static str, String, &'static str)> {
    let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    let s = |time: Duration| format!("{} s", time.as_secs());
    vec![
        ("request line and headers", kib(HEAD_MAX_BYTES), "431"),
        ("path and query", kib(TARGET_MAX_BYTES), "414"),
        ("body", kib(BODY_MAX_BYTES), "413"),
        ("body with a product", kib(LONG_BODY_MAX_BYTES), "413"),
        ("photo", mib(PHOTO_MAX_BYTES), "413"),
        ("depth of a JSON body", JSON_DEPTH_MAX.to_string(), "400"),
        ("TLS handshake", s(DEADLINES.handshake), "closed"),
        ("a head, from its first byte", s(DEADLINES.head), "closed"),
        (
            "between requests of a connection",
            s(DEADLINES.idle),
            "closed",
        ),
        (
            "speed of a body",
            format!(
                "{BODY_MIN_BYTES_PER_S} bytes/s after {}",
                s(DEADLINES.body_grace)
            ),
            "408",
        ),
        ("a whole body", s(DEADLINES.body), "408"),
        (
            "a reply that nothing is taken of",
            s(DEADLINES.write_stall),
            "closed",
        ),
        (
            "bodies that came and replies that are not taken yet",
            mib(LOAD_MAX_BYTES),
            "503",
        ),
        (
            "those of one address",
            mib(LOAD_PER_ADDRESS_MAX_BYTES),
            "503",
        ),
        (
            "connections",
            CONNECTIONS_MAX.to_string(),
            "waits until one ends",
        ),
        (
            "connections of one address",
            CONNECTIONS_PER_ADDRESS_MAX.to_string(),
            "closed",
        ),
        (
            "requests at once on an HTTP/2 connection",
            STREAMS_MAX.to_string(),
            "refused stream",
        ),
    ]
}
