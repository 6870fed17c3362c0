//! Pages built into the binary.

/// The front door for people.
pub fn home(version: &str) -> String {
    include_str!("home.html").replace("{version}", version)
}
