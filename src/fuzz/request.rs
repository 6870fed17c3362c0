//! Requests: any bytes on a connection are answered by whole replies that are nobody's fault but
//! the client's, or not at all, and the next client is served.

use std::sync::atomic::{AtomicU32, Ordering};

use super::shop::{Shop, shop};

/// How often somebody else looks in.
const LOOK_IN_EVERY: u32 = 32;

/// `{ann}` is a good token of hers.
pub fn run(bytes: &[u8]) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let shop = shop();
    for heard in shop.exchange(&with_token(shop, bytes)) {
        heard.is_well();
    }
    let runs = RUNS.fetch_add(1, Ordering::Relaxed);
    if runs.is_multiple_of(LOOK_IN_EVERY) {
        assert_eq!(shop.ask("", "GET /healthz", "", b"").status, 200);
    }
}

fn with_token(shop: &Shop, bytes: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"{ann}";
    match bytes.windows(MARK.len()).position(|mark| mark == MARK) {
        Some(at) => {
            let (before, rest) = bytes.split_at(at);
            let (_, after) = rest.split_at(MARK.len());
            [before, shop.token("ann").as_bytes(), after].concat()
        }
        None => bytes.to_vec(),
    }
}
