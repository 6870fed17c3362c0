//! Limits of a connection and a request, each with its reason.

use std::time::Duration;

/// Request line and headers together; browsers and gateways stay under 8 KiB.
pub const HEAD_MAX_BYTES: usize = 16 << 10;

/// A JSON or form body of short fields.
pub const BODY_MAX_BYTES: usize = 64 << 10;

/// A body with the longest text there is, 20,000 characters, each written as twelve: `\\ud83d\\ude00`.
pub const LONG_BODY_MAX_BYTES: usize = 256 << 10;

/// From the last reply (or the connection) to the end of the next head, idling included.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// A whole body: the largest, a photo, in this time needs 170 kB/s.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// What is read and forgotten of a body that nobody wanted, so that its sender hears the reply:
/// three times the largest body that any path takes.
pub const LEFTOVER_MAX_BYTES: usize = 16 << 20;

/// How long the reply waits for that.
pub const LEFTOVER_DEADLINE: Duration = Duration::from_secs(5);

/// Connections at once. Each may hold a head's buffer and a task: at most about 40 KiB idle.
pub const CONNECTIONS_MAX: usize = 8_192;

/// After the signal to stop: how long requests under way may take to finish.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// Pause after a failed accept (no file descriptor left): time for connections to close.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
