//! Addresses: whose one is.

use std::net::IpAddr;

/// What one household or server has: an address of IPv4, and of IPv6 the network of 64 bits that
/// is given out as a whole (RFC 6177).
pub fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        // No IPv6 network begins with 32 bits of zeros.
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
    }
}
