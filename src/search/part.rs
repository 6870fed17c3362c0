//! A part of the index: a segment on the disk, or what changed since in memory. Both answer the
//! same questions: which words there are, where each stands, and what is known of a product.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::InvertedIndexReader;
use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermDictionary;
use tantivy::{SegmentReader, TantivyError};

use super::schema::Fields;
use super::vocabulary::{Term, Vocabulary};
use super::words;
use crate::shop::ids::{CategoryId, ProductId};
use crate::shop::money::Money;
use crate::shop::products::Product;
use crate::shop::time::Timestamp;

/// A product's number in its part.
pub type Doc = u32;

/// Where a word may stand, in the order of `FIELDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Title,
    Description,
}

pub const FIELDS: [Field; 2] = [Field::Title, Field::Description];

#[derive(Debug)]
pub struct Part {
    pub vocabulary: Vocabulary,
    pub columns: Columns,
    /// Words in all titles and in all descriptions.
    pub tokens: [u64; 2],
    postings: Postings,
    /// Products that were changed or withdrawn since.
    dead: Vec<bool>,
    dead_count: usize,
}

/// What is known of each product beside its words.
#[derive(Debug, Default)]
pub struct Columns {
    pub ids: Vec<ProductId>,
    pub categories: Vec<CategoryId>,
    pub price_cents: Vec<i64>,
    pub created_at: Vec<Timestamp>,
    /// Lengths in words, in tantivy's one byte.
    pub norms: [Vec<u8>; 2],
    /// Products by their ids.
    by_id: Vec<Doc>,
}

impl Columns {
    pub fn price(&self, doc: Doc) -> Money {
        Money::from_cents(i128::from(self.price_cents[doc as usize]))
    }
}

enum Postings {
    Disk {
        readers: [Arc<InvertedIndexReader>; 2],
        places: [Vec<DiskList>; 2],
    },
    Memory {
        lists: [Vec<MemoryList>; 2],
        terms: HashMap<String, Term>,
    },
}

impl std::fmt::Debug for Postings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disk { .. } => "Disk",
            Self::Memory { .. } => "Memory",
        })
    }
}

/// Where a word's postings lie on the disk; of no length for a word that is not in the field.
#[derive(Clone, Copy, Debug, Default)]
struct DiskList {
    start: u64,
    bytes: u32,
    docs: u32,
}

#[derive(Debug, Default)]
struct MemoryList {
    docs: Vec<Doc>,
    freqs: Vec<u32>,
}

impl Default for Part {
    /// An empty one in memory.
    fn default() -> Self {
        Self {
            vocabulary: Vocabulary::default(),
            columns: Columns::default(),
            tokens: [0, 0],
            postings: Postings::Memory {
                lists: [Vec::new(), Vec::new()],
                terms: HashMap::new(),
            },
            dead: Vec::new(),
            dead_count: 0,
        }
    }
}

impl Part {
    /// Reads a segment's vocabulary and columns; its postings stay on the disk.
    pub fn of_segment(segment: &SegmentReader, fields: &Fields) -> Result<Self, TantivyError> {
        let text_fields = [fields.title, fields.description];
        let title = segment.inverted_index(text_fields[0])?;
        let description = segment.inverted_index(text_fields[1])?;
        let mut part = Self {
            vocabulary: Vocabulary::default(),
            columns: columns(segment, fields)?,
            tokens: [title.total_num_tokens(), description.total_num_tokens()],
            postings: Postings::Disk {
                readers: [Arc::clone(&title), Arc::clone(&description)],
                places: [Vec::new(), Vec::new()],
            },
            dead: vec![false; segment.max_doc() as usize],
            dead_count: 0,
        };
        if let Some(alive) = segment.alive_bitset() {
            for doc in (0..segment.max_doc()).filter(|doc| alive.is_deleted(*doc)) {
                part.kill_doc(doc);
            }
        }
        part.read_dictionaries([title.terms(), description.terms()])?;
        Ok(part)
    }

