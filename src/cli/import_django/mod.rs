//! `import-django`: a shop moves in from the original, with every id.

mod media;
mod report;
mod rows;

use std::collections::{HashMap, HashSet};
use std::mem;

use anyhow::{Context as _, bail};

use super::Ended;
use crate::app::{App, AppError, now};
use crate::auth::token::{family_of, hash_of};
use crate::django::{Database, Kind, PAGE, Record, Value};
use crate::keys;
use crate::settings::{CommandLine, ImportDjango};
use crate::shop::carts::{self, Cart};
use crate::shop::comments::Comment;
use crate::shop::ids::{
    CartLineId, CategoryId, CommentId, OrderId, OrderLineId, ProductId, UserId,
};
use crate::shop::money::Money;
use crate::shop::moving::Landing;
use crate::shop::orders::{self, Order};
use crate::shop::sessions::Session;
use crate::shop::time::Timestamp;
use crate::shop::users::{Email, Phone, Taken};
use crate::store::{Arrival, LastIds, Store};
use media::Media;
use report::Report;
use rows::{Person, Reason};

/// What a batch of rows may hold in photos before it is written.
const PHOTOS_MAX_BYTES: usize = 8 << 20;

pub async fn import(line: &CommandLine, asked: &ImportDjango) -> anyhow::Result<Ended> {
    // All that can be wrong with what is asked, before a shop is made.
    let database = Database::open(&asked.file)?;
    let media = asked.media.as_deref().map(Media::open).transpose()?;
    let key = asked.django_secret_key.as_ref().map(String::as_bytes);
    if key.is_some_and(|key| !keys::DJANGO_KEY_BYTES.contains(&key.len())) {
        let (least, most) = keys::DJANGO_KEY_BYTES.into_inner();
        bail!(
            "--django-secret-key has from {least} to {most} bytes: who signs with less can be guessed, so leave it out, and everybody signs in anew"
        );
    }
    let app = open(line, asked)?;
    let mut moving = Moving::new(&database, app.as_ref(), asked.dry_run, media)?;
    let moved = moving.all(key).await;
    let report = moving.report;
    if let Some(app) = app {
        app.close().await?;
    }
    let tokens = moved?;
    let ended = report.end(asked.dry_run);
    say(&tokens);
    Ok(ended)
}

