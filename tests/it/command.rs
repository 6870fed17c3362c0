//! The binary as a process: one run of its command line to the end, or a shop that stays open until it is told to close.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Far beyond any honest answer, a full import included: who waits this long has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A process with its output being read; dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Reader,
    stderr: Reader,
}

/// What came through a pipe so far. The channel gets each line and closes with the pipe.
struct Reader {
    kept: Arc<Mutex<String>>,
    lines: Mutex<Receiver<String>>,
    thread: Option<JoinHandle<()>>,
}

/// Runs `electron-market WORDS --data-dir DIR` to its end.
pub fn run(dir: &Path, words: &str, stdin: &str) -> Ended {
    let mut command = binary(words);
    command.arg("--data-dir").arg(dir);
    Process::start(command, stdin).wait()
}

/// The same, and it must succeed; hands back what it printed.
#[track_caller]
pub fn must_run(dir: &Path, words: &str, stdin: &str) -> String {
    let ended = run(dir, words, stdin);
    assert_eq!(ended.code, Some(0), "{words} failed: {ended:?}");
    ended.stdout
}

pub fn binary(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electron-market"));
    command.args(words.split_whitespace());
    command
}

impl Process {
    pub fn start(mut command: Command, stdin: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        // A run that refuses before it reads its input closes the pipe: no failure of ours.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let stdout = Reader::of(child.stdout.take().unwrap());
        let stderr = Reader::of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits for the line that says where the shop is open, and hands back its port.
    pub fn port(&self) -> u16 {
        let lines = self.stdout.lines.lock().unwrap();
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some((_, rest)) = line.split_once("://127.0.0.1:") {
                        return leading_number(rest);
                    }
                }
                Err(e) => panic!("the shop did not open ({e}):\n{}", self.stderr()),
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not closed its output yet.
    pub fn is_running(&self) -> bool {
        let thread = self.stdout.thread.as_ref();
        thread.is_some_and(|thread| !thread.is_finished())
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.kept.lock().unwrap().clone()
    }

    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Asks it to leave, as an operator would, and it must leave in order.
    ///
    /// Hands back what it wrote to standard error.
    #[track_caller]
    pub fn close(self) -> String {
        self.terminate();
        let Ended { code, stderr, .. } = self.wait();
        assert_eq!(code, Some(0), "the shop closed badly:\n{stderr}");
        assert!(
            !stderr.contains("panicked"),
            "something panicked:\n{stderr}"
        );
        stderr
    }

    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            panic!("still running after {PATIENCE:?}:\n{}", self.stderr());
        };
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reader {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        let kept = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&kept);
        let thread = thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                keep.lock().unwrap().extend([&line, "\n"]);
                let _ = sender.send(line);
            }
        });
        Self {
            kept,
            lines: Mutex::new(lines),
            thread: Some(thread),
        }
    }

    /// Everything up to the end of the pipe, which comes with the end of the process.
    fn all(&mut self) -> Option<String> {
        let lines = self.lines.get_mut().unwrap();
        let end = loop {
            if let Err(end) = lines.recv_timeout(PATIENCE) {
                break end;
            }
        };
        if end == RecvTimeoutError::Timeout {
            return None;
        }
        self.thread.take()?.join().unwrap();
        Some(self.kept.lock().unwrap().clone())
    }
}

fn leading_number(text: &str) -> u16 {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap_or_default().parse().unwrap()
}
