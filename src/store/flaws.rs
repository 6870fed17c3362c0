//! Flaws planted in a store, each of which must be found, by its table and what is said of it.

use super::once::{Kept, KeptReply, Once};
use super::photos::key_of;
use super::tables::*;
use super::tests::{NOW, newcomer, photo, rows, store};
use super::verify::of_the_row;
use super::{SignIn, Store, StoreError};
use crate::shop::carts::{Cart, Line};
use crate::shop::ids::{CartLineId, CategoryId, CommentId, OrderId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::orders::{Order, Stock};
use crate::shop::products::Product;
use crate::shop::sessions::{Family, Session};
use crate::shop::users::{Account, Email, Newcomer, Role};

const ANN: UserId = UserId(1);
const NOBODY: UserId = UserId(99);
const GONE: ProductId = ProductId(99);

type Tx<'t> = Transaction<'t>;
type Planted = Result<(), StoreError>;

/// A flaw, the tables it shows in, and a piece of what is said.
type Flaw = (
    fn(&mut Tx<'_>) -> Planted,
    &'static [&'static str],
    &'static str,
);

/// A store with a row in every table.
async fn furnished() -> Store {
    let (store, _) = store();
    let ann = Newcomer {
        email: Some(Email::parse("ann@shop.test").expect("an address")),
        role: Role::Admin,
        ..newcomer("ann")
    };
    let ann = store
        .sign_up(ann, NOW)
        .await
        .expect("written")
        .expect("free");
    assert_eq!(ann.id, ANN);
    let sign_in = |token: u8| SignIn {
        token: [token; 32],
        session: Session {
            user: ANN,
            family: Family([token; 16]),
            era: ann.era,
            expires_at: NOW.plus_s(60),
            is_spent: false,
        },
        password_hash: ann.password_hash.clone(),
        better_hash: None,
    };
    for token in [1, 2] {
        assert!(store.sign_in(sign_in(token)).await.expect("written"));
    }
    assert!(store.sign_out([2; 32], ANN, NOW).await.expect("written"));
    store.import(rows(3), NOW).await.expect("written");
    let said = store.comment_on(ProductId(2), ANN, "Fine".into(), NOW);
    said.await.expect("written").expect("there");
    for _ in 0..2 {
        let added = store.add_to_cart(ANN, ProductId(3), 1).await;
        added.expect("written").expect("there");
        if store
            .orders_by(
                ANN,
                super::PageAsk {
                    after: None,
                    limit: 1,
                },
            )
            .expect("read")
            .rows
            .is_empty()
        {
            store
                .place_order(ANN, NOW)
                .await
                .expect("written")
                .expect("in stock");
        }
    }
    store
        .set_photo(ANN, photo(b"a picture"))
        .await
        .expect("written");
    let once = Once {
        user: ANN,
        key: "k".into(),
        fingerprint: [7; 32],
        earlier_fingerprints: Vec::new(),
        now: NOW,
    };
    let reply = || KeptReply {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
    };
    let done = store.do_once(once, |_| async move { reply() });
    done.await.expect("written");
    store
}

/// Puts a row back changed.
fn change<K: Key, R: serde::Serialize + serde::de::DeserializeOwned>(
    tx: &mut Tx<'_>,
    rows: &'static Rows<K, R>,
    key: &K,
    change: impl FnOnce(&mut R),
) -> Planted {
    let mut row = tx.must_get(rows, key)?;
    change(&mut row);
    tx.put(rows, key, &row)
}

fn first<K: Key, R: serde::de::DeserializeOwned>(
    tx: &Tx<'_>,
    rows: &'static Rows<K, R>,
) -> Result<K, StoreError> {
    let mut all = tx.range::<K, R>(rows, ..)?;
    let (key, _) = all.next().expect("every table has a row")?;
    Ok(key)
}

/// Puts a row back as a program of another version would.
fn age<K: Key, R: serde::Serialize + serde::de::DeserializeOwned>(
    tx: &mut Tx<'_>,
    mut rows: Rows<K, R>,
    key: &K,
) -> Planted {
    let row = tx.must_get(&rows, key)?;
    rows.kind.version = 9;
    tx.put(&rows, key, &row)
}

/// Puts a row on the shelf under a key that is no product's.
fn misname(tx: &mut Tx<'_>) -> Planted {
    let mut shelf = USERNAMES;
    shelf.kind = STOCK.kind;
    tx.put(&shelf, &"x".into(), &ANN)
}

/// Says that somebody shows a photo that is not the one their account names.
fn show_another_photo(tx: &mut Tx<'_>) -> Planted {
    let other = photo(b"another");
    tx.put(&PHOTOS, &other.name(), &other)?;
    tx.put(&PHOTO_OWNERS, &(key_of(&other.name())?, ANN), &())
}

#[rustfmt::skip]
const FLAWS: &[Flaw] = &[
    (|tx| change(tx, &ACCOUNTS, &ANN, |ann: &mut Account| ann.id = NOBODY), &["accounts"], "row 1 holds account 99"),
    (|tx| change(tx, &ACCOUNTS, &ANN, |ann: &mut Account| ann.photo = Some("short".into())), &["accounts", "photo_owners"], "shows short, which is no photo's name"),
    (|tx| tx.put(&PHOTOS, &"short".into(), &photo(b"another")), &["photos"], "short holds another photo"),
    (|tx| tx.remove(&USERNAMES, &"ann".into()), &["usernames"], "no row for the name of account 1"),
    (|tx| tx.put(&USERNAMES, &"ann".into(), &NOBODY), &["usernames"], "names another"),
    (|tx| tx.put(&USERNAMES, &"bob".into(), &ANN), &["usernames"], "2 rows where"),
    (|tx| tx.remove(&EMAILS, &"ann@shop.test".into()), &["emails"], "no row"),
    (|tx| tx.put(&EMAILS, &"bob@shop.test".into(), &ANN), &["emails"], "2 rows where"),
    (|tx| tx.remove(&PHONES, &"ann".into()), &["phones"], "no row"),
    (|tx| tx.put(&PHONES, &"bob".into(), &ANN), &["phones"], "2 rows where"),
    (|tx| tx.set_count(Counter::Users, 2), &["counters"], "says 2"),
    (|tx| tx.set_count(Counter::ActiveAdmins, 0), &["counters"], "says 0"),
    (|tx| change(tx, &ACCOUNTS, &ANN, |ann: &mut Account| ann.is_active = false), &["counters"], "says 1"),
    (|tx| tx.set_count(Counter::LastUser, 0), &["counters"], "says 0"),
    (|tx| { let key = first(tx, &PHOTO_OWNERS)?; tx.remove(&PHOTO_OWNERS, &key) }, &["photo_owners", "photos"], "no row for the photo of account 1"),
    (|tx| change(tx, &SESSIONS, &[1; 32], |session| session.user = NOBODY), &["accounts"], "a session of account 99"),
    (|tx| change(tx, &SESSIONS, &[1; 32], |session| session.expires_at = NOW), &["sessions_by_expiry"], "no row for a session"),
    (|tx| tx.put(&SESSIONS_BY_EXPIRY, &(NOW, [9; 32]), &()), &["sessions_by_expiry"], "rows where"),
    (|tx| { let key = first(tx, &ENDED_FAMILIES_BY_EXPIRY)?; tx.remove(&ENDED_FAMILIES_BY_EXPIRY, &key) }, &["ended_families_by_expiry"], "an ended family"),
    (|tx| tx.put(&ENDED_FAMILIES_BY_EXPIRY, &(NOW, [9; 16]), &()), &["ended_families_by_expiry"], "2 rows where"),
    (|tx| tx.remove(&CATEGORY_NAMES, &"parts".into()), &["category_names"], "the name of category 1"),
    (|tx| tx.put(&CATEGORY_NAMES, &"more".into(), &CategoryId(1)), &["category_names"], "2 rows where"),
    (|tx| tx.set_count(Counter::Categories, 3), &["counters"], "says 3"),
    (|tx| tx.set_count(Counter::LastCategory, 0), &["counters"], "says 0"),
    (|tx| change(tx, &PRODUCTS, &ProductId(1), |row: &mut Product| row.category = CategoryId(9)), &["categories", "products_in", "counters"], "product 1"),
    (|tx| tx.remove(&STOCK, &ProductId(1)), &["stock"], "no row for product 1"),
    (|tx| tx.put(&STOCK, &GONE, &Stock(1)), &["stock"], "4 rows where"),
    (|tx| tx.remove(&PRODUCTS_IN, &(CategoryId(1), ProductId(1))), &["products_in"], "product 1"),
    (|tx| tx.put(&PRODUCTS_IN, &(CategoryId(1), GONE), &()), &["products_in"], "4 rows where"),
    (|tx| tx.set_count(Counter::Products, 4), &["counters"], "says 4"),
    (|tx| tx.set_count(Counter::ProductsIn(CategoryId(1)), 4), &["counters"], "says 4"),
    (|tx| tx.set_count(Counter::ProductsIn(CategoryId(7)), 1), &["counters"], "says 1"),
    (|tx| tx.set_count(Counter::LastProduct, 2), &["counters"], "says 2"),
    (|tx| change(tx, &COMMENTS, &CommentId(1), |row| row.product = GONE), &["products", "comments_on", "counters"], "comment 1"),
    (|tx| change(tx, &COMMENTS, &CommentId(1), |row| row.user = NOBODY), &["accounts", "comments_by", "counters"], "comment 1"),
    (|tx| tx.remove(&COMMENTS_ON, &(ProductId(2), CommentId(1))), &["comments_on"], "comment 1"),
    (|tx| tx.put(&COMMENTS_ON, &(ProductId(2), CommentId(9)), &()), &["comments_on"], "2 rows where"),
    (|tx| tx.remove(&COMMENTS_BY, &(ANN, CommentId(1))), &["comments_by"], "comment 1"),
    (|tx| tx.put(&COMMENTS_BY, &(ANN, CommentId(9)), &()), &["comments_by"], "2 rows where"),
    (|tx| tx.set_count(Counter::Comments, 2), &["counters"], "says 2"),
    (|tx| tx.set_count(Counter::CommentsOn(ProductId(2)), 2), &["counters"], "says 2"),
    (|tx| tx.set_count(Counter::CommentsBy(ANN), 2), &["counters"], "says 2"),
    (|tx| tx.set_count(Counter::LastComment, 0), &["counters"], "says 0"),
    (|tx| { let cart: Cart = tx.must_get(&CARTS, &ANN)?; tx.put(&CARTS, &NOBODY, &cart) }, &["accounts"], "the cart of account 99"),
    (|tx| change(tx, &CARTS, &ANN, |cart: &mut Cart| cart.lines[0].quantity = 0), &["carts"], "line 2 is none"),
    (|tx| change(tx, &CARTS, &ANN, |cart: &mut Cart| { let product = cart.lines[0].product; cart.lines.push(Line { id: CartLineId(1), product, quantity: 1 }); }), &["carts"], "line 1 is none"),
    (|tx| tx.set_count(Counter::LastCartLine, 1), &["counters"], "says 1"),
    (|tx| change(tx, &ORDERS, &OrderId(1), |order: &mut Order| order.user = NOBODY), &["accounts", "orders_by", "counters"], "order 1"),
    (|tx| change(tx, &ORDERS, &OrderId(1), |order: &mut Order| order.total = Money::from_cents(1)), &["orders"], "not the sum"),
    (|tx| change(tx, &ORDERS, &OrderId(1), |order: &mut Order| { order.lines.clear(); order.total = Money::ZERO; }), &["orders"], "not the sum"),
    (|tx| tx.remove(&ORDERS_BY, &(ANN, OrderId(1))), &["orders_by"], "order 1"),
    (|tx| tx.put(&ORDERS_BY, &(ANN, OrderId(9)), &()), &["orders_by"], "2 rows where"),
    (|tx| tx.set_count(Counter::Orders, 2), &["counters"], "says 2"),
    (|tx| tx.set_count(Counter::OrdersBy(ANN), 2), &["counters"], "says 2"),
    (|tx| tx.set_count(Counter::LastOrder, 0), &["counters"], "says 0"),
    (|tx| tx.set_count(Counter::LastOrderLine, 0), &["counters"], "says 0"),
    (|tx| { let key = first(tx, &PHOTOS)?; tx.put(&PHOTOS, &key, &photo(b"another")) }, &["photos"], "holds another photo"),
    (|tx| { let key = first(tx, &PHOTOS)?; tx.remove(&PHOTOS, &key) }, &["photos"], "the photo of account 1"),
    (|tx| { let other = photo(b"another"); tx.put(&PHOTOS, &other.name(), &other) }, &["photos"], "nobody shows"),
    (|tx| { let (key, _) = first(tx, &PHOTO_OWNERS)?; tx.put(&PHOTO_OWNERS, &(key, NOBODY), &()) }, &["photo_owners"], "account 99 shows another photo or none"),
    (|tx| tx.remove(&OUTBOX, &2), &["outbox"], "a gap before 3"),
    (|tx| tx.set_count(Counter::LastOutbox, 9), &["counters"], "says 9"),
    (|tx| { let key = first(tx, &KEPT_BY_EXPIRY)?; tx.remove(&KEPT_BY_EXPIRY, &key) }, &["kept_by_expiry"], "a kept reply"),
    (|tx| { let kept: Kept = tx.must_get(&KEPT_REPLIES, &(ANN, "k".into()))?; tx.put(&KEPT_BY_EXPIRY, &(kept.expires_at, (NOBODY, "k".into())), &())?; tx.put(&KEPT_REPLIES, &(NOBODY, "k".into()), &kept) }, &["accounts"], "a kept reply of account 99"),
    (|tx| tx.put(&KEPT_BY_EXPIRY, &(NOW, (ANN, "other".into())), &()), &["kept_by_expiry"], "2 rows where"),
    (|tx| tx.set_count(Counter::Identity, 0), &["counters"], "says 0"),
    (|tx| tx.set_count(Counter::Format, 99), &["counters"], "says 99"),
    (|tx| tx.remove(&COUNTERS, &Counter::Format), &["counters"], "is missing: Exactly"),
    (|tx| age(tx, ACCOUNTS, &ANN), &["accounts", "usernames", "emails", "phones", "counters"], "another version of the program"),
    (|tx| age(tx, USERNAMES, &"ann".into()), &["usernames"], "another version of the program"),
    (|tx| age(tx, STOCK, &ProductId(1)), &["stock"], "another version of the program"),
    (|tx| age(tx, COUNTERS, &Counter::Users), &["counters"], "another version of the program"),
    (misname, &["stock"], "lacks the row of key x"),
    (show_another_photo, &["photo_owners"], "account 1 shows another photo or none"),
];

#[tokio::test]
async fn every_flaw_is_found_where_it_is() {
    let sound = furnished().await;
    let findings = sound.verify(|_| ()).expect("read");
    assert!(findings.is_empty(), "{:?}", findings.told);
    for (number, (plant, tables, said)) in FLAWS.iter().enumerate() {
        let store = furnished().await;
        store.write(plant).await.expect("written");
        let findings = store.verify(|_| ()).expect("read");
        let told: Vec<String> = findings.told.iter().map(ToString::to_string).collect();
        let mut found: Vec<_> = findings.told.iter().map(|finding| finding.table).collect();
        found.dedup();
        let all = found.iter().all(|table| tables.contains(table))
            && tables.iter().all(|table| found.contains(table));
        assert!(all, "flaw {number} of {tables:?}: {told:?}");
        assert!(
            told.iter().any(|told| told.contains(said)),
            "flaw {number}, {said}: {told:?}"
        );
        assert!(!findings.is_empty() && findings.more == 0);
    }
}

#[tokio::test]
async fn the_first_hundred_findings_are_told_and_the_others_counted() {
    let (store, _) = store();
    store.import(rows(103), NOW).await.expect("written");
    let planted = store.write(|tx| (1..=103).try_for_each(|id| tx.remove(&STOCK, &ProductId(id))));
    planted.await.expect("written");
    let mut seen = Vec::new();
    let findings = store.verify(|progress| seen.push(progress)).expect("read");
    assert_eq!(
        (findings.told.len(), findings.more),
        (100, 4),
        "103 rows and their count"
    );
    let last = seen.last().expect("it tells");
    assert_eq!(last.rows, last.of, "every row once");
    assert!(seen.is_sorted_by_key(|progress| progress.rows));
}

#[tokio::test]
async fn what_is_told_of_a_verified_store_comes_to_its_rows() {
    let store = furnished().await;
    let records = store.snapshot().expect("open").records().expect("read");
    let mut seen = Vec::new();
    store.verify(|progress| seen.push(progress)).expect("read");
    let rows: Vec<_> = seen.iter().map(|progress| progress.rows).collect();
    assert!(
        rows.is_sorted() && rows.last() == Some(&records),
        "{rows:?}"
    );
    assert!(seen.iter().all(|progress| progress.of == records));
    assert!(records > NAMES.len() as u64, "a row in every table");
}

#[test]
fn an_error_of_the_disk_is_no_finding() {
    let missing = StoreError::missing("stock", b"x");
    assert!(matches!(of_the_row::<()>(Err(missing)), Ok(Err(_))));
    let failed = StoreError::from(redb::StorageError::Corrupted("as asked".into()));
    assert!(matches!(
        of_the_row::<()>(Err(failed)),
        Err(StoreError::Reading(_))
    ));
}
