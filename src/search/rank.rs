//! Ranking: from the words of a query to a page of products and how many there are.
//!
//! A product is found when every word of the query matches one of its words. How well is told by
//! levels first and by BM25 within a level (Robertson and Zaragoza, "The Probabilistic Relevance
//! Framework", 2009, with k1 = 1.2 and b = 0.75). The figures behind the choices are in
//! `benches/README.md`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Instant;

use tantivy::TantivyError;
use tantivy::fieldnorm::FieldNormReader;

use super::part::{Doc, FIELDS, Field, Part};
use super::synonyms::Synonyms;
use super::vocabulary::{Term, WordPlace};
use super::words;
use crate::shop::ids::CategoryId;
use crate::shop::products::{Filter, Ordering};
use crate::store::Place;

/// How a word of a product matches a word of the query, worst first.
const TYPO: usize = 0;
const SUBSTRING: usize = 1;
const PREFIX: usize = 2;
const EXACT: usize = 3;
const CLASSES: usize = 4;

/// How much a match counts, by class.
const CLASS_WEIGHTS: [f32; CLASSES] = [0.25, 0.25, 0.3, 1.0];
/// A word of the title counts four times as much.
const FIELD_WEIGHTS: [f32; 2] = [4.0, 1.0];

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Typos are forgiven only when fewer products than this are found without.
const TYPOS_BELOW: u64 = 20;

/// What is asked of the index.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The words to find, each once, in their order; none finds everything.
    pub words: &'a [String],
    /// Only its category and prices are looked at.
    pub filter: &'a Filter,
    /// By relevance when it is not given.
    pub ordering: Option<Ordering>,
    pub after: Option<Place>,
    pub limit: usize,
    /// Whether to count the found products by category and price.
    pub facets: bool,
    pub deadline: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct Found {
    /// A page of products, best first.
    pub page: Vec<Place>,
    /// Whether more follow.
    pub has_more: bool,
    pub total: u64,
    pub facets: Facets,
}

/// Found products by category, and by price: how many from each step of `PRICE_STEPS` to the next.
#[derive(Clone, Debug, Default)]
pub struct Facets {
    pub categories: BTreeMap<CategoryId, u64>,
    pub prices: BTreeMap<usize, u64>,
}

/// In cents: 0, 10, 20, 50, 100, ... 50,000.
pub const PRICE_STEPS: [i64; 13] = [
    0, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000,
];

