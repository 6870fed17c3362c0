//! The README's table of knobs, held against the command line that it describes.

use std::fs;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};
use electron_market::http::limits;
use electron_market::settings::CommandLine;

/// Every knob with a variable of its own, of the program and of its commands.
fn knobs(command: &Command) -> Vec<Arg> {
    let own = command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some())
        .cloned();
    own.chain(command.get_subcommands().flat_map(knobs))
        .collect()
}

#[test]
fn every_knob_is_in_the_readme_with_its_variable_and_default() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let knobs = knobs(&CommandLine::command());
    assert!(knobs.len() >= 6, "{knobs:?}");
    for knob in knobs {
        let flag = knob.get_long().unwrap();
        let variable = knob.get_env().unwrap().to_str().unwrap();
        let defaults = knob.get_default_values().iter();
        let default: Vec<_> = defaults.map(|value| value.to_str().unwrap()).collect();
        let sentence = knob.get_help().unwrap().to_string();
        let sentence = sentence.lines().collect::<Vec<_>>().join(" ");
        let default = match default[..] {
            [] | ["false"] => "off".to_owned(),
            _ => format!("`{}`", default.join(",")),
        };
        let row = format!("| `--{flag}` | `{variable}` | {default} | {sentence} |");
        assert!(readme.contains(&row), "README.md lacks this row:\n{row}");
    }
}

#[test]
fn every_limit_is_in_the_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for (what, limit, beyond) in limits::table() {
        let row = format!("| {what} | {limit} | {beyond} |");
        assert!(readme.contains(&row), "README.md lacks this row:\n{row}");
    }
}
