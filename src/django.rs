//! The original's database: an `SQLite` file as Django leaves it, its tables found by their columns and
//! their rows handed out as they are.
//!
//! The file is opened for reading only and checked before anything is believed of it; all that is read
//! is of one moment. What a row means is not known here.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::ErrorCode;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Params};

/// Rows in one page.
pub const PAGE: usize = 500;

/// What a table of the original holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    User,
    Category,
    Product,
    Comment,
    Cart,
    CartItem,
    Order,
    OrderItem,
    /// Refresh tokens that simplejwt gave out, and which of them are dead; not every shop has these.
    OutstandingToken,
    BlacklistedToken,
}

/// How a table is known: Django names it after its app, which may be called anything, and its
/// model, so the columns tell most and the end of the name the rest.
struct Shape {
    kind: Kind,
    what: &'static str,
    name_ends: &'static str,
    columns: &'static [&'static str],
    /// Those that are read where they are.
    extras: &'static [&'static str],
    is_optional: bool,
}

const fn shape(
    kind: Kind,
    what: &'static str,
    name_ends: &'static str,
    columns: &'static [&'static str],
    extras: &'static [&'static str],
) -> Shape {
    Shape {
        kind,
        what,
        name_ends,
        columns,
        extras,
        is_optional: false,
    }
}

/// Every `columns` begins with the key.
const SHAPES: [Shape; 10] = [
    shape(
        Kind::User,
        "users",
        "user",
        &[
            "id",
            "username",
            "password",
            "first_name",
            "email",
            "is_staff",
            "is_active",
            "date_joined",
        ],
        &["phone", "photo", "last_name"],
    ),
    shape(
        Kind::Category,
        "categories",
        "category",
        &["id", "name"],
        &[],
    ),
    shape(
        Kind::Product,
        "products",
        "product",
        &[
            "id",
            "title",
            "category_id",
            "quantity",
            "description",
            "price",
            "created_at",
        ],
        &[],
    ),
    shape(
        Kind::Comment,
        "comments",
        "comment",
        &[
            "id",
            "user_id",
            "product_id",
            "text",
            "created_at",
            "updated_at",
        ],
        &[],
    ),
    shape(Kind::Cart, "carts", "cart", &["id", "user_id"], &[]),
    shape(
        Kind::CartItem,
        "lines of carts",
        "cartitem",
        &["id", "cart_id", "product_id", "quantity"],
        &[],
    ),
    shape(
        Kind::Order,
        "orders",
        "order",
        &["id", "user_id", "status", "total_price", "created_at"],
        &[],
    ),
    shape(
        Kind::OrderItem,
        "lines of orders",
        "orderitem",
        &["id", "order_id", "product_id", "price", "quantity"],
        &["product_title"],
    ),
    Shape {
        is_optional: true,
        ..shape(
            Kind::OutstandingToken,
            "refresh tokens",
            "token_blacklist_outstandingtoken",
            &["id", "jti", "user_id", "expires_at"],
            &[],
        )
    },
    Shape {
        is_optional: true,
        ..shape(
            Kind::BlacklistedToken,
            "dead refresh tokens",
            "token_blacklist_blacklistedtoken",
            &["id", "token_id"],
            &[],
        )
    },
];

impl Kind {
    fn shape(self) -> &'static Shape {
        let shape = SHAPES.iter().find(|shape| shape.kind == self);
        shape.expect("every kind has a shape")
    }

    /// What its rows are, in the plural.
    pub fn what(self) -> &'static str {
        self.shape().what
    }
}

/// Tables of Django's own that look like one of a shop's.
fn is_djangos_own(table: &str) -> bool {
    let prefixes = ["sqlite_", "django_", "auth_group", "auth_permission"];
    prefixes.iter().any(|prefix| table.starts_with(prefix))
}

#[derive(Debug, thiserror::Error)]
pub enum DjangoError {
    #[error("{} can't be opened", .0.display())]
    Missing(PathBuf, #[source] io::Error),
    #[error("{} is no file", .0.display())]
    NoFile(PathBuf),
    #[error("{} is no SQLite database", .0.display())]
    NotSqlite(PathBuf),
    #[error("{} is damaged or cut short: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{} has a journal beside it that must be played back first, and is opened for reading only: copy both to where the copy may be written, and run `sqlite3 COPY .tables` on it once", .0.display()
    )]
    Journal(PathBuf, #[source] rusqlite::Error),
    #[error("{} can't be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: rusqlite::Error,
    },
    #[error(
        "{} is no database of the original: {}; its tables are: {there}", path.display(), missing.join("; ")
    )]
    NotTheOriginal {
        path: PathBuf,
        missing: Vec<String>,
        there: String,
    },
}

/// A value as it lies in the file, of whatever type it has there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Bytes, or text that is no UTF-8.
    Bytes,
}