    /// Merges the two fields' dictionaries, both in the order of their words, into one vocabulary.
    fn read_dictionaries(&mut self, fields: [&TermDictionary; 2]) -> Result<(), TantivyError> {
        let Postings::Disk { places, .. } = &mut self.postings else {
            return Ok(());
        };
        let [mut title, mut description] = [fields[0].stream()?, fields[1].stream()?];
        let mut more = [title.advance(), description.advance()];
        while more[0] || more[1] {
            let order = match more {
                [true, true] => title.key().cmp(description.key()),
                [true, false] => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            let (in_title, in_description) = (order.is_le(), order.is_ge());
            let word = if in_title {
                title.key()
            } else {
                description.key()
            };
            let Ok(word) = std::str::from_utf8(word) else {
                return Err(TantivyError::InternalError("a word is no text".into()));
            };
            self.vocabulary.push(word);
            places[0].push(if in_title {
                list(title.value())
            } else {
                DiskList::default()
            });
            places[1].push(if in_description {
                list(description.value())
            } else {
                DiskList::default()
            });
            if in_title {
                more[0] = title.advance();
            }
            if in_description {
                more[1] = description.advance();
            }
        }
        Ok(())
    }

    /// Takes a product into a part in memory.
    pub fn insert(&mut self, product: &Product) {
        let Postings::Memory { lists, terms } = &mut self.postings else {
            return;
        };
        let columns = &mut self.columns;
        let doc = Doc::try_from(columns.ids.len()).expect("a part in memory is small");
        for (field, text) in [&product.title, &product.description]
            .into_iter()
            .enumerate()
        {
            let mut length = 0;
            words::of_text(text, |word| {
                length += 1;
                let term = if let Some(term) = terms.get(word) {
                    *term
                } else {
                    let term = self.vocabulary.push(word);
                    terms.insert(word.to_owned(), term);
                    for lists in lists.iter_mut() {
                        lists.push(MemoryList::default());
                    }
                    term
                };
                lists[field][term as usize].meet(doc);
            });
            self.tokens[field] += u64::from(length);
            columns.norms[field].push(FieldNormReader::fieldnorm_to_id(length));
        }
        columns.ids.push(product.id);
        columns.categories.push(product.category);
        columns.price_cents.push(cents(product));
        columns.created_at.push(product.created_at);
        let place = columns
            .by_id
            .partition_point(|other| columns.ids[*other as usize] < product.id);
        columns.by_id.insert(place, doc);
        self.dead.push(false);
    }

    /// Hides a product, if it is here.
    pub fn kill(&mut self, id: ProductId) {
        let columns = &self.columns;
        let from = columns
            .by_id
            .partition_point(|doc| columns.ids[*doc as usize] < id);
        // In memory a product may have been put in, killed and put in again.
        let same: Vec<Doc> = columns.by_id[from..]
            .iter()
            .copied()
            .take_while(|doc| columns.ids[*doc as usize] == id)
            .collect();
        for doc in same {
            self.kill_doc(doc);
        }
    }

    fn kill_doc(&mut self, doc: Doc) {
        let dead = &mut self.dead[doc as usize];
        self.dead_count += usize::from(!*dead);
        *dead = true;
    }

    pub fn is_dead(&self, doc: Doc) -> bool {
        self.dead[doc as usize]
    }

    /// What is known of each product that is not hidden.
    pub fn alive_rows(&self) -> impl Iterator<Item = (ProductId, (CategoryId, i64, Timestamp))> {
        let columns = &self.columns;
        (0..self.docs()).filter(|at| !self.dead[*at]).map(|at| {
            let row = (
                columns.categories[at],
                columns.price_cents[at],
                columns.created_at[at],
            );
            (columns.ids[at], row)
        })
    }

    /// Products here, hidden ones too.
    pub fn docs(&self) -> usize {
        self.dead.len()
    }

    pub fn alive(&self) -> usize {
        self.dead.len() - self.dead_count
    }

    /// Products with a word in a field, hidden ones too.
    pub fn doc_freq(&self, term: Term, field: Field) -> u32 {
        let (term, field) = (term as usize, field as usize);
        match &self.postings {
            Postings::Disk { places, .. } => places[field][term].docs,
            Postings::Memory { lists, .. } => {
                Doc::try_from(lists[field][term].docs.len()).unwrap_or(Doc::MAX)
            }
        }
    }

    /// How often a word stands in titles and descriptions, counting a product once in each.
    pub fn frequency(&self, term: Term) -> u32 {
        FIELDS
            .into_iter()
            .map(|field| self.doc_freq(term, field))
            .sum()
    }

    /// Products with a word in a field and how often it stands there, in blocks, by number.
    pub fn postings(
        &self,
        term: Term,
        field: Field,
        mut each: impl FnMut(&[Doc], &[u32]),
    ) -> Result<(), TantivyError> {
        let (term, field) = (term as usize, field as usize);
        match &self.postings {
            Postings::Memory { lists, .. } => {
                let list = &lists[field][term];
                each(&list.docs, &list.freqs);
            }
            Postings::Disk { readers, places } => {
                let DiskList { start, bytes, docs } = places[field][term];
                if docs == 0 {
                    return Ok(());
                }
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let info = TermInfo {
                    doc_freq: docs,
                    postings_range: start..start + bytes as usize,
                    positions_range: 0..0,
                };
                let option = IndexRecordOption::WithFreqs;
                let mut blocks = readers[field].read_block_postings_from_terminfo(&info, option)?;
                while !blocks.docs().is_empty() {
                    each(blocks.docs(), blocks.freqs());
                    blocks.advance();
                }
            }
        }
        Ok(())
    }

    /// Memory beside the mapped files, in bytes; about, for the metrics.
    pub fn bytes(&self) -> usize {
        let columns = 8 * 4 + 2 + 4 + 1;
        let per_word = 2 * size_of::<DiskList>();
        self.vocabulary.bytes() + columns * self.docs() + per_word * self.vocabulary.len() as usize
    }
}

impl MemoryList {
    fn meet(&mut self, doc: Doc) {
        match (self.docs.last(), self.freqs.last_mut()) {
            (Some(last), Some(freq)) if *last == doc => *freq += 1,
            _ => {
                self.docs.push(doc);
                self.freqs.push(1);
            }
        }
    }
}

fn list(info: &TermInfo) -> DiskList {
    DiskList {
        start: info.postings_range.start as u64,
        bytes: u32::try_from(info.postings_range.len()).unwrap_or(u32::MAX),
        docs: info.doc_freq,
    }
}

/// A price fits many times over.
pub fn cents(product: &Product) -> i64 {
    i64::try_from(product.price.money().cents()).unwrap_or(i64::MAX)
}

fn columns(segment: &SegmentReader, fields: &Fields) -> Result<Columns, TantivyError> {
    let fast = segment.fast_fields();
    let ids = fast.u64(Fields::ID)?.first_or_default_col(0);
    let categories = fast.u64(Fields::CATEGORY)?.first_or_default_col(0);
    let prices = fast.i64(Fields::PRICE)?.first_or_default_col(0);
    let created_at = fast.i64(Fields::CREATED_AT)?.first_or_default_col(0);
    let title_norms = segment.get_fieldnorms_reader(fields.title)?;
    let description_norms = segment.get_fieldnorms_reader(fields.description)?;
    let docs = 0..segment.max_doc();
    let ids: Vec<_> = docs
        .clone()
        .map(|doc| ProductId(ids.get_val(doc)))
        .collect();
    let mut by_id: Vec<Doc> = docs.clone().collect();
    by_id.sort_by_key(|doc| ids[*doc as usize]);
    Ok(Columns {
        ids,
        categories: docs
            .clone()
            .map(|doc| CategoryId(categories.get_val(doc)))
            .collect(),
        price_cents: docs.clone().map(|doc| prices.get_val(doc)).collect(),
        created_at: docs
            .clone()
            .map(|doc| Timestamp(created_at.get_val(doc)))
            .collect(),
        norms: [
            docs.clone()
                .map(|doc| title_norms.fieldnorm_id(doc))
                .collect(),
            docs.map(|doc| description_norms.fieldnorm_id(doc))
                .collect(),
        ],
        by_id,
    })
}
