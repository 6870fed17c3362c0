//! The store from inside: records that are not believed, disks that fail, use-cases that do.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::codec::{self, Damage, Kind};
use super::disk::Medium;
use super::outbox::ProductChange;
use super::tables::{OUTBOX, Read};
use super::{ImportRow, PageAsk, Store, StoreError};
use crate::shop::carts::{Cart, Line};
use crate::shop::ids::{CartLineId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::orders::Stock;
use crate::shop::products::{CategoryName, Draft, Edit, Price};
use crate::shop::time::Timestamp;
use crate::shop::users::{Newcomer, Phone, Role, Username};

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
const CACHE_BYTES: usize = 4 << 20;

/// Bytes in memory that outlive the handle on them, and can be made to fail.
#[derive(Clone, Debug, Default)]
struct Memory {
    bytes: Arc<Mutex<Option<Arc<InMemoryBackend>>>>,
    is_broken: Arc<AtomicBool>,
}

impl Memory {
    fn medium(&self) -> Medium {
        let memory = self.clone();
        Box::new(move || Ok(Box::new(memory.clone())))
    }

    fn bytes(&self) -> Arc<InMemoryBackend> {
        let mut bytes = self.bytes.lock().expect("not poisoned");
        Arc::clone(bytes.get_or_insert_with(Arc::default))
    }

    fn working(&self) -> io::Result<Arc<InMemoryBackend>> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("as asked"));
        }
        Ok(self.bytes())
    }

    fn break_writes(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::SeqCst);
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        self.bytes().len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.working()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.working()?.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.working()?.write(offset, data)
    }
}

fn store() -> (Store, Memory) {
    let memory = Memory::default();
    let store = Store::open_on(memory.medium(), CACHE_BYTES).expect("a new store");
    (store, memory)
}

fn newcomer(name: &str) -> Newcomer {
    Newcomer {
        username: Username::parse(name).expect("a name"),
        first_name: String::new(),
        email: None,
        phone: Some(Phone::parse(name).expect("short")),
        password_hash: "$argon2id$".into(),
        role: Role::Customer,
    }
}

fn rows(count: u32) -> Vec<ImportRow> {
    let draft = |n: u32| Draft {
        title: format!("Part {n}"),
        description: String::new(),
        price: Price::new(Money::from_cents(i128::from(n) + 1)).expect("above zero"),
        quantity: n,
    };
    let category = CategoryName::parse("Parts").expect("short");
    (0..count)
        .map(|n| ImportRow::Offer(draft(n), category.clone()))
        .collect()
}

const KIND: Kind = Kind {
    table: 7,
    version: 1,
};

#[test]
fn a_record_with_any_bit_wrong_is_refused() {
    let row = ("a row", 300_u32, Some(-5_i64));
    let record = codec::encode(KIND, b"key", &row);
    let decode = |kind, key: &[u8], record: &[u8]| {
        codec::decode::<(String, u32, Option<i64>)>(kind, key, record)
    };
    assert_eq!(
        decode(KIND, b"key", &record),
        Ok(("a row".into(), 300, Some(-5)))
    );
    for bit in 0..record.len() * 8 {
        let mut damaged = record.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(KIND, b"key", &damaged).is_err(), "bit {bit}");
    }
    for length in 0..record.len() {
        assert!(
            decode(KIND, b"key", &record[..length]).is_err(),
            "{length} bytes"
        );
    }
    // A good record in another row's place, in another table, of another version.
    assert_eq!(decode(KIND, b"kez", &record), Err(Damage::Checksum));
    let elsewhere = Kind { table: 8, ..KIND };
    assert!(decode(elsewhere, b"key", &record).is_err());
    let newer = codec::encode(Kind { version: 2, ..KIND }, b"key", &row);
    assert_eq!(decode(KIND, b"key", &newer), Err(Damage::Version(2)));
    // Whole by its checksum, and still not such a row.
    let other = codec::encode(KIND, b"key", &(1_u8, 2_u8));
    assert_eq!(decode(KIND, b"key", &other), Err(Damage::Payload));
    let longer = codec::encode(KIND, b"key", &(row, 1_u8));
    assert_eq!(decode(KIND, b"key", &longer), Err(Damage::Payload));
}

#[test]
fn rows_lie_on_the_disk_as_they_did() {
    // A change of these bytes is a change of every store there is: it needs a new row version and
    // a migration.
    let cart = Cart {
        lines: vec![Line {
            id: CartLineId(1),
            product: ProductId(300),
            quantity: 2,
        }],
    };
    for (record, wanted) in [
        (
            codec::encode(KIND, b"k", &Stock(70_000)),
            "0701 9bc7a749 fc70110100",
        ),
        (
            codec::encode(KIND, b"k", &cart),
            "0701 bce56aa6 0101fb2c0102",
        ),
        (
            codec::encode(KIND, b"k", &Money::from_cents(119_900)),
            "0701 6fa6e702 fcb8a80300",
        ),
        (
            codec::encode(KIND, b"k", &ProductChange::Gone(ProductId(9))),
            "0701 4ce1fbe8 0109",
        ),
    ] {
        let digits = |byte: &u8| format!("{byte:02x}");
        let hex = record.iter().map(digits).collect::<Vec<_>>().concat();
        assert_eq!(hex, wanted.replace(' ', ""));
    }
}

