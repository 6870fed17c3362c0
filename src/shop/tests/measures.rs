//! Money and time, read and counted exactly.

use proptest::prelude::*;

use crate::shop::money::{Money, MoneyError};

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
