//! `import`: products from JSON Lines, checked row by row.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::mem;
use std::path::Path;

use anyhow::{Context, bail};
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Ended, in_new_shop};
use crate::api::form::{Fields, Form};
use crate::api::kinds::{CATEGORY_NAME, DESCRIPTION, PriceKind, QUANTITY, TITLE};
use crate::app::now;
use crate::settings::{CommandLine, Import};
use crate::shop::ids::ProductId;
use crate::shop::products::{CategoryName, Draft, Edit, Price};
use crate::store::{ImportRow, Store, StoreError};

/// Rows in one transaction: an fsync is shared by many, and the bar still moves.
const ROWS_AT_ONCE: usize = 1_000;

/// A line may hold the longest description six times over, every character escaped.
const LINE_MAX_BYTES: usize = 1 << 20;

/// Bad rows named one by one; the others are counted.
const NAMED_MAX: u64 = 1_000;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A good row of the file.
pub struct Row {
    title: String,
    category: CategoryName,
    description: String,
    price: Price,
    quantity: Option<u32>,
}

impl Fields for Row {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let title = form.required("title", &TITLE);
        let category = form.required("category", &CATEGORY_NAME);
        let description = form.optional("description", &DESCRIPTION);
        let price = form.required("price", &PriceKind);
        let quantity = form.optional("quantity", &QUANTITY);
        Some(Self {
            title: title?,
            category: category?,
            description: description?.unwrap_or_default(),
            price: price?,
            quantity: quantity?,
        })
    }
}

impl Row {
    /// The row of a line, or everything that is wrong with it in one sentence.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let row = Form::from_json(line).and_then(Form::read);
        // The line is known; what is left to say of it is where on it.
        row.map_err(|problem| {
            problem
                .sentence()
                .replace(", at line 1 column", ", at column")
        })
    }

    /// As a new product, with this many pieces if it names none.
    pub fn offer(self, quantity: u32) -> ImportRow {
        let draft = Draft {
            title: self.title,
            description: self.description,
            price: self.price,
            quantity: self.quantity.unwrap_or(quantity),
        };
        ImportRow::Offer(draft, self.category)
    }

    /// As a change of a product; stock that neither the row nor the command names stays.
    fn edit(self, id: ProductId, quantity: Option<u32>) -> ImportRow {
        let edit = Edit {
            title: Some(self.title),
            category: Some(self.category),
            description: Some(self.description),
            price: Some(self.price),
            quantity: self.quantity.or(quantity),
        };
        ImportRow::Edit(id, edit)
    }
}

pub async fn import(line: &CommandLine, asked: &Import) -> anyhow::Result<Ended> {
    let file = Source::open(&asked.file)?;
    in_new_shop(line, "import", async |store| {
        if file.bar.is_hidden() {
            announce(&asked.file);
        }
        import_rows(store, file, asked).await
    })
    .await
}

async fn import_rows(store: &Store, file: Source, asked: &Import) -> anyhow::Result<Ended> {
    let mut run = Run::new(store, asked)?;
    let Source { mut rows, bar } = file;
    while let Some((number, row)) = next_row(&mut rows, &asked.file)? {
        match row {
            Ok(row) => run.take(row),
            Err(reason) => {
                run.refused += 1;
                if run.refused <= NAMED_MAX {
                    bar.suspend(|| name_bad_row(number, &reason));
                }
            }
        }
        if run.rows.len() >= ROWS_AT_ONCE && !asked.all_or_nothing {
            run.write().await?;
        }
    }
    if asked.all_or_nothing && run.refused > 0 {
        run.forget();
    }
    run.write().await?;
    bar.finish_and_clear();
    Ok(run.end())
}

fn next_row(rows: &mut Rows, path: &Path) -> anyhow::Result<Option<Numbered>> {
    match rows.read_next() {
        Ok(row) => Ok(row),
        Err(Stopped::Read(error)) => {
            Err(error).with_context(|| format!("{} can't be read on", path.display()))
        }
        Err(Stopped::Array) => {
            let path = path.display();
            bail!(
                "{path} is one JSON array; an object on each line is expected (jq -c '.[]' {path})"
            );
        }
    }
}

/// One import on its way.
struct Run<'a> {
    store: &'a Store,
    asked: &'a Import,
    /// With `--upsert`: the products of each title that no row has met yet, by id.
    known: HashMap<String, VecDeque<ProductId>>,
    rows: Vec<ImportRow>,
    new: u64,
    changed: u64,
    refused: u64,
}

