//! What each use-case of the store reads and leaves behind.

mod moving;
mod once;
mod outbox;

use super::tables::{CARTS, COUNTERS, Counter, Read, SESSIONS};
use super::tests::{NOW, newcomer, rows, store};
use super::{
    ImportRow, ListedCategory, ListedProduct, Page, PageAsk, SignIn, SignedComment, Store,
    StoreError,
};
use crate::shop::carts;
use crate::shop::comments;
use crate::shop::ids::{CategoryId, CommentId, OrderId, OrderLineId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::orders::{CancelRefusal, Order, Status, Stock};
use crate::shop::products::{CategoryName, CategoryRefusal, Draft, Edit, Filter, Ordering, Price};
use crate::shop::sessions::{Family, Refusal, Session};
use crate::shop::time::Timestamp;
use crate::shop::users::{
    Account, Email, LastAdmin, Names, ProfileEdit, Role, StandingEdit, Taken, Username,
};

const ANN: UserId = UserId(1);
const BOB: UserId = UserId(2);
const NOBODY: UserId = UserId(99);
const GONE: ProductId = ProductId(99);

/// A shop of two customers and three products, of which there are 0, 1 and 2 pieces.
async fn shop() -> Store {
    let (store, _) = store();
    for name in ["ann", "bob"] {
        let account = store.sign_up(newcomer(name), NOW).await;
        account.expect("written").expect("free");
    }
    store.import(rows(3), NOW).await.expect("written");
    store
}

/// No index and no counter was forgotten.
fn must_be_sound(store: &Store) {
    let findings = store.verify(|_| ()).expect("read");
    assert!(findings.is_empty(), "{:?}", findings.told);
}

fn account(store: &Store, id: UserId) -> Account {
    store.account(id).expect("read").expect("there")
}

fn username(name: &str) -> Username {
    Username::parse(name).expect("a name")
}

fn category(name: &str) -> CategoryName {
    CategoryName::parse(name).expect("short")
}

const ALL: PageAsk = PageAsk {
    after: None,
    limit: 100,
};

/// Every page of a list from its first to its last, by what `id` makes of its rows.
fn pages<T, I>(
    limit: usize,
    read: impl Fn(PageAsk) -> Result<Page<T>, StoreError>,
    id: impl Fn(T) -> I,
) -> Vec<Vec<I>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = read(PageAsk { after, limit }).expect("read");
        pages.push(page.rows.into_iter().map(&id).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
        assert!(pages.len() < 10, "it goes round");
    }
}

#[tokio::test]
async fn an_account_is_found_by_its_name_however_that_is_written() {
    let store = shop().await;
    let named = |name: &str| store.account_named(&username(name)).expect("read");
    assert_eq!(named("ANN"), Some(account(&store, ANN)));
    assert_eq!(named("cat"), None);
    assert_eq!(store.account(NOBODY).expect("read"), None);
    let ids = |limit| pages(limit, |ask| store.accounts(ask), |account| account.id.0);
    assert_eq!(ids(1), [[1], [2]]);
    assert_eq!(ids(2), [[1, 2]]);
}

#[tokio::test]
async fn a_name_belongs_to_one_account_until_that_takes_another() {
    let store = shop().await;
    let email = Email::parse("ann@shop.test").expect("an address");
    let edit = ProfileEdit {
        username: Some(username("anna")),
        email: Some(Some(email.clone())),
        ..ProfileEdit::default()
    };
    let edited = store.edit_profile(ANN, edit).await;
    let edited = edited.expect("written").expect("free");
    assert_eq!(account(&store, ANN), edited);

    let names = |name: &str| Names {
        username: Some(username(name)),
        email: Some(email.clone()),
        phone: newcomer("bob").phone,
    };
    let held = |name| store.holders(&names(name)).expect("read");
    let holders = held("anna");
    assert_eq!(
        (holders.username, holders.email, holders.phone),
        (Some(ANN), Some(ANN), Some(BOB))
    );
    assert_eq!(held("ann").username, None);

    let refused = store.sign_up(newcomer("bob"), NOW).await.expect("asked");
    assert_eq!(refused, Err(vec![Taken::Username, Taken::Phone]));
    must_be_sound(&store);
}

