//! The integration tests: a real shop in a process of its own, heard over its socket and its command line.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

mod command;
mod day;
mod forge;
mod judge;
mod random;
mod shop;

mod access;
mod backups;
mod caching;
mod carts;
mod cli;
mod comments;
mod crash;
mod doctor;
mod door;
mod finding;
mod follow;
mod gate;
mod headers;
mod keys;
mod lists;
mod model;
mod moving;
mod naughty;
mod orders;
mod photos;
mod products;
mod quality;
mod races;
mod readme;
mod retries;
mod routes;
mod search;
mod tidy;
mod timing;
mod tokens;
mod upgrade;
mod uploads;
mod users;
mod walk;
mod wire;
