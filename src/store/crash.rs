//! Power cuts: random days on a disk that remembers every write, resize and sync, cut at any of
//! them, with what was not synced lost, kept or torn; then opened again and held to what was
//! answered.
//!
//! `POWER_CUTS=100000 cargo test --release power_cuts` cuts that often; seeds are printed.
#![expect(clippy::print_stdout, reason = "the counts are what a run is for")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use redb::StorageBackend;
use tokio::runtime::Runtime;

use super::disk::{Media, Medium};
use super::log::{Limits, Segments, Which};
use super::once::{KeptReply, Once, Outcome};
use super::tables::{COUNTERS, Counter, NAMES, Read, Snapshot, key_bytes};
use super::{Durability, ImportRow, SignIn, Store, StoreError};
use crate::shop::ids::{CategoryId, CommentId, OrderId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::photos::{Format, Photo};
use crate::shop::products::{CategoryName, Draft, Edit, Price};
use crate::shop::sessions::{Family, Session};
use crate::shop::time::Timestamp;
use crate::shop::users::{Newcomer, Phone, ProfileEdit, Role, StandingEdit, Username};

pub const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
pub const CACHE_BYTES: usize = 4 << 20;
const SECTOR: usize = 512;

/// Random numbers from a seed (`SplitMix64`; Steele et al., "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// What was asked of the disk, and of which of its files.
#[derive(Clone, Debug)]
enum Op {
    Write(File, usize, Vec<u8>),
    Resize(File, usize),
    Sync(File),
    /// Somebody heard that so many steps of the day are done.
    Answered(usize),
}

/// The store's file, and the two segments of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    Store,
    Segment(Which),
}

impl File {
    const ALL: [Self; 3] = [
        Self::Store,
        Self::Segment(Which::A),
        Self::Segment(Which::B),
    ];
}

/// The bytes of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub store: Vec<u8>,
    pub segments: [Vec<u8>; 2],
}

impl Files {
    fn of(&mut self, file: File) -> &mut Vec<u8> {
        match file {
            File::Store => &mut self.store,
            File::Segment(which) => &mut self.segments[which as usize],
        }
    }
}

/// A disk in memory that remembers what was asked of it, in order.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Clone, Debug, Default)]
struct Recorded {
    /// As it was before the first operation.
    first: Files,
    bytes: Files,
    ops: Vec<Op>,
    /// Syncs so far, where one in seven is not done.
    lies: Option<u64>,
    /// Operations that succeed before the disk is full.
    good_for: Option<usize>,
}

impl Recorder {
    pub fn of(store: Vec<u8>) -> Self {
        Self::of_files(Files {
            store,
            ..Files::default()
        })
    }

    pub fn of_files(bytes: Files) -> Self {
        Self(Arc::new(Mutex::new(Recorded {
            first: bytes.clone(),
            bytes,
            ..Recorded::default()
        })))
    }

    pub fn files(&self) -> Files {
        self.recorded().bytes.clone()
    }

    fn file(&self, file: File) -> Box<dyn StorageBackend> {
        let disk = self.clone();
        Box::new(Recording { disk, file })
    }

    /// All of it, for a store with that durability.
    pub fn media(&self, durability: Durability, whim: Whim) -> Media {
        let segments: Option<Box<dyn Segments>> = match durability {
            Durability::Log => Some(Box::new(self.clone())),
            Durability::Store => None,
        };
        Media {
            limits: SMALL,
            whim,
            ..Media::new(self.medium(), segments)
        }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().expect("not poisoned")
    }

    pub fn medium(&self) -> Medium {
        let disk = self.clone();
        Box::new(move || Ok(disk.file(File::Store)))
    }

    /// Operations so far that write.
    pub fn operations(&self) -> usize {
        self.recorded().ops.len()
    }

    /// From so many more operations on there is no space.
    pub fn fail_after(&self, operations: usize) {
        self.recorded().good_for = Some(operations);
    }

    pub fn heal(&self) {
        self.recorded().good_for = None;
    }

    fn answered(&self, step: usize) {
        self.recorded().ops.push(Op::Answered(step));
    }
}

impl Recorded {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.good_for {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A segment that is made is cut to nothing first, and is there when it has bytes: of a name that
/// was not synced yet, what was there before or nothing is left, as of bytes.
impl Segments for Recorder {
    fn open(&self, which: Which) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let file = File::Segment(which);
        let is_there = !self.recorded().bytes.of(file).is_empty();
        Ok(is_there.then(|| self.file(file)))
    }

