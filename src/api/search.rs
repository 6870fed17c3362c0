//! The search for products, and what completes a search as it is typed.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use super::fault::{BUSY, Fault, Known, Never, Problem, Refuse};
use super::form::{Fields, Form, Given};
use super::kinds::{AmountKind, CATEGORY_ID, Flag, Kind, QUERY, WORD};
use super::list::{Listing, PageFields, paged};
use super::products::ProductView;
use super::route::{Answer, Anyone, Ctx, Json, Output, Query, Success, in_turn};
use super::wire::{self, Amount};
use crate::http::{HeaderName, HeaderValue, Reply, Request, StatusCode};
use crate::search::{Facets, Found, PRICE_STEPS, Search, SearchError};
use crate::shop::ids::{CategoryId, ProductId};
use crate::shop::money::Money;
use crate::shop::products::{Filter, Ordering};
use crate::shop::text;
use crate::store::{Page, PageAsk, Store, StoreError};

/// Suggestions for what is being typed, and how many of them may be categories.
const SUGGESTIONS_MAX: usize = 10;
const CATEGORIES_MAX: usize = 3;

pub struct Asked {
    filter: Filter,
    /// By relevance, or by id where there are no words, when it is not given.
    ordering: Option<Ordering>,
    page: PageAsk,
    facets: Option<FacetNames>,
    envelope: bool,
}

impl Fields for Asked {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let text = form.optional("q", &QUERY);
        let category = form.optional("category", &CATEGORY_ID);
        let min_price = form.optional("min_price", &AmountKind);
        let max_price = form.optional("max_price", &AmountKind);
        let ordering = form.optional("ordering", &WORD);
        let facets = form.optional("facets", &FacetNames::NONE);
        let envelope = form.optional("envelope", &Flag);
        let page = PageFields::read(form);
        Some(Self {
            filter: Filter {
                text: text?.unwrap_or_default(),
                category: category?,
                min_price: min_price?,
                max_price: max_price?,
            },
            ordering: match ordering?.as_deref() {
                Some("price") => Some(Ordering::Price),
                Some("-price") => Some(Ordering::PriceDescending),
                Some("created_at") => Some(Ordering::CreatedAt),
                Some("-created_at") => Some(Ordering::CreatedAtDescending),
                Some(_) | None => None,
            },
            facets: facets?,
            envelope: envelope?.unwrap_or_default(),
            page: page?.0,
        })
    }
}

/// What to count the found products by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FacetNames {
    category: bool,
    price: bool,
}

impl FacetNames {
    const NONE: Self = Self {
        category: false,
        price: false,
    };
}

impl Kind for FacetNames {
    type Value = Self;

    fn read(&self, given: &Given<'_>) -> Result<Self, String> {
        let Given::Text(names) = given else {
            return Err("Names are expected.".into());
        };
        let mut facets = Self::NONE;
        for name in names.split(',') {
            match name.trim() {
                "category" => facets.category = true,
                "price" => facets.price = true,
                _ => return Err("One or both are expected: category,price.".into()),
            }
        }
        Ok(facets)
    }

    fn schema(&self) -> Value {
        serde_json::json!({
            "type": "string",
            "pattern": "^ *(category|price) *(, *(category|price) *)*$",
            "description": "What to count the found products by: `category`, `price` or `category,price`.",
        })
    }
}

pub async fn search(ctx: Ctx<Anyone>, Query(asked): Query<Asked>) -> Answer<Hits, SearchError> {
    let Asked {
        filter,
        ordering,
        page,
        facets,
        envelope,
    } = asked;
    let is_counted = facets.is_some();
    let (store, search) = (ctx.store.clone(), ctx.search.clone());
    let looked_up = if filter.text.is_empty() || Search::has_words(&filter.text) {
        let filter = filter.clone();
        let work = move || look_up(&store, &search, &filter, ordering, page, is_counted);
        in_turn(&ctx.searches, work).await?
    } else {
        Err(SearchError::NotReady) // Nothing that an index knows of.
    };
    let by_relevance = page.after.is_some_and(|after| after.rank < 0) && ordering.is_none();
    let hits = match looked_up {
        // Only the index knows where this walk has come to.
        Err(SearchError::NotReady) if by_relevance => return Err(SearchError::NotReady.into()),
        // Slower, unranked, and as true.
        Err(SearchError::NotReady) => {
            let store = ctx.store.clone();
            let ordering = ordering.unwrap_or(Ordering::Id);
            let work = move || store.scan_products(&filter, ordering, page);
            let scanned = in_turn(&ctx.scans, work).await??;
            LookedUp {
                page: scanned.map(ProductView::from),
                facets: None,
                suggestion: None,
            }
        }
        looked_up => looked_up?,
    };
    let facets = facets.zip(hits.facets).map(|(names, mut counted)| {
        counted.category = counted.category.filter(|_| names.category);
        counted.price = counted.price.filter(|_| names.price);
        counted
    });
    Ok(Hits {
        envelope,
        facets,
        suggestion: hits.suggestion,
        page: hits.page,
    })
}