#[derive(Debug, thiserror::Error)]
pub enum RankError {
    #[error("the search took too long")]
    TooSlow,
    #[error("the index can't be read")]
    Index(#[from] TantivyError),
}

/// Searches all parts as one index.
pub fn search(parts: &[&Part], synonyms: &Synonyms, asked: &Asked<'_>) -> Result<Found, RankError> {
    let exact = matches(parts, synonyms, asked.words, false);
    let (found, matched) = evaluate(parts, &exact, asked)?;
    let may_have_typos = asked
        .words
        .iter()
        .any(|word| words::typos_forgiven(word) > 0);
    if matched >= TYPOS_BELOW || !may_have_typos {
        return Ok(found);
    }
    let with_typos = matches(parts, synonyms, asked.words, true);
    Ok(evaluate(parts, &with_typos, asked)?.0)
}

/// Words of one part that match one word of the query, by class.
#[derive(Clone, Debug, Default)]
struct Matches {
    classes: [Vec<Term>; CLASSES],
    /// Words that stand for it together, as good as a prefix: `mk` and `2` for `mk2`.
    pairs: Vec<(Term, Term)>,
}

impl Matches {
    /// From words and their classes, the best class of each.
    fn new(mut found: Vec<(Term, usize)>, pairs: Vec<(Term, Term)>) -> Self {
        found.sort_unstable();
        let mut matches = Self {
            pairs,
            ..Self::default()
        };
        for (at, (term, class)) in found.iter().enumerate() {
            // Of a word's classes the last is the best.
            if found.get(at + 1).is_none_or(|(next, _)| next != term) {
                matches.classes[*class].push(*term);
            }
        }
        matches
    }
}

/// For each part, the matches of each word of the query.
fn matches(
    parts: &[&Part],
    synonyms: &Synonyms,
    asked: &[String],
    with_typos: bool,
) -> Vec<Vec<Matches>> {
    let of_part = |part: &&Part| {
        (0..asked.len())
            .map(|at| matches_of_word(part, synonyms, asked, at, with_typos))
            .collect()
    };
    parts.iter().map(of_part).collect()
}

fn matches_of_word(
    part: &Part,
    synonyms: &Synonyms,
    asked: &[String],
    at: usize,
    with_typos: bool,
) -> Matches {
    let word = asked[at].as_str();
    let alone = asked.len() == 1;
    let is_first = at == 0;
    let is_last = at + 1 == asked.len();
    // A piece of a text can only break words at its ends: `b c` of `usb cable`.
    let is_short = !alone && word.chars().nth(2).is_none();
    let vocabulary = &part.vocabulary;
    let pair =
        |(first, second): (&str, &str)| Some((vocabulary.find(first)?, vocabulary.find(second)?));
    let mut found = Vec::new();
    vocabulary.containing(word, |term, place| match place {
        WordPlace::Whole => found.push((term, EXACT)),
        WordPlace::Beginning | WordPlace::BothEnds if !is_short || is_last => {
            found.push((term, PREFIX));
        }
        WordPlace::End | WordPlace::BothEnds if !is_short || is_first => {
            found.push((term, SUBSTRING));
        }
        WordPlace::Inside if !is_short => found.push((term, SUBSTRING)),
        WordPlace::Beginning | WordPlace::End | WordPlace::BothEnds | WordPlace::Inside => {}
    });
    for other in words::other_numbers(word) {
        found.extend(vocabulary.find(&other).map(|term| (term, EXACT)));
    }
    let before = at
        .checked_sub(1)
        .map(|before| format!("{}{word}", asked[before]));
    let after = asked.get(at + 1).map(|after| format!("{word}{after}"));
    for joined in before.iter().chain(&after) {
        found.extend(vocabulary.find(joined).map(|term| (term, PREFIX)));
    }
    let mut pairs = Vec::new();
    for said in [Some(word), before.as_deref(), after.as_deref()]
        .into_iter()
        .flatten()
    {
        for other in synonyms.of(said) {
            match &other[..] {
                [word] => found.extend(vocabulary.find(word).map(|term| (term, PREFIX))),
                [first, second] => pairs.extend(pair((first, second))),
                _ => {}
            }
        }
    }
    if with_typos {
        let typos = words::typos_forgiven(word);
        vocabulary.near(word, typos, |term| found.push((term, TYPO)));
    }
    pairs.extend(words::name_and_number(word).and_then(pair));
    if with_typos {
        pairs.extend(words::halves(word).filter_map(pair));
    }
    Matches::new(found, pairs)
}

/// What a product has come to so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    score: f32,
    /// Of the word at hand.
    word_score: f32,
    /// Words matched so far.
    words: u16,
    level: u8,
    word_level: u8,
    /// The class in which the word at hand matched, plus one; zero before it did.
    word_class: u8,
}

/// One tally a product of the largest part, reset where it was touched.
#[derive(Default)]
struct Scratch {
    tallies: Vec<Tally>,
    touched: Vec<Doc>,
    found: Vec<Doc>,
}

