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
pub struct Synonyms(HashMap<String, Vec<Words>>);

/// A word, or two that stand for one: `hard drive`.
type Words = Vec<String>;

/// Words of a phrase.
const PHRASE_MAX: usize = 2;

impl Synonyms {
    /// From the file, which is made if it is not there.
    pub fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(text) => Ok(Self::parse(&String::from_utf8_lossy(&text))),
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
        let mut synonyms = HashMap::<String, Vec<Words>>::new();
        for line in text.lines().take(LINES_MAX) {
            let line = line.split('#').next().unwrap_or_default();
            let sides = line.split('=').map(words::of_query);
            let mut group: Vec<Words> = sides
                .filter(|words| (1..=PHRASE_MAX).contains(&words.len()))
                .take(WORDS_MAX)
                .collect();
            for words in group.clone() {
                let Some((last, first)) = words.split_last() else {
                    continue;
                };
                for other in words::other_numbers(last) {
                    group.push([first, &[other]].concat());
                }
            }
            for words in &group {
                let others = group.iter().filter(|other| *other != words).cloned();
                // A phrase is looked up by its words put together.
                synonyms.entry(words.concat()).or_default().extend(others);
            }
        }
        Self(synonyms)
    }

    /// What means the same as a word, or as two words put together.
    pub fn of(&self, word: &str) -> &[Words] {
        self.0.get(word).map_or(&[], Vec::as_slice)
    }
}
