//! Orders: placed and cancelled by customers, moved on by admins.

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{Known, NOT_FOUND, Never, Problem, Refuse};
use super::form::{Fields, Form};
use super::kinds::Choice;
use super::list::{Listing, PageFields};
use super::route::{
    Admin, Answer, At, Body, CreatedAt, Ctx, Findable, Id, Json, Nothing, Query, User,
};
use super::wire::{Amount, Moment};
use crate::http::StatusCode;
use crate::shop::ids::OrderId;
use crate::shop::orders::{
    AdvanceRefusal, CancelRefusal, Order, Refusal, Short, Status, TOTAL_MAX,
};

const STATUSES: [(&str, Status); 4] = {
    use Status::{Cancelled, New, Paid, Shipped};
    [
        (status_name(New), New),
        (status_name(Paid), Paid),
        (status_name(Shipped), Shipped),
        (status_name(Cancelled), Cancelled),
    ]
};

/// The wire's word for a status.
const fn status_name(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Paid => "paid",
        Status::Shipped => "shipped",
        Status::Cancelled => "cancelled",
    }
}

#[derive(Serialize, JsonSchema)]
pub struct OrderView {
    id: u64,
    /// `new`, `paid`, `shipped` or `cancelled`.
    status: &'static str,
    total_price: Amount,
    created_at: Moment,
    items: Vec<OrderLineView>,
}

#[derive(Serialize, JsonSchema)]
pub struct OrderLineView {
    id: u64,
    product: u64,
    product_title: String,
    price: Amount,
    quantity: u32,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        let lines = order.lines.into_iter().map(|line| OrderLineView {
            id: line.id.0,
            product: line.product.0,
            product_title: line.title,
            price: Amount(line.price),
            quantity: line.quantity,
        });
        Self {
            id: order.id.0,
            status: status_name(order.status),
            total_price: Amount(order.total),
            created_at: Moment(order.created_at),
            items: lines.collect(),
        }
    }
}

pub async fn place(ctx: Ctx<User>, _: Nothing) -> Answer<CreatedAt<OrderView>, Refusal> {
    let order = ctx.store.place_order(ctx.caller.id, ctx.now).await??; // The first ? is ours, the second the shop's.
    let path = format!("/orders/detail/{}/", order.id.0);
    Ok(CreatedAt(path, order.into()))
}

pub async fn list(
    ctx: Ctx<User>,
    Query(PageFields(ask)): Query<PageFields>,
) -> Answer<Listing<OrderView>, Never> {
    let (store, user, is_admin) = (ctx.store.clone(), ctx.caller.id, ctx.caller.is_admin);
    let page = ctx.page(ask.limit, move || {
        if is_admin {
            store.all_orders(ask)
        } else {
            store.orders_by(user, ask)
        }
    });
    Ok(Listing(page.await?.map(OrderView::from)))
}

pub async fn detail(ctx: Ctx<User>, Id(id): Id<OrderId>) -> Answer<Json<OrderView>, NoOrder> {
    let order = ctx.store.order(id)?;
    // A stranger's order is as if it were not there.
    let order = order.filter(|order| ctx.caller.is_admin || order.user == ctx.caller.id);
    Ok(Json(order.ok_or(NoOrder)?.into()))
}

/// There is no such order, or it is a stranger's.
#[derive(Debug)]
pub struct NoOrder;

impl Refuse for NoOrder {
    const KNOWN: &'static [&'static Known] = &[&NOT_FOUND];

    fn problem(self) -> Problem {
        Problem::new(&NOT_FOUND).saying("There is no such order.")
    }
}

impl Findable<Admin> for OrderId {
    const KNOWN: &'static [&'static Known] = &[];

    fn find(self, ctx: &Ctx<Admin>) -> Result<(), Problem> {
        match ctx.store.order(self)? {
            Some(_) => Ok(()),
            None => Err(NoOrder.problem()),
        }
    }
}

/// The step an admin insists on, if any.
pub struct Step(Option<Status>);

impl Fields for Step {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.optional("status", &Choice(&STATUSES)).map(Self)
    }
}

pub async fn advance(
    ctx: Ctx<Admin>,
    (At(id), Body(Step(to))): (At<OrderId>, Body<Step>),
) -> Answer<Json<OrderView>, AdvanceRefusal> {
    Ok(Json(ctx.store.advance_order(id, to).await??.into()))
}

#[derive(Serialize, JsonSchema)]
pub struct CancelledView {
    detail: &'static str,
}

pub async fn cancel(
    ctx: Ctx<User>,
    Id(id): Id<OrderId>,
) -> Answer<Json<CancelledView>, CancelRefusal> {
    ctx.store.cancel_order(id, ctx.caller.id).await??;
    Ok(Json(CancelledView {
        detail: "The order is cancelled and everything in it is back in stock.",
    }))
}

const CART_EMPTY: Known = Known::new(StatusCode::BAD_REQUEST, "cart_empty", "Your cart is empty.");
const INSUFFICIENT_STOCK: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "insufficient_stock",
    "There is not enough in stock; `items` says of what.",
);
const ORDER_TOTAL_TOO_LARGE: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "order_total_too_large",
    "The total is beyond what one order may come to.",
);

#[derive(Serialize)]
struct ShortView {
    product: u64,
    title: String,
    requested: u64,
    available: u64,
}

impl From<Short> for ShortView {
    fn from(short: Short) -> Self {
        Self {
            product: short.product.0,
            title: short.title,
            requested: short.requested,
            available: short.available,
        }
    }
}

impl Refuse for Refusal {
    const KNOWN: &'static [&'static Known] =
        &[&CART_EMPTY, &INSUFFICIENT_STOCK, &ORDER_TOTAL_TOO_LARGE];

    fn problem(self) -> Problem {
        match self {
            Self::CartEmpty => Problem::new(&CART_EMPTY),
            Self::InsufficientStock(short) => {
                let items: Vec<_> = short.into_iter().map(ShortView::from).collect();
                Problem::new(&INSUFFICIENT_STOCK).with("items", items)
            }
            Self::TotalTooLarge => Problem::new(&ORDER_TOTAL_TOO_LARGE).saying(format!(
                "The total is more than the {TOTAL_MAX} that one order may come to."
            )),
        }
    }
}

const ORDER_SHIPPED: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "order_shipped",
    "The order is shipped: there is no next step.",
);
const ORDER_CANCELLED: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "order_cancelled",
    "The order is cancelled: there is no next step.",
);
const NOT_THE_NEXT_STEP: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "not_the_next_step",
    "That is not the order's next step: new, paid, shipped.",
);

impl Refuse for AdvanceRefusal {
    const KNOWN: &'static [&'static Known] =
        &[&ORDER_SHIPPED, &ORDER_CANCELLED, &NOT_THE_NEXT_STEP];

    fn problem(self) -> Problem {
        match self {
            Self::NotFound => NoOrder.problem(),
            Self::AlreadyShipped => Problem::new(&ORDER_SHIPPED),
            Self::Cancelled => Problem::new(&ORDER_CANCELLED),
            Self::NotTheNextStep => Problem::new(&NOT_THE_NEXT_STEP),
        }
    }
}

const ORDER_NOT_NEW: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "order_not_new",
    "Only an order that is still new can be cancelled.",
);

impl Refuse for CancelRefusal {
    const KNOWN: &'static [&'static Known] = &[&ORDER_NOT_NEW];

    fn problem(self) -> Problem {
        match self {
            Self::NotFound => NoOrder.problem(),
            Self::NotNew => Problem::new(&ORDER_NOT_NEW),
        }
    }
}
