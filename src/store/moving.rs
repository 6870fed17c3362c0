//! Moving in: rows that come from elsewhere with their ids, each written with whatever must agree with it.

use super::tables::{
    ACCOUNTS, CARTS, CATEGORIES, CATEGORY_NAMES, COMMENTS, Counter, ENDED_FAMILIES, ORDERS,
    PRODUCTS, Read, SESSIONS, STOCK, TokenHash, Transaction,
};
use super::users::holders;
use super::{Store, StoreError};
use crate::shop::carts::Cart;
use crate::shop::comments::Comment;
use crate::shop::ids::UserId;
use crate::shop::moving::{self, Found, Landing, land};
use crate::shop::orders::{Order, Stock};
use crate::shop::photos::Photo;
use crate::shop::products::{Category, Product};
use crate::shop::sessions::Session;
use crate::shop::users::{Account, Names};

/// A row that comes. Those of a kind come in the order of their ids (carts in that of their last
/// lines'), after all that they point to: an id that is not above the last one given here is taken
/// for one that was.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// The photo is the one that the account names.
    Account(Account, Option<Photo>),
    Category(Category),
    Product(Product, Stock),
    Comment(Comment),
    Cart(UserId, Cart),
    Order(Order),
    Session(TokenHash, Session),
}

/// The last ids that were given elsewhere, to rows that are gone there too.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastIds {
    pub user: u64,
    pub category: u64,
    pub product: u64,
    pub comment: u64,
    pub cart_line: u64,
    pub order: u64,
    pub order_line: u64,
}

impl Store {
    /// Takes rows in, all that can come or none, and says what became of each.
    pub async fn move_in(&self, arrivals: Vec<Arrival>) -> Result<Vec<Landing>, StoreError> {
        self.write(move |tx| {
            let mut landings = Vec::with_capacity(arrivals.len());
            for arrival in &arrivals {
                let landing = landing(tx, arrival)?;
                if landing == Landing::New {
                    tx.settle(arrival)?;
                }
                landings.push(landing);
            }
            Ok(landings)
        })
        .await
    }

    /// What would become of rows, each for itself; nothing is written.
    pub fn foresee(&self, arrivals: &[Arrival]) -> Result<Vec<Landing>, StoreError> {
        let view = self.snapshot()?;
        let landings = arrivals.iter().map(|arrival| landing(&view, arrival));
        landings.collect()
    }

    /// No id up to these is given to anything new.
    pub async fn raise_last_ids(&self, last: LastIds) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.raise(Counter::LastUser, last.user)?;
            tx.raise(Counter::LastCategory, last.category)?;
            tx.raise(Counter::LastProduct, last.product)?;
            tx.raise(Counter::LastComment, last.comment)?;
            tx.raise(Counter::LastCartLine, last.cart_line)?;
            tx.raise(Counter::LastOrder, last.order)?;
            tx.raise(Counter::LastOrderLine, last.order_line)
        })
        .await
    }

    /// Accounts in all.
    pub fn account_count(&self) -> Result<u64, StoreError> {
        self.snapshot()?.count(Counter::Users)
    }
}