struct LookedUp {
    page: Page<ProductView>,
    facets: Option<FacetsView>,
    suggestion: Option<String>,
}

/// Asks the index and fills the page from the store.
fn look_up(
    store: &Store,
    search: &Search,
    filter: &Filter,
    ordering: Option<Ordering>,
    ask: PageAsk,
    facets: bool,
) -> Result<LookedUp, SearchError> {
    if *filter == Filter::default() && ordering.is_none() && !facets {
        return Ok(LookedUp {
            page: store.products(ask)?.map(ProductView::from),
            facets: None,
            suggestion: None,
        });
    }
    // A walk that a scan began goes on by id, as it began; ranks of relevance are below zero.
    let is_by_id = ordering.is_none() && ask.after.is_some_and(|after| after.rank >= 0);
    let ordering = if is_by_id {
        Some(Ordering::Id)
    } else {
        ordering
    };
    let Found {
        page,
        has_more,
        total,
        facets: counted,
    } = search.find(filter, ordering, ask, facets)?;
    let suggestion = match total {
        0 => search.instead_of(filter)?,
        _ => None,
    };
    let ids: Vec<_> = page.iter().map(|place| ProductId(place.id)).collect();
    let rows = store.products_of(&ids)?;
    Ok(LookedUp {
        page: Page {
            rows: rows.into_iter().map(ProductView::from).collect(),
            next: page.last().copied().filter(|_| has_more),
            total,
        },
        facets: if facets {
            Some(FacetsView::of(counted, store)?)
        } else {
            None
        },
        suggestion,
    })
}

impl Refuse for SearchError {
    const KNOWN: &'static [&'static Known] = &[&BUSY];

    fn problem(self) -> Problem {
        match self {
            Self::NotReady | Self::TooSlow => Problem::new(&BUSY),
            Self::Store(error) => error.into(),
            error @ Self::Follow(_) => Problem::internal(&error),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct FacetsView {
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Vec<CategoryFacet>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Vec<PriceFacet>>,
}

#[derive(Serialize, JsonSchema)]
struct CategoryFacet {
    id: u64,
    name: String,
    count: u64,
}

/// Prices from `from` on, below `to`.
#[derive(Serialize, JsonSchema)]
struct PriceFacet {
    from: Amount,
    to: Option<Amount>,
    count: u64,
}

impl FacetsView {
    fn of(facets: Facets, store: &Store) -> Result<Self, StoreError> {
        let Facets { categories, prices } = facets;
        let ids: Vec<CategoryId> = categories.keys().copied().collect();
        let names: BTreeMap<_, _> = store.category_names(&ids)?.into_iter().collect();
        let mut category: Vec<_> = categories
            .into_iter()
            .filter_map(|(id, count)| {
                let name = names.get(&id)?.as_str().to_owned();
                Some(CategoryFacet {
                    id: id.0,
                    name,
                    count,
                })
            })
            .collect();
        category.sort_by_key(|facet| (std::cmp::Reverse(facet.count), facet.id));
        let amount = |step: usize| {
            let cents = PRICE_STEPS.get(step)?;
            Some(Amount(Money::from_cents(i128::from(*cents))))
        };
        let price = prices.into_iter().filter_map(|(step, count)| {
            Some(PriceFacet {
                from: amount(step)?,
                to: amount(step + 1),
                count,
            })
        });
        Ok(Self {
            category: Some(category),
            price: Some(price.collect()),
        })
    }
}

/// A page of hits: a bare list, or with everything about them in an envelope.
pub struct Hits {
    envelope: bool,
    page: Page<ProductView>,
    facets: Option<FacetsView>,
    suggestion: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Envelope {
    results: Vec<ProductView>,
    /// There when they were asked for and the search is one by words or filters.
    facets: Option<FacetsView>,
    total: u64,
    /// What to search for instead, when nothing was found and something else would be.
    suggestion: Option<String>,
}

/// Categories in the header, the fullest: 30 characters of six bytes each and a count, 10 KiB.
const HEADER_CATEGORIES_MAX: usize = 40;

const FACETS: HeaderName = HeaderName::from_static("x-facets");
const SUGGESTION: HeaderName = HeaderName::from_static("x-suggestion");

impl Output for Hits {
    const OFFERS: &'static [&'static str] = &[wire::JSON];

    fn reply(self, request: &Request) -> Reply {
        let Self {
            envelope,
            page,
            facets,
            suggestion,
        } = self;
        if envelope {
            let (next, total) = (page.next, page.total);
            let body = Envelope {
                results: page.rows,
                facets,
                total,
                suggestion,
            };
            return paged(wire::json(StatusCode::OK, &body), request, next, total);
        }
        let mut reply = Listing(page).reply(request);
        let facets = facets.and_then(|mut facets| {
            // A header has an end; the envelope has them all.
            facets
                .category
                .iter_mut()
                .for_each(|rows| rows.truncate(HEADER_CATEGORIES_MAX));
            serde_json::to_string(&facets).ok()
        });
        if let Some(facets) = facets.and_then(|json| HeaderValue::try_from(ascii(&json)).ok()) {
            reply = reply.with(FACETS, facets);
        }
        let suggestion = suggestion
            .map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
        if let Some(suggestion) = suggestion.and_then(|text| HeaderValue::try_from(text).ok()) {
            reply = reply.with(SUGGESTION, suggestion);
        }
        reply
    }

    fn describe(generator: &mut SchemaGenerator) -> Success {
        let list = <Listing<ProductView> as Output>::describe(generator);
        let envelope = generator.subschema_for::<Envelope>();
        let content = list
            .content
            .into_iter()
            .map(|(kind, schema)| (kind, serde_json::json!({"anyOf": [schema, envelope]})));
        let mut headers = list.headers;
        headers.push((
            "X-Facets",
            "With `facets`: the counts as the envelope has them, of the 40 fullest categories, in JSON of ASCII alone.",
        ));
        headers.push((
            "X-Suggestion",
            "When nothing was found: what to search for instead, percent-encoded.",
        ));
        Success {
            content: content.collect(),
            headers,
            ..list
        }
    }
}

/// JSON in which everything beyond ASCII is escaped, as a header wants it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.extend(["\\u".to_owned(), format!("{unit:04x}")]);
        }
    }
    text
}

