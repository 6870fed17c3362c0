//! What was measured as a table of text, and what of it was aimed at.

use std::fmt::Write as _;

use super::load::Measure;
use super::scenario::Scenario;

/// One scenario at one server, measured several times.
pub struct Row {
    pub scenario: Scenario,
    pub server: String,
    pub connections: usize,
    /// One of each repetition, in the order of the ceiling's.
    pub runs: Vec<Measure>,
}

impl Row {
    pub fn all(&self) -> Measure {
        Measure::together(&self.runs)
    }

    pub fn per_second(&self) -> f64 {
        median(self.runs.iter().map(Measure::per_second)).unwrap_or(0.0)
    }

    pub fn cpu_us(&self) -> Option<f64> {
        median(self.runs.iter().filter_map(Measure::cpu_us))
    }

    /// The median of the ratios of runs that were made one after the other.
    pub fn ratio(&self, to: &Self, of: impl Fn(&Measure) -> Option<f64>) -> Option<f64> {
        let pairs = self.runs.iter().zip(&to.runs);
        median(pairs.filter_map(|(run, other)| Some(of(run)? / of(other)?)))
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Cells by rows, the first of them the heads.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub title: String,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: &str, heads: &[impl AsRef<str>]) -> Self {
        Self {
            title: title.to_owned(),
            rows: vec![heads.iter().map(|head| head.as_ref().to_owned()).collect()],
        }
    }

    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// As Markdown that is legible as it is.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = format!("\n{}\n\n", self.title);
        for (n, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().copied().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                if column == 0 {
                    let _ = write!(text, "| {cell:<width$} ");
                } else {
                    let _ = write!(text, "| {cell:>width$} ");
                }
            }
            text.push_str("|\n");
            if n == 0 {
                for (column, width) in widths.iter().copied().enumerate() {
                    let (dashes, end) = ("-".repeat(width), if column == 0 { '-' } else { ':' });
                    let _ = write!(text, "|-{dashes}{end}");
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// A number with as many digits as it is worth.
pub fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

pub fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), figure)
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Every row beside the ceiling of its scenario.
pub fn scenarios(rows: &[Row], ceiling: &str) -> Table {
    let mut table = Table::new(
        "Scenarios, in the closed loop. Each as often as the other, by turns; medians, and latencies of all turns together",
        &[
            "scenario",
            "server",
            "clients",
            "a second",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "CPU us each",
            "bytes each",
            "RSS MiB",
            "of the ceiling's a second",
            "CPU over the ceiling's",
            "failures",
        ],
    );
    for row in rows {
        let all = row.all();
        let limit = rows
            .iter()
            .find(|other| other.scenario == row.scenario && other.server == ceiling);
        let limit = limit.filter(|_| row.server != ceiling);
        let ratio = |of: fn(&Measure) -> Option<f64>| limit.and_then(|limit| row.ratio(limit, of));
        table.push([
            row.scenario.name().to_owned(),
            row.server.clone(),
            row.connections.to_string(),
            figure(row.per_second()),
            figure(all.quantile_ms(0.5)),
            figure(all.quantile_ms(0.99)),
            figure(all.quantile_ms(0.999)),
            maybe(row.cpu_us()),
            all.bytes().to_string(),
            maybe(all.resident.map(mib)),
            maybe(ratio(|run| Some(run.per_second()))),
            maybe(ratio(Measure::cpu_us)),
            all.failures.to_string(),
        ]);
    }
    table
}

/// What the product aims at, and what was measured.
pub struct Aim {
    pub what: String,
    pub bound: String,
    pub measured: String,
    /// `None` where nothing was measured.
    pub holds: Option<bool>,
}

impl Aim {
    pub fn at_least(what: &str, least: f64, measured: Option<f64>) -> Self {
        Self {
            what: what.to_owned(),
            bound: format!("at least {}", figure(least)),
            measured: maybe(measured),
            holds: measured.map(|measured| measured >= least),
        }
    }

    pub fn at_most(what: &str, most: f64, measured: Option<f64>) -> Self {
        Self {
            what: what.to_owned(),
            bound: format!("at most {}", figure(most)),
            measured: maybe(measured),
            holds: measured.map(|measured| measured <= most),
        }
    }
}

pub fn aims(aims: &[Aim]) -> Table {
    let mut table = Table::new("Aims", &["what", "aim", "measured", "holds"]);
    for Aim {
        what,
        bound,
        measured,
        holds,
    } in aims
    {
        let holds = match holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        table.push([
            what.clone(),
            bound.clone(),
            measured.clone(),
            holds.to_owned(),
        ]);
    }
    table
}
