//! Money: integer cents, never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in cents. Wide enough that a sum over bounded prices and quantities can't overflow,
/// and still every operation is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money(i128);

/// Why a text is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    NotANumber,
    /// More than two digits after the point.
    TooFine,
    /// More digits than any amount here can have.
    TooLong,
}

/// Digits an amount may have at the most, whatever its field allows.
const DIGITS_MAX: usize = 30;

impl Money {
    pub const ZERO: Self = Self(0);

    pub const fn from_cents(cents: i128) -> Self {
        Self(cents)
    }

    pub const fn cents(self) -> i128 {
        self.0
    }

    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn times(self, quantity: u32) -> Option<Self> {
        self.0.checked_mul(i128::from(quantity)).map(Self)
    }

    /// The sum, or `None` beyond what the type holds.
    pub fn sum(amounts: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        amounts
            .into_iter()
            .try_fold(Self::ZERO, |sum, amount| sum.plus(amount?))
    }

    /// Reads `1200`, `1200.5`, `+5`, `-0.10`, `1.2e3`; exact, at most two decimals as written.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let text = text.trim();
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::NotANumber);
        }
        if whole.len().saturating_add(fraction.len()) > DIGITS_MAX {
            return Err(MoneyError::TooLong);
        }

        let decimals = i32::try_from(fraction.len())
            .unwrap_or(i32::MAX)
            .saturating_sub(exponent);
        let shift = 2_i32.saturating_sub(decimals);
        let mut cents = digits().try_fold(0_i128, |sum, byte| {
            sum.checked_mul(10)?
                .checked_add(i128::from(byte.checked_sub(b'0')?))
        });
        for _ in 0..u32::try_from(shift).unwrap_or(0) {
            cents = cents.and_then(|cents| cents.checked_mul(10));
        }
        if shift < 0 && cents != Some(0) {
            return Err(MoneyError::TooFine);
        }
        let cents = cents.ok_or(MoneyError::TooLong)?;
        Ok(Self(if negative {
            cents.saturating_neg()
        } else {
            cents
        }))
    }
}

fn parse_exponent(text: &str) -> Result<i32, MoneyError> {
    match text.parse::<i32>() {
        Ok(exponent) if exponent.unsigned_abs() <= 30 => Ok(exponent),
        Ok(_) => Err(MoneyError::TooLong),
        Err(_) => Err(MoneyError::NotANumber),
    }
}

impl fmt::Display for Money {
    /// `1200.00`: two decimals, no grouping, no sign of currency.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        let (whole, rest) = (
            cents.checked_div(100).unwrap_or(0),
            cents.checked_rem(100).unwrap_or(0),
        );
        write!(f, "{sign}{whole}.{rest:02}")
    }
}
