//! What the index on the disk holds of a product, and where it says how far it has come.

use std::str::FromStr;

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer};
use tantivy::{Index, TantivyDocument, Term};

use super::part::cents;
use super::words;
use crate::shop::ids::ProductId;
use crate::shop::products::Product;

/// Raised whenever an index built earlier would answer otherwise: the schema changed, or what a
/// text is cut into. Such an index is built anew.
const VERSION: u32 = 1;

const TOKENIZER: &str = "words";

#[derive(Clone, Copy, Debug)]
pub struct Fields {
    id: Field,
    pub title: Field,
    pub description: Field,
    category: Field,
    price: Field,
    created_at: Field,
}

impl Fields {
    pub const ID: &str = "id";
    pub const CATEGORY: &str = "category";
    pub const PRICE: &str = "price";
    pub const CREATED_AT: &str = "created_at";

    pub fn document(&self, product: &Product) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_u64(self.id, product.id.0);
        document.add_text(self.title, &product.title);
        document.add_text(self.description, &product.description);
        document.add_u64(self.category, product.category.0);
        document.add_i64(self.price, cents(product));
        document.add_i64(self.created_at, product.created_at.0);
        document
    }

    pub fn id_term(&self, id: ProductId) -> Term {
        Term::from_field_u64(self.id, id.0)
    }
}

/// Words and how often they stand; no positions, nothing stored: answers are ids, and everything
/// shown comes from the store.
pub fn schema() -> (Schema, Fields) {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs)
        .set_fieldnorms(true);
    let text = TextOptions::default().set_indexing_options(indexing);
    let mut schema = Schema::builder();
    let fields = Fields {
        id: schema.add_u64_field(Fields::ID, INDEXED | FAST),
        title: schema.add_text_field("title", text.clone()),
        description: schema.add_text_field("description", text),
        category: schema.add_u64_field(Fields::CATEGORY, FAST),
        price: schema.add_i64_field(Fields::PRICE, FAST),
        created_at: schema.add_i64_field(Fields::CREATED_AT, FAST),
    };
    (schema.build(), fields)
}

pub fn register_tokenizer(index: &Index) {
    let words = TextAnalyzer::builder(Words::default()).build();
    index.tokenizers().register(TOKENIZER, words);
}

/// Cuts a text as `words::of_text` does.
#[derive(Clone, Default)]
struct Words {
    text: String,
    ends: Vec<usize>,
}

struct Cut<'a> {
    words: &'a Words,
    next: usize,
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = Cut<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Cut<'a> {
        self.text.clear();
        self.ends.clear();
        words::of_text(text, |word| {
            self.text.push_str(word);
            self.ends.push(self.text.len());
        });
        Cut {
            words: self,
            next: 0,
            token: Token::default(),
        }
    }
}

impl TokenStream for Cut<'_> {
    fn advance(&mut self) -> bool {
        let ends = &self.words.ends;
        let Some(end) = ends.get(self.next) else {
            return false;
        };
        let start = self.next.checked_sub(1).map_or(0, |before| ends[before]);
        self.token.position = self.next;
        self.token.text.clear();
        self.token
            .text
            .push_str(self.words.text.get(start..*end).unwrap_or_default());
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// How far an index has come, kept as the payload of its commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    version: u32,
    /// The store it follows: another store's sequences mean nothing here.
    pub store: u64,
    pub sequence: u64,
    /// The mark of the change of that sequence.
    pub mark: u64,
}

impl Progress {
    pub fn new(store: u64, sequence: u64, mark: u64) -> Self {
        Self {
            version: VERSION,
            store,
            sequence,
            mark,
        }
    }

    pub fn is_of(self, store: u64) -> bool {
        self.version == VERSION && self.store == store
    }

    pub fn payload(self) -> String {
        let Self {
            version,
            store,
            sequence,
            mark,
        } = self;
        format!("version={version} store={store:016x} sequence={sequence} mark={mark:016x}")
    }
}

#[derive(Debug)]
pub struct NoProgress;

impl FromStr for Progress {
    type Err = NoProgress;

    fn from_str(payload: &str) -> Result<Self, NoProgress> {
        let mut parts = payload.split(' ');
        let mut part = |name: &str| {
            let value = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
            Some(value.to_owned())
        };
        let mut read = || {
            Some(Self {
                version: part("version")?.parse().ok()?,
                store: u64::from_str_radix(&part("store")?, 16).ok()?,
                sequence: part("sequence")?.parse().ok()?,
                mark: u64::from_str_radix(&part("mark")?, 16).ok()?,
            })
        };
        read().ok_or(NoProgress)
    }
}
