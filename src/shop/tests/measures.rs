//! Money and time, read and counted exactly.

use proptest::prelude::*;

use super::NOW;
use crate::shop::money::{Money, MoneyError};
use crate::shop::time::{DAY_S, MINUTE_S, Timestamp};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn money_reads_what_it_prints(cents in -10_i128.pow(20)..10_i128.pow(20)) {
        let money = Money::from_cents(cents);
        prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
    }

    #[test]
    fn money_never_panics(text in "[-+0-9.eE_ ]{0,40}") {
        let _ = Money::parse(&text);
    }
}

#[test]
fn money_is_read_exactly() {
    let cents = |text| Money::parse(text).map(Money::cents);
    assert_eq!(cents("1200"), Ok(120_000));
    assert_eq!(cents("1200.0"), Ok(120_000));
    assert_eq!(cents(" 999.9 "), Ok(99_990));
    assert_eq!(cents(".5"), Ok(50));
    assert_eq!(cents("1e3"), Ok(100_000));
    assert_eq!(cents("1.25e1"), Ok(1_250));
    assert_eq!(cents("125E-1"), Ok(1_250));
    assert_eq!(cents("-0.10"), Ok(-10));
    assert_eq!(cents("0.001"), Err(MoneyError::TooFine));
    assert_eq!(cents("10.5000"), Err(MoneyError::TooFine));
    for bad in [
        "", "-", ".", "1,000", "abc", "NaN", "Infinity", "0x10", "1e", "1 0", "1.2.3", "٣",
    ] {
        assert_eq!(cents(bad), Err(MoneyError::NotANumber), "{bad}");
    }
    for long in ["1e99", "1e9999999999", &"9".repeat(31)] {
        assert!(cents(long).is_err(), "{long}");
    }
}

#[test]
fn money_has_at_most_thirty_digits_and_thirty_places_of_exponent() {
    use MoneyError::{TooFine, TooLong};
    let nines = |digits| "9".repeat(digits);
    let cents = |text: &str| Money::parse(text).map(Money::cents);
    for (text, expected) in [
        (nines(30), Ok((10_i128.pow(30) - 1) * 100)),
        (nines(31), Err(TooLong)),
        (format!("{}.99", nines(28)), Ok(10_i128.pow(30) - 1)),
        (format!("{}.99", nines(29)), Err(TooLong)),
        ("1e30".into(), Ok(10_i128.pow(32))),
        ("1e31".into(), Err(TooLong)),
        ("1e-30".into(), Err(TooFine)),
        ("1e-31".into(), Err(TooLong)),
        ("0e-30".into(), Ok(0)),
        ("0e-31".into(), Err(TooLong)),
        (format!("{}e30", nines(30)), Err(TooLong)),
    ] {
        assert_eq!(cents(&text), expected, "{text}");
    }
}

#[test]
fn money_is_printed_with_two_decimals_and_a_sign_below_zero() {
    for (cents, expected) in [
        (0, "0.00"),
        (1, "0.01"),
        (-1, "-0.01"),
        (10, "0.10"),
        (99, "0.99"),
        (100, "1.00"),
        (-100, "-1.00"),
        (123_456, "1234.56"),
        (i128::MIN, "-1701411834604692317316873037158841057.28"),
    ] {
        assert_eq!(Money::from_cents(cents).to_string(), expected);
    }
}

#[test]
fn sums_and_products_of_money_are_exact_or_refused() {
    let money = Money::from_cents;
    let most = money(i128::MAX);
    assert_eq!(money(250).plus(money(-50)), Some(money(200)));
    assert_eq!(most.plus(money(1)), None);
    assert_eq!(money(250).times(3), Some(money(750)));
    assert_eq!(money(250).times(0), Some(Money::ZERO));
    assert_eq!(most.times(2), None);
    assert_eq!(Money::sum([]), Some(Money::ZERO));
    assert_eq!(Money::sum([Some(money(1)), Some(money(2))]), Some(money(3)));
    assert_eq!(Money::sum([Some(money(1)), None]), None);
}

#[test]
fn a_day_has_its_minutes_and_a_minute_its_seconds() {
    assert_eq!((MINUTE_S, DAY_S), (60, 86_400));
    assert_eq!(NOW.plus_s(DAY_S).0 - NOW.0, 86_400_000_000);
    assert_eq!(NOW.plus_s(-1).0, NOW.0 - 1_000_000);
    assert_eq!(NOW.plus_s(i64::MAX), Timestamp(i64::MAX));
}

#[test]
fn seconds_are_whole_and_count_down_before_1970() {
    for (micros, seconds) in [
        (0, 0),
        (999_999, 0),
        (1_000_000, 1),
        (1_999_999, 1),
        (-1, -1),
        (-1_000_000, -1),
        (-1_000_001, -2),
        (NOW.0, 1_770_000_000),
    ] {
        assert_eq!(Timestamp(micros).seconds(), seconds, "{micros} us");
    }
}