    fn make(&self, which: Which) -> io::Result<Box<dyn StorageBackend>> {
        let file = self.file(File::Segment(which));
        file.set_len(0)?;
        Ok(file)
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

/// One of the files.
#[derive(Debug)]
struct Recording {
    disk: Recorder,
    file: File,
}

impl Recording {
    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.disk.recorded()
    }
}

impl StorageBackend for Recording {
    fn len(&self) -> io::Result<u64> {
        Ok(self.recorded().bytes.of(self.file).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut recorded = self.recorded();
        let start = usize::try_from(offset).expect("small");
        let bytes = recorded.bytes.of(self.file).get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut recorded = self.recorded();
        recorded.spend()?;
        let len = usize::try_from(len).expect("small");
        recorded.bytes.of(self.file).resize(len, 0);
        recorded.ops.push(Op::Resize(self.file, len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut recorded = self.recorded();
        recorded.spend()?;
        if let Some(syncs) = &mut recorded.lies {
            *syncs += 1;
            if *syncs % 7 == 0 {
                return Ok(());
            }
        }
        recorded.ops.push(Op::Sync(self.file));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut recorded = self.recorded();
        recorded.spend()?;
        let start = usize::try_from(offset).expect("small");
        recorded.bytes.of(self.file)[start..start + data.len()].copy_from_slice(data);
        recorded
            .ops
            .push(Op::Write(self.file, start, data.to_vec()));
        Ok(())
    }
}

/// What lies on the disk when the power goes after so many operations, and which step of the day
/// was answered last.
fn cut(recorded: &Recorded, at: usize, random: &mut Random) -> (Files, usize) {
    let ops = &recorded.ops[..at];
    let synced = File::ALL.map(|file| {
        let is_sync = |op: &Op| matches!(op, Op::Sync(of) if *of == file);
        ops.iter().rposition(is_sync).unwrap_or(0)
    });
    let mut bytes = recorded.first.clone();
    let mut answered = 0;
    // All of it, none of it, or as it comes.
    let fate = random.below(4);
    for (number, op) in ops.iter().enumerate() {
        let is_safe = |file: &File| {
            let place = File::ALL.iter().position(|of| of == file);
            number < synced[place.expect("one of them")]
        };
        match op {
            Op::Answered(step) => answered = *step,
            Op::Resize(file, len)
                if is_safe(file) || fate == 0 || (fate > 1 && random.one_in(2)) =>
            {
                bytes.of(*file).resize(*len, 0);
            }
            Op::Sync(_) | Op::Resize(..) => {}
            Op::Write(file, start, data) if is_safe(file) || fate == 0 => {
                put(bytes.of(*file), *start, data);
            }
            Op::Write(..) if fate == 1 => {}
            Op::Write(file, start, data) => {
                let bytes = bytes.of(*file);
                for (sector, data) in data.chunks(SECTOR).enumerate() {
                    let start = start + sector * SECTOR;
                    match random.below(8) {
                        0..4 => put(bytes, start, data),
                        4 => put(bytes, start, &data[..data.len() / 2]),
                        _ => {}
                    }
                }
            }
        }
    }
    (bytes, answered)
}

/// Writes, as far as the file reaches.
fn put(bytes: &mut [u8], start: usize, data: &[u8]) {
    let end = (start + data.len()).min(bytes.len());
    if let Some(length) = end.checked_sub(start) {
        bytes[start..end].copy_from_slice(&data[..length]);
    }
}

pub type Dump = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Every record of every table but the form, which is another while the store is open.
pub fn dump(store: &Store) -> Result<Dump, StoreError> {
    use redb::ReadableTable;
    let view = store.snapshot()?;
    let mut dump = Dump::new();
    for tag in 0..Snapshot::TABLES {
        for entry in view.table(tag)?.iter()? {
            let (key, value) = entry?;
            dump.insert((tag, key.value().to_vec()), value.value().to_vec());
        }
    }
    dump.remove(&(COUNTERS.kind.table, key_bytes(&Counter::Format)));
    Ok(dump)
}

/// Which records two dumps differ in, for whoever looks for the reason.
fn difference(a: &Dump, b: &Dump) -> String {
    let one_sided = |a: &Dump, b: &Dump| {
        let rows = a.iter().filter(|(key, value)| b.get(*key) != Some(value));
        let names = rows
            .map(|((tag, key), _)| format!("{} {}", NAMES[usize::from(*tag)], key.escape_ascii()));
        names.take(8).collect::<Vec<_>>().join(", ")
    };
    format!("there: {}; expected: {}", one_sided(a, b), one_sided(b, a))
}

/// A day on a recorded disk.
struct Day {
    recorder: Recorder,
    /// The store before the first step and after each.
    states: Vec<Dump>,
    /// What was done once, and the step that did it.
    kept: Vec<(usize, Once, KeptReply)>,
}

/// How a program or a disk may be wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    #[default]
    None,
    LyingDisk,
    AnswersEarly,
    ForgetsReplies,
    /// An answer does not wait for the log's fsync.
    LogUnsynced,
    /// redb's file is written to while the last checkpoint is not on the disk.
    NoBarrier,
    /// The log goes on over frames that the last checkpoint, not yet on the disk, is of.
    OneSegment,
    /// A batch does not note its sequence, so that a checkpoint does not say what it has.
    ForgetsSequence,
    /// The log begins anew before what was put in from it is on the disk.
    BeginsEarly,
}

/// How a disk and a program behave in a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whim {
    /// An fsync in the background is done when somebody waits for it, not before.
    pub is_late: bool,
    pub flaw: Flaw,
}

impl Whim {
    pub fn has(self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }
}

/// A log so small that a day goes round it many times, and some of its batches have no room in it.
pub const SMALL: Limits = Limits {
    segment_min: 8 << 10,
    segment_max: 64 << 10,
    checkpoint_bytes: 16 << 10,
    checkpoint_after: Duration::from_hours(1),
};

/// A random day: steps of one to six writes that share a commit.
fn live(seed: u64, steps: usize, durability: Durability, flaw: Flaw) -> Day {
    live_until(seed, steps, durability, flaw, |runtime, store| {
        runtime.block_on(store.close()).expect("closed");
    })
}

/// One with an end of its own; what comes after it is not on the disk.
fn live_until(
    seed: u64,
    steps: usize,
    durability: Durability,
    flaw: Flaw,
    end: impl FnOnce(&Runtime, &Store),
) -> Day {
    let recorder = Recorder::of(Vec::new());
    recorder.recorded().lies = (flaw == Flaw::LyingDisk).then_some(0);
    let whim = Whim {
        is_late: true,
        flaw,
    };
    let media = recorder.media(durability, whim);
    let store = Store::open_on(media, CACHE_BYTES).expect("a new store");
    store
        .shared
        .flaws
        .answers_early
        .store(flaw == Flaw::AnswersEarly, Ordering::SeqCst);
    store
        .shared
        .flaws
        .forgets_replies
        .store(flaw == Flaw::ForgetsReplies, Ordering::SeqCst);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut random = Random(seed);
    let mut day = Day {
        states: vec![dump(&store).expect("read")],
        recorder,
        kept: Vec::new(),
    };
    for step in 1..=steps {
        let writes = if random.one_in(3) {
            1 + random.below(6)
        } else {
            1
        };
        let calls: Vec<u64> = (0..writes).map(|_| random.next()).collect();
        let kept = runtime.block_on(step_of(&store, step, &calls));
        day.kept
            .extend(kept.into_iter().map(|(once, reply)| (step, once, reply)));
        day.recorder.answered(step);
        day.states.push(dump(&store).expect("read"));
    }
    end(&runtime, &store);
    let left = day.recorder.recorded().clone();
    drop(store);
    day.recorder = Recorder(Arc::new(Mutex::new(left)));
    day
}

/// What lies on the disk of a shop with a log that was killed after a random day, and what was in
/// it after each step.
pub fn killed(seed: u64, steps: usize) -> (Files, Vec<Dump>) {
    let day = live_until(seed, steps, Durability::Log, Flaw::None, |_, _| ());
    (day.recorder.files(), day.states)
}

/// A store's bytes after a random day, and what is in it.
pub fn lived(seed: u64, steps: usize) -> (Vec<u8>, Dump) {
    let mut day = live(seed, steps, Durability::Store, Flaw::None);
    let bytes = day.recorder.files().store;
    (bytes, day.states.pop().expect("one a step"))
}

/// Makes writes that wait in the queue together, so that one commit has them all.
async fn step_of(store: &Store, step: usize, calls: &[u64]) -> Vec<(Once, KeptReply)> {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (start, started) = std::sync::mpsc::channel::<()>();
    let busy = {
        let store = store.clone();
        tokio::spawn(async move {
            let wait = move |_: &mut super::Transaction<'_>| {
                let _ = start.send(());
                let _ = released.recv(); // Until all are in the queue.
                Ok(())
            };
            store.write(wait).await
        })
    };
    tokio::task::yield_now().await;
    started.recv().expect("the writer is busy with it");
    let calls: Vec<_> = (0..)
        .zip(calls)
        .map(|(number, call)| {
            let (store, call) = (store.clone(), *call);
            tokio::spawn(async move { act(&store, Random(call), step, number).await })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(release);
    busy.await.expect("no panic").expect("nothing");
    let mut kept = Vec::new();
    for call in calls {
        kept.extend(call.await.expect("no panic"));
    }
    kept
}

pub fn newcomer(name: &str, random: &mut Random) -> Newcomer {
    Newcomer {
        username: Username::parse(name).expect("a name"),
        first_name: String::new(),
        email: None,
        phone: Some(Phone::parse(name).expect("short")),
        password_hash: format!("$argon2id${}", random.next()),
        role: if random.one_in(3) {
            Role::Admin
        } else {
            Role::Customer
        },
    }
}

fn draft(random: &mut Random) -> Draft {
    Draft {
        title: format!("Part {}", random.below(1_000)),
        description: "x".repeat(usize::try_from(random.below(3_000)).expect("small")),
        price: Price::new(Money::from_cents(1 + i128::from(random.below(99_999))))
            .expect("above zero"),
        quantity: u32::try_from(random.below(20)).expect("small"),
    }
}

#[expect(clippy::too_many_lines, reason = "a row for each kind of write")]
/// One random write; what was kept if it was to be done once.
async fn act(
    store: &Store,
    mut random: Random,
    step: usize,
    number: usize,
) -> Option<(Once, KeptReply)> {
    let user = UserId(1 + random.below(6));
    let product = ProductId(1 + random.below(12));
    let order = OrderId(1 + random.below(20));
    let name = || CategoryName::parse(&format!("Category {}", product.0 % 4)).expect("short");
    let token = |of: u64| {
        let mut token = [0; 32];
        token[..8].copy_from_slice(&of.to_be_bytes());
        token
    };
    let unique = (step * 10 + number) as u64;
    let late = NOW.plus_s(i64::try_from(step).expect("small"));
    match random.below(24) {
        0 => drop(
            store
                .sign_up(newcomer(&format!("user{unique}"), &mut random), NOW)
                .await
                .expect("written"),
        ),
        1..4 if store.account(user).expect("read").is_some() => {
            once(store, user, unique, late, move |store| async move {
                format!("{:?}", store.place_order(user, late).await)
            })
            .await?;
            return Some(once_of(store, user, unique, late));
        }
        4..8 if store.account(user).expect("read").is_some() => {
            drop(
                store
                    .add_to_cart(
                        user,
                        product,
                        1 + u32::try_from(random.below(4)).expect("small"),
                    )
                    .await
                    .expect("written"),
            );
        }
        8 if store.account(user).expect("read").is_some() => drop(
            store
                .remove_from_cart(user, product)
                .await
                .expect("written"),
        ),
        9 => drop(store.advance_order(order, None).await.expect("written")),
        10 | 11 => drop(store.cancel_order(order, user).await.expect("written")),
        12 => {
            let rows = (0..=random.below(4))
                .map(|_| ImportRow::Offer(draft(&mut random), name()))
                .collect();
            store.import(rows, NOW).await.expect("written");
        }
        13 => {
            let edit = Edit {
                description: Some(format!("edited {unique}")),
                category: random.one_in(3).then(name),
                quantity: random.one_in(3).then_some(30),
                ..Edit::default()
            };
            drop(store.edit_product(product, edit).await.expect("written"));
        }
        14 if random.one_in(3) => drop(store.withdraw(product).await.expect("written")),
        15 if store.account(user).expect("read").is_some() => {
            drop(
                store
                    .comment_on(product, user, "Fine".into(), NOW)
                    .await
                    .expect("written"),
            );
        }
        16 => drop(
            store
                .delete_comment(CommentId(1 + random.below(9)), user, true)
                .await
                .expect("written"),
        ),
        17 => {
            if let Some(account) = store.account(user).expect("read") {
                let session = Session {
                    user,
                    family: Family([1; 16]),
                    era: 0,
                    expires_at: late,
                    is_spent: false,
                };
                let sign_in = SignIn {
                    token: token(unique),
                    session,
                    password_hash: account.password_hash,
                    better_hash: None,
                };
                store.sign_in(sign_in).await.expect("written");
            }
        }
        18 => drop(
            store
                .rotate(
                    token(random.below(unique + 1)),
                    token(unique + 1_000_000),
                    late,
                    NOW,
                )
                .await
                .expect("written"),
        ),
        19 => drop(
            store
                .sweep_sessions(NOW.plus_s(i64::try_from(random.below(40)).expect("small")))
                .await
                .expect("written"),
        ),
        20 if store.account(user).expect("read").is_some() => {
            let edit = ProfileEdit {
                first_name: Some(format!("Name {unique}")),
                ..ProfileEdit::default()
            };
            drop(store.edit_profile(user, edit).await.expect("written"));
        }
        21 => {
            let edit = StandingEdit {
                is_active: Some(random.one_in(2)),
                ..StandingEdit::default()
            };
            drop(store.edit_standing(user, edit).await.expect("written"));
        }
        22 if store.account(user).expect("read").is_some() => {
            let photo = Photo {
                format: Format::Png,
                bytes: vec![1; 1 + usize::try_from(random.below(3)).expect("small")],
            };
            drop(store.set_photo(user, photo).await.expect("written"));
        }
        _ => drop(
            store
                .delete_category(CategoryId(1 + random.below(5)))
                .await
                .expect("written"),
        ),
    }
    None
}

fn once_of(store: &Store, user: UserId, unique: u64, now: Timestamp) -> (Once, KeptReply) {
    let once = key(user, unique, now);
    let reply = match store.kept(&once).expect("read") {
        Some(Outcome::Replayed(reply)) => reply,
        // Only where the program is made to forget.
        _ => KeptReply {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        },
    };
    (once, reply)
}

fn key(user: UserId, unique: u64, now: Timestamp) -> Once {
    Once {
        user,
        key: format!("key-{unique}"),
        fingerprint: [7; 32],
        earlier_fingerprints: Vec::new(),
        now,
    }
}

async fn once<F>(
    store: &Store,
    user: UserId,
    unique: u64,
    now: Timestamp,
    work: impl FnOnce(Store) -> F,
) -> Option<()>
where
    F: Future<Output = String> + Send + 'static,
{
    let reply = |text: String| KeptReply {
        status: 200,
        headers: Vec::new(),
        body: text.into_bytes(),
    };
    let done = store.do_once(key(user, unique, now), |store| {
        let work = work(store);
        async move { reply(work.await) }
    });
    done.await.expect("written");
    Some(())
}

/// Opens what a cut left and holds it to what was answered; what is wrong with it.
fn judge(
    day: &Day,
    files: Files,
    answered: usize,
    durability: Durability,
    whim: Whim,
) -> Result<(Recorder, Store), String> {
    let disk = Recorder::of_files(files);
    let store = Store::open_on(disk.media(durability, whim), CACHE_BYTES)
        .map_err(|error| format!("it can't be opened: {}", error.with_causes()))?;
    let is = dump(&store).map_err(|error| format!("it can't be read: {error}"))?;
    // Everything that was answered, and of the step under way all or nothing.
    let (least, most) = (&day.states[answered], day.states.get(answered + 1));
    if is != *least && most.is_none_or(|most| is != *most) {
        return Err(format!("after step {answered}: {}", difference(&is, least)));
    }
    let findings = store.verify(|_| ()).map_err(|error| error.to_string())?;
    if let Some(finding) = findings.told.first() {
        return Err(finding.to_string());
    }
    for (step, once, reply) in &day.kept {
        let is_kept = store.kept(once).map_err(|error| error.to_string())?;
        if *step <= answered && is_kept != Some(Outcome::Replayed(reply.clone())) {
            return Err(format!("the reply of step {step} is not kept: {is_kept:?}"));
        }
    }
    Ok((disk, store))
}

/// A day that goes on after a recovery for some steps; what was there before is answered.
fn go_on(day: &Day, recovered: (Recorder, Store), answered: usize, random: &mut Random) -> Day {
    let (recorder, store) = recovered;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let before = day.kept.iter().filter(|(step, ..)| *step <= answered);
    let mut second = Day {
        states: vec![dump(&store).expect("read")],
        recorder,
        kept: before
            .map(|(_, once, reply)| (0, once.clone(), reply.clone()))
            .collect(),
    };
    for step in 1..=usize::try_from(random.below(5)).expect("small") {
        let calls = [random.next(), random.next()];
        let kept = runtime.block_on(step_of(&store, 1_000 + step, &calls));
        second.recorder.answered(step);
        let kept = kept.into_iter().map(|(once, reply)| (step, once, reply));
        second.kept.extend(kept);
        second.states.push(dump(&store).expect("read"));
    }
    second
}

/// Cuts days at random places, and the recovery after a cut again, until so many images were
/// judged; the violations among them.
fn power_cuts(images: usize, first_seed: u64, durability: Durability, flaw: Flaw) -> Vec<String> {
    let whim = Whim {
        is_late: true,
        flaw,
    };
    // This one shows in a recovery alone.
    let again = if flaw == Flaw::BeginsEarly { 1 } else { 4 };
    let mut violations = Vec::new();
    let mut judged = 0;
    let mut seed = first_seed;
    while judged < images {
        let day = live(seed, 60, durability, flaw);
        let mut random = Random(seed ^ 0xcafe);
        let recorded = day.recorder.recorded();
        // Before the store's first commit there is nothing to hold anybody to.
        let made = recorded
            .ops
            .iter()
            .position(|op| matches!(op, Op::Answered(_)))
            .unwrap_or(0);
        for _ in 0..images.min(250) {
            let at = made
                + usize::try_from(random.below((recorded.ops.len() - made) as u64)).expect("small");
            let (files, answered) = cut(&recorded, at, &mut random);
            judged += 1;
            match judge(&day, files, answered, durability, whim) {
                Err(what) => violations.push(format!("seed {seed}, cut {at}: {what}")),
                Ok(recovered) if random.one_in(again) => {
                    let second = go_on(&day, recovered, answered, &mut random);
                    let recovery = second.recorder.recorded();
                    let at = usize::try_from(random.below(recovery.ops.len() as u64 + 1))
                        .expect("small");
                    let (files, answered) = cut(&recovery, at, &mut random);
                    drop(recovery);
                    judged += 1;
                    if let Err(what) = judge(&second, files, answered, durability, whim) {
                        violations.push(format!("seed {seed}, second cut {at}: {what}"));
                    }
                }
                Ok(_) => {}
            }
        }
        drop(recorded);
        seed += 1;
    }
    violations
}

/// How many images the environment asks for, or these.
fn images(by_default: usize) -> usize {
    let asked = std::env::var("POWER_CUTS").ok();
    asked
        .and_then(|asked| asked.parse().ok())
        .unwrap_or(by_default)
}

#[test]
fn power_cuts_take_nothing_that_was_answered_and_leave_no_half_of_anything() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| getrandom::u64().expect("random") >> 16);
    let images = images(2_000);
    for durability in [Durability::Store, Durability::Log] {
        let violations = power_cuts(images, seed, durability, Flaw::None);
        println!(
            "{durability:?}: {images} power cuts from seed {seed}: {} violations",
            violations.len()
        );
        assert!(
            violations.is_empty(),
            "{durability:?} from seed {seed}: {violations:#?}"
        );
    }
}

#[test]
fn a_lying_disk_an_early_answer_and_a_forgotten_reply_are_noticed() {
    for durability in [Durability::Store, Durability::Log] {
        for flaw in [Flaw::LyingDisk, Flaw::AnswersEarly, Flaw::ForgetsReplies] {
            notice(durability, flaw);
        }
    }
}

#[test]
fn a_log_that_is_not_kept_to_is_noticed() {
    for flaw in [
        Flaw::LogUnsynced,
        Flaw::NoBarrier,
        Flaw::OneSegment,
        Flaw::ForgetsSequence,
        Flaw::BeginsEarly,
    ] {
        notice(Durability::Log, flaw);
    }
}

fn notice(durability: Durability, flaw: Flaw) {
    let violations = power_cuts(500, 1, durability, flaw);
    println!("{durability:?}, {flaw:?}: {} violations", violations.len());
    assert!(
        violations.len() > 5,
        "{durability:?}, {flaw:?}: {violations:?}"
    );
}

/// Ways to be wrong on purpose, for the tests above.
#[derive(Debug, Default)]
pub struct Flaws {
    pub answers_early: AtomicBool,
    pub forgets_replies: AtomicBool,
}
