//! Kinds of fields: how each is read from the wire, and its schema.

use serde_json::{Value, json};

use super::form::Given;
use crate::auth::password::PASSWORD_MAX;
use crate::shop::comments;
use crate::shop::ids::{CategoryId, ProductId};
use crate::shop::money::{Money, MoneyError};
use crate::shop::products::{
    self, CATEGORY_NAME_MAX, CategoryName, DESCRIPTION_MAX, PRICE_MAX, Price, PriceError,
    QUANTITY_MAX, TITLE_MAX,
};
use crate::shop::text::{self, TextError};
use crate::shop::users::{
    EMAIL_MAX, Email, FIRST_NAME_MAX, NameError, PHONE_MAX, Phone, USERNAME_MAX, Username,
};

pub trait Kind {
    type Value;

    /// The value, or the sentence that says what is wrong.
    fn read(&self, given: &Given<'_>) -> Result<Self::Value, String>;

    /// Its JSON Schema (2020-12).
    fn schema(&self) -> Value;
}

/// Text, read by a rule of the shop.
pub struct Text<T> {
    parse: fn(&str) -> Result<T, String>,
    schema: fn() -> Value,
}

impl<T> Kind for Text<T> {
    type Value = T;

    fn read(&self, given: &Given<'_>) -> Result<T, String> {
        match given {
            Given::Text(text) => (self.parse)(text),
            // As in the original, a number is taken for its digits.
            Given::Number(digits) => (self.parse)(digits),
            Given::LoneSurrogate => Err("Half of a surrogate pair is no text.".into()),
            Given::Flag(_) | Given::Null | Given::Composite => Err("Not a valid text.".into()),
        }
    }

    fn schema(&self) -> Value {
        (self.schema)()
    }
}

pub const USERNAME: Text<Username> = Text {
    parse: |text| Username::parse(text).map_err(name_sentence),
    schema: || {
        json!({
            "type": "string", "minLength": 1, "maxLength": USERNAME_MAX,
            "description": "Letters, digits and @ . + - _; unique without regard to case.",
        })
    },
};

/// A name to look up: one that nobody can have is as unknown as any other.
pub const LOGIN_NAME: Text<Option<Username>> = Text {
    parse: |text| match text::line(text, usize::MAX) {
        Ok(_) => Ok(Username::parse(text).ok()),
        Err(error) => Err(text_sentence(error)),
    },
    schema: || json!({"type": "string", "minLength": 1}),
};

pub const FIRST_NAME: Text<String> = Text {
    parse: |text| text::optional_line(text, FIRST_NAME_MAX).map_err(text_sentence),
    schema: || json!({"type": "string", "maxLength": FIRST_NAME_MAX}),
};

pub const EMAIL: Text<Email> = Text {
    parse: |text| Email::parse(text).map_err(name_sentence),
    schema: || json!({"type": "string", "format": "email", "maxLength": EMAIL_MAX}),
};

pub const PHONE: Text<Phone> = Text {
    parse: |text| Phone::parse(text).map_err(name_sentence),
    schema: || json!({"type": "string", "minLength": 1, "maxLength": PHONE_MAX}),
};

/// A password as typed; whether it is good enough is asked later.
pub const PASSWORD: Text<String> = Text {
    parse: |text| text::line(text, usize::MAX).map_err(text_sentence),
    schema: || {
        json!({
            "type": "string", "format": "password", "minLength": 1, "maxLength": PASSWORD_MAX,
        })
    },
};

/// A token's text.
pub const TOKEN: Text<String> = Text {
    parse: |text| text::line(text, usize::MAX).map_err(text_sentence),
    schema: || json!({"type": "string", "minLength": 1}),
};

pub const TITLE: Text<String> = Text {
    parse: |text| products::title(text).map_err(text_sentence),
    schema: || json!({"type": "string", "minLength": 1, "maxLength": TITLE_MAX}),
};

pub const DESCRIPTION: Text<String> = Text {
    parse: |text| products::description(text).map_err(text_sentence),
    schema: || json!({"type": "string", "maxLength": DESCRIPTION_MAX}),
};

pub const CATEGORY_NAME: Text<CategoryName> = Text {
    parse: |text| CategoryName::parse(text).map_err(text_sentence),
    schema: || json!({"type": "string", "minLength": 1, "maxLength": CATEGORY_NAME_MAX}),
};

pub const COMMENT: Text<String> = Text {
    parse: |text| comments::text(text).map_err(text_sentence),
    schema: || json!({"type": "string", "minLength": 1, "maxLength": comments::TEXT_MAX}),
};

/// Words to search for, as typed: not trimmed, as in the original.
pub const QUERY: Text<String> = Text {
    parse: |text| match text::optional_line(text, QUERY_MAX) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(text_sentence(error)),
    },
    schema: || json!({"type": "string", "maxLength": QUERY_MAX}),
};

/// Characters of a search: the longest title, pasted.
const QUERY_MAX: usize = TITLE_MAX;

/// The name of a file, that stays in its folder and shows in every listing but a dot's.
pub const FILE_NAME: Text<String> = Text {
    parse: |text| {
        let name = text::line(text, FILE_NAME_MAX).map_err(text_sentence)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if name.chars().all(is_plain) && name.chars().any(char::is_alphanumeric) {
            Ok(name)
        } else {
            Err("Only letters, digits and . - _ are allowed.".into())
        }
    },
    schema: || json!({"type": "string", "minLength": 1, "maxLength": FILE_NAME_MAX, "pattern": "^[A-Za-z0-9._-]+$"}),
};

const FILE_NAME_MAX: usize = 100;

