//! Places: how many connections there are and how much is on its way to them, in all and by
//! address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::network;
use super::limits;

/// How often somebody who runs the shop is told that connections are turned away.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Places for connections.
pub struct Places {
    free: Arc<Semaphore>,
    per_address_max: Option<usize>,
    /// Only those that somebody is connected from.
    addresses: Mutex<HashMap<u64, Arc<Address>>>,
    load_bytes: Arc<AtomicUsize>,
    told: Mutex<Option<Instant>>,
}

/// A place that waits for its connection.
pub type Free = OwnedSemaphorePermit;

/// A connection's place.
pub struct Place {
    places: Arc<Places>,
    key: u64,
    address: Arc<Address>,
    load: Load,
    own: Arc<Own>,
    _taken: Free,
}

/// What lies in memory for clients, those of one address and all, in bytes: bodies that they sent,
/// and replies that they did not take yet.
#[derive(Clone, Debug)]
struct Load {
    address: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
    address_max: usize,
}

/// A part of the load, until it is dropped.
#[derive(Debug)]
pub struct Part {
    load: Load,
    bytes: usize,
}

/// What a connection's client takes.
#[derive(Debug, Default)]
struct Own {
    untaken: AtomicUsize,
    taken: AtomicUsize,
}

#[derive(Debug, Default)]
struct Address {
    connections: AtomicUsize,
    load_bytes: Arc<AtomicUsize>,
}

impl Places {
    /// `per_address_max` is `None` where addresses are not told apart.
    pub fn new(per_address_max: Option<usize>) -> Self {
        let all = connections_max();
        Self {
            free: Arc::new(Semaphore::new(all)),
            // However few files may be open, no address has all of them.
            per_address_max: per_address_max.map(|max| max.min((all / 4).max(1))),
            addresses: Mutex::default(),
            load_bytes: Arc::default(),
            told: Mutex::default(),
        }
    }

    /// Waits until there is one.
    pub async fn free(&self) -> Free {
        let free = Arc::clone(&self.free).acquire_owned().await;
        free.expect("the semaphore is never closed")
    }

    /// Takes a free place for a connection from there; `None` when there are too many already.
    /// A proxy is connected to for many.
    pub fn take(self: &Arc<Self>, free: Free, peer: IpAddr, is_proxy: bool) -> Option<Place> {
        let key = network(peer);
        let mut addresses = lock(&self.addresses);
        let address = Arc::clone(addresses.entry(key).or_default());
        let before = address.connections.load(Ordering::Relaxed);
        let max = self.per_address_max.filter(|_| !is_proxy);
        if max.is_some_and(|max| before >= max) {
            drop(addresses);
            self.tell(peer);
            return None;
        }
        address.connections.store(before + 1, Ordering::Relaxed);
        let load = Load {
            address: Arc::clone(&address.load_bytes),
            all: Arc::clone(&self.load_bytes),
            // A proxy asks for many.
            address_max: max.map_or(limits::LOAD_MAX_BYTES, |_| {
                limits::LOAD_PER_ADDRESS_MAX_BYTES
            }),
        };
        Some(Place {
            places: Arc::clone(self),
            key,
            address,
            load,
            own: Arc::default(),
            _taken: free,
        })
    }

    fn leave(&self, key: u64, address: &Address) {
        let mut addresses = lock(&self.addresses);
        if address.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            addresses.remove(&key);
        }
    }

    fn tell(&self, peer: IpAddr) {
        let mut told = lock(&self.told);
        if told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                %peer,
                "an address has all the connections that one may have, and more are closed: if a proxy of yours is there, name it with --trusted-proxy"
            );
        }
    }
}

impl Load {
    fn is_too_much(&self) -> bool {
        let max = if self.all.load(Ordering::Relaxed) > limits::LOAD_MAX_BYTES {
            limits::LOAD_ALWAYS_BYTES
        } else {
            self.address_max
        };
        self.address.load(Ordering::Relaxed) > max
    }
}

impl Part {
    /// Makes it larger; whether that is not too much.
    pub fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.load.address.fetch_add(bytes, Ordering::Relaxed);
        self.load.all.fetch_add(bytes, Ordering::Relaxed);
        !self.load.is_too_much()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Self { load, bytes } = self;
        load.address.fetch_sub(*bytes, Ordering::Relaxed);
        load.all.fetch_sub(*bytes, Ordering::Relaxed);
    }
}

impl Place {
    /// Whether so much lies in memory that nothing should be added.
    pub fn is_crowded(&self) -> bool {
        self.load.is_too_much()
    }

    /// A part of the load, nothing yet.
    pub fn part(&self) -> Part {
        Part {
            load: self.load.clone(),
            bytes: 0,
        }
    }