/// A row: the values of the columns of its shape.
#[derive(Clone, Debug)]
pub struct Record {
    kind: Kind,
    values: Vec<Value>,
}

impl Record {
    /// A row with these values, the others null.
    #[cfg(test)]
    pub fn with(kind: Kind, given: &[(&str, Value)]) -> Self {
        let Shape {
            columns, extras, ..
        } = kind.shape();
        let value = |column: &&str| {
            let given = given.iter().find(|(name, _)| name == column);
            given.map_or(Value::Null, |(_, value)| value.clone())
        };
        let values = columns.iter().chain(*extras).map(value).collect();
        Self { kind, values }
    }

    /// The value of a column; one that is not in the table is null.
    pub fn value(&self, column: &str) -> &Value {
        let Shape {
            columns, extras, ..
        } = self.kind.shape();
        let mut names = columns.iter().chain(*extras);
        let at = names.position(|name| *name == column);
        let at = at.expect("columns are named by their shape");
        self.values.get(at).unwrap_or(&Value::Null)
    }

    pub fn key(&self) -> &Value {
        self.value("id")
    }
}

/// A table that was found.
#[derive(Debug)]
struct Table {
    name: String,
    /// What is selected from it, quoted; `NULL` for a column that it lacks.
    selected: String,
}

/// The original's database, open.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    connection: Connection,
    tables: BTreeMap<Kind, Table>,
}

