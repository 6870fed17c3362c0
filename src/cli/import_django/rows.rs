//! Rows of the original read as the shop's own, or the sentence that says why one can't come.

use std::fmt::Display;

use jiff::civil;
use jiff::tz::TimeZone;

use crate::api::kinds::{money_sentence, name_sentence, price_sentence, text_sentence};
use crate::auth::password;
use crate::django::{Record, Value};
use crate::shop::comments;
use crate::shop::ids::{CategoryId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::orders::{Status, Stock};
use crate::shop::products::{self, Category, CategoryName, Price, Product, QUANTITY_MAX};
use crate::shop::text;
use crate::shop::time::Timestamp;
use crate::shop::users::{Account, Email, FIRST_NAME_MAX, NameError, Phone, Role, Username};

/// Ids beyond leave no room for those that come after, which clients read as 53-bit numbers.
const ID_MAX: u64 = 1 << 48;

/// Django's hash for an account that may not sign in with a password.
const NO_PASSWORD: &str = "!";

/// Why a row can't come.
pub type Reason = String;

/// An account, where its photo is, and what of it can't come.
pub struct Person {
    pub account: Account,
    pub photo_path: Option<String>,
    pub notes: Vec<String>,
}

pub fn person(record: &Record) -> Result<Person, Reason> {
    let mut notes = Vec::new();
    let username = Username::parse(text(record, "username")?);
    let username = username.map_err(|error| wrong("username", name_sentence(error)))?;
    let first_name = text(record, "first_name").and_then(|name| {
        text::optional_line(name, FIRST_NAME_MAX)
            .map_err(|error| wrong("first_name", text_sentence(error)))
    });
    let email = contact(record, "email", Email::parse);
    let phone = contact(record, "phone", Phone::parse);
    if text(record, "last_name").is_ok_and(|name| !name.trim().is_empty()) {
        notes.push("last_name: There is no place for it here.".into());
    }
    let account = Account {
        id: UserId(id(record.key())?),
        username,
        first_name: first_name.unwrap_or_else(|reason| noted(&mut notes, &reason)),
        email: email.unwrap_or_else(|reason| noted(&mut notes, &reason)),
        phone: phone.unwrap_or_else(|reason| noted(&mut notes, &reason)),
        role: if flag(record, "is_staff")? {
            Role::Admin
        } else {
            Role::Customer
        },
        is_active: flag(record, "is_active")?,
        password_hash: password_hash(record, &mut notes),
        photo: None,
        joined_at: moment(record, "date_joined")?,
        era: 0,
    };
    let photo_path = text(record, "photo").ok().filter(|path| !path.is_empty());
    Ok(Person {
        account,
        photo_path: photo_path.map(str::to_owned),
        notes,
    })
}

/// What stands in the place of a part that can't come.
fn noted<T: Default>(notes: &mut Vec<String>, reason: &str) -> T {
    notes.push(format!("{reason} It comes without."));
    T::default()
}

fn contact<T>(
    record: &Record,
    column: &str,
    parse: impl FnOnce(&str) -> Result<T, NameError>,
) -> Result<Option<T>, Reason> {
    match text(record, column)?.trim() {
        "" => Ok(None),
        text => match parse(text) {
            Ok(contact) => Ok(Some(contact)),
            Err(error) => Err(wrong(column, name_sentence(error))),
        },
    }
}

/// The hash as it is. What is none, such as the plain text that the original's admin site writes for
/// whom it adds, is not kept: it never opened the account there either.
fn password_hash(record: &Record, notes: &mut Vec<String>) -> String {
    let hash = text(record, "password").unwrap_or_default();
    if password::is_usable(hash) {
        return hash.to_owned();
    }
    if !hash.starts_with(NO_PASSWORD) {
        notes.push(
            "password: It is no hash that can be verified; `admin passwd` sets another.".into(),
        );
    }
    NO_PASSWORD.into()
}

pub fn category(record: &Record) -> Result<Category, Reason> {
    let name = CategoryName::parse(text(record, "name")?);
    Ok(Category {
        id: CategoryId(id(record.key())?),
        name: name.map_err(|error| wrong("name", text_sentence(error)))?,
    })
}

/// The title as an order tells it, whether or not the product can come.
pub fn title(record: &Record, column: &str) -> Option<String> {
    let title = text(record, column).ok()?.trim();
    (!title.is_empty()).then(|| title.to_owned())
}

/// A product in the category of the original.
pub fn product(record: &Record) -> Result<(Product, Stock), Reason> {
    let title = products::title(text(record, "title")?);
    let description = products::description(text(record, "description")?);
    let price = Price::new(money(record, "price")?);
    let quantity = whole(record, "quantity", 0)?;
    let product = Product {
        id: ProductId(id(record.key())?),
        title: title.map_err(|error| wrong("title", text_sentence(error)))?,
        category: CategoryId(reference(record, "category_id")?),
        description: description.map_err(|error| wrong("description", text_sentence(error)))?,
        price: price.map_err(|error| wrong("price", price_sentence(error)))?,
        created_at: moment(record, "created_at")?,
    };
    Ok((product, Stock(u64::from(quantity))))
}

pub fn comment_text(record: &Record) -> Result<String, Reason> {
    let text = comments::text(text(record, "text")?);
    text.map_err(|error| wrong("text", text_sentence(error)))
}

pub fn status(record: &Record) -> Result<Status, Reason> {
    match text(record, "status")? {
        "new" => Ok(Status::New),
        "paid" => Ok(Status::Paid),
        "shipped" => Ok(Status::Shipped),
        "cancelled" => Ok(Status::Cancelled),
        other => Err(wrong("status", format!("There is no {other:?}."))),
    }
}

pub fn id(value: &Value) -> Result<u64, Reason> {
    let id = match value {
        Value::Integer(id) => u64::try_from(*id).ok(),
        Value::Null | Value::Real(_) | Value::Text(_) | Value::Bytes => None,
    };
    let id = id.filter(|id| (1..=ID_MAX).contains(id));
    id.ok_or_else(|| wrong("id", format!("Ids are from 1 to {ID_MAX}.")))
}

/// The id that another row has.
pub fn reference(record: &Record, column: &str) -> Result<u64, Reason> {
    id(record.value(column)).map_err(|_| wrong(column, "It names nothing."))
}

/// Pieces, at least so many.
pub fn whole(record: &Record, column: &str, least: u32) -> Result<u32, Reason> {
    let number = match record.value(column) {
        Value::Integer(number) => u32::try_from(*number).ok(),
        Value::Null | Value::Real(_) | Value::Text(_) | Value::Bytes => None,
    };
    let number = number.filter(|number| (least..=QUANTITY_MAX).contains(number));
    let sentence = || format!("It must be from {least} to {QUANTITY_MAX}.");
    number.ok_or_else(|| wrong(column, sentence()))
}

/// An amount, to the cent. `SQLite` keeps a decimal as a whole number or a float where that loses
/// nothing: the shortest decimal of the float is what was written.
pub fn money(record: &Record, column: &str) -> Result<Money, Reason> {
    let text = match record.value(column) {
        Value::Integer(whole) => whole.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Null | Value::Bytes => String::new(),
    };
    Money::parse(&text).map_err(|error| wrong(column, money_sentence(error)))
}

/// A moment of UTC such as `2026-02-11 09:42:03.051112`.
pub fn moment(record: &Record, column: &str) -> Result<Timestamp, Reason> {
    let sentence = "It is no time such as 2026-02-11 09:42:03.051112.";
    let text = text(record, column)?;
    // The parser also takes a day alone, and times of other zones, of which it forgets the zone.
    let is_plain = |time: &str| time.chars().all(|c| c.is_ascii_digit() || ":.".contains(c));
    let time = text.split_once([' ', 'T']).map(|(_, time)| time);
    let read = text.parse::<civil::DateTime>().ok();
    let read = read.filter(|_| time.is_some_and(is_plain));
    let moment = read.and_then(|moment| TimeZone::UTC.to_timestamp(moment).ok());
    match moment.map(jiff::Timestamp::as_microsecond) {
        Some(micros) if micros >= 0 => Ok(Timestamp(micros)),
        Some(_) => Err(wrong(column, "It is before 1970.")),
        None => Err(wrong(column, sentence)),
    }
}

fn flag(record: &Record, column: &str) -> Result<bool, Reason> {
    match record.value(column) {
        Value::Integer(0) => Ok(false),
        Value::Integer(1) => Ok(true),
        _ => Err(wrong(column, "It is neither 0 nor 1.")),
    }
}

/// Nothing counts as the empty text.
pub fn text<'a>(record: &'a Record, column: &str) -> Result<&'a str, Reason> {
    match record.value(column) {
        Value::Text(text) => Ok(text),
        Value::Null => Ok(""),
        Value::Integer(_) | Value::Real(_) | Value::Bytes => Err(wrong(column, "It is no text.")),
    }
}

