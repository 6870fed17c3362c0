#![doc = include_str!("README.md")]

pub mod settings;

pub mod http;

pub mod shop;

pub mod causes;
pub mod priority;
pub mod rates;
pub mod turns;

pub mod auth;
pub mod photo;
pub mod store;

pub mod django;
pub mod keys;

pub mod search;

pub mod ui;

pub mod api;

pub mod app;

pub mod cli;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
