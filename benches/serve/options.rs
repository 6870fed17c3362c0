//! What can be said after `cargo bench --bench serve --`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::form::{self, Form};
use super::scenario::Scenario;

#[derive(Debug, Parser)]
#[command(
    name = "cargo bench --bench serve --",
    about = "What requests cost, beside a constant of the same bytes and beside any peer."
)]
pub struct Options {
    /// A small part of all that can be measured: seconds instead of minutes, figures of no worth
    #[arg(long)]
    pub quick: bool,
    /// Only these scenarios, and nothing that is measured beside them
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    pub only: Vec<Scenario>,
    /// How long each single measurement of a scenario takes
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// How often each is measured, each time beside all it is compared with; odd
    #[arg(long, value_name = "TIMES", value_parser = odd)]
    repetitions: Option<usize>,
    /// How many products and orders the largest of the shops has
    #[arg(long, value_name = "ROWS")]
    largest: Option<u64>,
    /// Another server that speaks the contract, as `http://127.0.0.1:8100`
    #[arg(long, value_name = "URL", value_parser = address)]
    pub peer: Option<String>,
    /// An admin there, who fills it; without one what it has is used
    #[arg(long, value_name = "USER:PASSWORD", requires = "peer")]
    pub peer_admin: Option<String>,
    /// Its processes on this machine, whose CPU and memory are read
    #[arg(long, value_name = "PID", value_delimiter = ',', requires = "peer")]
    pub peer_pid: Vec<u32>,
    /// Be the ceiling: answer from this file until standard input ends
    #[arg(long, hide = true, value_name = "FILE")]
    pub ceiling: Option<PathBuf>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn odd(text: &str) -> Result<usize, String> {
    let times = text.parse().ok();
    times
        .filter(|times| times % 2 == 1)
        .ok_or_else(|| "an odd number has a median".into())
}

/// The host and port of a URL without a path.
fn address(text: &str) -> Result<String, String> {
    let address = text
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let address = address.filter(|address| address.contains(':') && !address.contains('/'));
    address
        .map(str::to_owned)
        .ok_or_else(|| "a peer is named as http://HOST:PORT".into())
}

impl Options {
    /// What was asked for; `None` when `cargo test` asks for tests that are not here.
    pub fn read() -> Option<Self> {
        match form::asked("serve", &["--quick", "--ceiling"])? {
            Form::Whole => Some(Self::parse()),
            Form::Small => Some(Self::parse_from(["serve", "--quick"])),
        }
    }

    pub fn seconds(&self) -> Duration {
        let usual = if self.quick { 0.02 } else { 0.6 };
        Duration::from_secs_f64(self.seconds.unwrap_or(usual).clamp(0.01, 60.0))
    }

    pub fn repetitions(&self) -> usize {
        self.repetitions.unwrap_or(if self.quick { 1 } else { 5 })
    }

    /// How many products and orders the shops have that costs are compared across.
    pub fn sizes(&self) -> Vec<u64> {
        let largest = self.largest.unwrap_or(1_000_000);
        let mut sizes = if self.quick {
            vec![100, 300]
        } else {
            vec![1_000, 100_000]
        };
        if !self.quick {
            sizes.retain(|size| *size < largest);
            sizes.push(largest);
        }
        sizes
    }

    /// Scenarios that are measured, in the order of the table.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let is_asked = |scenario: &Scenario| self.only.is_empty() || self.only.contains(scenario);
        Scenario::ALL.into_iter().filter(is_asked).collect()
    }
}
