//! The rules of the shop: pure functions from facts to an answer or a refusal.
//!
//! Invariant: nothing here does I/O, reads a clock, awaits, or panics; time and new ids are
//! arguments (`tests/it/tidy.rs` and the lints below hold it to that).
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod carts;
pub mod comments;
pub mod ids;
pub mod money;
pub mod moving;
pub mod orders;
pub mod photos;
pub mod products;
pub mod sessions;
pub mod text;
pub mod time;
pub mod users;

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is the test failing"
)]
mod tests;
