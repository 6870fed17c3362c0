//! Rates: how often somebody may come. Who comes too often is told when to come again.
//!
//! What is counted is kept in a fixed number of buckets that callers fall into by a keyed hash,
//! so that a million addresses take no more memory than these, and nobody can choose with whom
//! to share one.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::http::network;

/// Callers fall into so many buckets. Each takes some 40 bytes in each of five lists, once
/// somebody fell into it, and 8 for who is shut out, always: at most 55 MB in all.
const BUCKETS: u64 = 1 << 18;

/// Requests a second, for as long as one likes, and at once. Reading costs one of them, what is
/// dearer more. A page of a shop takes some ten; a person who clicks through it never comes near.
const VISITS_PER_S: u32 = 200;
const VISITS_BURST: u32 = 4_000;

/// Accounts opened from one address.
const SIGN_UPS_PER_MINUTE: u32 = 30;

/// KiB of replies that are kept for a day, of requests from one address that are done once.
const KEPT_KIB_A_DAY: u32 = 256 << 10;
const DAY: Duration = Duration::from_hours(24);

/// Wrong passwords for one name from one address; then that pair is shut out for so long. In
/// between one is forgotten every 90 s.
const WRONG_PASSWORDS_MAX: u32 = 10;
const SHUT_OUT: Duration = Duration::from_mins(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; the next one is taken in {after:?}")]
pub struct TooMany {
    pub after: Duration,
}

/// What somebody did so far, and how much is too much.
pub struct Rates {
    counts: Option<Counts>,
}

struct Counts {
    hasher: RandomState,
    by_address: Limiter,
    by_caller: Limiter,
    sign_ups: Limiter,
    kept: Limiter,
    wrong_passwords: Limiter,
    /// Until when a bucket is shut out, in milliseconds after `began`.
    shut_out: Vec<AtomicU64>,
    began: Instant,
}

type Limiter = DefaultKeyedRateLimiter<u64>;

impl Rates {
    pub fn limited() -> Self {
        let count = |number| NonZeroU32::new(number).expect("no limit is zero");
        let visits = || Quota::per_second(count(VISITS_PER_S)).allow_burst(count(VISITS_BURST));
        // The last wrong password of so many finds the bucket empty, and shuts it.
        let wrong = count(WRONG_PASSWORDS_MAX - 1);
        let wrong_passwords = Quota::with_period(SHUT_OUT / WRONG_PASSWORDS_MAX)
            .expect("not zero")
            .allow_burst(wrong);
        let kept = Quota::with_period(DAY / KEPT_KIB_A_DAY)
            .expect("not zero")
            .allow_burst(count(KEPT_KIB_A_DAY));
        let mut shut_out = Vec::new();
        shut_out.resize_with(
            usize::try_from(BUCKETS).expect("a small number"),
            AtomicU64::default,
        );
        Self {
            counts: Some(Counts {
                hasher: RandomState::new(),
                by_address: RateLimiter::keyed(visits()),
                by_caller: RateLimiter::keyed(visits()),
                sign_ups: RateLimiter::keyed(Quota::per_minute(count(SIGN_UPS_PER_MINUTE))),
                kept: RateLimiter::keyed(kept),
                wrong_passwords: RateLimiter::keyed(wrong_passwords),
                shut_out,
                began: Instant::now(),
            }),
        }
    }

    /// For tests and benchmarks.
    pub fn unlimited() -> Self {
        Self { counts: None }
    }

    /// Somebody at an address asks for something of that cost.
    pub fn visit(&self, address: IpAddr, cost: NonZeroU32) -> Result<(), TooMany> {
        self.count(|counts| counts.take(&counts.by_address, network(address), cost))
    }

    /// Somebody who is signed in asks for something of that cost, from wherever.
    pub fn call(&self, caller: u64, cost: NonZeroU32) -> Result<(), TooMany> {
        self.count(|counts| counts.take(&counts.by_caller, caller, cost))
    }

    pub fn sign_up(&self, address: IpAddr) -> Result<(), TooMany> {
        self.count(|counts| counts.take(&counts.sign_ups, network(address), NonZeroU32::MIN))
    }

    /// Whether one more reply may be kept for somebody at an address.
    pub fn may_keep(&self, address: IpAddr) -> Result<(), TooMany> {
        self.count(|counts| counts.take(&counts.kept, network(address), NonZeroU32::MIN))
    }

    /// A reply of so many bytes is kept for them. The last one may be more than is left, and takes
    /// nearly all of it.
    pub fn kept(&self, address: IpAddr, bytes: usize) {
        let Some(counts) = &self.counts else { return };
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
        let mut kib = NonZeroU32::new(kib.min(KEPT_KIB_A_DAY));
        while let Some(cost) = kib {
            if counts.take(&counts.kept, network(address), cost).is_ok() {
                break;
            }
            kib = NonZeroU32::new(cost.get() / 2);
        }
    }

    /// Whether this name may be tried from this address.
    pub fn may_sign_in(&self, name: &str, address: IpAddr) -> Result<(), TooMany> {
        self.count(|counts| {
            let bucket = counts.bucket((name, network(address)));
            let until = counts.shut(bucket).load(Ordering::Relaxed);
            let until = counts.began + Duration::from_millis(until);
            match until.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => Ok(()),
                Some(after) => Err(TooMany { after }),
            }
        })
    }

    /// The password for this name was wrong.
    pub fn wrong_password(&self, name: &str, address: IpAddr) {
        let Some(counts) = &self.counts else { return };
        let bucket = counts.bucket((name, network(address)));
        if counts.wrong_passwords.check_key(&bucket).is_err() {
            let until = (counts.began.elapsed() + SHUT_OUT).as_millis();
            let until = u64::try_from(until).unwrap_or(u64::MAX);
            counts.shut(bucket).store(until, Ordering::Relaxed);
        }
    }

    /// Forgets whoever did not come for so long that it makes no difference.
    pub fn forget_old(&self) {
        let Some(counts) = &self.counts else { return };
        let limiters = [
            &counts.by_address,
            &counts.by_caller,
            &counts.sign_ups,
            &counts.kept,
            &counts.wrong_passwords,
        ];
        for limiter in limiters {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn count(&self, count: impl FnOnce(&Counts) -> Result<(), TooMany>) -> Result<(), TooMany> {
        self.counts.as_ref().map_or(Ok(()), count)
    }
}

impl Counts {
    fn bucket(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key) % BUCKETS
    }

    fn shut(&self, bucket: u64) -> &AtomicU64 {
        let place = usize::try_from(bucket).expect("below the number of buckets");
        &self.shut_out[place]
    }

    fn take(&self, limiter: &Limiter, key: impl Hash, cost: NonZeroU32) -> Result<(), TooMany> {
        let taken = limiter.check_key_n(&self.bucket(key), cost);
        let taken = taken.expect("no cost is larger than a burst");
        taken.map_err(|until| TooMany {
            after: until.wait_time_from(DefaultClock::default().now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn v4(last: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + last).into()
    }

    #[test]
    fn who_comes_too_often_is_told_when_to_come_again_and_nobody_else_is() {
        let rates = Rates::limited();
        let dear = NonZeroU32::new(VISITS_BURST).expect("not zero");
        assert_eq!(rates.visit(v4(1), dear), Ok(()));
        let refused = rates.visit(v4(1), dear).expect_err("too much");
        assert!(
            refused.after > Duration::from_secs(15) && refused.after <= Duration::from_secs(20),
            "{refused}"
        );
        assert_eq!(rates.visit(v4(2), dear), Ok(()));
        assert_eq!(rates.call(1, dear), Ok(()));
        assert!(rates.call(1, dear).is_err());
    }

    #[test]
    fn thirty_accounts_a_minute_are_opened_from_one_address() {
        let rates = Rates::limited();
        for _ in 0..SIGN_UPS_PER_MINUTE {
            assert_eq!(rates.sign_up(v4(1)), Ok(()));
        }
        assert!(rates.sign_up(v4(1)).is_err());
        assert_eq!(rates.sign_up(v4(2)), Ok(()));
    }

    #[test]
    fn an_address_has_so_much_kept_in_a_day() {
        let rates = Rates::limited();
        let mib = |count: u32| usize::try_from(count).expect("small") << 20;
        for _ in 0..4 {
            assert_eq!(rates.may_keep(v4(1)), Ok(()));
            rates.kept(v4(1), mib(60));
        }
        assert_eq!(rates.may_keep(v4(1)), Ok(()), "16 MiB are left");
        rates.kept(v4(1), mib(60));
        let mut more = 0;
        while rates.may_keep(v4(1)).is_ok() {
            more += 1;
            rates.kept(v4(1), mib(60));
        }
        assert!(more < 10, "{more} more than there was room for");
        assert_eq!(rates.may_keep(v4(2)), Ok(()));
        rates.kept(v4(2), 100); // Less than a KiB costs what asking costs.
        assert_eq!(rates.may_keep(v4(2)), Ok(()));
    }

    #[test]
    fn ten_wrong_passwords_shut_a_name_out_at_that_address_alone() {
        let rates = Rates::limited();
        for _ in 0..WRONG_PASSWORDS_MAX {
            assert_eq!(rates.may_sign_in("ann", v4(1)), Ok(()));
            rates.wrong_password("ann", v4(1));
        }
        let refused = rates.may_sign_in("ann", v4(1)).expect_err("shut out");
        assert!(
            refused.after.as_secs().abs_diff(SHUT_OUT.as_secs()) < 5,
            "{refused}"
        );
        assert_eq!(rates.may_sign_in("ann", v4(2)), Ok(()));
        assert_eq!(rates.may_sign_in("bob", v4(1)), Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_and_an_ipv4_address_is_itself_however_written() {
        let rates = Rates::limited();
        let v6 = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for last in 0..30 {
            assert_eq!(rates.sign_up(v6(last)), Ok(()));
            assert_eq!(rates.sign_up(v4(1)), Ok(()));
        }
        assert!(rates.sign_up(v6(99)).is_err());
        assert_eq!(
            rates.sign_up(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 0])),
            Ok(())
        );
        let mapped: Ipv6Addr = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped();
        assert!(rates.sign_up(mapped.into()).is_err());
    }

    #[test]
    fn a_million_addresses_take_no_more_room_than_the_buckets() {
        let rates = Rates::limited();
        for last in 0..1_000_000 {
            let _ = rates.visit(v4(last), ONE);
        }
        let counts = rates.counts.as_ref().expect("limited");
        let taken = u64::try_from(counts.by_address.len()).expect("a number");
        assert!(taken <= BUCKETS && taken > BUCKETS / 2, "{taken}");
    }

    #[test]
    fn the_readme_says_how_often() {
        let readme = include_str!("../README.md").replace("\n  ", " ");
        let minutes = SHUT_OUT.as_secs() / 60;
        let thousands = VISITS_BURST / 1_000;
        for said in [
            format!(
                "make {VISITS_PER_S} reads a second for as long as they like and {thousands},000 at once"
            ),
            format!("{SIGN_UPS_PER_MINUTE} accounts a minute"),
            format!("up to {} MiB a day", KEPT_KIB_A_DAY >> 10),
            format!("after {WRONG_PASSWORDS_MAX} wrong passwords"),
            format!("waits {minutes} minutes"),
        ] {
            assert!(readme.contains(&said), "{said}");
        }
    }

    #[test]
    fn without_limits_nobody_is_refused() {
        let rates = Rates::unlimited();
        for _ in 0..10_000 {
            rates.wrong_password("ann", v4(1));
            assert_eq!(rates.may_sign_in("ann", v4(1)), Ok(()));
            assert_eq!(rates.sign_up(v4(1)), Ok(()));
        }
    }
}