impl Database {
    pub fn open(path: &Path) -> Result<Self, DjangoError> {
        let metadata = fs::metadata(path);
        let metadata = metadata.map_err(|error| DjangoError::Missing(path.to_owned(), error))?;
        if !metadata.is_file() {
            return Err(DjangoError::NoFile(path.to_owned())); // A pipe would never end.
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut database = Self {
            path: path.to_owned(),
            connection: Connection::open_with_flags(path, flags)
                .map_err(|error| told(path, error))?,
            tables: BTreeMap::new(),
        };
        database.check()?;
        database.tables = database.find_tables()?;
        Ok(database)
    }

    /// Begins the moment that is read, and looks whether the whole file is sound.
    fn check(&self) -> Result<(), DjangoError> {
        // The schema of a file from elsewhere must not call functions.
        let opening = "PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON; BEGIN;";
        let opened = self.connection.execute_batch(opening);
        opened.map_err(|error| self.told(error))?;
        // Also whether indexes agree with their tables: a line that one forgot would not be read.
        let said = self.texts("PRAGMA integrity_check(100)", [])?;
        let is_of_values = |what: &&String| {
            // The shop's own rules judge these, row by row.
            *what == "ok" || what.contains(" value in ") || what.starts_with("CHECK constraint")
        };
        match said.iter().find(|what| !is_of_values(what)) {
            None => Ok(()),
            Some(what) => Err(DjangoError::Damaged {
                path: self.path.clone(),
                what: what.trim().replace('\n', " "),
            }),
        }
    }

    fn find_tables(&self) -> Result<BTreeMap<Kind, Table>, DjangoError> {
        let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name";
        let mut tables = Vec::new();
        for name in self.texts(sql, [])? {
            let columns = self.texts("SELECT name FROM pragma_table_info(?1)", [&name])?;
            tables.push((name, columns.into_iter().collect::<HashSet<_>>()));
        }
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for shape in &SHAPES {
            match find(shape, &tables) {
                Ok((name, columns)) => {
                    let names = shape.columns.iter().chain(shape.extras);
                    let selected: Vec<_> = names
                        .map(|column| {
                            let is_there = columns.contains(*column);
                            is_there.then(|| quoted(column))
                        })
                        .map(|column| column.unwrap_or_else(|| "NULL".into()))
                        .collect();
                    let table = Table {
                        name: name.clone(),
                        selected: selected.join(", "),
                    };
                    found.insert(shape.kind, table);
                }
                Err(_) if shape.is_optional => {}
                Err(what) => missing.push(what),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let there: Vec<_> = tables.into_iter().map(|(name, _)| name).collect();
        Err(DjangoError::NotTheOriginal {
            path: self.path.clone(),
            missing,
            there: if there.is_empty() {
                "none".into()
            } else {
                there.join(", ")
            },
        })
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.tables.contains_key(&kind)
    }

    /// The table's name, or what it would hold.
    pub fn table(&self, kind: Kind) -> &str {
        let table = self.tables.get(&kind);
        table.map_or(kind.what(), |table| &table.name)
    }

    pub fn count(&self, kind: Kind) -> Result<u64, DjangoError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(self.table(kind)));
        let count = self.connection.query_row(&sql, [], |row| row.get(0));
        let count: i64 = count.map_err(|error| self.told(error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The last id that was given, also to a row that is gone.
    pub fn last_id(&self, kind: Kind) -> Result<i64, DjangoError> {
        let name = self.table(kind);
        let sql = format!("SELECT max(id) FROM {}", quoted(name));
        let max = |row: &rusqlite::Row<'_>| row.get::<_, Option<i64>>(0);
        let last = self.connection.query_row(&sql, [], max);
        // Text where an id should be: its row is refused.
        let mut last = last.ok().flatten().unwrap_or(0);
        // Django's tables are AUTOINCREMENT, which SQLite remembers here.
        let sql = "SELECT max(seq) FROM sqlite_sequence WHERE name = ?1";
        if let Ok(Some(given)) = self.connection.query_row(sql, [name], max) {
            last = last.max(given);
        }
        Ok(last)
    }

    /// The next rows by their ids, at most `PAGE`.
    pub fn page(&self, kind: Kind, after: i64) -> Result<Vec<Record>, DjangoError> {
        let rest = format!("WHERE id > ?1 ORDER BY id LIMIT {PAGE}");
        self.records(kind, &rest, [after])
    }

    /// The rows that name another one in this column.
    pub fn rows_of(&self, kind: Kind, column: &str, of: i64) -> Result<Vec<Record>, DjangoError> {
        let rest = format!("WHERE {} = ?1 ORDER BY id", quoted(column));
        self.records(kind, &rest, [of])
    }

    /// The rows that name in this column what is not there.
    pub fn orphans(
        &self,
        kind: Kind,
        column: &str,
        parent: Kind,
    ) -> Result<Vec<Record>, DjangoError> {
        let (column, parent) = (quoted(column), quoted(self.table(parent)));
        let rest = format!(
            "WHERE {column} IS NULL OR {column} NOT IN (SELECT id FROM {parent}) ORDER BY id"
        );
        self.records(kind, &rest, [])
    }

    /// The carts that something lies in, with the ids of their owners and of their last lines, in
    /// the order of these.
    pub fn filled_carts(&self) -> Result<Vec<(i64, i64)>, DjangoError> {
        let sql = format!(
            "SELECT cart_id, max(id) FROM {} WHERE cart_id IN (SELECT id FROM {}) GROUP BY cart_id ORDER BY 2",
            quoted(self.table(Kind::CartItem)),
            quoted(self.table(Kind::Cart)),
        );
        let read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(|error| self.told(error))
    }

    fn records(
        &self,
        kind: Kind,
        rest: &str,
        params: impl Params,
    ) -> Result<Vec<Record>, DjangoError> {
        let Some(Table { name, selected }) = self.tables.get(&kind) else {
            return Ok(Vec::new());
        };
        let sql = format!("SELECT {selected} FROM {} {rest}", quoted(name));
        let read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(params)?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|at| Ok(value(row.get_ref(at)?)));
                records.push(Record {
                    kind,
                    values: values.collect::<Result<_, rusqlite::Error>>()?,
                });
            }
            Ok(records)
        };
        read().map_err(|error| self.told(error))
    }

    fn texts(&self, sql: &str, params: impl Params) -> Result<Vec<String>, DjangoError> {
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map(params, |row| row.get(0))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(|error| self.told(error))
    }

    fn told(&self, error: rusqlite::Error) -> DjangoError {
        told(&self.path, error)
    }
}

type Columns = HashSet<String>;

/// The table of a shape, or why there is none.
fn find<'a>(
    shape: &Shape,
    tables: &'a [(String, Columns)],
) -> Result<&'a (String, Columns), String> {
    let is_alike = |(name, columns): &&(String, Columns)| {
        let mut needed = shape.columns.iter();
        !is_djangos_own(name) && needed.all(|column| columns.contains(*column))
    };
    let alike: Vec<_> = tables.iter().filter(is_alike).collect();
    let ends = |table: &&&(String, Columns)| table.0.ends_with(shape.name_ends);
    let named: Vec<_> = alike.iter().filter(ends).copied().collect();
    match (&named[..], &alike[..]) {
        ([only], _) | ([], [only]) => Ok(only),
        ([], []) => Err(format!(
            "no table has the columns of {} ({})",
            shape.what,
            shape.columns.join(", ")
        )),
        _ => {
            let names: Vec<_> = alike.iter().map(|table| table.0.as_str()).collect();
            Err(format!(
                "which of the tables {} holds {} is not to be told",
                names.join(", "),
                shape.what
            ))
        }
    }
}

fn told(path: &Path, cause: rusqlite::Error) -> DjangoError {
    let path = path.to_owned();
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => DjangoError::NotSqlite(path),
        Some(ErrorCode::DatabaseCorrupt) => DjangoError::Damaged {
            path,
            what: cause.to_string(),
        },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => DjangoError::Journal(path, cause),
        _ => DjangoError::Unreadable { path, cause },
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes,
        },
        ValueRef::Blob(_) => Value::Bytes,
    }
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
