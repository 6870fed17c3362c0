//! What can be said on the command line: every command, every knob with its flag, its variable,
//! its default and its sentence. `--help` is printed from here, and the README's table compared with it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::auth::password::Policy;
use crate::http::limits::{self, Deadlines};
use crate::http::{Cors, Door, HeaderValue, Proxies, Tls, TlsError};
use crate::rates::Rates;

#[derive(Debug, Parser)]
#[command(
    name = "electron-market",
    version,
    about = "An online shop's whole back end: one program, with its store inside.",
    after_help = "Open a shop full of electronics to try: electron-market serve --demo",
    propagate_version = true
)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
    /// The folder that the shop lives in; one process at a time holds it
    #[arg(
        long,
        global = true,
        env = "ELECTRON_MARKET_DATA_DIR",
        default_value = "data/shop",
        value_name = "FOLDER"
    )]
    pub data_dir: PathBuf,
    /// Memory for pages of the store, in MiB
    #[arg(
        long,
        global = true,
        env = "ELECTRON_MARKET_CACHE_MIB",
        default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(4..),
        value_name = "MIB"
    )]
    pub cache_mib: u16,
    /// Space to leave free on the store's disk, in MiB: below it writes are refused until there is
    /// more, so that the store never meets the disk's end
    #[arg(
        long,
        global = true,
        env = "ELECTRON_MARKET_MIN_FREE_MIB",
        default_value_t = 64,
        value_name = "MIB"
    )]
    pub min_free_mib: u32,
    /// What an answer waits for: log (one fsync of a log before the store) or store (the store's own
    /// commit, which takes longer)
    #[arg(
        long,
        global = true,
        env = "ELECTRON_MARKET_DURABILITY",
        default_value = "log",
        value_name = "LOG|STORE"
    )]
    pub durability: DurabilityName,
    /// What is logged: error, warn, info, debug, or a filter such as
    /// `info,electron_market::store=debug` [default: info for serve, warn for the other commands]
    #[arg(
        long,
        global = true,
        env = "ELECTRON_MARKET_LOG",
        value_name = "FILTER"
    )]
    pub log: Option<String>,
    /// How it is logged: text, json, or auto: text on a terminal, JSON otherwise
    #[arg(
        long,
        global = true,
        env = "ELECTRON_MARKET_LOG_FORMAT",
        default_value = "auto",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityName {
    Log,
    Store,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the shop and serve it until told to stop (SIGTERM or Ctrl-C)
    Serve(Serve),
    /// Make admins and set passwords, at the folder itself
    #[command(subcommand)]
    Admin(Admin),
    /// Replace the key that signs tokens, at the folder of a closed shop
    #[command(subcommand)]
    Key(Key),
    /// Put products of a JSON Lines file on the shelf
    Import(Import),
    /// Move in from the original: take over the database of the Django shop with every id
    ///
    /// Brings users with their passwords and roles, categories, products with their stock, comments, carts
    /// and orders, each under the id that it has there, into a new shop. Stop the original first: what
    /// is sold there afterwards is not seen here.
    ///
    /// The tables are found by their columns, whatever the apps are called. A row that can't come is named
    /// on standard error by its table, its id and the reason, with all that hangs on it: names that differ
    /// only by case, stock below zero, prices out of bounds, comments longer than 150 characters, orders
    /// whose total is not that of their lines. An account comes without an email, phone or photo that
    /// can't come, categories of one name become one, and an order comes though its product is gone.
    ///
    /// What is here under the same id stays as it is, and an id that was given here is not given again:
    /// running it twice changes nothing. Passwords go on working; the first login replaces the hash by a
    /// stronger one.
    ImportDjango(ImportDjango),
    /// Write every product as JSON Lines, the form that import reads
    Export(Export),
    /// Write a backup: one moment of the shop, open or closed, every record of it verified
    Backup(Backup),
    /// Put a backup in the place of a closed shop's store
    Restore(Restore),
    /// Build the search index anew; the shop does so by itself when it must
    Reindex,
    /// Check every record, what must agree across tables, the search index and the token keys;
    /// changes nothing
    Doctor,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen at; port 0 takes a free one
    #[arg(
        long,
        env = "ELECTRON_MARKET_LISTEN",
        default_value = "127.0.0.1:8000",
        value_name = "ADDRESS"
    )]
    pub listen: String,
    /// Fill an empty shop with a small catalogue, a customer and an admin, and print their passwords once
    #[arg(long, env = "ELECTRON_MARKET_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub demo: bool,
    /// An origin whose pages may read replies in a browser, such as <https://shop.example>, or * for
    /// all; several are separated by commas
    #[arg(
        long,
        env = "ELECTRON_MARKET_CORS_ORIGIN",
        value_delimiter = ',',
        value_parser = origin,
        value_name = "ORIGIN"
    )]
    pub cors_origin: Vec<HeaderValue>,
    /// The address or network of a proxy that is trusted to say in X-Forwarded-For for whom it
    /// asks; several are separated by commas
    #[arg(
        long,
        env = "ELECTRON_MARKET_TRUSTED_PROXY",
        value_delimiter = ',',
        value_parser = network,
        value_name = "ADDRESS"
    )]
    pub trusted_proxy: Vec<IpNet>,
    /// Whether callers are told to come again later when they ask too often
    #[arg(
        long,
        env = "ELECTRON_MARKET_RATE_LIMITS",
        default_value = "on",
        value_name = "ON|OFF"
    )]
    pub rate_limits: Switch,
    /// Serve HTTPS and HTTP/2 with this certificate, a PEM file with those that vouch for it;
    /// SIGHUP reads it again
    #[arg(
        long,
        env = "ELECTRON_MARKET_TLS_CERT",
        requires = "tls_key",
        value_name = "FILE"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file
    #[arg(
        long,
        env = "ELECTRON_MARKET_TLS_KEY",
        requires = "tls_cert",
        value_name = "FILE"
    )]
    pub tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub passwords: PasswordSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// `*`, or a scheme and a host as browsers write them.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim();
    let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
        ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains('/')
    });
    let value = HeaderValue::from_str(text).ok();
    value.filter(|_| text == "*" || is_origin).ok_or_else(|| {
        "an origin is a scheme and a host, such as https://shop.example, without a path".into()
    })
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || Some(IpNet::from(text.parse::<IpAddr>().ok()?));
    text.parse().ok().or_else(address).ok_or_else(|| {
        "a proxy is an address such as 10.0.0.7, or a network such as 10.0.0.0/8".into()
    })
}

