//! How long a login takes tells nobody which names exist.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::moving::Original;
use crate::random::Random;
use crate::shop::Shop;

/// Logins of each kind, or as many as fit in the time below: each costs a hash.
const SAMPLES: usize = 300;
const TIME: Duration = Duration::from_secs(12);
const SAMPLES_MIN: usize = 40;

/// Beyond this two samples are of different things; by chance in some 40,000 runs of four comparisons.
const T_MAX: f64 = 4.5;

/// The kinds, in any order.
fn in_any_order(random: &mut Random) -> Vec<usize> {
    let mut kinds: Vec<usize> = (0..KINDS.len()).collect();
    kinds.sort_by_cached_key(|_| random.next());
    kinds
}

/// What is different about a login that is refused, its name and its password. The first is the
/// one that the others are compared with.
const KINDS: [(&str, &str, &str); 5] = [
    ("a wrong password", "ann", "ann likes cold soup"),
    ("no such name", "zoe", "ann likes cold soup"),
    ("no possible name", "zoe and ann", "ann likes cold soup"),
    ("an account that was shut", "dan", "dan likes strong tea"),
    (
        "an account without a password",
        "nil",
        "nil likes cold soup",
    ),
];

/// What a login took, in seconds.
fn login(shop: &Shop, kind: usize) -> f64 {
    let (_, username, password) = KINDS[kind];
    let form = json!({"username": username, "password": password});
    let begun = Instant::now();
    let heard = shop.say("nobody", "POST /auth/login/", form);
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(
        heard.told(400),
        json!({"non_field_errors": ["Wrong username or password."]})
    );
    took
}

/// The mean without the quickest and the slowest tenth, which waited for something else, and its
/// variance: K. K. Yuen, "The two-sample trimmed t for unequal population variances", 1974.
fn trimmed_mean(mut sample: Vec<f64>) -> (f64, f64) {
    sample.sort_by(f64::total_cmp);
    let cut = sample.len() / 10;
    let (first, last) = (cut, sample.len() - 1 - cut);
    let kept = sample.get(first..=last).unwrap();
    let number = |count: usize| f64::from(u32::try_from(count).unwrap());
    let count_kept = number(kept.len());
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / number(sample.len());
    let trimmed = mean(kept);
    // What is cut off counts as the last that is kept.
    let clamped: Vec<f64> = sample
        .iter()
        .map(|took| took.clamp(sample[first], sample[last]))
        .collect();
    let middle = mean(&clamped);
    let squares: f64 = clamped.iter().map(|took| (took - middle).powi(2)).sum();
    (trimmed, squares / (count_kept * (count_kept - 1.0)))
}

/// Welch's t, of the trimmed means.
fn t(a: Vec<f64>, b: Vec<f64>) -> f64 {
    let ((a, a_variance), (b, b_variance)) = (trimmed_mean(a), trimmed_mean(b));
    (a - b) / (a_variance + b_variance).sqrt()
}

#[test]
fn a_login_takes_as_long_whether_or_not_there_is_such_a_name() {
    let shop = Shop::open_after(|dir| {
        // Only the original has such.
        let original = Original::empty();
        original.user(9, "nil", "!", "nil@shop.test", None);
        original.import(dir, "");
    });
    shop.day(
        r#"
        ann GET /auth/profile/ => 200 ...
        dan GET /auth/profile/ => 200 {"id": "$dan", "...": 0}
        boss PATCH /auth/users/$dan/ {"is_active": false} => 200 ...
    "#,
    );
    let mut random = Random(u64::from(std::process::id()));
    for kind in in_any_order(&mut random) {
        login(&shop, kind); // The first of each pays for what the others find ready.
    }
    let mut samples = vec![Vec::new(); KINDS.len()];
    let begun = Instant::now();
    while samples[0].len() < SAMPLES && (begun.elapsed() < TIME || samples[0].len() < SAMPLES_MIN) {
        for kind in in_any_order(&mut random) {
            let took = login(&shop, kind);
            samples[kind].push(took);
        }
    }
    let count = samples[0].len();
    for (kind, (what, ..)) in KINDS.iter().enumerate().skip(1) {
        let t = t(samples[0].clone(), samples[kind].clone());
        assert!(
            t.abs() < T_MAX,
            "{what} takes another time: t = {t:.1} of {count} each"
        );
    }
}

#[test]
fn a_tenth_more_would_be_noticed_and_chance_is_not() {
    let mut random = Random(7);
    // Up to 10 ms more than the base, and now and then something else took its time.
    let mut noisy = |base: f64| -> Vec<f64> {
        let mut noise = || f64::from(u32::try_from(random.next() % 1_000).unwrap()) / 1_000.0;
        let mut took = || {
            let pause = if noise() > 0.95 { noise() } else { 0.0 };
            base + noise() / 100.0 + pause
        };
        (0..100).map(|_| took()).collect()
    };
    for _ in 0..1_000 {
        assert!(t(noisy(0.030), noisy(0.030)).abs() < T_MAX);
    }
    assert!(t(noisy(0.030), noisy(0.033)).abs() > T_MAX);
}
