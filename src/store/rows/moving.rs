//! What becomes of rows that come with their ids, and of the ids that were given.

use super::super::tables::{COUNTERS, Counter, Read};
use super::super::tests::{NOW, newcomer, photo, store};
use super::super::{Arrival, LastIds, Store, StoreError};
use super::{account, category, must_be_sound, shop};
use crate::shop::carts::{self, Cart};
use crate::shop::comments::Comment;
use crate::shop::ids::{
    CartLineId, CategoryId, CommentId, OrderId, OrderLineId, ProductId, UserId,
};
use crate::shop::money::Money;
use crate::shop::moving::Landing;
use crate::shop::orders::{self, Order, Status, Stock};
use crate::shop::products::{Category, Price, Product};
use crate::shop::sessions::{Family, Session};
use crate::shop::time::Timestamp;
use crate::shop::users::{Account, Holders, Taken, sign_up};

/// When they came to be there.
const THEN: Timestamp = Timestamp(1_700_000_000_000_000);

const CENT: Money = Money::from_cents(1);

fn person(id: u64, name: &str) -> Account {
    sign_up(newcomer(name), Holders::default(), UserId(id), THEN).expect("free")
}

fn kind(id: u64, name: &str) -> Category {
    let (id, name) = (CategoryId(id), category(name));
    Category { id, name }
}

fn product(id: u64, title: &str) -> Arrival {
    let product = Product {
        id: ProductId(id),
        title: title.into(),
        category: CategoryId(7),
        description: String::new(),
        price: Price::new(CENT).expect("above zero"),
        created_at: THEN,
    };
    Arrival::Product(product, Stock(5))
}

fn comment(id: u64, text: &str) -> Arrival {
    Arrival::Comment(Comment {
        id: CommentId(id),
        product: ProductId(30),
        user: UserId(20),
        text: text.into(),
        created_at: THEN,
        updated_at: NOW,
    })
}

fn cart(user: u64, lines: &[u64]) -> Arrival {
    let lines = lines.iter().map(|id| carts::Line {
        id: CartLineId(*id),
        product: ProductId(30 + id % 2),
        quantity: 1,
    });
    let lines = lines.collect();
    Arrival::Cart(UserId(user), Cart { lines })
}

fn order(id: u64, status: Status, lines: &[u64]) -> Arrival {
    let lines = lines.iter().map(|id| orders::Line {
        id: OrderLineId(*id),
        product: ProductId(99),
        title: "Gone".into(),
        price: CENT,
        quantity: 1,
    });
    let lines: Vec<_> = lines.collect();
    Arrival::Order(Order {
        id: OrderId(id),
        user: UserId(20),
        status,
        total: Money::from_cents(i128::try_from(lines.len()).expect("few")),
        created_at: THEN,
        lines,
    })
}

fn session(token: u8) -> Arrival {
    let session = Session {
        user: UserId(20),
        family: Family([token; 16]),
        era: 0,
        expires_at: NOW.plus_s(60),
        is_spent: false,
    };
    Arrival::Session([token; 32], session)
}

/// A shop as it comes, in the order that it must.
fn everything() -> Vec<Arrival> {
    let picture = photo(b"a face");
    let shown = Account {
        photo: Some(picture.name()),
        ..person(21, "dan")
    };
    vec![
        Arrival::Category(kind(7, "Old parts")),
        Arrival::Account(person(20, "cat"), None),
        Arrival::Account(shown, Some(picture)),
        product(30, "Bolt"),
        product(31, "Nut"),
        comment(40, "Fine"),
        cart(20, &[51, 52]),
        cart(21, &[50, 53]),
        order(60, Status::Paid, &[70, 73]),
        order(61, Status::New, &[71, 72]),
        session(1),
    ]
}

async fn move_in(store: &Store, arrivals: Vec<Arrival>) -> Vec<Landing> {
    store.move_in(arrivals).await.expect("written")
}

fn last(store: &Store, counter: Counter) -> u64 {
    let view = store.snapshot().expect("open");
    view.count(counter).expect("read")
}

#[tokio::test]
async fn rows_come_once_beside_those_that_are_there() {
    let store = shop().await;
    let new = vec![Landing::New; everything().len()];
    assert_eq!(store.foresee(&everything()).expect("read"), new);
    assert_eq!(last(&store, Counter::LastUser), 2, "nothing was written");
    assert_eq!(move_in(&store, everything()).await, new);
    must_be_sound(&store);
    for (counter, id) in [
        (Counter::LastUser, 21),
        (Counter::LastCategory, 7),
        (Counter::LastProduct, 31),
        (Counter::LastComment, 40),
        (Counter::LastCartLine, 53),
        (Counter::LastOrder, 61),
        (Counter::LastOrderLine, 73),
    ] {
        assert_eq!(last(&store, counter), id, "{counter:?}");
    }
    let changes = store.changes_after(3, 9).expect("read").expect("kept");
    assert_eq!(changes.put.len(), 2, "the index hears of them");

    let here = vec![Landing::Here; everything().len()];
    assert_eq!(store.foresee(&everything()).expect("read"), here);
    let rows = |store: &Store| {
        let view = store.snapshot().expect("open");
        view.raw(&COUNTERS, None, 100).expect("read").len()
    };
    let before = rows(&store);
    assert_eq!(move_in(&store, everything()).await, here);
    assert_eq!(rows(&store), before);
    must_be_sound(&store);
    // Its photo need not come again.
    let without = Arrival::Account(person(21, "dan"), None);
    assert_eq!(move_in(&store, vec![without]).await, [Landing::Here]);
}

