//! The log: where it goes, in which form, and panics in it.

use std::io::{self, IsTerminal};
use std::panic;

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::{Command, CommandLine, LogFormat};

pub fn start(line: &CommandLine) -> anyhow::Result<()> {
    let filter = match (&line.log, &line.command) {
        (Some(filter), _) => filter,
        (None, Command::Serve(_)) => "info",
        // A command that ends by itself says what it did; only what is wrong is worth a line more.
        (None, _) => "warn",
    };
    let is_filter = filter
        .split(',')
        .all(|part| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok());
    if !is_filter {
        bail!("--log {filter} is no filter; try error, warn, info or debug");
    }
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter} is no filter; try error, warn, info or debug"))?;
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