pub struct Typed(String);

impl Fields for Typed {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let text = form.optional("q", &QUERY);
        Some(Self(text?.unwrap_or_default()))
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Suggestion {
    /// A category's name or a product's title.
    text: String,
    /// `category` or `product`.
    kind: &'static str,
    id: u64,
}

pub async fn suggest(
    ctx: Ctx<Anyone>,
    Query(Typed(typed)): Query<Typed>,
) -> Answer<Json<Vec<Suggestion>>, Never> {
    if !Search::has_words(&typed) {
        return Ok(Json(Vec::new()));
    }
    let (store, search) = (ctx.store.clone(), ctx.search.clone());
    let work = move || {
        let mut suggestions = categories_like(&store, &typed)?;
        // Titles may stand on several products; three pages of ten hold ten different ones or so.
        let places = match search.complete(&typed, 3 * SUGGESTIONS_MAX) {
            Ok(places) => places,
            Err(SearchError::NotReady | SearchError::TooSlow) => Vec::new(),
            Err(error) => return Err(error),
        };
        let ids: Vec<_> = places.iter().map(|place| ProductId(place.id)).collect();
        for listed in store.products_of(&ids)? {
            let (title, id) = (listed.product.title, listed.product.id);
            let is_new = !suggestions.iter().any(|known| known.text == title);
            if is_new && suggestions.len() < SUGGESTIONS_MAX {
                suggestions.push(Suggestion {
                    text: title,
                    kind: "product",
                    id: id.0,
                });
            }
        }
        Ok(suggestions)
    };
    let suggestions = in_turn(&ctx.searches, work).await?;
    Ok(Json(
        suggestions.map_err(|error| Fault::Problem(error.problem()))?,
    ))
}

/// Categories of which a word begins with what is typed.
fn categories_like(store: &Store, typed: &str) -> Result<Vec<Suggestion>, StoreError> {
    let all = PageAsk {
        after: None,
        limit: 1_000,
    };
    let typed = text::fold(typed.trim());
    let begins = |name: &str| {
        let name = text::fold(name);
        let words = name.char_indices().filter(|(at, _)| {
            let before = name
                .get(..*at)
                .and_then(|before| before.chars().next_back());
            before.is_none_or(|before| !before.is_alphanumeric())
        });
        words
            .into_iter()
            .any(|(at, _)| name.get(at..).is_some_and(|rest| rest.starts_with(&typed)))
    };
    let rows = store.categories(all)?.rows.into_iter();
    let like = rows.filter(|listed| begins(listed.category.name.as_str()));
    Ok(like
        .take(CATEGORIES_MAX)
        .map(|listed| Suggestion {
            text: listed.category.name.as_str().to_owned(),
            kind: "category",
            id: listed.category.id.0,
        })
        .collect())
}
