//! Moving in: what becomes of a row that comes from elsewhere and keeps its id.
//!
//! A moment that never changes (when an account was opened, a product or a comment was made, an order
//! was placed) tells whether the row of the same id is the same thing. What is here stays as it is, and
//! an id that was given once is not given again; so whatever comes twice changes nothing.

use super::carts::Cart;
use super::comments::Comment;
use super::ids::CategoryId;
use super::orders::{Order, Stock};
use super::products::{Category, Product};
use super::users::{Account, Taken};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landing {
    /// It comes in.
    New,
    /// It came before, and nothing changed.
    Here,
    /// It came before, and the shop went on with it: it is left as it is.
    WentOn,
    /// The shop has something else under this id.
    Another,
    /// This id was given here, and what had it is gone.
    Gone,
    /// Another account has one of its names.
    Taken(Vec<Taken>),
    /// A category that is here under another id has its name, and stands for it.
    StandIn(CategoryId),
}

/// The row that is under the same id, beside the one that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Equal,
    Changed,
    Another,
}

/// `is_unused`: the id is above every one that was given here.
pub fn land(found: Option<Found>, is_unused: bool) -> Landing {
    match found {
        Some(Found::Equal) => Landing::Here,
        Some(Found::Changed) => Landing::WentOn,
        Some(Found::Another) => Landing::Another,
        None if is_unused => Landing::New,
        None => Landing::Gone,
    }
}

fn found(is_same: bool, is_equal: bool) -> Found {
    match (is_same, is_equal) {
        (false, _) => Found::Another,
        (true, false) => Found::Changed,
        (true, true) => Found::Equal,
    }
}

/// A photo that does not come is not compared.
pub fn account(here: &Account, comes: &Account) -> Found {
    let photo = comes.photo.clone().or_else(|| here.photo.clone());
    let comes = Account {
        photo,
        ..comes.clone()
    };
    found(here.joined_at == comes.joined_at, *here == comes)
}

/// Categories have no moment: one is the same while it has its name.
pub fn category(here: &Category, comes: &Category) -> Found {
    found(here.name.key() == comes.name.key(), here == comes)
}

pub fn product(here: (&Product, Stock), comes: (&Product, Stock)) -> Found {
    found(here.0.created_at == comes.0.created_at, here == comes)
}

pub fn comment(here: &Comment, comes: &Comment) -> Found {
    found(here.created_at == comes.created_at, here == comes)
}

/// A cart is its owner's, whatever lies in it.
pub fn cart(here: &Cart, comes: &Cart) -> Found {
    found(true, here == comes)
}

pub fn order(here: &Order, comes: &Order) -> Found {
    found(here.created_at == comes.created_at, here == comes)
}