#[tokio::test]
async fn after_a_storage_error_reads_go_on_and_the_store_heals_itself() {
    let (store, memory) = store();
    let ann = store
        .sign_up(newcomer("ann"), NOW)
        .await
        .expect("written")
        .expect("free");

    memory.break_writes(true);
    let failed = store.sign_up(newcomer("bob"), NOW).await;
    assert!(
        matches!(
            failed,
            Err(StoreError::NotWritten(_) | StoreError::Unsure(_))
        ),
        "{failed:?}"
    );
    for _ in 0..100 {
        assert_eq!(
            store.account(ann.id).expect("reads go on"),
            Some(ann.clone())
        );
        let refused = store.sign_up(newcomer("cat"), NOW).await;
        assert!(matches!(refused, Err(StoreError::Reopening)), "{refused:?}");
    }

    memory.break_writes(false);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !store.is_writable() {
        assert!(Instant::now() < deadline, "not healed within 5 s");
        tokio::task::yield_now().await;
    }
    let cat = store
        .sign_up(newcomer("cat"), NOW)
        .await
        .expect("written")
        .expect("free");
    assert_eq!(store.account(ann.id).expect("read"), Some(ann));
    assert_eq!(
        store.account(cat.id).expect("read").expect("there").id,
        cat.id
    );
    store.close().await.expect("closed");
}

#[tokio::test]
async fn what_was_answered_is_there_when_the_store_is_opened_again() {
    let (store, memory) = store();
    let ann = store
        .sign_up(newcomer("ann"), NOW)
        .await
        .expect("written")
        .expect("free");
    store.import(rows(100), NOW).await.expect("written");
    store.close().await.expect("closed");
    assert!(matches!(store.account(ann.id), Err(StoreError::Closing)));
    let late = store.sign_up(newcomer("late"), NOW).await;
    assert!(matches!(late, Err(StoreError::Closing)), "{late:?}");

    let store = Store::open_on(memory.medium(), CACHE_BYTES).expect("opened again");
    assert_eq!(store.account(ann.id).expect("read"), Some(ann));
    assert_eq!(store.product_count().expect("read"), 100);
}

#[tokio::test]
async fn a_use_case_that_fails_half_way_leaves_nothing() {
    let (store, _) = store();
    store.import(rows(3), NOW).await.expect("written");
    let missing = Edit {
        title: Some("New title".into()),
        ..Edit::default()
    };
    let mut batch = rows(5);
    batch.push(ImportRow::Edit(ProductId(999), missing));
    let failed = store.import(batch, NOW).await;
    assert!(
        matches!(failed, Err(StoreError::Missing { .. })),
        "{failed:?}"
    );
    assert_eq!(store.product_count().expect("read"), 3);

    let panicked = store
        .write::<()>(|tx| {
            tx.remove(&super::tables::PRODUCTS, &ProductId(1))?;
            panic!("as asked")
        })
        .await;
    assert!(matches!(panicked, Err(StoreError::Bug)), "{panicked:?}");
    assert!(store.product(ProductId(1)).expect("read").is_some());
    store.import(rows(1), NOW).await.expect("the writer lives");
    assert_eq!(store.product_count().expect("read"), 4);
}

#[tokio::test]
async fn many_writers_at_once_are_each_answered_with_their_own() {
    let (store, _) = store();
    let writers: Vec<_> = (0..500)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.sign_up(newcomer(&format!("user{n}")), NOW).await })
        })
        .collect();
    for (n, writer) in writers.into_iter().enumerate() {
        let account = writer
            .await
            .expect("no panic")
            .expect("written")
            .expect("free");
        assert_eq!(account.username.as_str(), format!("user{n}"));
    }
    let page = store
        .accounts(PageAsk {
            after: None,
            limit: 1_000,
        })
        .expect("read");
    assert_eq!((page.rows.len(), page.total), (500, 500));
    let ids: Vec<_> = page.rows.iter().map(|account| account.id).collect();
    assert_eq!(ids, (1..=500).map(UserId).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_outbox_tells_changes_of_products_in_their_order_and_no_sales() {
    let (store, _) = store();
    store.import(rows(2), NOW).await.expect("written");
    let title = Edit {
        title: Some("Renamed".into()),
        ..Edit::default()
    };
    let quantity = Edit {
        quantity: Some(7),
        ..Edit::default()
    };
    store
        .edit_product(ProductId(2), title)
        .await
        .expect("written")
        .expect("there");
    store
        .edit_product(ProductId(2), quantity)
        .await
        .expect("written")
        .expect("there");
    assert!(store.withdraw(ProductId(1)).await.expect("written"));
    let view = store.snapshot().expect("open");
    let told: Vec<_> = view
        .range(&OUTBOX, ..)
        .expect("a range")
        .collect::<Result<_, _>>()
        .expect("read");
    let (one, two) = (ProductId(1), ProductId(2));
    let wanted = [
        (1, ProductChange::Put(one)),
        (2, ProductChange::Put(two)),
        (3, ProductChange::Put(two)),
        (4, ProductChange::Gone(one)),
    ];
    assert_eq!(told, wanted);
}
