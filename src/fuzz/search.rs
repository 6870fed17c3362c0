//! Search: whatever a substring scan finds is found, for any product, any piece of it and any
//! words; and what is suggested is there.

use super::shop::shop;
use crate::search::{Search, SearchError, hard};
use crate::shop::ids::{CategoryId, ProductId};
use crate::shop::money::Money;
use crate::shop::products::{self, Filter, Ordering, Price, Product};
use crate::shop::time::Timestamp;
use crate::store::PageAsk;

const ALL: PageAsk = PageAsk {
    after: None,
    limit: 1_000,
};

/// Three bytes choose a piece of the text behind them: where it begins, how long it is, in which
/// case it is asked for. The text is a product's title, and from the first line's end on its
/// description; as a whole it is a search too.
pub fn run(bytes: &[u8]) {
    let Some((&[start, length, case], text)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let (title, description) = text.split_once('\n').unwrap_or((&text, ""));
    let (title, description) = (products::title(title), products::description(description));
    if let (Ok(title), Ok(description)) = (title, description) {
        let product = product(title, description);
        for text in [&product.title, &product.description] {
            is_found(&product, &piece(text, start, length, case));
            is_found(&product, text);
        }
    }
    if let Ok(text) = products::title(&text) {
        finds_what_a_scan_finds(&text);
        suggests_what_is_there(&text);
    }
}

fn piece(text: &str, start: u8, length: u8, case: u8) -> String {
    let start = usize::from(start) % text.chars().count().max(1);
    let piece = text.chars().skip(start).take(usize::from(length));
    let piece: String = piece.collect();
    match case % 3 {
        0 => piece,
        1 => piece.to_uppercase(),
        _ => piece.to_lowercase(),
    }
}

fn is_found(product: &Product, needle: &str) {
    let filter = asking(needle);
    if Search::has_words(needle) && filter.admits(product) {
        let found = hard::find_among(std::slice::from_ref(product), needle);
        let Product {
            title, description, ..
        } = product;
        assert_eq!(
            found,
            [product.id],
            "{needle:?} in {title:?} {description:?}"
        );
    }
}

fn finds_what_a_scan_finds(text: &str) {
    let (search, store) = (&shop().parts.search, &shop().parts.store);
    let filter = asking(text);
    let found = match search.find(&filter, None, ALL, true) {
        Ok(found) => found,
        Err(SearchError::NotReady) => return, // Behind what other targets write.
        Err(error) => panic!("{error:?}"),
    };
    if Search::has_words(text) {
        let scanned = store.scan_products(&filter, Ordering::Id, ALL);
        for listed in scanned.expect("read").rows {
            let id = listed.product.id.0;
            let is_found = found.page.iter().any(|place| place.id == id);
            assert!(is_found, "{text:?} misses {:?}", listed.product.title);
        }
    }
    let facets: u64 = found.facets.categories.values().sum();
    assert_eq!(found.total, facets, "each is of one category");
}

fn suggests_what_is_there(text: &str) {
    let search = &shop().parts.search;
    let completed = search.complete(text, 10);
    assert!(completed.is_ok_and(|places| places.len() <= 10));
    let instead = search
        .instead_of(&asking(text))
        .expect("an index in memory");
    if let Some(instead) = instead {
        let found = search.find(&asking(&instead), None, ALL, false);
        assert!(found.is_ok_and(|found| found.total > 0), "{instead:?}");
    }
}

fn asking(text: &str) -> Filter {
    Filter {
        text: text.to_owned(),
        ..Filter::default()
    }
}

fn product(title: String, description: String) -> Product {
    Product {
        id: ProductId(1),
        title,
        category: CategoryId(1),
        description,
        price: Price::new(Money::from_cents(1)).expect("above zero"),
        created_at: Timestamp(0),
    }
}
