//! A progress bar, for whatever may take more than a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Shown while it lives, and only on a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    /// Counts things of this name.
    pub fn of(things: &str) -> Self {
        let bar = ProgressBar::new(0);
        let template = format!("{{wide_bar}} {{pos}}/{{len}} {things}, {{eta}} to go");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Says what is waited for, where nobody tells how far it has come.
    pub fn waiting(text: String) -> Self {
        let bar = ProgressBar::new_spinner().with_message(text);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Says a line above it.
    #[expect(clippy::print_stderr, reason = "standard output is for the answer")]
    pub fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }

    pub fn set(&self, done: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