/// A run that writes nothing does not make a shop either.
fn open(line: &CommandLine, asked: &ImportDjango) -> Result<Option<App>, AppError> {
    if !asked.dry_run {
        return App::open(&line.data_dir, line.store_limits(), "import-django").map(Some);
    }
    match App::open_read_only(&line.data_dir, line.cache_bytes()) {
        Ok(app) => Ok(Some(app)),
        Err(AppError::Folder(crate::store::FolderError::NoShop { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(sentence: &str) {
    if !sentence.is_empty() {
        println!("{sentence}");
    }
}

/// A move on its way.
struct Moving<'d, 'a> {
    database: &'d Database,
    app: Option<&'a App>,
    is_dry: bool,
    now: Timestamp,
    media: Option<Media>,
    photos_without_media: u64,
    report: Report<'d>,
    /// What waits to be written, with its table and its id there.
    batch: Vec<(Kind, i64, Arrival)>,
    photo_bytes: usize,
    /// The accounts and products here that are those of the original.
    users: HashSet<UserId>,
    products: HashSet<ProductId>,
    /// The category here that each one of the original's is, or is one with.
    categories: HashMap<CategoryId, CategoryId>,
    /// What every product there is called, also of those that can't come.
    titles: HashMap<ProductId, String>,
    accounts_here: u64,
    sessions: u64,
}

impl<'d, 'a> Moving<'d, 'a> {
    fn new(
        database: &'d Database,
        app: Option<&'a App>,
        is_dry: bool,
        media: Option<Media>,
    ) -> anyhow::Result<Self> {
        let mut rows = 0;
        for kind in KINDS {
            rows += database.count(kind)?;
        }
        Ok(Self {
            database,
            app,
            is_dry,
            now: now(),
            media,
            photos_without_media: 0,
            report: Report::new(database, rows),
            batch: Vec::new(),
            photo_bytes: 0,
            users: HashSet::new(),
            products: HashSet::new(),
            categories: HashMap::new(),
            titles: HashMap::new(),
            accounts_here: 0,
            sessions: 0,
        })
    }

    fn store(&self) -> Option<&'a Store> {
        self.app.map(|app| &app.store)
    }

    /// What others point to comes before them. Hands back what is to be said of tokens.
    async fn all(&mut self, key: Option<&[u8]>) -> anyhow::Result<String> {
        for kind in KINDS {
            self.report.of(kind); // In this order, and also where there is none.
        }
        self.move_categories().await?;
        self.move_users().await?;
        self.move_products().await?;
        self.move_comments().await?;
        self.move_carts().await?;
        self.move_orders().await?;
        if let (Some(store), false) = (self.store(), self.is_dry) {
            store.raise_last_ids(self.last_ids()?).await?;
        }
        let tokens = match key {
            Some(key) => self.move_tokens(key).await?,
            None => String::new(),
        };
        Ok(match self.photos_without_media {
            0 => tokens,
            count => format!("{count} photos did not come: --media names their folder.\n{tokens}")
                .trim_end()
                .to_owned(),
        })
    }

    /// Hands every row of a table to `each`, by id.
    fn each(&mut self, kind: Kind, after: i64) -> anyhow::Result<Option<(Vec<Record>, i64)>> {
        let page = self.database.page(kind, after)?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        let Value::Integer(last) = *last.key() else {
            let table = self.database.table(kind);
            bail!("the ids of {table} are no integers");
        };
        self.report.go_on(page.len());
        Ok(Some((page, last)))
    }

    async fn move_categories(&mut self) -> anyhow::Result<()> {
        let mut named: HashMap<String, CategoryId> = HashMap::new();
        let mut doubles = Vec::new();
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::Category, after)? {
            after = last;
            for record in &page {
                let category = match rows::category(record) {
                    Ok(category) => category,
                    Err(reason) => {
                        self.leave_out(record, Kind::Category, &reason);
                        continue;
                    }
                };
                if let Some(first) = named.get(&category.name.key()) {
                    doubles.push((category.id, *first));
                    continue;
                }
                named.insert(category.name.key(), category.id);
                self.bring(Kind::Category, record, Arrival::Category(category));
            }
            self.write().await?;
        }
        for (id, first) in doubles {
            if let Some(stands) = self.categories.get(&first).copied() {
                self.categories.insert(id, stands);
                self.report.of(Kind::Category).here += 1;
                let word = format!("Category {} has this name, and stands for it.", stands.0);
                self.report.name(Kind::Category, id.0, word);
            } else {
                let reason = format!("Category {} has this name, and can't come.", first.0);
                self.report.left_out(Kind::Category, id.0, reason);
            }
        }
        Ok(())
    }

    async fn move_users(&mut self) -> anyhow::Result<()> {
        let mut holders = Holders::default();
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::User, after)? {
            after = last;
            for record in &page {
                let person = rows::person(record);
                match person.and_then(|person| holders.admit(person)) {
                    Ok(person) => self.bring_person(record, person).await?,
                    Err(reason) => self.leave_out(record, Kind::User, &reason),
                }
            }
            self.write().await?;
        }
        Ok(())
    }

    async fn bring_person(&mut self, record: &Record, person: Person) -> anyhow::Result<()> {
        let Person {
            mut account,
            photo_path,
            mut notes,
        } = person;
        let mut photo = None;
        match (&self.media, photo_path) {
            (Some(media), Some(path)) => match media.photo(&path).await {
                Ok(kept) => photo = Some(kept),
                Err(reason) => notes.push(format!("photo: {reason}. It comes without.")),
            },
            (None, Some(_)) => self.photos_without_media += 1,
            (_, None) => {}
        }
        account.photo = photo.as_ref().map(crate::shop::photos::Photo::name);
        self.photo_bytes += photo.as_ref().map_or(0, |photo| photo.bytes.len());
        for note in notes {
            self.report.name(Kind::User, account.id.0, note);
        }
        self.bring(Kind::User, record, Arrival::Account(account, photo));
        if self.photo_bytes > PHOTOS_MAX_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    async fn move_products(&mut self) -> anyhow::Result<()> {
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::Product, after)? {
            after = last;
            for record in &page {
                if let (Ok(id), Some(title)) =
                    (rows::id(record.key()), rows::title(record, "title"))
                {
                    self.titles.insert(ProductId(id), title);
                }
                let product = rows::product(record).and_then(|(mut product, stock)| {
                    let category = self.categories.get(&product.category);
                    product.category = *category.ok_or_else(|| {
                        let id = product.category.0;
                        rows::wrong("category_id", format!("Category {id} did not come."))
                    })?;
                    Ok(Arrival::Product(product, stock))
                });
                match product {
                    Ok(product) => self.bring(Kind::Product, record, product),
                    Err(reason) => self.leave_out(record, Kind::Product, &reason),
                }
            }
            self.write().await?;
        }
        Ok(())
    }

    async fn move_comments(&mut self) -> anyhow::Result<()> {
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::Comment, after)? {
            after = last;
            for record in &page {
                match self.comment(record) {
                    Ok(comment) => self.bring(Kind::Comment, record, Arrival::Comment(comment)),
                    Err(reason) => self.leave_out(record, Kind::Comment, &reason),
                }
            }
            self.write().await?;
        }
        Ok(())
    }

    fn comment(&self, record: &Record) -> Result<Comment, Reason> {
        Ok(Comment {
            id: CommentId(rows::id(record.key())?),
            product: self.product_of(record)?,
            user: self.user_of(record)?,
            text: rows::comment_text(record)?,
            created_at: rows::moment(record, "created_at")?,
            updated_at: rows::moment(record, "updated_at")?,
        })
    }

    /// A cart of the original has an id of its own; here it is its owner's.
    async fn move_carts(&mut self) -> anyhow::Result<()> {
        let mut owners = HashMap::new();
        let mut have_one = HashSet::new();
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::Cart, after)? {
            after = last;
            for record in &page {
                match self.user_of(record) {
                    Ok(user) if have_one.insert(user) => {
                        owners.insert(last_of(record), user);
                    }
                    Ok(_) => {
                        let reason = rows::wrong("user_id", "They have another cart.");
                        self.leave_out(record, Kind::Cart, &reason);
                    }
                    Err(reason) => self.leave_out(record, Kind::Cart, &reason),
                }
            }
        }
        for (at, (cart, _)) in self.database.filled_carts()?.into_iter().enumerate() {
            let lines = self.database.rows_of(Kind::CartItem, "cart_id", cart)?;
            self.report.go_on(lines.len());
            let Some(owner) = owners.get(&cart).copied() else {
                for line in &lines {
                    let reason = rows::wrong("cart_id", format!("Cart {cart} did not come."));
                    self.leave_out(line, Kind::CartItem, &reason);
                }
                continue;
            };
            let filled = self.fill(&lines);
            if !filled.lines.is_empty() {
                self.batch
                    .push((Kind::Cart, cart, Arrival::Cart(owner, filled)));
            }
            if at % PAGE == PAGE - 1 {
                self.write().await?;
            }
        }
        self.write().await?;
        let lost = self
            .database
            .orphans(Kind::CartItem, "cart_id", Kind::Cart)?;
        self.report.go_on(lost.len());
        for line in &lost {
            let reason = rows::wrong("cart_id", "There is no such cart.");
            self.leave_out(line, Kind::CartItem, &reason);
        }
        Ok(())
    }

    fn fill(&mut self, lines: &[Record]) -> Cart {
        let mut cart = Cart::default();
        for record in lines {
            let line = self.product_of(record).and_then(|product| {
                let quantity = rows::whole(record, "quantity", 1)?;
                let id = CartLineId(rows::id(record.key())?);
                carts::add(cart.clone(), product, quantity, id).map_err(|refusal| match refusal {
                    carts::Refusal::Full => "The cart is full.".to_owned(),
                    carts::Refusal::TooMany => rows::wrong("quantity", "They are too many."),
                    carts::Refusal::NoProduct | carts::Refusal::NotInCart => {
                        unreachable!("something is put in")
                    }
                })
            });
            match line {
                Ok(filled) => cart = filled,
                Err(reason) => self.leave_out(record, Kind::CartItem, &reason),
            }
        }
        cart
    }

    async fn move_orders(&mut self) -> anyhow::Result<()> {
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::Order, after)? {
            after = last;
            for record in &page {
                let id = last_of(record);
                let lines = self.database.rows_of(Kind::OrderItem, "order_id", id)?;
                self.report.go_on(lines.len());
                match self.order(record, &lines)? {
                    Ok(order) => self.bring(Kind::Order, record, Arrival::Order(order)),
                    Err(reason) => {
                        self.leave_out(record, Kind::Order, &reason);
                        self.report.of(Kind::OrderItem).left_out += lines.len() as u64;
                    }
                }
            }
            self.write().await?;
        }
        let lost = self
            .database
            .orphans(Kind::OrderItem, "order_id", Kind::Order)?;
        self.report.go_on(lost.len());
        for line in &lost {
            let reason = rows::wrong("order_id", "There is no such order.");
            self.leave_out(line, Kind::OrderItem, &reason);
        }
        Ok(())
    }

    /// Stock is left alone: what was sold left the shelf there.
    fn order(
        &mut self,
        record: &Record,
        items: &[Record],
    ) -> anyhow::Result<Result<Order, Reason>> {
        let mut lines = Vec::with_capacity(items.len());
        for item in items {
            match self.order_line(item)? {
                Ok(line) => lines.push(line),
                Err(reason) => {
                    let table = self.database.table(Kind::OrderItem);
                    let id = told(item.key());
                    return Ok(Err(format!("Line {id} of {table}: {reason}")));
                }
            }
        }
        Ok(self.order_of(record, lines))
    }

    fn order_of(&self, record: &Record, lines: Vec<orders::Line>) -> Result<Order, Reason> {
        let order = Order {
            id: OrderId(rows::id(record.key())?),
            user: self.user_of(record)?,
            status: rows::status(record)?,
            total: rows::money(record, "total_price")?,
            created_at: rows::moment(record, "created_at")?,
            lines,
        };
        if order.lines.is_empty() {
            return Err("It has no lines.".into());
        }
        let prices = order.lines.iter();
        let sum = Money::sum(prices.map(|line| line.price.times(line.quantity)));
        if sum != Some(order.total) {
            let sum = sum.map_or("more than there is".into(), |sum| sum.to_string());
            let total = order.total;
            let sentence = format!("It is {total}, and the lines make {sum}.");
            return Err(rows::wrong("total_price", sentence));
        }
        Ok(order)
    }

    /// A line keeps its title and its price though its product be gone.
    fn order_line(&mut self, item: &Record) -> anyhow::Result<Result<orders::Line, Reason>> {
        let product = match item.value("product_id") {
            Value::Null => Ok(0), // Which no product has.
            value => rows::id(value).map_err(|_| rows::wrong("product_id", "It is no id.")),
        };
        let product = match product {
            Ok(product) => ProductId(product),
            Err(reason) => return Ok(Err(reason)),
        };
        if !self.products.contains(&product)
            && let Some(store) = self.store()
            && store.has_product(product)?
        {
            // Cancelled, it would put pieces on the wrong shelf.
            let id = product.0;
            let sentence = format!("Product {id} is another here.");
            return Ok(Err(rows::wrong("product_id", sentence)));
        }
        let title = rows::title(item, "product_title");
        let title = title.or_else(|| self.titles.get(&product).cloned());
        let title = title.unwrap_or_else(|| {
            let id = told(item.key());
            let word =
                "product_id: There is no such product; the line is called Product and its id.";
            self.report.name(Kind::OrderItem, id, word);
            format!("Product {}", product.0)
        });
        let line = || {
            Ok(orders::Line {
                id: OrderLineId(rows::id(item.key())?),
                product,
                title,
                price: rows::money(item, "price")?,
                quantity: rows::whole(item, "quantity", 1)?,
            })
        };
        Ok(line())
    }

    fn user_of(&self, record: &Record) -> Result<UserId, Reason> {
        let user = UserId(rows::reference(record, "user_id")?);
        if self.users.contains(&user) {
            Ok(user)
        } else {
            let sentence = format!("User {} did not come.", user.0);
            Err(rows::wrong("user_id", sentence))
        }
    }

    fn product_of(&self, record: &Record) -> Result<ProductId, Reason> {
        let product = ProductId(rows::reference(record, "product_id")?);
        if self.products.contains(&product) {
            Ok(product)
        } else {
            let sentence = format!("Product {} did not come.", product.0);
            Err(rows::wrong("product_id", sentence))
        }
    }

    fn last_ids(&self) -> anyhow::Result<LastIds> {
        let last = |kind| {
            let last = Value::Integer(self.database.last_id(kind)?);
            // One that no row could have says nothing of those that come after.
            Ok::<_, anyhow::Error>(rows::id(&last).unwrap_or(0))
        };
        Ok(LastIds {
            user: last(Kind::User)?,
            category: last(Kind::Category)?,
            product: last(Kind::Product)?,
            comment: last(Kind::Comment)?,
            cart_line: last(Kind::CartItem)?,
            order: last(Kind::Order)?,
            order_line: last(Kind::OrderItem)?,
        })
    }

    /// Lets the original's tokens be good here, where an id in them can only be its account's.
    async fn move_tokens(&mut self, key: &[u8]) -> anyhow::Result<String> {
        let accounts = match (self.store(), self.is_dry) {
            (Some(store), false) => store.account_count()? == self.users.len() as u64,
            (Some(store), true) => store.account_count()? == self.accounts_here,
            (None, _) => true,
        };
        if !accounts {
            return Ok(
                "The original's tokens are not good here: there are accounts that are not of it, and a token must open nobody else's.".into(),
            );
        }
        self.move_sessions().await?;
        let count = self.sessions;
        let refresh = if self.database.has(Kind::OutstandingToken) {
            format!("{count} refresh tokens too")
        } else {
            "no refresh tokens, of which it keeps no table".into()
        };
        if self.is_dry {
            return Ok(format!(
                "Its access tokens would be good here, and {refresh}."
            ));
        }
        let app = self.app.context("a run that writes has a shop")?;
        // From here on its tokens are good.
        let until = keys::told(app.take_over_key(key)?);
        Ok(format!(
            "Its access tokens are good here until they expire, at the latest {until}, and {refresh}."
        ))
    }

    /// Refresh tokens that simplejwt gave out and nobody logged out become sessions.
    async fn move_sessions(&mut self) -> anyhow::Result<()> {
        let mut dead = HashSet::new();
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::BlacklistedToken, after)? {
            after = last;
            dead.extend(
                page.iter()
                    .filter_map(|row| rows::reference(row, "token_id").ok()),
            );
        }
        let mut after = i64::MIN;
        while let Some((page, last)) = self.each(Kind::OutstandingToken, after)? {
            after = last;
            for record in &page {
                // What expired, or is of somebody who did not come, is dead and needs no word.
                if let Some((token, session)) = self.session(record, &dead) {
                    let id = last_of(record);
                    let arrival = Arrival::Session(token, session);
                    self.batch.push((Kind::OutstandingToken, id, arrival));
                }
            }
            self.write().await?;
        }
        Ok(())
    }

    fn session(&self, record: &Record, dead: &HashSet<u64>) -> Option<([u8; 32], Session)> {
        let id = rows::id(record.key()).ok()?;
        let jti = rows::text(record, "jti")
            .ok()
            .filter(|jti| !jti.is_empty())?;
        let session = Session {
            user: self.user_of(record).ok()?,
            family: family_of(jti),
            era: 0, // Who ended their sessions here since, ended this one too.
            expires_at: rows::moment(record, "expires_at").ok()?,
            is_spent: false,
        };
        let is_good = !dead.contains(&id) && session.expires_at > self.now;
        is_good.then(|| (hash_of(jti), session))
    }

    fn bring(&mut self, kind: Kind, record: &Record, arrival: Arrival) {
        self.batch.push((kind, last_of(record), arrival));
    }

    fn leave_out(&mut self, record: &Record, kind: Kind, reason: &str) {
        self.report.left_out(kind, told(record.key()), reason);
    }

    /// Writes what waits, in one transaction, and notes what became of it.
    async fn write(&mut self) -> anyhow::Result<()> {
        self.photo_bytes = 0;
        let batch = mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let arrivals: Vec<_> = batch.iter().map(|(.., arrival)| arrival.clone()).collect();
        let landings = match (self.store(), self.is_dry) {
            (Some(store), false) => store.move_in(arrivals).await?,
            (Some(store), true) => store.foresee(&arrivals)?,
            (None, _) => vec![Landing::New; arrivals.len()],
        };
        for ((kind, id, arrival), landing) in batch.into_iter().zip(landings) {
            self.note(kind, id, &arrival, landing);
        }
        Ok(())
    }

    fn note(&mut self, kind: Kind, id: i64, arrival: &Arrival, landing: Landing) {
        if let Arrival::Session(..) = arrival {
            self.sessions += u64::from(matches!(landing, Landing::New | Landing::Here));
            return;
        }
        self.note_lines(arrival, &landing);
        let mut stand_in = None;
        match landing {
            Landing::New => self.report.of(kind).came += 1,
            Landing::Here => self.report.of(kind).here += 1,
            Landing::WentOn => {
                self.report.of(kind).went_on += 1;
                self.report
                    .name(kind, id, "It changed here since; it stays as it is here.");
            }
            Landing::StandIn(category) => {
                self.report.of(kind).here += 1;
                let word = format!("Category {} has this name, and stands for it.", category.0);
                self.report.name(kind, id, word);
                stand_in = Some(category);
            }
            Landing::Another => {
                let reason = "Something else has this id here.";
                return self.report.left_out(kind, id, reason);
            }
            Landing::Gone => {
                let reason = "This id was given here, and what had it is gone.";
                return self.report.left_out(kind, id, reason);
            }
            Landing::Taken(taken) => {
                let names: Vec<_> = taken.iter().map(|taken| name_of(*taken)).collect();
                let reason = format!("Another account here has its {}.", names.join(" and "));
                return self.report.left_out(kind, id, reason);
            }
        }
        match arrival {
            Arrival::Account(account, _) => {
                self.users.insert(account.id);
                self.accounts_here += u64::from(landing != Landing::New);
            }
            Arrival::Category(category) => {
                let stands = stand_in.unwrap_or(category.id);
                self.categories.insert(category.id, stands);
            }
            Arrival::Product(product, _) => {
                self.products.insert(product.id);
            }
            Arrival::Comment(_) | Arrival::Cart(..) | Arrival::Order(_) | Arrival::Session(..) => {}
        }
    }

    /// Lines go where their cart or order goes.
    fn note_lines(&mut self, arrival: &Arrival, landing: &Landing) {
        let (kind, lines) = match arrival {
            Arrival::Cart(_, cart) => (Kind::CartItem, cart.lines.len()),
            Arrival::Order(order) => (Kind::OrderItem, order.lines.len()),
            _ => return,
        };
        let counts = self.report.of(kind);
        let count = match landing {
            Landing::New => &mut counts.came,
            Landing::Here => &mut counts.here,
            Landing::WentOn => &mut counts.went_on,
            _ => &mut counts.left_out,
        };
        *count += lines as u64;
    }
}

