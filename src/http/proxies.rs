//! Proxies before the shop: whose word is taken for who asks.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The addresses of proxies that are trusted to say for whom they ask.
#[derive(Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    was_ignored: AtomicBool,
}

impl Proxies {
    pub fn trusting(trusted: Vec<IpNet>) -> Self {
        Self {
            trusted,
            was_ignored: AtomicBool::new(false),
        }
    }

    /// Who asks: of the addresses that `X-Forwarded-For` names the last one that is not a trusted
    /// proxy's, if all behind it are. What stands before it anybody may have written.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !headers.contains_key(FORWARDED_FOR) {
            return peer;
        }
        if !self.trusts(peer) {
            if !self.was_ignored.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    %peer,
                    "X-Forwarded-For is not looked at: if a proxy of yours is at this address, name it with --trusted-proxy, or all its clients share one rate limit"
                );
            }
            return peer;
        }
        let values: Vec<&[u8]> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        let hops = values.iter().rev();
        let hops = hops.flat_map(|value| value.rsplit(|byte| *byte == b','));
        let mut client = peer;
        for hop in hops {
            let hop = std::str::from_utf8(hop).unwrap_or_default();
            let Some(address) = address(hop.trim()) else {
                return client; // What is before it can't be trusted either.
            };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// An address as proxies write it, some with a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || Some(text.parse::<std::net::SocketAddr>().ok()?.ip());
    let address = text.parse().ok().or_else(with_port)?;
    Some(IpAddr::to_canonical(&address))
}