impl Scratch {
    /// After a search that failed half-way.
    fn clean(&mut self) {
        for doc in self.touched.drain(..).chain(self.found.drain(..)) {
            if let Some(tally) = self.tallies.get_mut(doc as usize) {
                *tally = Tally::default();
            }
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The page, and how many products matched before the filter was asked.
fn evaluate(
    parts: &[&Part],
    matches: &[Vec<Matches>],
    asked: &Asked<'_>,
) -> Result<(Found, u64), RankError> {
    let statistics = Statistics::of(parts, matches, asked.words.len());
    let mut page = Page::new(asked);
    let mut matched = 0;
    SCRATCH
        .with_borrow_mut(|scratch| {
            scratch.clean();
            for (part, matches) in parts.iter().zip(matches) {
                if asked.words.is_empty() {
                    for doc in (0..).take(part.docs()).filter(|doc| !part.is_dead(*doc)) {
                        matched += 1;
                        page.meet(part, doc, &Tally::default());
                    }
                    continue;
                }
                scratch
                    .tallies
                    .resize(scratch.tallies.len().max(part.docs()), Tally::default());
                let done = tally(part, matches, &statistics, scratch, asked.deadline);
                for doc in scratch.found.drain(..) {
                    let tally = &mut scratch.tallies[doc as usize];
                    if usize::from(tally.words) == asked.words.len() && !part.is_dead(doc) {
                        matched += 1;
                        page.meet(part, doc, tally);
                    }
                    *tally = Tally::default();
                }
                done?;
            }
            Ok(())
        })
        .map(|()| (page.end(), matched))
}

/// Tallies the words of the query in the products of a part; `found` has every product touched.
fn tally(
    part: &Part,
    matches: &[Matches],
    statistics: &Statistics,
    scratch: &mut Scratch,
    deadline: Instant,
) -> Result<(), RankError> {
    let Scratch {
        tallies,
        touched,
        found,
    } = scratch;
    for (at, matches) in (0..).zip(matches) {
        for class in (0..CLASSES).rev() {
            if class == PREFIX {
                for pair in &matches.pairs {
                    for (doc, level) in docs_of_pair(part, *pair)? {
                        let tally = &mut tallies[doc as usize];
                        if tally.words == at && tally.word_class == 0 {
                            touched.push(doc);
                            tally.word_class = as_u8(class + 1);
                            tally.word_level = level;
                        }
                    }
                }
            }
            for field in FIELDS {
                let weight = statistics.weight(at, class, field);
                let level = level(class, field);
                let norms = &part.columns.norms[field as usize];
                let factors = &statistics.length_factors[field as usize];
                for term in &matches.classes[class] {
                    part.postings(*term, field, |docs, freqs| {
                        for (doc, freq) in docs.iter().zip(freqs) {
                            let tally = &mut tallies[*doc as usize];
                            if tally.words != at {
                                continue; // A word before this one is not in it.
                            }
                            if tally.word_class == 0 {
                                touched.push(*doc);
                                tally.word_class = as_u8(class + 1);
                                tally.word_level = level;
                            } else if tally.word_class != as_u8(class + 1) {
                                continue; // The word matches better already.
                            }
                            tally.word_level = tally.word_level.max(level);
                            let freq = as_f32(*freq);
                            let factor = factors[usize::from(norms[*doc as usize])];
                            tally.word_score += weight * freq / (freq + factor);
                        }
                    })?;
                }
            }
            if Instant::now() > deadline {
                found.append(touched);
                return Err(RankError::TooSlow);
            }
        }
        for doc in touched.iter() {
            let tally = &mut tallies[*doc as usize];
            tally.score += tally.word_score;
            tally.level = match at {
                0 => tally.word_level,
                _ => tally.level.min(tally.word_level),
            };
            tally.words += 1;
            (tally.word_score, tally.word_level, tally.word_class) = (0.0, 0, 0);
        }
        if at == 0 {
            found.append(touched);
        }
        touched.clear();
    }
    Ok(())
}

/// Products that have both words of a pair, and at which level.
fn docs_of_pair(part: &Part, pair: (Term, Term)) -> Result<Vec<(Doc, u8)>, RankError> {
    let (rarer, other) = if part.frequency(pair.0) <= part.frequency(pair.1) {
        pair
    } else {
        (pair.1, pair.0)
    };
    let mut levels = BTreeMap::<Doc, u8>::new();
    for field in FIELDS {
        part.postings(rarer, field, |docs, _| {
            for doc in docs {
                let best = levels.entry(*doc).or_default();
                *best = level(PREFIX, field).max(*best);
            }
        })?;
    }
    // Each with the best level of the other word; zero until it is met.
    let mut docs: Vec<(Doc, u8, u8)> = levels
        .into_iter()
        .map(|(doc, best)| (doc, best, 0))
        .collect();
    for field in FIELDS {
        let mut at = 0; // Both go by number.
        part.postings(other, field, |met, _| {
            for doc in met {
                while docs.get(at).is_some_and(|(known, ..)| known < doc) {
                    at += 1;
                }
                if let Some((known, _, of_other)) = docs.get_mut(at)
                    && known == doc
                {
                    *of_other = level(PREFIX, field).max(*of_other);
                }
            }
        })?;
    }
    let both = docs.into_iter().filter(|(_, _, of_other)| *of_other > 0);
    Ok(both
        .map(|(doc, level, of_other)| (doc, level.min(of_other)))
        .collect())
}

/// Exact above prefix above substring above typo; a word of the title a level above its class.
fn level(class: usize, field: Field) -> u8 {
    as_u8(class) + u8::from(field == Field::Title)
}

/// What scores are made of, over all parts.
struct Statistics {
    /// For each word, class and field: inverse document frequency times every constant factor.
    weights: Vec<[[f32; 2]; CLASSES]>,
    /// By norm: how much the length of a field dampens how often a word stands in it.
    length_factors: [Vec<f32>; 2],
}

impl Statistics {
    fn of(parts: &[&Part], matches: &[Vec<Matches>], words: usize) -> Self {
        let alive: usize = parts.iter().map(|part| part.alive()).sum();
        let docs = as_f32(u32::try_from(alive).unwrap_or(u32::MAX)).max(1.0);
        let weights = (0..words).map(|word| {
            let weight = |class: usize, field: Field| {
                let terms = parts.iter().zip(matches).flat_map(|(part, matches)| {
                    let terms = matches[word].classes[class].iter();
                    terms.map(|term| part.doc_freq(*term, field))
                });
                let with_it = terms.map(as_f32).sum::<f32>().min(docs);
                let idf = (1.0 + (docs - with_it + 0.5) / (with_it + 0.5)).ln();
                idf * (K1 + 1.0) * CLASS_WEIGHTS[class] * FIELD_WEIGHTS[field as usize]
            };
            std::array::from_fn(|class| FIELDS.map(|field| weight(class, field)))
        });
        let length_factors = FIELDS.map(|field| {
            let tokens: u64 = parts.iter().map(|part| part.tokens[field as usize]).sum();
            let all: usize = parts.iter().map(|part| part.docs()).sum();
            let average = (ratio(tokens, all as u64)).max(1.0);
            let factor = |norm| {
                let length = as_f32(FieldNormReader::id_to_fieldnorm(norm));
                K1 * (1.0 - B + B * length / average)
            };
            (0..=u8::MAX).map(factor).collect()
        });
        Self {
            weights: weights.collect(),
            length_factors,
        }
    }

    fn weight(&self, word: u16, class: usize, field: Field) -> f32 {
        self.weights[usize::from(word)][class][field as usize]
    }
}

/// The page being filled: the best places met so far, worst on top.
struct Page<'a> {
    asked: &'a Asked<'a>,
    after: Option<Place>,
    best: BinaryHeap<Place>,
    /// Every place, where a walk by relevance goes on: see `end`.
    all: Vec<Place>,
    has_more: bool,
    total: u64,
    facets: Facets,
}

impl<'a> Page<'a> {
    fn new(asked: &'a Asked<'a>) -> Self {
        Self {
            asked,
            after: asked.after,
            best: BinaryHeap::new(),
            all: Vec::new(),
            has_more: false,
            total: 0,
            facets: Facets::default(),
        }
    }

    fn meet(&mut self, part: &Part, doc: Doc, tally: &Tally) {
        let columns = &part.columns;
        let at = doc as usize;
        if !self.admits(part, doc) {
            return;
        }
        self.total += 1;
        if self.asked.facets {
            *self
                .facets
                .categories
                .entry(columns.categories[at])
                .or_default() += 1;
            let step = PRICE_STEPS.partition_point(|step| *step <= columns.price_cents[at]);
            *self
                .facets
                .prices
                .entry(step.saturating_sub(1))
                .or_default() += 1;
        }
        let rank = match self.asked.ordering {
            None if self.asked.words.is_empty() => 0,
            None => relevance_rank(tally),
            Some(ordering) => ordering.rank(columns.price(doc), columns.created_at[at]),
        };
        let id = columns.ids[at].0;
        let place = Place { rank, id };
        if self.goes_on_by_relevance() {
            self.all.push(place);
        } else {
            self.put(place);
        }
    }

    fn goes_on_by_relevance(&self) -> bool {
        self.asked.ordering.is_none() && self.asked.after.is_some()
    }

    fn put(&mut self, place: Place) {
        if self.after.is_some_and(|after| place <= after) {
            return;
        }
        if self.best.len() < self.asked.limit {
            self.best.push(place);
            return;
        }
        self.has_more = true;
        if let Some(mut worst) = self.best.peek_mut()
            && place < *worst
        {
            *worst = place;
        }
    }

    fn admits(&self, part: &Part, doc: Doc) -> bool {
        let filter = self.asked.filter;
        let category = part.columns.categories[doc as usize];
        filter.admits_kind(category, part.columns.price(doc))
    }

    /// Scores move with every write, so a walk by relevance goes on after where its last product
    /// stands now, not where it stood.
    fn end(mut self) -> Found {
        let all = std::mem::take(&mut self.all);
        let last = self.after.map(|after| after.id);
        if let Some(place) = all.iter().find(|place| Some(place.id) == last) {
            self.after = Some(*place);
        }
        for place in all {
            self.put(place);
        }
        Found {
            page: self.best.into_sorted_vec(),
            has_more: self.has_more,
            total: self.total,
            facets: self.facets,
        }
    }
}

/// Higher levels first, then higher scores; bits of positive floats sort as the floats do.
fn relevance_rank(tally: &Tally) -> i128 {
    let level = i128::from(tally.level) << 32;
    -(level | i128::from(tally.score.to_bits()))
}

fn as_u8(class: usize) -> u8 {
    u8::try_from(class).unwrap_or(u8::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of words and products, to rank by"
)]
fn as_f32(count: u32) -> f32 {
    count as f32
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "an average length, to rank by"
)]
fn ratio(tokens: u64, docs: u64) -> f32 {
    (tokens as f64 / docs.max(1) as f64) as f32
}
