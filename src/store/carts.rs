//! Carts on the disk: one row a customer.

use super::products::CategoryNames;
use super::tables::{CARTS, Counter, PRODUCTS, Read, STOCK, Transaction};
use super::{ListedProduct, Store, StoreError};
use crate::shop::carts::{self, Cart, Line, Refusal};
use crate::shop::ids::{CartLineId, ProductId, UserId};

/// A cart with what lies in it. A product that left the shop left every cart.
#[derive(Clone, Debug)]
pub struct FilledCart {
    pub user: UserId,
    pub lines: Vec<(Line, ListedProduct)>,
}

impl Store {
    pub fn cart(&self, user: UserId) -> Result<FilledCart, StoreError> {
        let view = self.snapshot()?;
        let cart = view.get(&CARTS, &user)?.unwrap_or_default();
        fill(&view, user, cart)
    }

    pub async fn add_to_cart(
        &self,
        user: UserId,
        product: ProductId,
        quantity: u32,
    ) -> Result<Result<FilledCart, Refusal>, StoreError> {
        self.edit_cart(user, product, move |cart, new_line| {
            carts::add(cart, product, quantity, new_line)
        })
        .await
    }

    pub async fn set_in_cart(
        &self,
        user: UserId,
        product: ProductId,
        quantity: u32,
    ) -> Result<Result<FilledCart, Refusal>, StoreError> {
        self.edit_cart(user, product, move |cart, _| {
            carts::set(cart, product, quantity)
        })
        .await
    }

    pub async fn remove_from_cart(
        &self,
        user: UserId,
        product: ProductId,
    ) -> Result<Result<FilledCart, Refusal>, StoreError> {
        self.edit_cart(user, product, move |cart, _| carts::remove(cart, product))
            .await
    }

    pub async fn clear_cart(&self, user: UserId) -> Result<(), StoreError> {
        self.write(move |tx| {
            if tx.get(&CARTS, &user)?.is_some() {
                tx.remove(&CARTS, &user)?;
            }
            Ok(())
        })
        .await
    }

    /// Loads, asks, applies: every change of a cart goes this way.
    async fn edit_cart(
        &self,
        user: UserId,
        product: ProductId,
        edit: impl FnOnce(Cart, CartLineId) -> Result<Cart, Refusal> + Send + 'static,
    ) -> Result<Result<FilledCart, Refusal>, StoreError> {
        let edited = self.write(move |tx| {
            if tx.get(&STOCK, &product)?.is_none() {
                return Ok(Err(Refusal::NoProduct));
            }
            let before = tx.offered_cart(user)?;
            let new_line = CartLineId(tx.count(Counter::LastCartLine)? + 1);
            let cart = match edit(before, new_line) {
                Ok(cart) => cart,
                Err(refusal) => return Ok(Err(refusal)), // Nothing was written.
            };
            if cart.lines.iter().any(|line| line.id == new_line) {
                tx.set_count(Counter::LastCartLine, new_line.0)?;
            }
            if cart.lines.is_empty() {
                tx.remove(&CARTS, &user)?;
            } else {
                tx.put(&CARTS, &user, &cart)?;
            }
            Ok(Ok(cart))
        });
        // Filled where the work was called, or by the writer for work that is done once: a full cart takes longer to show than to change.
        match edited.await? {
            Ok(cart) => fill(&self.snapshot()?, user, cart).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

impl Transaction<'_> {
    /// The cart without lines whose product left the shop.
    fn offered_cart(&self, user: UserId) -> Result<Cart, StoreError> {
        let mut cart: Cart = self.get(&CARTS, &user)?.unwrap_or_default();
        let mut offered = Vec::with_capacity(cart.lines.len());
        for line in cart.lines {
            if self.get(&STOCK, &line.product)?.is_some() {
                offered.push(line);
            }
        }
        cart.lines = offered;
        Ok(cart)
    }
}

fn fill(view: &impl Read, user: UserId, cart: Cart) -> Result<FilledCart, StoreError> {
    let mut names = CategoryNames::default();
    let mut lines = Vec::with_capacity(cart.lines.len());
    for line in cart.lines {
        if let Some(product) = view.get(&PRODUCTS, &line.product)? {
            lines.push((line, names.list(view, product)?));
        }
    }
    Ok(FilledCart { user, lines })
}