/// Any text; for values of which unknown ones are ignored.
pub const WORD: Text<String> = Text {
    parse: |text| Ok(text.to_owned()),
    schema: || json!({"type": "string"}),
};

/// A decimal that may be written as a number or as text, exactly as it stands.
fn decimal(given: &Given<'_>) -> Result<Money, MoneyError> {
    match given {
        Given::Text(text) => Money::parse(text),
        // Behind the point of a JSON number, zeros at the end say nothing.
        Given::Number(digits) if digits.contains('.') && !digits.contains(['e', 'E']) => {
            Money::parse(digits.trim_end_matches('0'))
        }
        Given::Number(digits) => Money::parse(digits),
        Given::Flag(_) | Given::Null | Given::Composite | Given::LoneSurrogate => {
            Err(MoneyError::NotANumber)
        }
    }
}

pub struct PriceKind;

impl Kind for PriceKind {
    type Value = Price;

    fn read(&self, given: &Given<'_>) -> Result<Price, String> {
        let price = decimal(given).map_err(PriceError::Money);
        price.and_then(Price::new).map_err(price_sentence)
    }

    fn schema(&self) -> Value {
        json!({
            "type": ["string", "number"],
            "pattern": r"^\s*\+?\d{1,8}(\.\d{1,2})?\s*$",
            "exclusiveMinimum": 0,
            "maximum": 99_999_999.99,
            "description": "More than zero, at most 99999999.99, two decimals.",
            "examples": ["1200.00"],
        })
    }
}

/// An amount to compare with, of whatever sign.
pub struct AmountKind;

impl Kind for AmountKind {
    type Value = Money;

    fn read(&self, given: &Given<'_>) -> Result<Money, String> {
        decimal(given).map_err(money_sentence)
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "pattern": r"^\s*[-+]?\d+(\.\d{1,2})?\s*$"})
    }
}

/// A whole number from `min` to `max`, as a number or as text.
pub struct Whole {
    pub min: u32,
    pub max: u32,
}

/// Pieces that may be in stock or wanted, zero included.
pub const QUANTITY: Whole = Whole {
    min: 0,
    max: QUANTITY_MAX,
};

/// Pieces to put in a cart.
pub const PIECES: Whole = Whole {
    min: 1,
    max: QUANTITY_MAX,
};

const NOT_WHOLE: &str = "A whole number is expected.";

impl Kind for Whole {
    type Value = u32;

    fn read(&self, given: &Given<'_>) -> Result<u32, String> {
        let value = whole(given)?;
        if value < i128::from(self.min) {
            return Err(format!("The least is {}.", self.min));
        }
        match u32::try_from(value) {
            Ok(value) if value <= self.max => Ok(value),
            _ => Err(format!("The most is {}.", self.max)),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": self.min, "maximum": self.max})
    }
}

/// `7`, `7.0`, `"7"`; not `7.5`, `true`, `""`.
fn whole(given: &Given<'_>) -> Result<i128, String> {
    let cents = decimal(given).map_err(|_| NOT_WHOLE)?.cents();
    if cents % 100 == 0 {
        Ok(cents / 100)
    } else {
        Err(NOT_WHOLE.into())
    }
}

/// The id of something.
pub struct IdKind<T>(fn(u64) -> T);

pub const PRODUCT_ID: IdKind<ProductId> = IdKind(ProductId);
pub const CATEGORY_ID: IdKind<CategoryId> = IdKind(CategoryId);

impl<T> Kind for IdKind<T> {
    type Value = T;

    fn read(&self, given: &Given<'_>) -> Result<T, String> {
        let id = u64::try_from(whole(given)?);
        id.map(self.0).map_err(|_| "No id is such a number.".into())
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": 1})
    }
}

pub struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, given: &Given<'_>) -> Result<bool, String> {
        match given {
            Given::Flag(flag) => Ok(*flag),
            Given::Text(text) if text == "1" || text.eq_ignore_ascii_case("true") => Ok(true),
            Given::Text(text) if text == "0" || text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err("True or false is expected.".into()),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "boolean"})
    }
}

/// One of these words.
pub struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn read(&self, given: &Given<'_>) -> Result<T, String> {
        let mut choices = self.0.iter();
        let chosen = choices.find(|(word, _)| matches!(given, Given::Text(text) if text == word));
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
            format!("One of these is expected: {}.", words.join(", "))
        })
    }

    fn schema(&self) -> Value {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        json!({"type": "string", "enum": words})
    }
}

pub fn text_sentence(error: TextError) -> String {
    match error {
        TextError::Blank => "This field may not be blank.".into(),
        TextError::TooLong(max) => format!("At most {max} characters are allowed."),
        TextError::Nul => "The character U+0000 is not allowed.".into(),
    }
}

pub fn name_sentence(error: NameError) -> String {
    match error {
        NameError::Text(error) => text_sentence(error),
        NameError::BadCharacter => "Only letters, digits and @ . + - _ are allowed.".into(),
        NameError::NoAddress => "This is not a valid email address.".into(),
    }
}

pub fn money_sentence(error: MoneyError) -> String {
    match error {
        MoneyError::NotANumber => "A number is expected.".into(),
        MoneyError::TooFine => "At most two decimals are allowed.".into(),
        MoneyError::TooLong => "That is more digits than an amount can have.".into(),
    }
}

pub fn price_sentence(error: PriceError) -> String {
    match error {
        PriceError::Money(error) => money_sentence(error),
        PriceError::NotAboveZero => "A price must be more than zero.".into(),
        PriceError::TooHigh => format!("The most is {PRICE_MAX}."),
    }
}
