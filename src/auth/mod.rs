//! Who is asking: passwords and tokens.

pub mod django;
pub mod password;
pub mod token;

#[cfg(test)]
mod tests;
