//! Moments and lengths of time; the clock itself is in `app`.

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

pub const MINUTE_S: i64 = 60;
pub const DAY_S: i64 = 24 * 60 * MINUTE_S;

impl Timestamp {
    #[must_use]
    pub fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whole seconds since 1970-01-01 UTC, as JSON Web Tokens count.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}
