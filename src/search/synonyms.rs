//! Synonyms: words that mean the same, from a file that a shop owner can edit.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use super::words;

/// What a new shop begins with.
const BUILT_IN: &str = include_str!("synonyms.txt");

/// Lines read, and words of a line: bounds what a query can be widened to.
const LINES_MAX: usize = 10_000;
const WORDS_MAX: usize = 16;

#[derive(Debug, Default)]
pub struct Synonyms(HashMap<String, Vec<String>>);

impl Synonyms {
    /// From the file, which is made if it is not there.
    pub fn load(path: &Path) -> io::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::write(path, BUILT_IN)?;
                Ok(Self::built_in())
            }
            Err(error) => Err(error),
        }
    }

    pub fn built_in() -> Self {
        Self::parse(BUILT_IN)
    }

    /// `laptop = notebook`: every word of a line means what the others do, whatever their number.
    /// `#` begins a comment.
    fn parse(text: &str) -> Self {
        let mut synonyms = HashMap::<String, Vec<String>>::new();
        for line in text.lines().take(LINES_MAX) {
            let line = line.split('#').next().unwrap_or_default();
            // Of `cell phone` only the joined `cellphone` could be looked up: one word a side.
            let mut group: Vec<String> = line
                .split('=')
                .map(|side| words::of_query(side).concat())
                .filter(|word| !word.is_empty())
                .take(WORDS_MAX)
                .collect();
            for word in group.clone() {
                group.extend(words::other_numbers(&word));
            }
            for word in &group {
                let others = group.iter().filter(|other| *other != word).cloned();
                synonyms.entry(word.clone()).or_default().extend(others);
            }
        }
        Self(synonyms)
    }

    pub fn of(&self, word: &str) -> &[String] {
        self.0.get(word).map_or(&[], Vec::as_slice)
    }
}
