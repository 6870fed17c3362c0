//! Verifying a store: every record, and whatever must agree across tables.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};

use redb::ReadableTableMetadata;
use serde::de::DeserializeOwned;

use super::migrate::{FORMAT, WITH_LOG};
use super::once::Kept;
use super::outbox::Noted;
use super::photos::key_of;
use super::tables::{
    ACCOUNTS, CARTS, CATEGORIES, CATEGORY_NAMES, COMMENTS, COMMENTS_BY, COMMENTS_ON, COUNTERS,
    Counter, EMAILS, ENDED_FAMILIES, ENDED_FAMILIES_BY_EXPIRY, KEPT_BY_EXPIRY, KEPT_REPLIES, Key,
    ORDERS, ORDERS_BY, OUTBOX, PHONES, PHOTO_OWNERS, PHOTOS, PRODUCTS, PRODUCTS_IN, Read, Rows,
    SESSIONS, SESSIONS_BY_EXPIRY, STOCK, USERNAMES, key_bytes,
};
use super::views::View;
use super::{Store, StoreError};
use crate::shop::carts::Cart;
use crate::shop::comments::Comment;
use crate::shop::ids::{CategoryId, CommentId, OrderId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::orders::{Order, Stock};
use crate::shop::photos::Photo;
use crate::shop::products::{Category, Product};
use crate::shop::sessions::Session;
use crate::shop::time::Timestamp;
use crate::shop::users::{Account, Email, Phone};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub table: &'static str,
    pub what: String,
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.what)
    }
}

/// Findings told one by one; the others are counted.
const TOLD_MAX: usize = 100;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub rows: u64,
    pub of: u64,
}

impl Store {
    /// Reads every record and compares whatever must agree, telling how far it has come. Changes
    /// nothing.
    pub fn verify(&self, tell: impl FnMut(Progress)) -> Result<Findings, StoreError> {
        let view = self.snapshot()?;
        let of = view.records()?;
        let mut check = Check {
            view,
            findings: Findings::default(),
            counts: BTreeMap::new(),
            progress: Progress { rows: 0, of },
            tell,
        };
        check.accounts()?;
        check.sessions()?;
        check.categories()?;
        check.products()?;
        check.comments()?;
        check.carts()?;
        check.orders()?;
        check.photos()?;
        check.outbox()?;
        check.kept_replies()?;
        check.counters()?;
        Ok(check.findings)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub told: Vec<Finding>,
    pub more: usize,
}

impl Findings {
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    fn add(&mut self, table: &'static str, what: String) {
        if self.told.len() < TOLD_MAX {
            self.told.push(Finding { table, what });
        } else {
            self.more += 1;
        }
    }
}

struct Check<T> {
    view: View,
    findings: Findings,
    /// What each counter should say, by its key.
    counts: BTreeMap<Vec<u8>, Wanted>,
    progress: Progress,
    tell: T,
}

/// What a counter should say.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Exactly(u64),
    /// The last id given is not below any that is in use.
    AtLeast(u64),
}