pub fn wrong(column: &str, sentence: impl Display) -> Reason {
    format!("{column}: {sentence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::django::Kind;

    fn order(column: &str, value: Value) -> Record {
        Record::with(Kind::Order, &[(column, value)])
    }

    #[test]
    fn an_amount_is_read_to_the_cent_or_not_at_all() {
        let read = |value| money(&order("total_price", value), "total_price");
        let text = |text: &str| Value::Text(text.into());
        for (value, cents) in [
            (Value::Integer(799), 79_900),
            (Value::Integer(-10), -1_000),
            (Value::Real(49.9), 4_990),
            (Value::Real(0.1), 10),
            (Value::Real(9_999_999_999.99), 999_999_999_999),
            (text("12.50"), 1_250),
        ] {
            assert_eq!(
                read(value.clone()),
                Ok(Money::from_cents(cents)),
                "{value:?}"
            );
        }
        for value in [
            Value::Real(0.1 + 0.2),
            Value::Real(1.005),
            Value::Real(f64::NAN),
            Value::Real(f64::INFINITY),
            Value::Real(1e300),
            text("1,50"),
            text(""),
            Value::Null,
            Value::Bytes,
        ] {
            assert!(read(value.clone()).is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_moment_is_of_utc_and_says_its_day_and_time() {
        let read =
            |text: &str| moment(&order("created_at", Value::Text(text.into())), "created_at");
        let noon = 1_770_811_323_000_000;
        for (text, micros) in [
            ("2026-02-11 12:02:03", noon),
            ("2026-02-11 12:02:03.051112", noon + 51_112),
            ("2026-02-11T12:02:03.5", noon + 500_000),
            ("1970-01-01 00:00:00", 0),
        ] {
            assert_eq!(read(text), Ok(Timestamp(micros)), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-02-11",
            "2026-02-30 12:00:00",
            "2026-02-11 25:00:00",
            // Of another zone: what is meant is not what is said.
            "2026-02-11 12:02:03+05:00",
            "2026-02-11 12:02:03-05:00",
            "2026-02-11T12:02:03Z",
            "1969-12-31 23:59:59",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_a_number_that_leaves_room_for_others() {
        assert_eq!(id(&Value::Integer(1)), Ok(1));
        assert_eq!(id(&Value::Integer(1 << 48)), Ok(1 << 48));
        for bad in [
            Value::Integer(0),
            Value::Integer(-1),
            Value::Integer((1 << 48) + 1),
            Value::Integer(i64::MAX),
            Value::Text("1".into()),
            Value::Null,
        ] {
            assert!(id(&bad).is_err(), "{bad:?}");
        }
    }
}
