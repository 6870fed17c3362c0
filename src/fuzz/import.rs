//! Import: rows of any file keep the shop's bounds, and are read again as they would be exported.

use std::io::Cursor;

use serde_json::json;

use super::is_line;
use crate::api::wire::Amount;
use crate::cli::import::{Row, Rows};
use crate::shop::products::{
    CATEGORY_NAME_MAX, DESCRIPTION_MAX, Draft, PRICE_MAX, QUANTITY_MAX, TITLE_MAX,
};
use crate::store::ImportRow;

/// Rows looked at: a packed file may have thousands of times its bytes.
const ROWS_MAX: usize = 2_000;

/// The bytes are a file, plain or packed.
pub fn run(bytes: &[u8]) {
    let mut rows = Rows::of(Cursor::new(bytes.to_vec())).expect("memory does not fail");
    let mut last = 0;
    for _ in 0..ROWS_MAX {
        let Ok(Some((number, row))) = rows.read_next() else {
            return;
        };
        assert!(number > last, "lines are counted");
        last = number;
        match row {
            Ok(row) => is_kept(row),
            Err(reason) => assert!(!reason.is_empty(), "line {number} is refused for nothing"),
        }
    }
}

fn is_kept(row: Row) {
    let ImportRow::Offer(draft, category) = row.offer(7) else {
        unreachable!("it is offered");
    };
    let Draft {
        title,
        description,
        price,
        quantity,
    } = &draft;
    is_line(title, 1, TITLE_MAX);
    is_line(description, 0, DESCRIPTION_MAX);
    is_line(category.as_str(), 1, CATEGORY_NAME_MAX);
    assert!((1..=PRICE_MAX.cents()).contains(&price.money().cents()));
    assert!(*quantity <= QUANTITY_MAX);
    let exported = json!({
        "title": title,
        "category": category.as_str(),
        "description": description,
        "price": Amount(price.money()),
        "quantity": quantity,
    });
    let again = Row::read(exported.to_string().as_bytes()).expect("what was taken is taken again");
    let ImportRow::Offer(again, in_category) = again.offer(0) else {
        unreachable!("it is offered");
    };
    assert_eq!((again, in_category), (draft, category));
}
