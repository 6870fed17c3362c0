//! `export`: every product as JSON Lines, from one moment.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;

use super::{Ended, in_shop};
use crate::api::wire::Amount;
use crate::settings::{CommandLine, Export};
use crate::store::{ListedProduct, Store, StoreError};

/// A product as a row, with the keys that import reads.
#[derive(Serialize)]
struct Row<'a> {
    title: &'a str,
    category: &'a str,
    description: &'a str,
    price: Amount,
    quantity: u64,
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a row can't be written")]
    Write(#[from] io::Error),
}

pub async fn export(line: &CommandLine, asked: &Export) -> anyhow::Result<Ended> {
    if let Some(path) = asked.file.as_ref().filter(|path| path.exists()) {
        bail!("{} is there already; name another file", path.display());
    }
    let written = in_shop(line, "export", async |store| match &asked.file {
        None => match write_rows(store, io::stdout().lock()) {
            // Whoever read has seen enough.
            Err(ExportError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(None),
            rows => Ok(Some(rows?)),
        },
        Some(path) => write_file(store, path).map(Some),
    });
    if let Some(rows) = written.await? {
        tell(rows);
    }
    Ok(Ended::Well)
}

/// The file is there whole or not at all.
fn write_file(store: &Store, path: &Path) -> anyhow::Result<u64> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let draft = Path::new(&draft);
    let rows = File::create(draft)
        .map_err(ExportError::from)
        .and_then(|file| {
            let rows = write_rows(store, &file)?;
            file.sync_all()?;
            fs::rename(draft, path)?;
            Ok(rows)
        });
    if rows.is_err() {
        let _ = fs::remove_file(draft); // It may not even have been made.
    }
    rows.with_context(|| format!("{} can't be written", path.display()))
}

fn write_rows(store: &Store, out: impl Write) -> Result<u64, ExportError> {
    let mut out = BufWriter::new(out);
    let mut rows = 0;
    store.each_product(|listed| {
        let ListedProduct {
            product,
            category,
            stock,
        } = &listed;
        let row = Row {
            title: &product.title,
            category: category.as_str(),
            description: &product.description,
            price: Amount(product.price.money()),
            quantity: stock.0,
        };
        serde_json::to_writer(&mut out, &row).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        rows += 1;
        Ok::<_, ExportError>(())
    })?;
    out.flush()?;
    Ok(rows)
}

#[expect(clippy::print_stderr, reason = "standard output is for the rows")]
fn tell(rows: u64) {
    eprintln!("{rows} products exported.");
}
