//! Carts and the orders made of them.

use proptest::prelude::*;

use super::{ANN, NOW, product};
use crate::shop::carts::{self, Cart};
use crate::shop::ids::{CartLineId, OrderId, OrderLineId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::orders::{self, Facts, Order, Refusal, Status, Stock};
use crate::shop::products::{Product, QUANTITY_MAX};

fn line(id: u64, product: u64, quantity: u32) -> carts::Line {
    carts::Line {
        id: CartLineId(id),
        product: ProductId(product),
        quantity,
    }
}

fn place(facts: Facts) -> Result<orders::Placed, Refusal> {
    orders::place(facts, OrderId(1), OrderLineId(1), NOW)
}

fn facts(lines: Vec<carts::Line>, shelf: Vec<(Product, u64)>) -> Facts {
    Facts {
        user: ANN,
        cart: Cart { lines },
        shelf: shelf
            .into_iter()
            .map(|(product, stock)| (product, Stock(stock)))
            .collect(),
    }
}

prop_compose! {
    /// A cart over six products, some gone from the shop, some on several lines.
    fn any_facts()(
        lines in prop::collection::vec((1_u64..=6, 1_u32..=50), 0..12),
        shelf in prop::collection::btree_map(1_u64..=6, (1_i128..=9_999_999_999, 0_u64..=120), 0..=6),
    ) -> Facts {
        facts(
            (1..).zip(lines).map(|(id, (product, quantity))| line(id, product, quantity)).collect(),
            shelf.into_iter().map(|(id, (cents, stock))| (product(id, cents), stock)).collect(),
        )
    }
}

/// Pieces of a product in the cart, over all its lines.
fn requested(facts: &Facts, product: ProductId) -> u64 {
    let lines = facts.cart.lines.iter();
    lines
        .filter(|line| line.product == product)
        .map(|line| u64::from(line.quantity))
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn stock_before_is_stock_after_and_sold(facts in any_facts()) {
        if let Ok(placed) = place(facts.clone()) {
            for (product, before) in &facts.shelf {
                let after = placed.stock.iter().find(|(id, _)| *id == product.id);
                let after = after.map_or(*before, |(_, stock)| *stock);
                let sold: u64 = placed.order.lines.iter()
                    .filter(|line| line.product == product.id)
                    .map(|line| u64::from(line.quantity))
                    .sum();
                prop_assert_eq!(before.0, after.0 + sold);
                prop_assert_eq!(sold, requested(&facts, product.id));
            }
        }
    }

    #[test]
    fn a_refusal_for_stock_names_every_short_product_and_no_other(facts in any_facts()) {
        let short: Vec<_> = facts.shelf.iter()
            .filter(|(product, stock)| requested(&facts, product.id) > stock.0)
            .map(|(product, _)| product.id)
            .collect();
        match place(facts.clone()) {
            Err(Refusal::InsufficientStock(named)) => {
                let mut named: Vec<_> = named.into_iter().map(|short| short.product).collect();
                named.sort();
                prop_assert_eq!(named, short);
            }
            Err(Refusal::CartEmpty) => {
                prop_assert!(facts.shelf.iter().all(|(p, _)| requested(&facts, p.id) == 0));
            }
            Ok(_) | Err(Refusal::TotalTooLarge) => prop_assert!(short.is_empty()),
        }
    }

    #[test]
    fn a_total_is_the_sum_of_its_lines(facts in any_facts()) {
        match place(facts) {
            Ok(placed) => {
                let sum: i128 = placed.order.lines.iter()
                    .map(|line| line.price.cents() * i128::from(line.quantity))
                    .sum();
                prop_assert_eq!(placed.order.total.cents(), sum);
                prop_assert!(placed.order.total <= orders::TOTAL_MAX);
            }
            Err(Refusal::TotalTooLarge | Refusal::CartEmpty | Refusal::InsufficientStock(_)) => {}
        }
    }

    #[test]
    fn cancelling_gives_back_what_was_sold_once(facts in any_facts()) {
        if let Ok(placed) = place(facts.clone()) {
            let cancelled = orders::cancel(Some(placed.order), ANN).expect("a new order of one's own");
            for (product, pieces) in &cancelled.restock {
                prop_assert_eq!(*pieces, requested(&facts, *product));
            }
            let sold_products = placed.stock.len();
            prop_assert_eq!(cancelled.restock.len(), sold_products);
            prop_assert_eq!(
                orders::cancel(Some(cancelled.order), ANN),
                Err(orders::CancelRefusal::NotNew)
            );
        }
    }

    #[test]
    fn a_cart_counts_every_piece(adds in prop::collection::vec((1_u64..=4, 1_u32..=1_000), 0..40)) {
        let mut cart = Cart::default();
        for (n, (product, quantity)) in (1..).zip(&adds) {
            cart = carts::add(cart, ProductId(*product), *quantity, CartLineId(n)).unwrap();
        }
        for product in 1..=4 {
            let put_in: u32 = adds.iter().filter(|(p, _)| *p == product).map(|(_, q)| q).sum();
            let lines: Vec<_> = cart.lines.iter().filter(|l| l.product == ProductId(product)).collect();
            prop_assert!(lines.len() <= 1);
            prop_assert_eq!(lines.first().map_or(0, |line| line.quantity), put_in);
        }
    }
}

#[test]
fn two_lines_of_one_product_are_summed_before_they_are_checked() {
    let lines = vec![line(1, 1, 3), line(2, 1, 3)];
    let refusal = place(facts(lines, vec![(product(1, 100), 5)])).unwrap_err();
    let Refusal::InsufficientStock(short) = refusal else {
        panic!("refused for stock, not {refusal:?}")
    };
    assert_eq!((short[0].requested, short[0].available), (6, 5));
}

#[test]
fn the_last_piece_may_be_sold() {
    let placed = place(facts(vec![line(1, 1, 5)], vec![(product(1, 100), 5)])).unwrap();
    assert_eq!(placed.stock, [(ProductId(1), Stock(0))]);
}

#[test]
fn a_total_beyond_the_bound_is_refused() {
    let shelf = vec![(product(1, 9_999_999_999), 1_000)];
    assert!(place(facts(vec![line(1, 1, 100)], shelf.clone())).is_ok());
    let refusal = place(facts(vec![line(1, 1, 101)], shelf)).unwrap_err();
    assert_eq!(refusal, Refusal::TotalTooLarge);
}

fn order(status: Status) -> Order {
    let mut placed = place(facts(vec![line(1, 1, 1)], vec![(product(1, 100), 1)])).unwrap();
    placed.order.status = status;
    placed.order
}

#[test]
fn status_moves_one_step_and_stops() {
    use orders::AdvanceRefusal::{AlreadyShipped, Cancelled, NotFound, NotTheNextStep};
    let step = |from, to| orders::advance(Some(order(from)), to).map(|order| order.status);
    assert_eq!(step(Status::New, None), Ok(Status::Paid));
    assert_eq!(step(Status::Paid, None), Ok(Status::Shipped));
    assert_eq!(
        step(Status::Paid, Some(Status::Shipped)),
        Ok(Status::Shipped)
    );
    assert_eq!(
        step(Status::New, Some(Status::Shipped)),
        Err(NotTheNextStep)
    );
    assert_eq!(step(Status::New, Some(Status::New)), Err(NotTheNextStep));
    assert_eq!(step(Status::Shipped, None), Err(AlreadyShipped));
    assert_eq!(step(Status::Cancelled, None), Err(Cancelled));
    assert_eq!(orders::advance(None, None), Err(NotFound));
}

#[test]
fn only_a_new_order_of_ones_own_can_be_cancelled() {
    use orders::CancelRefusal::{NotFound, NotNew};
    let cancel = |status, user| orders::cancel(Some(order(status)), user).map(|_| ());
    assert_eq!(cancel(Status::New, ANN), Ok(()));
    assert_eq!(cancel(Status::New, UserId(8)), Err(NotFound));
    for status in [Status::Paid, Status::Shipped, Status::Cancelled] {
        assert_eq!(cancel(status, ANN), Err(NotNew));
    }
}

#[test]
fn a_cart_line_has_a_bound_and_a_cart_too() {
    let cart = Cart {
        lines: vec![line(1, 1, 2_147_483_647)],
    };
    let refusal = carts::add(cart, ProductId(1), 1, CartLineId(2));
    assert_eq!(refusal, Err(carts::Refusal::TooMany));
    let lines = (1..=500).map(|n| line(n, n, 1)).collect();
    let refusal = carts::add(Cart { lines }, ProductId(501), 1, CartLineId(501));
    assert_eq!(refusal, Err(carts::Refusal::Full));
}

/// A lamp, a sofa and a desk, by product.
fn three_lines() -> Cart {
    Cart {
        lines: vec![line(1, 10, 1), line(2, 20, 2), line(3, 30, 3)],
    }
}

#[test]
fn setting_a_line_changes_that_line_and_zero_takes_it_out() {
    let set = |product, quantity| {
        let cart = carts::set(three_lines(), ProductId(product), quantity);
        cart.map(|cart| cart.lines)
    };
    let (lamp, sofa, desk) = (line(1, 10, 1), line(2, 20, 2), line(3, 30, 3));
    assert_eq!(set(20, 7), Ok(vec![lamp, line(2, 20, 7), desk]));
    assert_eq!(set(20, 2), Ok(vec![lamp, sofa, desk]));
    assert_eq!(set(20, 0), Ok(vec![lamp, desk]));
    assert_eq!(set(40, 7), Err(carts::Refusal::NotInCart));
    assert_eq!(set(40, 0), Err(carts::Refusal::NotInCart));
}

#[test]
fn what_is_taken_out_of_a_cart_was_in_it_and_the_rest_stays() {
    let remove = |product| {
        let cart = carts::remove(three_lines(), ProductId(product));
        cart.map(|cart| cart.lines)
    };
    let (lamp, sofa, desk) = (line(1, 10, 1), line(2, 20, 2), line(3, 30, 3));
    assert_eq!(remove(10), Ok(vec![sofa, desk]));
    assert_eq!(remove(30), Ok(vec![lamp, sofa]));
    assert_eq!(remove(40), Err(carts::Refusal::NotInCart));
    let empty = carts::remove(Cart::default(), ProductId(10));
    assert_eq!(empty, Err(carts::Refusal::NotInCart));
}

#[test]
fn a_cart_costs_what_its_lines_cost_and_a_full_one_can_be_told() {
    let costs = |lines: &[(i128, u32)]| {
        let lines = lines.iter();
        carts::total(lines.map(|(cents, quantity)| (Money::from_cents(*cents), *quantity)))
    };
    assert_eq!(costs(&[]), Money::ZERO);
    assert_eq!(costs(&[(250, 2), (99, 3)]), Money::from_cents(797));
    let dearest = (9_999_999_999, QUANTITY_MAX);
    let all = 500 * 9_999_999_999 * i128::from(QUANTITY_MAX);
    assert_eq!(costs(&[dearest; 500]), Money::from_cents(all));
}

#[test]
fn a_line_and_a_cart_may_be_filled_to_the_brim() {
    let cart = Cart {
        lines: vec![line(1, 1, 2_147_483_646)],
    };
    let cart = carts::add(cart, ProductId(1), 1, CartLineId(2)).unwrap();
    assert_eq!(cart.lines, [line(1, 1, 2_147_483_647)]);
    let lines = (1..=499).map(|n| line(n, n, 1)).collect();
    let cart = carts::add(Cart { lines }, ProductId(500), 1, CartLineId(500)).unwrap();
    assert_eq!(cart.lines.len(), 500);
    let cart = carts::add(cart, ProductId(500), 2, CartLineId(501)).unwrap();
    assert_eq!(cart.lines.last(), Some(&line(500, 500, 3)));
}
