//! The rules, asked by the thousand.

mod goods;
mod measures;
mod orders;
mod people;

use super::ids::{CategoryId, ProductId, UserId};
use super::money::Money;
use super::products::{Price, Product};
use super::time::Timestamp;

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
const ANN: UserId = UserId(7);

fn product(id: u64, cents: i128) -> Product {
    Product {
        id: ProductId(id),
        title: format!("Product {id}"),
        category: CategoryId(1),
        description: String::new(),
        price: Price::new(Money::from_cents(cents)).unwrap(),
        created_at: NOW,
    }
}
