//! The house kept tidy: the rooms of `src/README.md` and whom each may name, read as data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A row of the table of rooms.
struct Room {
    may_name: Vec<String>,
    keeps: Vec<String>,
}

/// The table under `| room | knows | may name | keeps to itself |`.
fn rooms() -> BTreeMap<String, Room> {
    let map = fs::read_to_string(project().join("src/README.md")).unwrap();
    let rows = map
        .lines()
        .skip_while(|line| !line.starts_with("| room |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _knows, may_name, keeps] = *cells else {
            panic!("a row of rooms has four cells: {row}")
        };
        let row = Room {
            may_name: quoted(may_name),
            keeps: quoted(keeps),
        };
        (quoted(room).remove(0), row)
    })
    .collect()
}

/// The words between backticks.
fn quoted(cell: &str) -> Vec<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// Every source file below a folder, with its path from the project's root.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![project().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(project()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!files.is_empty());
    files
}

/// `src/api/orders.rs` is of the room `api`, `src/app.rs` of `app`.
fn room_of(path: &Path) -> String {
    let first = path
        .components()
        .nth(1)
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file, without its comments.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("//") {
        Some((code, _)) if !code.contains('"') => code,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows each `crate::` and, in `main.rs`, the crate's own name.
fn rooms_named(code: &str) -> Vec<String> {
    let after = |prefix: &str| {
        let pieces = code.split(prefix).skip(1);
        pieces.map(first_word).collect::<Vec<_>>()
    };
    let mut named = after("crate::");
    named.extend(after("electron_market::"));
    named
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Whether code names a crate: `redb::`, `use redb;`.
fn names_crate(code: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    code.match_indices(&name).any(|(at, _)| {
        let (before, rest) = code.split_at(at);
        let after = rest.split_at(name.len()).1;
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        starts && after.starts_with("::")
    })
}

#[test]
fn a_room_names_only_whom_it_may() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let room = room_of(&path);
        if room == "lib" {
            continue;
        }
        let row = rooms
            .get(&room)
            .unwrap_or_else(|| panic!("src/README.md has no room {room}"));
        for named in rooms_named(&code(&text)) {
            let is_allowed = named == room || row.may_name.contains(&named) || named.is_empty();
            if !is_allowed && rooms.contains_key(&named) {
                wrong.push(format!("{}: {named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden by src/README.md: {wrong:#?}");
}

#[test]
fn what_a_room_keeps_to_itself_no_other_names() {
    let rooms = rooms();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let code = code(&text);
        let room = room_of(&path);
        for (keeper, row) in &rooms {
            for kept in row
                .keeps
                .iter()
                .filter(|kept| *keeper != room && names_crate(&code, kept))
            {
                wrong.push(format!("{}: {kept}, which {keeper} keeps", path.display()));
            }
        }
        let is_codec = path == Path::new("src/store/codec.rs");
        if !is_codec && names_crate(&code, "bincode") {
            wrong.push(format!(
                "{}: bincode, which store/codec.rs keeps",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_do_no_io_read_no_clock_and_wait_for_nothing() {
    for (path, text) in sources("src/shop") {
        let code = code(&text);
        for word in [
            "std::fs",
            "std::io",
            "std::net",
            "std::env",
            "std::thread",
            "std::process",
            "SystemTime",
            "Instant",
            "async ",
            ".await",
            "tokio",
            "getrandom",
            "print!",
            "println!",
        ] {
            assert!(!code.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn every_file_opens_with_one_sentence_of_what_it_is_for() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(sources);
    for (path, text) in files {
        let opening = text
            .lines()
            .take_while(|line| line.starts_with("//!") && *line != "//!");
        let opening: Vec<&str> = opening
            .map(|line| line.trim_start_matches("//!").trim())
            .collect();
        let sentence = opening.join(" ");
        let ends = sentence.ends_with(['.', ':']);
        let is_map = path == Path::new("src/lib.rs") && text.starts_with("#![doc = include_str!");
        assert!(
            is_map || (ends && sentence.len() > 10),
            "{}: {sentence:?}",
            path.display()
        );
    }
}

#[test]
fn no_code_of_ours_is_unsafe() {
    let manifest = fs::read_to_string(project().join("Cargo.toml")).unwrap();
    let lints = manifest.split_once("[lints.rust]").unwrap().1;
    let lints = lints.split("\n[").next().unwrap();
    let is_forbidden = |line: &str| line.trim() == r#"unsafe_code = "forbid""#;
    assert!(lints.lines().any(is_forbidden), "Cargo.toml: {lints}");
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = ["to", "unimple", "dbg", "#[ign"]
        .into_iter()
        .zip(["do!(", "mented!(", "!(", "ore]"]);
    let marks: Vec<String> = marks.map(|(a, b)| format!("{a}{b}")).collect();
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        for mark in &marks {
            assert!(
                !text.contains(mark.as_str()),
                "{} has {mark}",
                path.display()
            );
        }
    }
}

#[test]
fn a_forbidden_name_would_be_found() {
    let named = rooms_named(&code(
        "use crate::store::Store; // crate::http\nlet x = crate::api::f();",
    ));
    assert_eq!(named, ["store", "api"]);
    assert!(names_crate("use redb::Database;", "redb"));
    assert!(names_crate("fn f(x: hyper_util::rt::X)", "hyper-util"));
    assert!(!names_crate("predb::x; crate::redb::y; // redb", "redb"));
    let rooms = rooms();
    assert!(rooms["shop"].may_name.is_empty() && rooms["http"].may_name.is_empty());
    assert!(rooms["store"].keeps.contains(&"redb".to_owned()));
}
