//! Orders on the disk: placed, advanced and cancelled together with the stock they move.

use super::pages::{self, Direction};
use super::tables::{CARTS, Counter, ORDERS, ORDERS_BY, PRODUCTS, Read, STOCK, Transaction};
use super::{Page, PageAsk, Store, StoreError};
use crate::shop::carts::Cart;
use crate::shop::ids::{OrderId, OrderLineId, UserId};
use crate::shop::orders::{
    self, AdvanceRefusal, CancelRefusal, Facts, Order, Refusal, Status, Stock,
};
use crate::shop::time::Timestamp;

impl Store {
    /// Orders the cart: takes the stock, writes the order and empties the cart in one transaction.
    pub async fn place_order(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Result<Order, Refusal>, StoreError> {
        self.write(move |tx| {
            let facts = tx.order_facts(user)?;
            let id = OrderId(tx.count(Counter::LastOrder)? + 1);
            let first_line = OrderLineId(tx.count(Counter::LastOrderLine)? + 1);
            let placed = match orders::place(facts, id, first_line, now) {
                Ok(placed) => placed,
                Err(refusal) => return Ok(Err(refusal)), // Nothing was written.
            };
            for (product, left) in &placed.stock {
                tx.put(&STOCK, product, left)?;
            }
            tx.remove(&CARTS, &user)?;
            tx.put_new_order(&placed.order)?;
            Ok(Ok(placed.order))
        })
        .await
    }

    pub async fn advance_order(
        &self,
        id: OrderId,
        to: Option<Status>,
    ) -> Result<Result<Order, AdvanceRefusal>, StoreError> {
        self.write(move |tx| {
            let order = match orders::advance(tx.get(&ORDERS, &id)?, to) {
                Ok(order) => order,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tx.put(&ORDERS, &id, &order)?;
            Ok(Ok(order))
        })
        .await
    }

    pub async fn cancel_order(
        &self,
        id: OrderId,
        user: UserId,
    ) -> Result<Result<Order, CancelRefusal>, StoreError> {
        self.write(move |tx| {
            let cancelled = match orders::cancel(tx.get(&ORDERS, &id)?, user) {
                Ok(cancelled) => cancelled,
                Err(refusal) => return Ok(Err(refusal)),
            };
            for (product, pieces) in &cancelled.restock {
                // A product that left the shop has no shelf to go back to.
                let stock: Option<Stock> = tx.get(&STOCK, product)?;
                if let Some(stock) = stock {
                    tx.put(&STOCK, product, &stock.plus(*pieces))?;
                }
            }
            tx.put(&ORDERS, &id, &cancelled.order)?;
            Ok(Ok(cancelled.order))
        })
        .await
    }

    pub fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.snapshot()?.get(&ORDERS, &id)
    }

    pub fn orders_by(&self, user: UserId, ask: PageAsk) -> Result<Page<Order>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::OrdersBy(user))?;
        let key = |id| (user, OrderId(id));
        let order = Direction::NewestFirst;
        pages::page(&view, &ORDERS_BY, key, order, ask, total, |(_, id), ()| {
            view.must_get(&ORDERS, &id)
        })
    }

    pub fn all_orders(&self, ask: PageAsk) -> Result<Page<Order>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::Orders)?;
        let order = Direction::NewestFirst;
        let fill = |_, order| Ok(order);
        pages::page(&view, &ORDERS, OrderId, order, ask, total, fill)
    }
}

impl Transaction<'_> {
    fn order_facts(&self, user: UserId) -> Result<Facts, StoreError> {
        let cart: Cart = self.get(&CARTS, &user)?.unwrap_or_default();
        let mut shelf = Vec::with_capacity(cart.lines.len());
        for line in &cart.lines {
            if let Some(product) = self.get(&PRODUCTS, &line.product)? {
                shelf.push((product, self.must_get(&STOCK, &line.product)?));
            }
        }
        Ok(Facts { user, cart, shelf })
    }

    pub(super) fn put_new_order(&mut self, order: &Order) -> Result<(), StoreError> {
        let last_line = order.lines.last().map_or(0, |line| line.id.0);
        self.set_count(Counter::LastOrder, order.id.0)?;
        self.set_count(Counter::LastOrderLine, last_line)?;
        self.add_one(Counter::Orders)?;
        self.add_one(Counter::OrdersBy(order.user))?;
        self.put(&ORDERS_BY, &(order.user, order.id), &())?;
        self.put(&ORDERS, &order.id, order)
    }
}