fn landing(view: &impl Read, arrival: &Arrival) -> Result<Landing, StoreError> {
    let is_unused = |counter, id| Ok::<_, StoreError>(id > view.count(counter)?);
    match arrival {
        Arrival::Account(account, _) => {
            let here = view.get(&ACCOUNTS, &account.id)?;
            let found = here.map(|here| moving::account(&here, account));
            match land(found, is_unused(Counter::LastUser, account.id.0)?) {
                Landing::New => name_holders(view, account),
                landing => Ok(landing),
            }
        }
        Arrival::Category(category) => {
            let here = view.get(&CATEGORIES, &category.id)?;
            let found = here.map(|here| moving::category(&here, category));
            let landing = land(found, is_unused(Counter::LastCategory, category.id.0)?);
            let holder = view.get(&CATEGORY_NAMES, &category.name.key())?;
            Ok(match (landing, holder) {
                (Landing::New | Landing::Gone, Some(holder)) => Landing::StandIn(holder),
                (landing, _) => landing,
            })
        }
        Arrival::Product(product, stock) => {
            let here: Option<Product> = view.get(&PRODUCTS, &product.id)?;
            let found = match here {
                Some(here) => {
                    let left = view.must_get(&STOCK, &here.id)?;
                    Some(moving::product((&here, left), (product, *stock)))
                }
                None => None,
            };
            let is_unused = is_unused(Counter::LastProduct, product.id.0)?;
            Ok(land(found, is_unused))
        }
        Arrival::Comment(comment) => {
            let here = view.get(&COMMENTS, &comment.id)?;
            let found = here.map(|here| moving::comment(&here, comment));
            Ok(land(found, is_unused(Counter::LastComment, comment.id.0)?))
        }
        Arrival::Cart(user, cart) => {
            let here = view.get(&CARTS, user)?;
            let found = here.map(|here| moving::cart(&here, cart));
            let is_unused = is_unused(Counter::LastCartLine, last_line(cart))?;
            Ok(land(found, is_unused))
        }
        Arrival::Order(order) => {
            let here = view.get(&ORDERS, &order.id)?;
            let found = here.map(|here| moving::order(&here, order));
            Ok(land(found, is_unused(Counter::LastOrder, order.id.0)?))
        }
        Arrival::Session(token, session) => {
            let here: Option<Session> = view.get(&SESSIONS, token)?;
            let is_ended = view.get(&ENDED_FAMILIES, &session.family.0)?.is_some();
            // Spent or not, it stays what it became.
            Ok(land(here.map(|_| Found::Equal), !is_ended))
        }
    }
}

fn name_holders(view: &impl Read, account: &Account) -> Result<Landing, StoreError> {
    let names = Names {
        username: Some(account.username.clone()),
        email: account.email.clone(),
        phone: account.phone.clone(),
    };
    let taken = holders(view, &names)?.taken_from(Some(account.id));
    if taken.is_empty() {
        Ok(Landing::New)
    } else {
        Ok(Landing::Taken(taken))
    }
}

fn last_line(cart: &Cart) -> u64 {
    let ids = cart.lines.iter().map(|line| line.id.0);
    ids.max().unwrap_or(0)
}

impl Transaction<'_> {
    /// Writes a new row. What it points to must be there.
    fn settle(&mut self, arrival: &Arrival) -> Result<(), StoreError> {
        match arrival {
            Arrival::Account(account, photo) => {
                if let (Some(name), Some(photo)) = (&account.photo, photo) {
                    self.show_photo(account.id, name, photo)?;
                }
                self.put_new_account(account)
            }
            Arrival::Category(category) => self.put_new_category(category),
            Arrival::Product(product, stock) => {
                self.must_get(&CATEGORIES, &product.category)?;
                self.put_new_product(product, *stock)
            }
            Arrival::Comment(comment) => {
                self.must_get(&STOCK, &comment.product)?;
                self.must_get(&ACCOUNTS, &comment.user)?;
                self.put_new_comment(comment)
            }
            Arrival::Cart(user, cart) => {
                self.must_get(&ACCOUNTS, user)?;
                for line in &cart.lines {
                    self.must_get(&STOCK, &line.product)?;
                }
                self.raise(Counter::LastCartLine, last_line(cart))?;
                self.put(&CARTS, user, cart)
            }
            Arrival::Order(order) => {
                self.must_get(&ACCOUNTS, &order.user)?;
                let before = self.count(Counter::LastOrderLine)?;
                self.put_new_order(order)?;
                let ids = order.lines.iter().map(|line| line.id.0);
                // Lines of two orders may have come turn by turn.
                self.set_count(Counter::LastOrderLine, ids.fold(before, u64::max))
            }
            Arrival::Session(token, session) => {
                self.must_get(&ACCOUNTS, &session.user)?;
                self.put_session(token, session)
            }
        }
    }

    fn raise(&mut self, counter: Counter, to: u64) -> Result<(), StoreError> {
        if self.count(counter)? < to {
            self.set_count(counter, to)?;
        }
        Ok(())
    }
}
