//! The store from inside: records that are not believed, disks that fail, use-cases that do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tokio::runtime::Handle;

use super::codec::{self, Damage, Kind};
use super::disk::Media;
use super::log::{Segments, Which};
use super::once::{Kept, KeptReply, Once, Outcome};
use super::outbox::{Noted, ProductChange};
use super::tables::{Counter, Key, OUTBOX, Read, Rows, Snapshot, key_bytes};
use super::{
    BackupError, Durability, Folder, ImportRow, PageAsk, Progress, SignIn, Store, StoreError, bring,
};
use crate::shop::carts::{Cart, Line};
use crate::shop::comments::Comment;
use crate::shop::ids::{
    CartLineId, CategoryId, CommentId, OrderId, OrderLineId, ProductId, UserId,
};
use crate::shop::money::Money;
use crate::shop::orders::{self, Order, Status, Stock};
use crate::shop::photos::{Format, Photo};
use crate::shop::products::{Category, CategoryName, Draft, Edit, Price, Product};
use crate::shop::sessions::{Family, Session};
use crate::shop::time::Timestamp;
use crate::shop::users::{Account, Email, Newcomer, Phone, Role, Username};

pub const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
const CACHE_BYTES: usize = 4 << 20;

/// Bytes in memory that outlive the handle on them, and can be made to fail.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    bytes: Arc<Mutex<Option<Arc<InMemoryBackend>>>>,
    segments: [Arc<Mutex<Option<Arc<InMemoryBackend>>>>; 2],
    is_broken: Arc<AtomicBool>,
}

/// What the tests of the store run over: what the variable of the setting says, `log` by default.
pub fn durability() -> Durability {
    match std::env::var("ELECTRON_MARKET_DURABILITY").as_deref() {
        Ok("store") => Durability::Store,
        Ok(_) | Err(_) => Durability::Log,
    }
}

impl Memory {
    fn media(&self) -> Media {
        let memory = self.clone();
        let segments: Option<Box<dyn Segments>> = match durability() {
            Durability::Log => Some(Box::new(self.clone())),
            Durability::Store => None,
        };
        Media::new(Box::new(move || Ok(Box::new(memory.clone()))), segments)
    }