#[tokio::test]
async fn what_is_here_stays_as_it_is() {
    let store = shop().await;
    move_in(&store, everything()).await;
    store
        .change_password(UserId(20), "$argon2id$".into(), "new".into())
        .await
        .expect("written")
        .expect("right");
    let changed = vec![
        Arrival::Account(person(20, "cat"), None),
        Arrival::Account(person(21, "other"), None),
        Arrival::Category(kind(7, "OLD parts")),
        product(30, "Bolt of steel"),
        comment(40, "Not so fine"),
        cart(20, &[51]),
        order(60, Status::Shipped, &[70, 73]),
    ];
    let before = account(&store, UserId(20));
    let landings = move_in(&store, changed).await;
    assert_eq!(landings, vec![Landing::WentOn; 7]);
    assert_eq!(account(&store, UserId(20)), before);
    let bolt = store.product(ProductId(30)).expect("read").expect("there");
    assert_eq!(bolt.product.title, "Bolt");
    // Of another moment, or another name, it is another thing.
    let others = vec![
        Arrival::Account(person(1, "ann"), None),
        Arrival::Category(kind(1, "Paint")),
        product(1, "Part 0"),
    ];
    assert_eq!(move_in(&store, others).await, vec![Landing::Another; 3]);
    must_be_sound(&store);
}

#[tokio::test]
async fn an_id_that_was_given_is_not_given_again() {
    let store = shop().await;
    move_in(&store, everything()).await;
    store.withdraw(ProductId(31)).await.expect("written");
    let gone = store.delete_comment(CommentId(40), UserId(20), false).await;
    gone.expect("written").expect("theirs");
    store.clear_cart(UserId(20)).await.expect("written");
    let signed_out = store.sign_out([1; 32], UserId(20), NOW).await;
    assert!(signed_out.expect("written"));
    let again = vec![
        product(31, "Nut"),
        comment(40, "Fine"),
        cart(20, &[51, 52]),
        session(1),
        Arrival::Account(person(19, "late"), None),
    ];
    assert_eq!(move_in(&store, again).await, vec![Landing::Gone; 5]);
    must_be_sound(&store);

    let ids = LastIds {
        user: 500,
        order_line: 12,
        ..LastIds::default()
    };
    store.raise_last_ids(ids).await.expect("written");
    assert_eq!(last(&store, Counter::LastUser), 500);
    assert_eq!(last(&store, Counter::LastOrderLine), 73, "never lowered");
    let eve = store.sign_up(newcomer("eve"), NOW).await.expect("written");
    assert_eq!(eve.expect("free").id, UserId(501));
    must_be_sound(&store);
}

#[tokio::test]
async fn a_name_is_of_one_account_and_one_category() {
    let store = shop().await;
    let arrivals = vec![
        Arrival::Account(person(20, "ANN"), None),
        Arrival::Category(kind(7, "PARTS")),
        Arrival::Category(kind(8, "Paint")),
        Arrival::Category(kind(9, "paint")),
    ];
    let landings = move_in(&store, arrivals.clone()).await;
    let parts = Landing::StandIn(CategoryId(1));
    let taken = Landing::Taken(vec![Taken::Username, Taken::Phone]);
    let paint = Landing::StandIn(CategoryId(8));
    assert_eq!(landings, [taken, parts, Landing::New, paint]);
    let again = move_in(&store, arrivals).await;
    assert_eq!(
        again[1..3],
        [Landing::StandIn(CategoryId(1)), Landing::Here]
    );
    must_be_sound(&store);
}

#[tokio::test]
async fn what_points_to_nothing_ends_the_whole_batch() {
    let (store, _) = store();
    for lost in everything()
        .into_iter()
        .skip(3)
        .filter(|arrival| !matches!(arrival, Arrival::Order(_)))
    {
        let batch = vec![Arrival::Category(kind(7, "Paint")), lost.clone()];
        // The category is there for the product alone.
        let batch = if matches!(lost, Arrival::Product(..)) {
            vec![lost]
        } else {
            batch
        };
        let refused = store.move_in(batch).await;
        assert!(
            matches!(refused, Err(StoreError::Missing { .. })),
            "{refused:?}"
        );
        assert_eq!(last(&store, Counter::Categories), 0, "nothing was written");
    }
    must_be_sound(&store);
}