/// The tables of a shop, in the order that their counts are told in.
const KINDS: [Kind; 8] = [
    Kind::User,
    Kind::Category,
    Kind::Product,
    Kind::Comment,
    Kind::Cart,
    Kind::CartItem,
    Kind::Order,
    Kind::OrderItem,
];

/// Who has which name among those that come: the first by its id keeps it.
#[derive(Default)]
struct Holders {
    usernames: HashMap<String, UserId>,
    emails: HashSet<String>,
    phones: HashSet<String>,
}

impl Holders {
    fn admit(&mut self, mut person: Person) -> Result<Person, Reason> {
        let account = &mut person.account;
        let name = account.username.key();
        if let Some(holder) = self.usernames.get(&name) {
            let sentence = format!("User {} has the same but for case.", holder.0);
            return Err(rows::wrong("username", sentence));
        }
        self.usernames.insert(name, account.id);
        let email = account.email.as_ref().map(Email::key);
        if email.is_some_and(|email| !self.emails.insert(email)) {
            account.email = None;
            let note = "email: Another user has the same but for case. It comes without.";
            person.notes.push(note.into());
        }
        let phone = account.phone.as_ref().map(Phone::key);
        if phone.is_some_and(|phone| !self.phones.insert(phone)) {
            account.phone = None;
            let note = "phone: Another user has the same. It comes without.";
            person.notes.push(note.into());
        }
        Ok(person)
    }
}

fn name_of(taken: Taken) -> &'static str {
    match taken {
        Taken::Username => "username",
        Taken::Email => "email",
        Taken::Phone => "phone",
    }
}

/// The id of a row of a page, all of which are integers.
fn last_of(record: &Record) -> i64 {
    match record.key() {
        Value::Integer(id) => *id,
        Value::Null | Value::Real(_) | Value::Text(_) | Value::Bytes => 0,
    }
}

fn told(key: &Value) -> String {
    match key {
        Value::Integer(id) => id.to_string(),
        Value::Real(id) => id.to_string(),
        Value::Text(id) => format!("{id:?}"),
        Value::Null | Value::Bytes => "(no id)".into(),
    }
}
