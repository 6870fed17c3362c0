//! The log: where it goes, in which form, and panics in it.

use std::io::{self, IsTerminal};
use std::panic;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::settings::{Command, CommandLine, LogFormat};

pub fn start(line: &CommandLine) -> anyhow::Result<()> {
    // A command that ends by itself says what it did; only what is wrong is worth a line more.
    let is_default = line.log == "info";
    let filter = match line.command {
        Command::Serve(_) => line.log.as_str(),
        _ if is_default => "warn",
        _ => line.log.as_str(),
    };
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("--log {} is no filter; try --log info", line.log))?;
    let is_text = match line.log_format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    if is_text {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(place, text, "a thread panicked");
    }));
    Ok(())
}