impl Serve {
    pub fn rates(&self) -> Rates {
        match self.rate_limits {
            Switch::On => Rates::limited(),
            Switch::Off => Rates::unlimited(),
        }
    }

    pub fn door(&self) -> Result<Door, TlsError> {
        let pair = self.tls_cert.clone().zip(self.tls_key.clone());
        let tls = pair.map(|(cert, key)| Tls::open(cert, key)).transpose()?;
        Ok(Door {
            cors: Cors::of(self.cors_origin.clone()),
            proxies: Proxies::trusting(self.trusted_proxy.clone()),
            tls: tls.map(Arc::new),
            deadlines: Deadlines::default(),
            per_address_max: match self.rate_limits {
                Switch::On => Some(limits::CONNECTIONS_PER_ADDRESS_MAX),
                Switch::Off => None,
            },
        })
    }
}

#[derive(Debug, Args)]
pub struct PasswordSettings {
    /// What a new password must be: standard (8 characters, not all digits, not a common one) or
    /// strict (also hard to guess from the account's own names)
    #[arg(
        long,
        env = "ELECTRON_MARKET_PASSWORD_POLICY",
        default_value = "standard",
        value_name = "POLICY"
    )]
    password_policy: PolicyName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyName {
    Standard,
    Strict,
}

impl PasswordSettings {
    pub fn policy(&self) -> Policy {
        match self.password_policy {
            PolicyName::Standard => Policy::Standard,
            PolicyName::Strict => Policy::Strict,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Open an admin's account
    Create(AdminCreate),
    /// Make an account an admin's, and let it sign in
    Promote {
        /// Whose account
        #[arg(long, value_name = "NAME")]
        username: String,
    },
    /// Set an account's password; every session of it ends
    Passwd(AdminPasswd),
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Sign with a new key; tokens of the one before stay good until they expire, a day at most
    Rotate {
        /// End every session at once, for a key that somebody else has seen
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Debug, Args)]
pub struct AdminCreate {
    /// The new account's name
    #[arg(long, value_name = "NAME")]
    pub username: String,
    /// Its email address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    #[command(flatten)]
    pub password: NewPassword,
}

#[derive(Debug, Args)]
pub struct AdminPasswd {
    /// Whose account
    #[arg(long, value_name = "NAME")]
    pub username: String,
    #[command(flatten)]
    pub password: NewPassword,
}

#[derive(Debug, Args)]
pub struct NewPassword {
    /// Read the password from standard input, up to the first line's end, instead of asking
    #[arg(long)]
    pub password_stdin: bool,
    #[command(flatten)]
    pub settings: PasswordSettings,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The file, plain or gzipped; - is standard input. A line is a JSON object with the keys
    /// `title`, `category` and `price`, and perhaps `description` and `quantity`; others are kept out
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Change products that have a row's title instead of adding others of that title
    #[arg(long)]
    pub upsert: bool,
    /// Pieces in stock where a row names none [default: 0, or what is there with --upsert]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=2_147_483_647))]
    pub quantity: Option<u32>,
    /// Check every row and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write nothing unless every row is good
    #[arg(long)]
    pub all_or_nothing: bool,
}

#[derive(Debug, Args)]
pub struct ImportDjango {
    /// The original's database, a file such as db.sqlite3; it is only read
    #[arg(value_name = "DB.SQLITE3")]
    pub file: PathBuf,
    /// The folder that the paths in the photo column start from (the original's `MEDIA_ROOT`); photos
    /// are decoded and encoded anew like any upload
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Say what would come and what could not, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The key that the original signs tokens with (its `SECRET_KEY`, or `SIGNING_KEY` of `SIMPLE_JWT`): tokens
    /// it gave out stay good until they expire, a day at most. Not for a key that was ever published
    #[arg(
        long,
        env = "ELECTRON_MARKET_DJANGO_SECRET_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub django_secret_key: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("again").multiple(true))]
pub struct Backup {
    /// The new file to write; with --every or --follow, the folder
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// Go on writing them, this far apart: 30m, 1h, 1d; with --follow, whole copies, 1h apart unless
    /// it is named
    #[arg(long, value_name = "TIME", group = "again")]
    pub every: Option<jiff::SignedDuration>,
    /// Keep the folder current with every change, to be restored as it was at any moment
    #[arg(long, group = "again")]
    pub follow: bool,
    /// How many of them to keep, with the changes since the oldest
    #[arg(long, value_name = "N", default_value_t = 24, requires = "again", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The backup, or the folder that `backup --follow` keeps
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// The moment to restore of such a folder, as 2026-11-25T14:03:00Z: all that was answered before
    #[arg(long, value_name = "TIME")]
    pub to_time: Option<jiff::Timestamp>,
    /// Replace the store that is there; it is kept beside the new one
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The file to write; standard output when it is not named
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}