impl<'a> Run<'a> {
    fn new(store: &'a Store, asked: &'a Import) -> Result<Self, StoreError> {
        let mut known = HashMap::<_, VecDeque<_>>::new();
        if asked.upsert {
            store.each_product(|listed| {
                let product = listed.product;
                known
                    .entry(product.title)
                    .or_default()
                    .push_back(product.id);
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(Self {
            store,
            asked,
            known,
            rows: Vec::new(),
            new: 0,
            changed: 0,
            refused: 0,
        })
    }

    /// The n-th row of a title meets the n-th product of that title, so that a file exported and
    /// imported again changes nothing, whatever titles stand twice in it.
    fn take(&mut self, row: Row) {
        let met = self.known.get_mut(&row.title).and_then(VecDeque::pop_front);
        let quantity = self.asked.quantity;
        self.rows.push(if let Some(id) = met {
            self.changed += 1;
            row.edit(id, quantity)
        } else {
            self.new += 1;
            row.offer(quantity.unwrap_or(0))
        });
    }

    async fn write(&mut self) -> Result<(), StoreError> {
        let rows = mem::take(&mut self.rows);
        if !self.asked.dry_run && !rows.is_empty() {
            self.store.import(rows, now()).await?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.rows.clear();
        (self.new, self.changed) = (0, 0);
    }

    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn end(self) -> Ended {
        let Self {
            new,
            changed,
            refused,
            asked,
            ..
        } = self;
        if refused > NAMED_MAX {
            println!(
                "{} more rows were refused than are named above.",
                refused - NAMED_MAX
            );
        }
        let taken = new + changed;
        let done = if asked.dry_run {
            "would be imported"
        } else {
            "imported"
        };
        println!("{taken} products {done} ({new} new, {changed} changed), {refused} rows refused.");
        if asked.all_or_nothing && refused > 0 {
            println!("Nothing was written, for not every row is good (--all-or-nothing).");
        }
        if refused == 0 {
            Ended::Well
        } else {
            Ended::WithRefusals
        }
    }
}

/// The file, and the bar that follows how far it is read.
struct Source {
    rows: Rows,
    bar: ProgressBar,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("{} can't be opened", path.display());
        let (file, length): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).with_context(cannot)?;
            let length = file.metadata().with_context(cannot)?.len();
            (Box::new(file), Some(length))
        };
        let bar = progress_bar(length);
        let rows = Rows::of(bar.wrap_read(file)).with_context(cannot)?;
        Ok(Self { rows, bar })
    }
}

/// The rows of a file, plain or packed.
pub struct Rows {
    lines: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
}

/// A row, or what is wrong with it, and the number of its line.
type Numbered = (u64, Result<Row, String>);

/// Why no more rows can be read.
#[derive(Debug)]
pub enum Stopped {
    Read(io::Error),
    /// It is one array instead of an object on each line.
    Array,
}

impl Rows {
    pub fn of(file: impl Read + Send + 'static) -> io::Result<Self> {
        let mut packed = BufReader::new(file);
        let lines: Box<dyn BufRead + Send> = if packed.fill_buf()?.starts_with(b"\x1f\x8b") {
            Box::new(BufReader::new(MultiGzDecoder::new(packed)))
        } else {
            Box::new(packed)
        };
        Ok(Self {
            lines,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next row; blank lines are passed over.
    pub fn read_next(&mut self) -> Result<Option<Numbered>, Stopped> {
        loop {
            let read = next_line(&mut self.lines, &mut self.line).map_err(Stopped::Read)?;
            let Some(is_whole) = read else {
                return Ok(None);
            };
            self.number += 1;
            let text = match self.number {
                1 => self
                    .line
                    .strip_prefix(BYTE_ORDER_MARK)
                    .unwrap_or(&self.line),
                _ => &self.line,
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            if text.trim_ascii() == b"[" || text.trim_ascii_start().starts_with(b"[{") {
                return Err(Stopped::Array);
            }
            let row = if self.number == 1 && text.first().is_some_and(u8::is_ascii_alphabetic) {
                Err("This is no JSON Lines: a line is an object such as {\"title\": \"Kettle\", \"category\": \"Kitchen\", \"price\": \"19.90\"}.".into())
            } else if is_whole {
                Row::read(text)
            } else {
                Err(format!("It is longer than {LINE_MAX_BYTES} bytes."))
            };
            return Ok(Some((self.number, row)));
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let style = if length.is_some() {
        "{wide_bar} {bytes}/{total_bytes}, {eta} to go"
    } else {
        "{spinner} {bytes} read"
    };
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Reads a line without its end: `None` at the end of the file, `Some(false)` for one that is too
/// long, of which only the beginning is kept.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let max = LINE_MAX_BYTES as u64 + 1;
    if lines.by_ref().take(max).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_some() || line.len() <= LINE_MAX_BYTES {
        return Ok(Some(true));
    }
    lines.skip_until(b'\n')?;
    Ok(Some(false))
}

#[expect(clippy::print_stderr, reason = "standard output is for the summary")]
fn name_bad_row(number: u64, reason: &str) {
    eprintln!("line {number}: {reason}");
}

#[expect(clippy::print_stderr, reason = "standard output is for the summary")]
fn announce(path: &Path) {
    eprintln!("importing {}", path.display());
}