    /// Counts a reply's body until it is taken.
    pub fn count(&self, body: Bytes) -> Bytes {
        if body.is_empty() {
            return body;
        }
        self.own.untaken.fetch_add(1, Ordering::Relaxed);
        let own = Arc::clone(&self.own);
        let mut part = self.part();
        part.add(body.len());
        Bytes::from_owner(Untaken {
            body,
            own,
            _part: part,
        })
    }

    /// Waits until there were replies to take for so long, and none was taken.
    pub async fn until_stuck(&self, patience: Duration) {
        loop {
            let before = self.own.taken.load(Ordering::Relaxed);
            let had_some = self.own.untaken.load(Ordering::Relaxed) > 0;
            tokio::time::sleep(patience).await;
            let took_none = self.own.taken.load(Ordering::Relaxed) == before;
            if had_some && took_none {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.leave(self.key, &self.address);
    }
}

/// A body that is not taken yet.
struct Untaken {
    body: Bytes,
    own: Arc<Own>,
    _part: Part,
}

impl AsRef<[u8]> for Untaken {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.own.untaken.fetch_sub(1, Ordering::Relaxed);
        self.own.taken.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many connections as files may be open, which are as many as this process may ask for.
fn connections_max() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = files.saturating_sub(limits::OTHER_FILES).max(1);
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    if places < limits::CONNECTIONS_MAX {
        tracing::warn!(
            places,
            "the limit of open files leaves room for few connections; raise it with `ulimit -n`"
        );
    }
    places.min(limits::CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 8));

    fn places(per_address_max: Option<usize>) -> Arc<Places> {
        Arc::new(Places::new(per_address_max))
    }

    async fn take(places: &Arc<Places>, peer: IpAddr) -> Option<Place> {
        let free = places.free().await;
        places.take(free, peer, false)
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_a_proxy_more_and_who_leaves_makes_room() {
        let places = places(Some(2));
        let first = take(&places, HOME).await.expect("room");
        let second = take(&places, HOME).await.expect("room");
        assert!(take(&places, HOME).await.is_none());
        assert!(take(&places, AWAY).await.is_some());
        let free = places.free().await;
        assert!(places.take(free, HOME, true).is_some(), "a proxy");
        drop(first);
        let third = take(&places, HOME).await.expect("room again");
        assert!(take(&places, HOME).await.is_none());
        drop((second, third));
        assert!(lock(&places.addresses).is_empty(), "nobody is remembered");
        assert_eq!(places.free.available_permits(), connections_max());
    }

    #[tokio::test]
    async fn what_is_not_taken_crowds_its_address_and_much_of_it_all_who_have_some() {
        let places = places(Some(9));
        let home = take(&places, HOME).await.expect("room");
        let home_too = take(&places, HOME).await.expect("room");
        let away = take(&places, AWAY).await.expect("room");
        let page = Bytes::from(vec![b'x'; limits::LOAD_PER_ADDRESS_MAX_BYTES]);
        let first = home.count(page.clone());
        assert_eq!(first, page);
        assert!(!home.is_crowded(), "just as much as may be");
        let second = home_too.count(page.slice(..1));
        assert!(home.is_crowded() && home_too.is_crowded() && !away.is_crowded());
        drop(second);
        assert!(!home.is_crowded());
        let (all, each) = (limits::LOAD_MAX_BYTES, limits::LOAD_PER_ADDRESS_MAX_BYTES);
        let many: Vec<_> = (1..all / each).map(|_| home.count(page.clone())).collect();
        let little = away.count(page.slice(..limits::LOAD_ALWAYS_BYTES));
        assert!(!away.is_crowded(), "all have too much, but not this one");
        let one = away.count(page.slice(..1));
        assert!(away.is_crowded());
        drop(many);
        assert!(!away.is_crowded() && !home.is_crowded());
        drop((first, little, one));
    }

    #[tokio::test]
    async fn addresses_are_not_told_apart_when_that_is_not_asked_for() {
        let places = places(None);
        let mut taken = Vec::new();
        for _ in 0..=limits::CONNECTIONS_PER_ADDRESS_MAX {
            taken.push(take(&places, HOME).await.expect("room"));
        }
        let page = Bytes::from(vec![b'x'; limits::LOAD_PER_ADDRESS_MAX_BYTES + 1]);
        let _untaken = taken[0].count(page);
        assert!(!taken[0].is_crowded());
    }

    #[tokio::test]
    async fn a_proxy_is_not_crowded_by_what_one_client_may_leave() {
        let places = places(Some(1));
        let free = places.free().await;
        let proxy = places.take(free, HOME, true).expect("room");
        let page = Bytes::from(vec![b'x'; limits::LOAD_PER_ADDRESS_MAX_BYTES + 1]);
        let _untaken = proxy.count(page);
        assert!(!proxy.is_crowded());
    }
}
