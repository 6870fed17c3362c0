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

/// A line of the file that is not, or not all, what synonyms are written like.
#[derive(Debug, PartialEq, Eq)]
struct Oddity {
    line: usize,
    what: &'static str,
}

/// A word, or two that stand for one: `hard drive`.
type Words = Vec<String>;

/// Words of a phrase.
const PHRASE_MAX: usize = 2;

impl Synonyms {
    /// From the file, which is made if it is not there.
    pub fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(text) => {
                let (synonyms, oddities) = Self::parse(&String::from_utf8_lossy(&text));
                for Oddity { line, what } in oddities {
                    tracing::warn!(file = %path.display(), line, "{what}");
                }
                Ok(synonyms)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::write(path, BUILT_IN)?;
                Ok(Self::built_in())
            }
            Err(error) => Err(error),
        }
    }

    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).0
    }

    /// `laptop = notebook`: every word of a line means what the others do, whatever their number.
    /// `#` begins a comment. What has no meaning is told, and passed over.
    fn parse(text: &str) -> (Self, Vec<Oddity>) {
        let mut synonyms = HashMap::<String, Vec<Words>>::new();
        let mut oddities = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let mut odd = |what| oddities.push(Oddity { line: number, what });
            if number > LINES_MAX {
                odd("this line and all after it are passed over: 10,000 lines are read");
                break;
            }
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut group: Vec<Words> = line.split('=').map(words::of_query).collect();
            group.retain(|words| {
                let is_short = (1..=PHRASE_MAX).contains(&words.len());
                if !is_short {
                    odd("one or two words stand on each side of a =, and these are passed over");
                }
                is_short
            });
            if group.len() < 2 {
                odd("synonyms are written `laptop = notebook`, and this line means nothing");
                continue;
            }
            if group.len() > WORDS_MAX {
                odd("16 words of a line are read, and the others passed over");
                group.truncate(WORDS_MAX);
            }
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
        (Self(synonyms), oddities)
    }

    /// What means the same as a word, or as two words put together.
    pub fn of(&self, word: &str) -> &[Words] {
        self.0.get(word).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_meaning_is_told_by_its_line() {
        let text =
            "# words\n\nlaptop = notebook\ntelephone\ntv = a very big screen\nfridge = = cooler\n";
        let (synonyms, oddities) = Synonyms::parse(text);
        let lines: Vec<_> = oddities.iter().map(|oddity| oddity.line).collect();
        assert_eq!(lines, [4, 5, 5, 6]);
        for (word, other) in [("laptop", "notebook"), ("fridge", "cooler")] {
            let others = synonyms.of(word);
            assert!(others.contains(&vec![other.into()]), "{others:?}");
        }
        assert!(synonyms.of("tv").is_empty());
        let (_, oddities) = Synonyms::parse(BUILT_IN);
        assert_eq!(oddities, []);
        let (_, oddities) = Synonyms::parse(&"a = b\n".repeat(LINES_MAX + 5));
        assert_eq!(oddities.len(), 1);
    }
}