#[tokio::test]
async fn a_password_is_changed_by_who_knew_the_last_one() {
    let store = shop().await;
    let change =
        async |old: &str, new: &str| store.change_password(ANN, old.into(), new.into()).await;
    let changed = change("$argon2id$", "new").await.expect("written");
    assert_eq!(changed, Some(account(&store, ANN)));
    assert_eq!(account(&store, ANN).password_hash, "new");
    assert_eq!(account(&store, ANN).era, 1, "every session ended");
    assert_eq!(change("$argon2id$", "late").await.expect("asked"), None);
    assert_eq!(account(&store, ANN).password_hash, "new");

    let reset = store.reset_password(&username("Ann"), "reset".into()).await;
    assert_eq!(reset.expect("written"), Some(account(&store, ANN)));
    assert_eq!(account(&store, ANN).password_hash, "reset");
    let nobody = store.reset_password(&username("cat"), "reset".into()).await;
    assert_eq!(nobody.expect("asked"), None);
}

#[tokio::test]
async fn the_last_admin_stays_one_and_anybody_can_be_made_another() {
    let store = shop().await;
    let promoted = store.promote(&username("ANN")).await.expect("written");
    assert_eq!(promoted, Some(account(&store, ANN)));
    assert!(account(&store, ANN).can_administer());
    assert_eq!(
        store.promote(&username("cat")).await.expect("asked"),
        None,
        "there is no cat"
    );

    let customer = StandingEdit {
        role: Some(Role::Customer),
        is_active: None,
    };
    let shut = StandingEdit {
        role: None,
        is_active: Some(false),
    };
    let edit = async |id, edit| store.edit_standing(id, edit).await.expect("asked");
    assert_eq!(edit(NOBODY, shut).await, None);
    assert_eq!(edit(ANN, customer).await, Some(Err(LastAdmin)));
    assert!(account(&store, ANN).is_admin());
    let bob = edit(BOB, shut).await.expect("there").expect("no admin");
    assert_eq!(bob, account(&store, BOB));
    assert!(!bob.is_active);

    store.promote(&username("bob")).await.expect("written");
    assert!(account(&store, BOB).can_administer(), "and is let in again");
    assert!(matches!(edit(ANN, customer).await, Some(Ok(_))));
    assert_eq!(edit(BOB, shut).await, Some(Err(LastAdmin)));
    must_be_sound(&store);
}

fn sign_in(account: &Account, token: u8) -> SignIn {
    SignIn {
        token: [token; 32],
        session: Session {
            user: account.id,
            family: Family([token; 16]),
            era: account.era,
            expires_at: NOW.plus_s(60),
            is_spent: false,
        },
        password_hash: account.password_hash.clone(),
        better_hash: None,
    }
}

#[tokio::test]
async fn a_sign_in_holds_only_for_the_account_as_it_is_by_then() {
    let store = shop().await;
    let (ann, bob) = (account(&store, ANN), account(&store, BOB));
    let enters = async |sign_in| store.sign_in(sign_in).await.expect("asked");
    let wrong = SignIn {
        password_hash: "another".into(),
        ..sign_in(&ann, 1)
    };
    assert!(!enters(wrong).await);
    let shut = StandingEdit {
        role: None,
        is_active: Some(false),
    };
    let shut = store.edit_standing(BOB, shut).await.expect("written");
    shut.expect("there").expect("no admin");
    assert!(!enters(sign_in(&bob, 2)).await);
    let rows = store.snapshot().expect("open");
    assert_eq!(rows.range(&SESSIONS, ..).expect("a range").count(), 0);

    // All sessions end while the password is checked: this one is of after that.
    store.end_sessions(ANN).await.expect("written");
    assert!(enters(sign_in(&ann, 3)).await);
    let rotate = async |token: u8, next: u8, now: Timestamp| {
        let next_expires_at = now.plus_s(60);
        let rotated = store.rotate([token; 32], [next; 32], next_expires_at, now);
        rotated.await.expect("asked")
    };
    assert_eq!(rotate(3, 4, NOW.plus_s(59)).await.expect("good").id, ANN);
    let later = NOW.plus_s(61);
    assert_eq!(
        rotate(4, 5, later).await.expect("its own time began").id,
        ANN
    );
    store.end_sessions(ANN).await.expect("written");
    assert_eq!(rotate(5, 6, later).await, Err(Refusal::Dead));
    must_be_sound(&store);
}

