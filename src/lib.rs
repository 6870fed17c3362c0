pub mod shop;
pub mod auth;
pub mod store;
pub mod http;
