//! The caller's cart.

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{Known, NOT_FOUND, Never, Problem, Refuse};
use super::form::{Fields, Form};
use super::kinds::{PIECES, PRODUCT_ID, QUANTITY};
use super::products::{NoProduct, ProductView};
use super::route::{Answer, Body, Ctx, Json, NoContent, Nothing, User};
use super::wire::Amount;
use crate::http::StatusCode;
use crate::shop::carts::{self, LINES_MAX, Refusal};
use crate::shop::ids::ProductId;
use crate::shop::products::QUANTITY_MAX;
use crate::store::FilledCart;

#[derive(Serialize, JsonSchema)]
pub struct CartView {
    id: u64,
    items: Vec<CartLineView>,
    total_price: Amount,
    /// There when the cart is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
pub struct CartLineView {
    id: u64,
    product: ProductView,
    quantity: u32,
}

impl From<FilledCart> for CartView {
    fn from(cart: FilledCart) -> Self {
        let lines = cart.lines.iter();
        let total =
            carts::total(lines.map(|(line, listed)| (listed.product.price.money(), line.quantity)));
        Self {
            id: cart.user.0,
            message: cart.lines.is_empty().then_some("Your cart is empty."),
            items: cart
                .lines
                .into_iter()
                .map(|(line, listed)| CartLineView {
                    id: line.id.0,
                    product: listed.into(),
                    quantity: line.quantity,
                })
                .collect(),
            total_price: Amount(total),
        }
    }
}

pub async fn show(ctx: Ctx<User>, _: Nothing) -> Answer<Json<CartView>, Never> {
    Ok(Json(ctx.store.cart(ctx.caller.id)?.into()))
}

pub struct Add {
    product: ProductId,
    quantity: u32,
}

impl Fields for Add {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let product = form.required("product_id", &PRODUCT_ID);
        let quantity = form.required("quantity", &PIECES);
        Some(Self {
            product: product?,
            quantity: quantity?,
        })
    }
}

pub async fn add(ctx: Ctx<User>, Body(add): Body<Add>) -> Answer<Json<CartView>, Refusal> {
    let added = ctx
        .store
        .add_to_cart(ctx.caller.id, add.product, add.quantity);
    Ok(Json(added.await??.into()))
}

pub struct Set {
    product: ProductId,
    quantity: u32,
}

impl Fields for Set {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let product = form.required("product_id", &PRODUCT_ID);
        let quantity = form.required("quantity", &QUANTITY);
        Some(Self {
            product: product?,
            quantity: quantity?,
        })
    }
}

pub async fn set(ctx: Ctx<User>, Body(set): Body<Set>) -> Answer<Json<CartView>, NoLine> {
    let edited = ctx
        .store
        .set_in_cart(ctx.caller.id, set.product, set.quantity);
    Ok(Json(edited.await?.map_err(NoLine)?.into()))
}

pub struct Remove(ProductId);

impl Fields for Remove {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.required("product_id", &PRODUCT_ID).map(Self)
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Removed {
    message: &'static str,
    cart: CartView,
    status: u16,
}

pub async fn remove(
    ctx: Ctx<User>,
    Body(Remove(product)): Body<Remove>,
) -> Answer<Json<Removed>, Refusal> {
    let cart = ctx.store.remove_from_cart(ctx.caller.id, product).await??;
    Ok(Json(Removed {
        message: "The product is out of your cart.",
        cart: cart.into(),
        status: 200,
    }))
}

pub async fn clear(ctx: Ctx<User>, _: Nothing) -> Answer<NoContent, Never> {
    ctx.store.clear_cart(ctx.caller.id).await?;
    Ok(NoContent)
}

const NOT_IN_CART: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "not_in_cart",
    "This product is not in your cart.",
);

const CART_FULL: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "cart_full",
    "A cart holds at most 500 different products.",
);

const _: () = assert!(LINES_MAX == 500, "the sentence above says so");

impl Refuse for Refusal {
    const KNOWN: &'static [&'static Known] = &[&NOT_FOUND, &NOT_IN_CART, &CART_FULL];

    fn problem(self) -> Problem {
        match self {
            Self::NoProduct => NoProduct.problem(),
            Self::NotInCart => Problem::new(&NOT_IN_CART),
            Self::Full => Problem::new(&CART_FULL),
            Self::TooMany => {
                Problem::field("quantity", format!("A line holds at most {QUANTITY_MAX}."))
            }
        }
    }
}

/// The same refusals where the line itself is what the call is about: without it, 404.
pub struct NoLine(Refusal);

impl Refuse for NoLine {
    const KNOWN: &'static [&'static Known] = &[&NOT_FOUND];

    fn problem(self) -> Problem {
        match self.0 {
            Refusal::NotInCart => Problem::new(&NOT_FOUND).saying(NOT_IN_CART.says),
            refusal @ (Refusal::NoProduct | Refusal::Full | Refusal::TooMany) => refusal.problem(),
        }
    }
}
