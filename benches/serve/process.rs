//! Servers as processes: started, found on their port, their CPU and memory read, ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A server that we started; dropping it ends it.
pub struct Process {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Process {
    /// The shop in a folder. Requests are not logged, as the ceiling logs none.
    pub fn shop(folder: &Path) -> Self {
        Self::shop_with(folder, "warn", Stdio::null())
    }

    /// The shop in a folder, logging as told to where told.
    pub fn shop_with(folder: &Path, log: &str, stderr: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electron-market"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--rate-limits", "off"])
            .args(["--log", log, "--data-dir"])
            .arg(folder)
            .stderr(stderr);
        Self::start(command)
    }

    /// This program again, answering from a file.
    pub fn ceiling(answers: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
        command.arg("--ceiling").arg(answers);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A knob of whoever runs this is no part of what is measured.
        for (name, _) in std::env::vars() {
            if name.starts_with("ELECTRON_MARKET_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let port = lines.by_ref().find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once("://127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some(port)
        });
        let port = port.expect("the server says where it is open");
        Self {
            child,
            address: format!("127.0.0.1:{port}"),
        }
    }

    pub fn meter(&self) -> Meter {
        Meter {
            processes: vec![self.child.id()],
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nobody to tell.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Reads what processes use; of none, nothing.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    pub processes: Vec<u32>,
}

impl Meter {
    /// CPU time so far, of all threads that are or were.
    ///
    /// The kernel counts the sum to the nanosecond and shows it in ticks of 10 ms.
    pub fn cpu(&self) -> Option<Duration> {
        let ticks = self.processes.iter().map(|process| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // The name in brackets may hold anything; after it come fields in a fixed order.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
            let user: u64 = fields.next()?.parse().ok()?;
            let system: u64 = fields.next()?.parse().ok()?;
            Some(user + system)
        });
        let ticks = self.sum(ticks)?;
        Some(Duration::from_millis(
            ticks * 1_000 / rustix::param::clock_ticks_per_second(),
        ))
    }

    /// Memory at this moment, in bytes.
    pub fn resident(&self) -> Option<u64> {
        let kib = self.processes.iter().map(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(self.sum(kib)? << 10)
    }

    fn sum(&self, each: impl Iterator<Item = Option<u64>>) -> Option<u64> {
        if self.processes.is_empty() {
            return None;
        }
        each.sum()
    }
}