#[tokio::test]
async fn a_session_is_ended_by_its_own_user_once() {
    let store = shop().await;
    let entered = store.sign_in(sign_in(&account(&store, ANN), 1)).await;
    assert!(entered.expect("written"));
    let out = async |token: u8, user, now| {
        let ended = store.sign_out([token; 32], user, now).await;
        ended.expect("asked")
    };
    assert!(!out(1, BOB, NOW).await, "a stranger's");
    assert!(!out(2, ANN, NOW).await, "no such token");
    assert!(!out(1, ANN, NOW.plus_s(60)).await, "expired");
    assert!(out(1, ANN, NOW).await);
    assert!(!out(1, ANN, NOW).await, "ended");
    must_be_sound(&store);
}

fn draft(title: &str, cents: i128) -> Draft {
    Draft {
        title: title.into(),
        description: String::new(),
        price: Price::new(Money::from_cents(cents)).expect("above zero"),
        quantity: 4,
    }
}

fn product(store: &Store, id: u64) -> ListedProduct {
    let found = store.product(ProductId(id)).expect("read");
    found.expect("there")
}

#[tokio::test]
async fn a_product_offered_is_found_by_every_way_there_is() {
    let store = shop().await;
    let offer = async |category| {
        let offered = store.offer(draft("Lamp", 900), category, NOW).await;
        offered.expect("asked")
    };
    assert_eq!(offer(CategoryId(9)).await, None);
    let lamp = offer(CategoryId(1)).await.expect("there");
    assert_eq!(
        (lamp.product.id, lamp.category.as_str(), lamp.stock),
        (ProductId(4), "Parts", Stock(4))
    );
    assert_eq!(product(&store, 4), lamp);
    assert!(store.has_product(ProductId(4)).expect("read"));
    assert!(!store.has_product(GONE).expect("read"));
    assert_eq!(store.product_count().expect("read"), 4);

    let asked = [4, 99, 2].map(ProductId);
    let some = store.products_of(&asked).expect("read");
    assert_eq!(some, [lamp, product(&store, 2)]);
    let listed = pages(
        2,
        |ask| store.products(ask),
        |listed: ListedProduct| listed.product.id.0,
    );
    assert_eq!(listed, [[1, 2], [3, 4]]);
    let mut each = Vec::new();
    let read = store.each_product(|listed| {
        each.push(listed.product.id.0);
        Ok::<_, StoreError>(())
    });
    read.expect("read");
    assert_eq!(each, [1, 2, 3, 4]);
    let stopped = store.each_product(|_| Err(StoreError::Busy));
    assert!(matches!(stopped, Err(StoreError::Busy)), "{stopped:?}");
    must_be_sound(&store);
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_moves_the_product_where_it_says() {
    let store = shop().await;
    let edited = async |edit| store.edit_product(ProductId(2), edit).await;
    let edit = Edit {
        title: Some("Lamp".into()),
        category: Some(category("Lights")),
        ..Edit::default()
    };
    let lamp = edited(edit).await.expect("written").expect("there");
    assert_eq!(lamp, product(&store, 2));
    assert_eq!(
        (&*lamp.product.title, lamp.category.as_str(), lamp.stock),
        ("Lamp", "Lights", Stock(1))
    );
    let back = Edit {
        category: Some(category("PARTS")),
        quantity: Some(7),
        ..Edit::default()
    };
    let counts = || {
        let page = store.categories(ALL).expect("read");
        let of = |listed: &ListedCategory| (listed.category.id.0, listed.products);
        page.rows.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(counts(), [(1, 2), (2, 1)]);
    let lamp = edited(back).await.expect("written").expect("there");
    assert_eq!((lamp.category.as_str(), lamp.stock), ("Parts", Stock(7)));
    assert_eq!(counts(), [(1, 3), (2, 0)]);
    let nothing = store.edit_product(GONE, Edit::default()).await;
    assert_eq!(nothing.expect("asked"), None);
    must_be_sound(&store);
}

#[tokio::test]
async fn a_scan_finds_each_product_on_one_page() {
    let (store, _) = store();
    store.import(rows(5), NOW).await.expect("written");
    let other = ImportRow::Offer(draft("Lamp", 2), category("Lights"));
    store.import(vec![other], NOW).await.expect("written");
    let any = Filter::default();
    let parts = Filter {
        category: Some(CategoryId(1)),
        ..any.clone()
    };
    let cheap = Filter {
        max_price: Some(Money::from_cents(2)),
        ..any.clone()
    };
    let part = Filter {
        text: "PART".into(),
        ..any.clone()
    };
    let dear_first = Ordering::PriceDescending;
    let table: [(&Filter, Ordering, usize, &[&[u64]]); 9] = [
        (&any, dear_first, 2, &[&[5, 4], &[3, 2], &[6, 1]]),
        (&any, dear_first, 4, &[&[5, 4, 3, 2], &[6, 1]]),
        (&any, dear_first, 5, &[&[5, 4, 3, 2, 6], &[1]]),
        (&any, dear_first, 6, &[&[5, 4, 3, 2, 6, 1]]),
        (&any, Ordering::Id, 7, &[&[1, 2, 3, 4, 5, 6]]),
        (&parts, dear_first, 3, &[&[5, 4, 3], &[2, 1]]),
        (&parts, Ordering::CreatedAt, 5, &[&[1, 2, 3, 4, 5]]),
        (&cheap, Ordering::Price, 2, &[&[1, 2], &[6]]),
        (&part, Ordering::Id, 3, &[&[1, 2, 3], &[4, 5]]),
    ];
    for (filter, ordering, limit, wanted) in table {
        let scan = |ask| store.scan_products(filter, ordering, ask);
        let found = pages(limit, scan, |listed: ListedProduct| listed.product.id.0);
        assert_eq!(found, wanted, "{filter:?} by {ordering:?}, {limit} a page");
        let total: usize = wanted.iter().map(|page| page.len()).sum();
        assert_eq!(scan(ALL).expect("read").total, total as u64);
    }
}

#[tokio::test]
async fn a_product_withdrawn_takes_its_comments_along() {
    let store = shop().await;
    for on in [1, 2, 1] {
        let said = store.comment_on(ProductId(on), ANN, "Fine".into(), NOW);
        said.await.expect("written").expect("there");
    }
    assert!(store.withdraw(ProductId(1)).await.expect("written"));
    assert!(!store.withdraw(ProductId(1)).await.expect("asked"));
    assert_eq!(store.product(ProductId(1)).expect("read"), None);
    let left = store.all_comments(ALL).expect("read");
    let left: Vec<_> = left.rows.iter().map(|said| said.comment.product).collect();
    assert_eq!(left, [ProductId(2)]);
    let view = store.snapshot().expect("open");
    let count = view.get(&COUNTERS, &Counter::CommentsOn(ProductId(1)));
    assert_eq!(count.expect("read"), None, "nothing of it is kept");
    must_be_sound(&store);
}

#[tokio::test]
async fn a_category_is_made_renamed_and_taken_away_when_it_is_empty() {
    let store = shop().await;
    let create = async |name: &str| store.create_category(category(name)).await.expect("asked");
    assert_eq!(create("PARTS").await, Err(CategoryRefusal::NameTaken));
    for (name, id) in [("Lights", 2), ("Toys", 3)] {
        assert_eq!(create(name).await.expect("free").id, CategoryId(id));
    }

    let rename = async |id, name: Option<&str>| {
        let renamed = store.rename_category(CategoryId(id), name.map(category));
        let renamed = renamed.await.expect("asked")?;
        Ok((renamed.category.name.as_str().to_owned(), renamed.products))
    };
    assert_eq!(rename(1, Some("pieces")).await, Ok(("pieces".into(), 3)));
    assert_eq!(rename(1, None).await, Ok(("pieces".into(), 3)));
    let taken = rename(2, Some("Pieces")).await;
    assert_eq!(taken, Err(CategoryRefusal::NameTaken));
    let none = rename(9, Some("new")).await;
    assert_eq!(none, Err(CategoryRefusal::NotFound));
    assert!(
        create("Parts").await.is_ok(),
        "its first name is free again"
    );

    let delete = async |id| store.delete_category(CategoryId(id)).await.expect("asked");
    assert_eq!(delete(1).await, Err(CategoryRefusal::NotEmpty));
    assert_eq!(delete(2).await, Ok(()));
    assert_eq!(delete(2).await, Err(CategoryRefusal::NotFound));
    assert!(!store.has_category(CategoryId(2)).expect("read"));
    assert!(store.has_category(CategoryId(1)).expect("read"));
    let asked = [1, 2, 3].map(CategoryId);
    let names = store.category_names(&asked).expect("read");
    let (pieces, toys) = (category("pieces"), category("Toys"));
    assert_eq!(names, [(CategoryId(1), pieces), (CategoryId(3), toys)]);
    must_be_sound(&store);
}

#[tokio::test]
async fn an_import_finds_its_categories_or_makes_them() {
    let (store, _) = store();
    let offers =
        ["One", "Two", "one"].map(|name| ImportRow::Offer(draft("Lamp", 1), category(name)));
    store.import(offers.into(), NOW).await.expect("written");
    let edit = Edit {
        category: Some(category("Three")),
        ..Edit::default()
    };
    let moved = ImportRow::Edit(ProductId(3), edit);
    store.import(vec![moved], NOW).await.expect("written");
    let of = |id| product(&store, id).product.category.0;
    assert_eq!([1, 2, 3].map(of), [1, 2, 3]);
    must_be_sound(&store);
}

#[tokio::test]
async fn a_comment_is_its_authors() {
    let store = shop().await;
    let say = async |on, by| {
        let said = store.comment_on(on, by, "Fine".into(), NOW).await;
        said.expect("asked")
    };
    assert_eq!(say(GONE, ANN).await, None);
    for (number, by, name) in [(1, ANN, "ann"), (2, BOB, "bob"), (3, ANN, "ann")] {
        let said = say(ProductId(1), by).await.expect("there");
        assert_eq!(
            (said.comment.id, &*said.username),
            (CommentId(number), name)
        );
        let found = store.comment(said.comment.id).expect("read");
        assert_eq!(found, Some(said.comment));
    }
    let later = NOW.plus_s(1);
    let edit = async |by| {
        let edited = store.edit_comment(CommentId(1), by, Some("Well".into()), later);
        edited.await.expect("asked")
    };
    assert_eq!(edit(BOB).await, Err(comments::Refusal::NotYours));
    let edited = edit(ANN).await.expect("hers").comment;
    assert_eq!((&*edited.text, edited.updated_at), ("Well", later));
    assert_eq!(store.comment(CommentId(1)).expect("read"), Some(edited));

    let id = |said: SignedComment| said.comment.id.0;
    let on = pages(2, |ask| store.comments_on(ProductId(1), ask), id);
    assert_eq!(on, [vec![1, 2], vec![3]]);
    let by = pages(1, |ask| store.comments_by(ANN, ask), id);
    assert_eq!(by, [[1], [3]]);
    assert_eq!(store.comments_by(ANN, ALL).expect("read").total, 2);

    let delete = async |by, is_admin| {
        let deleted = store.delete_comment(CommentId(1), by, is_admin).await;
        deleted.expect("asked")
    };
    assert_eq!(delete(BOB, false).await, Err(comments::Refusal::NotYours));
    assert_eq!(delete(BOB, true).await, Ok(()));
    assert_eq!(delete(ANN, false).await, Err(comments::Refusal::NotFound));
    assert_eq!(store.comment(CommentId(1)).expect("read"), None);
    assert_eq!(pages(3, |ask| store.all_comments(ask), id), [[2, 3]]);
    must_be_sound(&store);
}

/// Line, product and pieces of each line.
fn lines(store: &Store, user: UserId) -> Vec<(u64, u64, u32)> {
    let cart = store.cart(user).expect("read");
    assert_eq!(cart.user, user);
    let of = |(line, listed): &(carts::Line, ListedProduct)| {
        assert_eq!(line.product, listed.product.id);
        (line.id.0, line.product.0, line.quantity)
    };
    cart.lines.iter().map(of).collect()
}

#[tokio::test]
async fn a_cart_holds_what_was_put_in_and_is_still_offered() {
    let store = shop().await;
    let add = async |user, id| {
        let added = store.add_to_cart(user, ProductId(id), 2).await;
        added.expect("asked").map(|cart| cart.lines.len())
    };
    assert_eq!(add(ANN, 99).await, Err(carts::Refusal::NoProduct));
    assert_eq!(add(ANN, 1).await, Ok(1));
    assert_eq!(add(ANN, 1).await, Ok(1), "on the line it has");
    assert_eq!(add(ANN, 2).await, Ok(2));
    assert_eq!(add(BOB, 2).await, Ok(1));
    assert_eq!(lines(&store, ANN), [(1, 1, 4), (2, 2, 2)]);
    assert_eq!(lines(&store, BOB), [(3, 2, 2)]);

    assert!(store.withdraw(ProductId(1)).await.expect("written"));
    assert_eq!(lines(&store, ANN), [(2, 2, 2)]);
    assert_eq!(add(ANN, 3).await, Ok(2));
    let set = store.set_in_cart(ANN, ProductId(2), 9).await;
    assert_eq!(set.expect("written").expect("there").lines.len(), 2);
    assert_eq!(lines(&store, ANN), [(2, 2, 9), (4, 3, 2)]);
    let row = store.snapshot().expect("open").must_get(&CARTS, &ANN);
    assert_eq!(row.expect("read").lines.len(), 2, "what is gone left it");

    let removed = store.remove_from_cart(BOB, ProductId(2)).await;
    assert!(removed.expect("written").expect("there").lines.is_empty());
    store.clear_cart(ANN).await.expect("written");
    store.clear_cart(ANN).await.expect("nothing to do");
    let view = store.snapshot().expect("open");
    assert_eq!(view.range(&CARTS, ..).expect("a range").count(), 0);
    must_be_sound(&store);
}

#[tokio::test]
async fn an_order_takes_the_stock_and_a_cancelled_one_brings_it_back() {
    let store = shop().await;
    let order = async |user, products: &[u64]| {
        for id in products {
            let added = store.add_to_cart(user, ProductId(*id), 1).await;
            added.expect("written").expect("there");
        }
        let placed = store.place_order(user, NOW).await.expect("asked");
        placed.expect("in stock")
    };
    let left = |id| product(&store, id).stock.0;
    let first = order(ANN, &[2, 3]).await;
    assert_eq!([left(2), left(3)], [0, 1]);
    assert!(lines(&store, ANN).is_empty());
    let second = order(ANN, &[3]).await;
    assert_eq!(left(3), 0);
    let ids = |order: &Order| {
        let lines: Vec<_> = order.lines.iter().map(|line| line.id).collect();
        (order.id, lines)
    };
    assert_eq!(
        [ids(&first), ids(&second)],
        [
            (OrderId(1), vec![OrderLineId(1), OrderLineId(2)]),
            (OrderId(2), vec![OrderLineId(3)]),
        ]
    );
    assert_eq!(store.order(first.id).expect("read"), Some(first.clone()));
    assert_eq!(store.order(OrderId(9)).expect("read"), None);

    let cancel = async |by| store.cancel_order(first.id, by).await.expect("asked");
    assert_eq!(cancel(BOB).await, Err(CancelRefusal::NotFound));
    let cancelled = cancel(ANN).await.expect("new");
    assert_eq!(cancelled.status, Status::Cancelled);
    assert_eq!(store.order(first.id).expect("read"), Some(cancelled));
    assert_eq!([left(2), left(3)], [1, 1]);
    let paid = store.advance_order(second.id, Some(Status::Paid)).await;
    let paid = paid.expect("asked").expect("next");
    assert_eq!(store.order(second.id).expect("read"), Some(paid));

    let bobs = order(BOB, &[2]).await;
    assert_eq!(bobs.id, OrderId(3));
    let id = |order: Order| order.id.0;
    let by = |limit| pages(limit, |ask| store.orders_by(ANN, ask), id);
    assert_eq!(by(1), [[2], [1]], "the newest first");
    assert_eq!(by(2), [[2, 1]]);
    let all = pages(2, |ask| store.all_orders(ask), id);
    assert_eq!(all, [vec![3, 2], vec![1]]);
    assert_eq!(store.orders_by(ANN, ALL).expect("read").total, 2);
    must_be_sound(&store);
}

#[tokio::test]
async fn a_counter_never_goes_below_zero() {
    let store = shop().await;
    let below = store.write(|tx| tx.take_one(Counter::Orders)).await;
    assert!(
        matches!(below, Err(StoreError::Missing { .. })),
        "{below:?}"
    );
}