    /// A segment fails with the store.
    fn segment(&self, which: Which) -> Self {
        Self {
            bytes: Arc::clone(&self.segments[which as usize]),
            ..self.clone()
        }
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

impl Segments for Memory {
    fn open(&self, which: Which) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let segment = self.segment(which);
        Ok((segment.len()? > 0).then(|| Box::new(segment) as _))
    }

    fn make(&self, which: Which) -> io::Result<Box<dyn StorageBackend>> {
        let segment = self.segment(which);
        segment.set_len(0)?;
        Ok(Box::new(segment))
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        for which in Which::BOTH {
            self.make(which)?;
        }
        Ok(())
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

pub fn store() -> (Store, Memory) {
    let memory = Memory::default();
    let store = Store::open_on(memory.media(), CACHE_BYTES).expect("a new store");
    (store, memory)
}

pub fn newcomer(name: &str) -> Newcomer {
    Newcomer {
        username: Username::parse(name).expect("a name"),
        first_name: String::new(),
        email: None,
        phone: Some(Phone::parse(name).expect("short")),
        password_hash: "$argon2id$".into(),
        role: Role::Customer,
    }
}

pub fn rows(count: u32) -> Vec<ImportRow> {
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

/// A record of a table as it lies on the disk, in hex: key, then value.
fn golden<K: Key, R: serde::Serialize>(rows: &Rows<K, R>, key: &K, row: &R) -> String {
    let key = key_bytes(key);
    let record = codec::encode(rows.kind, &key, row);
    let hex = |bytes: &[u8]| {
        let digits = |byte: &u8| format!("{byte:02x}");
        bytes.iter().map(digits).collect::<Vec<_>>().concat()
    };
    format!("{} {} {}", rows.name, hex(&key), hex(&record))
}

#[expect(clippy::too_many_lines, reason = "a row for each table")]
/// A change here is a change of every store there is: it needs a new row version and a migration.
#[test]
fn rows_of_every_table_lie_on_the_disk_as_they_did() {
    use super::tables::*;
    let account = Account {
        id: UserId(7),
        username: Username::parse("ann").expect("a name"),
        first_name: "Ann".into(),
        email: Some(Email::parse("ann@shop.test").expect("an address")),
        phone: Some(Phone::parse("+998").expect("short")),
        role: Role::Admin,
        is_active: true,
        password_hash: "$argon2id$".into(),
        photo: Some("00.png".into()),
        joined_at: NOW,
        era: 3,
    };
    let session = Session {
        user: UserId(7),
        family: Family([1; 16]),
        era: 3,
        expires_at: NOW,
        is_spent: true,
    };
    let (category, product, comment) = (CategoryId(2), ProductId(300), CommentId(4));
    let name = CategoryName::parse("Phones").expect("short");
    let sold = Order {
        id: OrderId(5),
        user: UserId(7),
        status: Status::Cancelled,
        total: Money::from_cents(119_900),
        created_at: NOW,
        lines: vec![orders::Line {
            id: OrderLineId(6),
            product,
            title: "Pixel".into(),
            price: Money::from_cents(119_900),
            quantity: 1,
        }],
    };
    let offered = Product {
        id: product,
        title: "Pixel".into(),
        category,
        description: "ж".into(),
        price: Price::new(Money::from_cents(119_900)).expect("above zero"),
        created_at: NOW,
    };
    let said = Comment {
        id: comment,
        product,
        user: UserId(7),
        text: "Fine".into(),
        created_at: NOW,
        updated_at: NOW,
    };
    let cart = Cart {
        lines: vec![Line {
            id: CartLineId(1),
            product,
            quantity: 2,
        }],
    };
    let photo = Photo {
        format: Format::Webp,
        bytes: vec![1, 2, 3],
    };
    let noted = Noted {
        change: ProductChange::Gone(product),
        mark: 77,
    };
    let kept = Kept {
        fingerprint: [5; 32],
        expires_at: NOW,
        reply: KeptReply {
            status: 201,
            headers: vec![("location".into(), "/".into())],
            body: b"{}".to_vec(),
        },
    };
    let records = [
        golden(&ACCOUNTS, &UserId(7), &account),
        golden(&USERNAMES, &"ann".into(), &UserId(7)),
        golden(&EMAILS, &"ann@shop.test".into(), &UserId(7)),
        golden(&PHONES, &"+998".into(), &UserId(7)),
        golden(&SESSIONS, &[2; 32], &session),
        golden(&SESSIONS_BY_EXPIRY, &(NOW, [2; 32]), &()),
        golden(&ENDED_FAMILIES, &[1; 16], &NOW),
        golden(&ENDED_FAMILIES_BY_EXPIRY, &(NOW, [1; 16]), &()),
        golden(&CATEGORIES, &category, &Category { id: category, name }),
        golden(&CATEGORY_NAMES, &"phones".into(), &category),
        golden(&PRODUCTS, &product, &offered),
        golden(&STOCK, &product, &Stock(70_000)),
        golden(&PRODUCTS_IN, &(category, product), &()),
        golden(&COMMENTS, &comment, &said),
        golden(&COMMENTS_ON, &(product, comment), &()),
        golden(&COMMENTS_BY, &(UserId(7), comment), &()),
        golden(&CARTS, &UserId(7), &cart),
        golden(&ORDERS, &OrderId(5), &sold),
        golden(&ORDERS_BY, &(UserId(7), OrderId(5)), &()),
        golden(&PHOTOS, &"00.webp".into(), &photo),
        golden(&PHOTO_OWNERS, &([3; 32], UserId(7)), &()),
        golden(&OUTBOX, &9, &noted),
        golden(&COUNTERS, &Counter::OrdersBy(UserId(7)), &12_u64),
        golden(&KEPT_REPLIES, &(UserId(7), "k1".into()), &kept),
        golden(&KEPT_BY_EXPIRY, &(NOW, (UserId(7), "k1".into())), &()),
    ];
    let tables: Vec<_> = records
        .iter()
        .filter_map(|record| record.split(' ').next())
        .collect();
    assert_eq!(tables, NAMES, "every table, by its tag");
    let (was, is) = (include_str!("golden.txt"), records.join("\n") + "\n");
    assert!(was == is, "records lie otherwise than in golden.txt:\n{is}");
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

/// Two requests with one key meet where no write decides between them, as at a backup: the one
/// that finds it being done must not be what is remembered.
#[tokio::test]
async fn what_was_done_is_kept_over_what_was_refused_meanwhile() {
    let (store, _) = store();
    let ann = store
        .sign_up(newcomer("ann"), NOW)
        .await
        .expect("written")
        .expect("free");
    let once = Once {
        user: ann.id,
        key: "k".into(),
        fingerprint: [7; 32],
        earlier_fingerprints: Vec::new(),
        now: NOW,
    };
    let reply = |status| KeptReply {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    };
    let ask = async |status| {
        let done = store.do_once(once.clone(), |_| async move { reply(status) });
        done.await.expect("kept")
    };
    assert_eq!(ask(400).await, Outcome::Done(reply(400)));
    assert_eq!(ask(400).await, Outcome::Replayed(reply(400)));
    assert_eq!(ask(201).await, Outcome::Done(reply(201)));
    assert_eq!(ask(400).await, Outcome::Replayed(reply(201)));
    assert_eq!(ask(201).await, Outcome::Replayed(reply(201)));
    assert!(store.verify(|_| ()).expect("read").is_empty());
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

    let store = Store::open_on(memory.media(), CACHE_BYTES).expect("opened again");
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
    let told: Vec<(u64, Noted)> = view
        .range(&OUTBOX, ..)
        .expect("a range")
        .collect::<Result<_, _>>()
        .expect("read");
    let told: Vec<_> = told
        .into_iter()
        .map(|(at, noted)| (at, noted.change))
        .collect();
    let (one, two) = (ProductId(1), ProductId(2));
    let wanted = [
        (1, ProductChange::Put(one)),
        (2, ProductChange::Put(two)),
        (3, ProductChange::Put(two)),
        (4, ProductChange::Gone(one)),
    ];
    assert_eq!(told, wanted);
}

pub fn photo(bytes: &[u8]) -> Photo {
    Photo {
        format: Format::Png,
        bytes: bytes.to_vec(),
    }
}

#[tokio::test]
async fn a_photo_is_kept_as_long_as_somebody_shows_it() {
    let (store, _) = store();
    let ann = store
        .sign_up(newcomer("ann"), NOW)
        .await
        .expect("written")
        .expect("free")
        .id;
    let bob = store
        .sign_up(newcomer("bob"), NOW)
        .await
        .expect("written")
        .expect("free")
        .id;
    let (first, second) = (photo(b"first"), photo(b"second"));
    let is_there = |photo: &Photo| store.photo(&photo.name()).expect("read").is_some();
    for user in [ann, bob, ann] {
        store.set_photo(user, first.clone()).await.expect("written");
    }
    store.set_photo(ann, second.clone()).await.expect("written");
    assert!(
        is_there(&first) && is_there(&second),
        "bob still shows the first"
    );
    store.set_photo(bob, second.clone()).await.expect("written");
    assert!(!is_there(&first) && is_there(&second));
}

#[tokio::test]
async fn sessions_are_swept_when_they_expire_and_not_before() {
    let (store, _) = store();
    let ann = store
        .sign_up(newcomer("ann"), NOW)
        .await
        .expect("written")
        .expect("free");
    let sign_in = |token: u8, expires_at| SignIn {
        token: [token; 32],
        session: Session {
            user: ann.id,
            family: Family([token; 16]),
            era: ann.era,
            expires_at,
            is_spent: false,
        },
        password_hash: ann.password_hash.clone(),
        better_hash: None,
    };
    for (token, seconds) in [(1, 10), (2, 20), (3, 30)] {
        assert!(
            store
                .sign_in(sign_in(token, NOW.plus_s(seconds)))
                .await
                .expect("written")
        );
    }
    // A family that ended by reuse is remembered until the last of its tokens expired.
    let rotate = |token: u8, next: u8| store.rotate([token; 32], [next; 32], NOW.plus_s(40), NOW);
    assert!(rotate(3, 4).await.expect("written").is_ok());
    assert!(rotate(3, 5).await.expect("written").is_err());

    let sweep = |seconds| store.sweep_sessions(NOW.plus_s(seconds));
    assert_eq!(sweep(5).await.expect("written"), 0);
    assert_eq!(sweep(25).await.expect("written"), 2);
    assert!(
        rotate(4, 6).await.expect("written").is_err(),
        "its family ended"
    );
    assert_eq!(
        sweep(41).await.expect("written"),
        3,
        "two tokens and the ended family"
    );
    let view = store.snapshot().expect("open");
    let left = [
        view.range(&super::tables::SESSIONS, ..)
            .expect("a range")
            .count(),
        view.range(&super::tables::SESSIONS_BY_EXPIRY, ..)
            .expect("a range")
            .count(),
        view.range(&super::tables::ENDED_FAMILIES, ..)
            .expect("a range")
            .count(),
        view.range(&super::tables::ENDED_FAMILIES_BY_EXPIRY, ..)
            .expect("a range")
            .count(),
    ];
    assert_eq!(left, [0; 4]);
}

#[tokio::test]
async fn a_store_that_opens_but_takes_no_write_is_not_called_writable() {
    let (store, memory) = store();
    memory.break_writes(true);
    assert!(store.sign_up(newcomer("ann"), NOW).await.is_err());
    let until = Instant::now() + Duration::from_millis(100); // Many tries.
    while Instant::now() < until {
        assert!(!store.is_writable());
        tokio::task::yield_now().await;
    }
    // And it can still be told to close.
    store.close().await.expect("closed");
}

/// Puts a backup in the place of a folder's store.
pub fn restore(
    folder: &Folder,
    from: &Path,
    may_replace: bool,
    tell: impl FnMut(Progress),
) -> Result<Option<PathBuf>, BackupError> {
    bring(folder, from, may_replace, NOW, tell)?.put_in_place()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_read_by_whoever_asks_next_however_many_read() {
    let (store, _) = store();
    let over = AtomicBool::new(false);
    let count = |store: &Store| store.snapshot()?.count(Counter::Products);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut before = 0;
                while !over.load(Ordering::SeqCst) {
                    let now = count(&store).expect("read");
                    assert!(now >= before, "{now} after {before}");
                    before = now;
                }
            });
        }
        tokio::task::block_in_place(|| {
            Handle::current().block_on(async {
                for written in 1..=300 {
                    store.import(rows(1), NOW).await.expect("written");
                    let read = count(&store).expect("read");
                    over.store(read != written || written == 300, Ordering::SeqCst);
                    assert_eq!(read, written);
                }
            });
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_old_before_it_is_shared_is_not_shared() {
    let (store, _) = store();
    let shared = &store.shared;
    let slow = shared.views.latest(|| {
        let opened = Snapshot::new(shared.handle.load_full().expect("open"))?;
        // Somebody is answered before it is there to be shared.
        let written = store.import(rows(1), NOW);
        let written = tokio::task::block_in_place(|| Handle::current().block_on(written));
        written.expect("written");
        Ok(opened)
    });
    let old = slow.map(|old| Arc::downgrade(&old)).expect("read");
    assert!(old.upgrade().is_none(), "nobody keeps it");
    let read = store.snapshot().expect("read").count(Counter::Products);
    assert_eq!(read.expect("read"), 1);
}

#[tokio::test]
async fn readers_share_a_view_and_nobody_keeps_it_when_there_is_a_newer_one() {
    let (store, _) = store();
    let view = store.snapshot().expect("read");
    assert!(Arc::ptr_eq(&view, &store.snapshot().expect("read")));
    let before = Arc::downgrade(&view);
    drop(view);
    assert!(before.upgrade().is_some(), "it is the latest");
    store.import(rows(1), NOW).await.expect("written");
    assert!(before.upgrade().is_none(), "its pages can be used again");
    let last = Arc::downgrade(&store.snapshot().expect("read"));
    store.close().await.expect("closed");
    assert!(last.upgrade().is_none());
    assert!(matches!(store.snapshot(), Err(StoreError::Closing)));
}
