//! What it takes to be there at all: time to ready, memory at rest, the program's size.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Bench;
use super::process::Process;
use super::table::{Aim, Table, figure, median, mib};

const BINARY: &str = env!("CARGO_BIN_EXE_electron-market");

impl Bench {
    pub fn start(&mut self) {
        self.say("starting empty shops");
        let mut times = Vec::new();
        let mut memory = Vec::new();
        for n in 0..self.options.repetitions() {
            let folder = self.folder.join(format!("empty-{n}"));
            let began = Instant::now();
            let shop = Process::shop(&folder);
            if let Err(error) = self.until_ready(&shop.address) {
                self.wrong.push(error);
                return;
            }
            times.push(began.elapsed().as_secs_f64() * 1e3);
            // What the start took is given back, or is not.
            std::thread::sleep(Duration::from_millis(300));
            memory.extend(shop.meter().resident().map(mib));
        }
        let ready = median(times.into_iter());
        let idle = median(memory.into_iter());
        let stripped = self.stripped().map(mib);
        let built = fs::metadata(BINARY).ok().map(|file| mib(file.len()));
        let mut table = Table::new("At rest", &["what", "figure"]);
        for (what, value) in [
            (
                "from the start of an empty shop to its first /readyz, ms",
                ready,
            ),
            ("RSS of an empty shop, MiB", idle),
            ("the program as it is built, MiB", built),
            ("the program stripped, MiB", stripped),
        ] {
            table.push([
                what.to_owned(),
                value.map_or_else(|| "-".to_owned(), figure),
            ]);
        }
        self.show(table);
        self.aims
            .push(Aim::at_most("ready with an empty shop, ms", 150.0, ready));
        self.aims.push(Aim::at_most("RSS idle, MiB", 25.0, idle));
        self.aims
            .push(Aim::at_most("the program stripped, MiB", 25.0, stripped));
    }

    /// The program's size without its symbols, where there is a `strip`.
    fn stripped(&self) -> Option<u64> {
        let to = self.folder.join("stripped");
        let done = Command::new("strip")
            .arg("-o")
            .arg(&to)
            .arg(Path::new(BINARY))
            .status();
        done.is_ok_and(|status| status.success()).then_some(())?;
        fs::metadata(to).ok().map(|file| file.len())
    }
}
