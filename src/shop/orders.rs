//! Orders: placing one takes stock, cancelling it gives the stock back, once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::carts::Cart;
use super::ids::{OrderId, OrderLineId, ProductId, UserId};
use super::money::Money;
use super::products::Product;
use super::time::Timestamp;

pub const TOTAL_MAX: Money = Money::from_cents(999_999_999_999);

/// A sale. It keeps the titles and prices of its moment, whatever becomes of the products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    pub user: UserId,
    pub status: Status,
    pub total: Money,
    pub created_at: Timestamp,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub id: OrderLineId,
    pub product: ProductId,
    pub title: String,
    pub price: Money,
    pub quantity: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    New,
    Paid,
    Shipped,
    Cancelled,
}

/// Pieces on the shelf. Wider than a request may name, so that giving back never overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stock(pub u64);

/// What must be known to place an order.
#[derive(Clone, Debug)]
pub struct Facts {
    pub user: UserId,
    pub cart: Cart,
    /// The products of the cart that are still offered, with their stock.
    pub shelf: Vec<(Product, Stock)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub order: Order,
    /// What is left of each product sold.
    pub stock: Vec<(ProductId, Stock)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    CartEmpty,
    /// Every line that can't be served, not only the first.
    InsufficientStock(Vec<Short>),
    /// The total is beyond `TOTAL_MAX`.
    TotalTooLarge,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    pub product: ProductId,
    pub title: String,
    pub requested: u64,
    pub available: u64,
}

/// Sells the cart, or says why not. Nothing is sold that is not there: the quantities of one
/// product are summed before they are checked, on however many lines they stand.
///
/// Lines whose product is gone from the shop are no part of the cart any more.
pub fn place(
    facts: Facts,
    id: OrderId,
    first_line: OrderLineId,
    now: Timestamp,
) -> Result<Placed, Refusal> {
    let Facts { user, cart, shelf } = facts;
    let shelf: BTreeMap<ProductId, (Product, Stock)> = shelf
        .into_iter()
        .map(|(product, stock)| (product.id, (product, stock)))
        .collect();
    let wanted: Vec<_> = cart
        .lines
        .iter()
        .filter_map(|line| Some((line, shelf.get(&line.product)?)))
        .collect();
    if wanted.is_empty() {
        return Err(Refusal::CartEmpty);
    }

    let mut requested = BTreeMap::<ProductId, u64>::new();
    for (line, _) in &wanted {
        let sum = requested.entry(line.product).or_default();
        *sum = sum.saturating_add(u64::from(line.quantity));
    }
    let mut stock = Vec::with_capacity(requested.len());
    let mut short = Vec::new();
    for (line, (product, available)) in &wanted {
        // Each product once, in the order of the cart.
        let Some(requested) = requested.remove(&line.product) else {
            continue;
        };
        match available.0.checked_sub(requested) {
            Some(left) => stock.push((product.id, Stock(left))),
            None => short.push(Short {
                product: product.id,
                title: product.title.clone(),
                requested,
                available: available.0,
            }),
        }
    }
    if !short.is_empty() {
        return Err(Refusal::InsufficientStock(short));
    }
    let total = Money::sum(
        wanted
            .iter()
            .map(|(line, (product, _))| product.price.money().times(line.quantity)),
    )
    .filter(|total| *total <= TOTAL_MAX)
    .ok_or(Refusal::TotalTooLarge)?;
    // From here on the order stands.

    let lines = (first_line.0..)
        .zip(&wanted)
        .map(|(id, (line, (product, _)))| Line {
            id: OrderLineId(id),
            product: product.id,
            title: product.title.clone(),
            price: product.price.money(),
            quantity: line.quantity,
        })
        .collect();
    let order = Order {
        id,
        user,
        status: Status::New,
        total,
        created_at: now,
        lines,
    };
    Ok(Placed { order, stock })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvanceRefusal {
    NotFound,
    AlreadyShipped,
    Cancelled,
    /// The step that was asked for is not the one that comes next.
    NotTheNextStep,
}

/// Moves an order one step: new, paid, shipped. `to` insists on which step that is.
pub fn advance(order: Option<Order>, to: Option<Status>) -> Result<Order, AdvanceRefusal> {
    let order = order.ok_or(AdvanceRefusal::NotFound)?;
    let next = match order.status {
        Status::New => Status::Paid,
        Status::Paid => Status::Shipped,
        Status::Shipped => return Err(AdvanceRefusal::AlreadyShipped),
        Status::Cancelled => return Err(AdvanceRefusal::Cancelled),
    };
    if to.is_some_and(|to| to != next) {
        return Err(AdvanceRefusal::NotTheNextStep);
    }
    Ok(Order {
        status: next,
        ..order
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelRefusal {
    /// There is no such order, or it is a stranger's.
    NotFound,
    NotNew,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    pub order: Order,
    /// Pieces that go back on the shelf, each product once.
    pub restock: Vec<(ProductId, u64)>,
}

/// Cancels the caller's own order while it is new. A second time it is not new any more, so
/// the pieces go back once.
pub fn cancel(order: Option<Order>, user: UserId) -> Result<Cancelled, CancelRefusal> {
    let order = order
        .filter(|order| order.user == user)
        .ok_or(CancelRefusal::NotFound)?;
    if order.status != Status::New {
        return Err(CancelRefusal::NotNew);
    }
    let mut restock = BTreeMap::<ProductId, u64>::new();
    for line in &order.lines {
        let sum = restock.entry(line.product).or_default();
        *sum = sum.saturating_add(u64::from(line.quantity));
    }
    Ok(Cancelled {
        order: Order {
            status: Status::Cancelled,
            ..order
        },
        restock: restock.into_iter().collect(),
    })
}

impl Stock {
    #[must_use]
    pub fn plus(self, pieces: u64) -> Self {
        Self(self.0.saturating_add(pieces))
    }
}
