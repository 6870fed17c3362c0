//! Suggestions: titles that complete what is being typed, and other words when nothing was found.

use std::collections::BTreeMap;

use super::vocabulary::WordPlace;
use super::{Search, SearchError, words};
use crate::shop::products::Filter;
use crate::store::{PageAsk, Place};

/// Typos looked beyond what a search forgives when nothing was found.
const FAR_TYPOS: usize = 3;

/// Words of a query that are corrected; a longer one is somebody's paste.
const WORDS_MAX: usize = 10;

impl Search {
    /// Products whose titles complete a text as it is typed, best first.
    pub fn complete(&self, text: &str, limit: usize) -> Result<Vec<Place>, SearchError> {
        let ask = PageAsk { after: None, limit };
        let filter = Filter {
            text: text.to_owned(),
            ..Filter::default()
        };
        Ok(self.find(&filter, None, ask, false)?.page)
    }

    /// What to search for instead when nothing was found: each word that no product has becomes
    /// the nearest word that some product has, and if that does not help, words are left out.
    pub fn instead_of(&self, filter: &Filter) -> Result<Option<String>, SearchError> {
        let asked = words::of_query(&filter.text);
        if asked.len() > WORDS_MAX {
            return Ok(None);
        }
        let mut known: Vec<(String, u32)> = asked
            .iter()
            .filter_map(|word| self.nearest_known(word))
            .collect();
        while !known.is_empty() {
            let words: Vec<&str> = known.iter().map(|(word, _)| word.as_str()).collect();
            // As they will be asked for: two may have become one.
            let words = words::of_query(&words.join(" "));
            let ask = PageAsk {
                after: None,
                limit: 1,
            };
            if words != asked && self.find_words(&words, filter, None, ask, false)?.total > 0 {
                return Ok(Some(words.join(" ")));
            }
            // The rarest word is the likeliest to stand in the way.
            let rarest = (0..known.len()).min_by_key(|at| known[*at].1).unwrap_or(0);
            known.remove(rarest);
        }
        Ok(None)
    }

    /// The word itself if any product has it or a longer one, else the nearest that one has, and
    /// how many products that is.
    fn nearest_known(&self, word: &str) -> Option<(String, u32)> {
        let state = self
            .follower
            .state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut has_it = 0;
        let mut near = BTreeMap::<String, u32>::new();
        for part in state.parts() {
            let count = |term| part.frequency(term);
            part.vocabulary.containing(word, |term, place| {
                if place != WordPlace::Inside {
                    has_it += count(term);
                }
            });
            let typos = match word.chars().count() {
                0..4 => 1,
                4..8 => 2,
                _ => FAR_TYPOS,
            };
            part.vocabulary.near(word, typos, |term| {
                *near
                    .entry(part.vocabulary.word(term).to_owned())
                    .or_default() += count(term);
            });
        }
        if has_it > 0 {
            return Some((word.to_owned(), has_it));
        }
        let wanted: Vec<char> = word.chars().collect();
        let distance = |other: &str| {
            let other: Vec<char> = other.chars().collect();
            (1..FAR_TYPOS)
                .find(|max| words::is_within(&wanted, &other, *max))
                .unwrap_or(FAR_TYPOS)
        };
        let best = near
            .into_iter()
            .min_by_key(|(other, count)| (distance(other), std::cmp::Reverse(*count)))?;
        Some(best)
    }
}
