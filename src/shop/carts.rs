//! Carts: what somebody means to buy. A cart promises nothing: stock is asked when it is ordered.

use serde::{Deserialize, Serialize};

use super::ids::{CartLineId, ProductId};
use super::money::Money;
use super::products::QUANTITY_MAX;

/// Distinct products in a cart; bounds an order's row and its work.
pub const LINES_MAX: usize = 500;

/// At most one line a product, in the order they were put in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    pub lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub id: CartLineId,
    pub product: ProductId,
    pub quantity: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such product.
    NoProduct,
    /// The product is not in the cart.
    NotInCart,
    /// It holds as many different products as a cart may.
    Full,
    /// The line would hold more pieces than a line may.
    TooMany,
}

/// Puts pieces in; the same product again adds up on its line.
pub fn add(
    mut cart: Cart,
    product: ProductId,
    quantity: u32,
    new_line: CartLineId,
) -> Result<Cart, Refusal> {
    if let Some(line) = cart.lines.iter_mut().find(|line| line.product == product) {
        line.quantity = line
            .quantity
            .checked_add(quantity)
            .filter(|sum| *sum <= QUANTITY_MAX)
            .ok_or(Refusal::TooMany)?;
        return Ok(cart);
    }
    if cart.lines.len() >= LINES_MAX {
        return Err(Refusal::Full);
    }
    cart.lines.push(Line {
        id: new_line,
        product,
        quantity,
    });
    Ok(cart)
}

/// Sets a line's quantity; zero removes it.
pub fn set(mut cart: Cart, product: ProductId, quantity: u32) -> Result<Cart, Refusal> {
    if quantity == 0 {
        return remove(cart, product);
    }
    let line = cart.lines.iter_mut().find(|line| line.product == product);
    line.ok_or(Refusal::NotInCart)?.quantity = quantity;
    Ok(cart)
}

/// What it costs: the prices and quantities of its lines.
pub fn total(lines: impl IntoIterator<Item = (Money, u32)>) -> Money {
    let prices = lines
        .into_iter()
        .map(|(price, quantity)| price.times(quantity));
    // 500 lines of 2^31 pieces at 10^10 cents fit many times over.
    Money::sum(prices).unwrap_or(Money::ZERO)
}

pub fn remove(mut cart: Cart, product: ProductId) -> Result<Cart, Refusal> {
    let before = cart.lines.len();
    cart.lines.retain(|line| line.product != product);
    if cart.lines.len() == before {
        Err(Refusal::NotInCart)
    } else {
        Ok(cart)
    }
}