impl<T: FnMut(Progress)> Check<T> {
    /// Hands each row of a table to `each`; what can't be read is a finding.
    fn each<K: Key, R: DeserializeOwned>(
        &mut self,
        rows: &'static Rows<K, R>,
        mut each: impl FnMut(&mut Self, K, R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut from: Option<Vec<u8>> = None;
        loop {
            // A stretch at a time, so that findings can be added while the table is read.
            let stretch = self.view.raw(rows, from.as_deref(), STRETCH)?;
            let Some((last, _)) = stretch.last() else {
                return Ok(());
            };
            from = Some(last.clone());
            self.progress.rows += stretch.len() as u64;
            for (key, row) in stretch {
                match row.and_then(|row| Ok((typed::<K, R>(rows, &key)?, row))) {
                    Ok((key, row)) => each(self, key, row)?,
                    Err(error) => self.findings.add(rows.name, error.with_causes()),
                }
            }
            (self.tell)(self.progress);
        }
    }

    /// Whether a row of a table is there, whatever is in it.
    fn has<K: Key, R>(&self, rows: &Rows<K, R>, key: &K) -> Result<bool, StoreError> {
        let key = key_bytes(key);
        Ok(self
            .view
            .table(rows.kind.table)?
            .get(key.as_slice())?
            .is_some())
    }

    fn must_have<K: Key, R>(
        &mut self,
        rows: &Rows<K, R>,
        key: &K,
        of: impl Display,
    ) -> Result<(), StoreError> {
        if !self.has(rows, key)? {
            self.findings
                .add(rows.name, format!("there is no row for {of}"));
        }
        Ok(())
    }

    /// An index row that must name this row.
    fn must_name<K: Key, R: DeserializeOwned + PartialEq>(
        &mut self,
        rows: &'static Rows<K, R>,
        key: &K,
        named: &R,
        of: impl Display,
    ) -> Result<(), StoreError> {
        match of_the_row(self.view.get(rows, key))? {
            Ok(Some(found)) if found == *named => {}
            Ok(Some(_)) => self
                .findings
                .add(rows.name, format!("the row for {of} names another")),
            Ok(None) => self
                .findings
                .add(rows.name, format!("there is no row for {of}")),
            Err(error) => self.findings.add(rows.name, error.with_causes()),
        }
        Ok(())
    }

    /// Counts the rows of an index, which is not read row by row.
    fn must_count<K, R>(&mut self, rows: &Rows<K, R>, count: u64) -> Result<(), StoreError> {
        self.progress.rows += self.view.table(rows.kind.table)?.len()?;
        self.must_hold(rows, count)
    }

    /// With every row that should be there found, as many rows as that are no row too many.
    fn must_hold<K, R>(&mut self, rows: &Rows<K, R>, count: u64) -> Result<(), StoreError> {
        let is = self.view.table(rows.kind.table)?.len()?;
        if is != count {
            let what = format!("{is} rows where the rows they are made of make {count}");
            self.findings.add(rows.name, what);
        }
        Ok(())
    }

    fn want(&mut self, counter: Counter, wanted: Wanted) {
        self.counts.insert(key_bytes(&counter), wanted);
    }

    fn accounts(&mut self) -> Result<(), StoreError> {
        let (mut users, mut admins, mut emails, mut phones, mut last) = (0, 0, 0, 0, 0);
        self.each(&ACCOUNTS, |check, id, account: Account| {
            if account.id != id {
                check.findings.add(
                    ACCOUNTS.name,
                    format!("row {} holds account {}", id.0, account.id.0),
                );
            }
            users += 1;
            admins += u64::from(account.can_administer());
            last = last.max(id.0);
            let of = format_args!("the name of account {}", id.0).to_string();
            check.must_name(&USERNAMES, &account.username.key(), &id, &of)?;
            if let Some(email) = account.email.as_ref().map(Email::key) {
                emails += 1;
                check.must_name(&EMAILS, &email, &id, &of)?;
            }
            if let Some(phone) = account.phone.as_ref().map(Phone::key) {
                phones += 1;
                check.must_name(&PHONES, &phone, &id, &of)?;
            }
            if let Some(photo) = &account.photo {
                match key_of(photo) {
                    Ok(key) => check.must_have(
                        &PHOTO_OWNERS,
                        &(key, id),
                        format_args!("the photo of account {}", id.0),
                    )?,
                    Err(_) => check.findings.add(
                        ACCOUNTS.name,
                        format!("account {} shows {photo}, which is no photo's name", id.0),
                    ),
                }
            }
            Ok(())
        })?;
        self.must_count(&USERNAMES, users)?;
        self.must_count(&EMAILS, emails)?;
        self.must_count(&PHONES, phones)?;
        self.want(Counter::Users, Wanted::Exactly(users));
        self.want(Counter::ActiveAdmins, Wanted::Exactly(admins));
        self.want(Counter::LastUser, Wanted::AtLeast(last));
        Ok(())
    }

    fn sessions(&mut self) -> Result<(), StoreError> {
        let (mut sessions, mut families) = (0, 0);
        self.each(&SESSIONS, |check, token, session: Session| {
            sessions += 1;
            check.must_have(
                &ACCOUNTS,
                &session.user,
                format_args!("a session of account {}", session.user.0),
            )?;
            check.must_have(
                &SESSIONS_BY_EXPIRY,
                &(session.expires_at, token),
                "a session",
            )
        })?;
        self.each(&ENDED_FAMILIES, |check, family, until: Timestamp| {
            families += 1;
            check.must_have(
                &ENDED_FAMILIES_BY_EXPIRY,
                &(until, family),
                "an ended family",
            )
        })?;
        self.must_count(&SESSIONS_BY_EXPIRY, sessions)?;
        self.must_count(&ENDED_FAMILIES_BY_EXPIRY, families)
    }

    fn categories(&mut self) -> Result<(), StoreError> {
        let (mut categories, mut last) = (0, 0);
        self.each(&CATEGORIES, |check, id, category: Category| {
            categories += 1;
            last = last.max(id.0);
            check.must_name(
                &CATEGORY_NAMES,
                &category.name.key(),
                &id,
                format_args!("the name of category {}", id.0),
            )
        })?;
        self.must_count(&CATEGORY_NAMES, categories)?;
        self.want(Counter::Categories, Wanted::Exactly(categories));
        self.want(Counter::LastCategory, Wanted::AtLeast(last));
        Ok(())
    }

    fn products(&mut self) -> Result<(), StoreError> {
        let (mut products, mut last) = (0, 0);
        let mut in_category = HashMap::<CategoryId, u64>::new();
        self.each(&PRODUCTS, |check, id, product: Product| {
            products += 1;
            last = last.max(id.0);
            *in_category.entry(product.category).or_default() += 1;
            let of = format!("product {}", id.0);
            check.must_have(&CATEGORIES, &product.category, &of)?;
            check.must_have(&STOCK, &id, &of)?;
            check.must_have(&PRODUCTS_IN, &(product.category, id), &of)
        })?;
        self.each(&STOCK, |_, _, _: Stock| Ok(()))?;
        self.must_hold(&STOCK, products)?;
        self.must_count(&PRODUCTS_IN, products)?;
        for (category, count) in in_category {
            self.want(Counter::ProductsIn(category), Wanted::Exactly(count));
        }
        self.want(Counter::Products, Wanted::Exactly(products));
        self.want(Counter::LastProduct, Wanted::AtLeast(last));
        Ok(())
    }

    fn comments(&mut self) -> Result<(), StoreError> {
        let (mut comments, mut last) = (0, 0);
        let mut on = HashMap::<ProductId, u64>::new();
        let mut by = HashMap::<UserId, u64>::new();
        self.each(&COMMENTS, |check, id: CommentId, comment: Comment| {
            comments += 1;
            last = last.max(id.0);
            *on.entry(comment.product).or_default() += 1;
            *by.entry(comment.user).or_default() += 1;
            let of = format!("comment {}", id.0);
            check.must_have(&PRODUCTS, &comment.product, &of)?;
            check.must_have(&ACCOUNTS, &comment.user, &of)?;
            check.must_have(&COMMENTS_ON, &(comment.product, id), &of)?;
            check.must_have(&COMMENTS_BY, &(comment.user, id), &of)
        })?;
        self.must_count(&COMMENTS_ON, comments)?;
        self.must_count(&COMMENTS_BY, comments)?;
        for (product, count) in on {
            self.want(Counter::CommentsOn(product), Wanted::Exactly(count));
        }
        for (user, count) in by {
            self.want(Counter::CommentsBy(user), Wanted::Exactly(count));
        }
        self.want(Counter::Comments, Wanted::Exactly(comments));
        self.want(Counter::LastComment, Wanted::AtLeast(last));
        Ok(())
    }

    fn carts(&mut self) -> Result<(), StoreError> {
        let mut last = 0;
        self.each(&CARTS, |check, user: UserId, cart: Cart| {
            check.must_have(
                &ACCOUNTS,
                &user,
                format_args!("the cart of account {}", user.0),
            )?;
            for (at, line) in cart.lines.iter().enumerate() {
                last = last.max(line.id.0);
                let twice = cart
                    .lines
                    .iter()
                    .take(at)
                    .any(|other| other.product == line.product);
                if twice || line.quantity == 0 {
                    check.findings.add(
                        CARTS.name,
                        format!("cart {}: line {} is none", user.0, line.id.0),
                    );
                }
            }
            Ok(())
        })?;
        self.want(Counter::LastCartLine, Wanted::AtLeast(last));
        Ok(())
    }

    fn orders(&mut self) -> Result<(), StoreError> {
        let (mut orders, mut last, mut last_line) = (0, 0, 0);
        let mut by = HashMap::<UserId, u64>::new();
        self.each(&ORDERS, |check, id: OrderId, order: Order| {
            orders += 1;
            last = last.max(id.0);
            *by.entry(order.user).or_default() += 1;
            let of = format!("order {}", id.0);
            check.must_have(&ACCOUNTS, &order.user, &of)?;
            check.must_have(&ORDERS_BY, &(order.user, id), &of)?;
            for line in &order.lines {
                last_line = last_line.max(line.id.0);
            }
            let sum = Money::sum(
                order
                    .lines
                    .iter()
                    .map(|line| line.price.times(line.quantity)),
            );
            if sum != Some(order.total) || order.lines.is_empty() {
                check.findings.add(
                    ORDERS.name,
                    format!("{of}: its total is not the sum of its lines"),
                );
            }
            Ok(())
        })?;
        self.must_count(&ORDERS_BY, orders)?;
        for (user, count) in by {
            self.want(Counter::OrdersBy(user), Wanted::Exactly(count));
        }
        self.want(Counter::Orders, Wanted::Exactly(orders));
        self.want(Counter::LastOrder, Wanted::AtLeast(last));
        self.want(Counter::LastOrderLine, Wanted::AtLeast(last_line));
        Ok(())
    }

    fn photos(&mut self) -> Result<(), StoreError> {
        self.each(&PHOTOS, |check, name: String, photo: Photo| {
            if photo.name() != name {
                check
                    .findings
                    .add(PHOTOS.name, format!("{name} holds another photo"));
            }
            let Ok(key) = key_of(&name) else {
                return Ok(()); // It can't be the photo's own: told above.
            };
            let owners = (key, UserId(0))..=(key, UserId(u64::MAX));
            if check.view.range(&PHOTO_OWNERS, owners)?.next().is_none() {
                check
                    .findings
                    .add(PHOTOS.name, format!("nobody shows {name}"));
            }
            Ok(())
        })?;
        self.each(&PHOTO_OWNERS, |check, (key, user): (_, UserId), ()| {
            let shown = match of_the_row(check.view.get(&ACCOUNTS, &user))? {
                Ok(account) => account.and_then(|account: Account| account.photo),
                Err(_) => return Ok(()), // Told already.
            };
            match shown {
                Some(name) if key_of(&name).is_ok_and(|shown| shown == key) => check.must_have(
                    &PHOTOS,
                    &name,
                    format_args!("the photo of account {}", user.0),
                ),
                Some(_) | None => {
                    check.findings.add(
                        PHOTO_OWNERS.name,
                        format!("account {} shows another photo or none", user.0),
                    );
                    Ok(())
                }
            }
        })
    }

    fn outbox(&mut self) -> Result<(), StoreError> {
        let mut last = None;
        self.each(&OUTBOX, |check, sequence: u64, _: Noted| {
            if last.is_some_and(|last| sequence != last + 1) {
                check
                    .findings
                    .add(OUTBOX.name, format!("there is a gap before {sequence}"));
            }
            last = Some(sequence);
            Ok(())
        })?;
        self.want(Counter::LastOutbox, Wanted::Exactly(last.unwrap_or(0)));
        Ok(())
    }

    fn kept_replies(&mut self) -> Result<(), StoreError> {
        let mut replies = 0;
        self.each(
            &KEPT_REPLIES,
            |check, (user, key): (UserId, String), kept: Kept| {
                replies += 1;
                check.must_have(
                    &ACCOUNTS,
                    &user,
                    format_args!("a kept reply of account {}", user.0),
                )?;
                check.must_have(
                    &KEPT_BY_EXPIRY,
                    &(kept.expires_at, (user, key)),
                    "a kept reply",
                )
            },
        )?;
        self.must_count(&KEPT_BY_EXPIRY, replies)
    }

    /// Every counter says what its table does, and none says anything of what is not there.
    fn counters(&mut self) -> Result<(), StoreError> {
        let mut wanted = std::mem::take(&mut self.counts);
        wanted.insert(key_bytes(&Counter::Identity), Wanted::AtLeast(1));
        let form = match of_the_row(self.view.count(Counter::Format))? {
            Ok(WITH_LOG) => WITH_LOG, // It is open.
            Ok(_) | Err(_) => FORMAT,
        };
        wanted.insert(key_bytes(&Counter::Format), Wanted::Exactly(form));
        let mut from: Option<Vec<u8>> = None;
        loop {
            let stretch = self.view.raw(&COUNTERS, from.as_deref(), STRETCH)?;
            let Some((last, _)) = stretch.last() else {
                break;
            };
            from = Some(last.clone());
            self.progress.rows += stretch.len() as u64;
            for (key, count) in stretch {
                let count = match count {
                    Ok(count) => count,
                    Err(error) => {
                        self.findings.add(COUNTERS.name, error.with_causes());
                        continue;
                    }
                };
                let is_right = match wanted.remove(&key) {
                    Some(Wanted::Exactly(wanted)) => count == wanted,
                    Some(Wanted::AtLeast(least)) => count >= least,
                    None => count == 0,
                };
                if !is_right {
                    let key = key.escape_ascii();
                    self.findings
                        .add(COUNTERS.name, format!("counter {key} says {count}"));
                }
            }
        }
        for (key, wanted) in wanted {
            if !matches!(wanted, Wanted::Exactly(0) | Wanted::AtLeast(0)) {
                let key = key.escape_ascii();
                self.findings.add(
                    COUNTERS.name,
                    format!("counter {key} is missing: {wanted:?}"),
                );
            }
        }
        (self.tell)(self.progress);
        Ok(())
    }
}

/// What is wrong with a row alone; an error of the disk ends the search.
pub(super) fn of_the_row<R>(
    read: Result<R, StoreError>,
) -> Result<Result<R, StoreError>, StoreError> {
    match read {
        Err(error) if !error.is_of_record() => Err(error),
        read => Ok(read),
    }
}

/// Rows read at a time.
const STRETCH: usize = 1_000;

fn typed<K: Key, R>(rows: &Rows<K, R>, key: &[u8]) -> Result<K, StoreError> {
    K::read(&mut &*key).ok_or_else(|| StoreError::missing(rows.name, key))
}
