//! Rows as ours lie on the disk: their keys, and values of the same lengths.

/// A product with its texts; a sale reads it and leaves it as it is.
pub const PRODUCT_BYTES: usize = 330;
/// A cart of one line, an order of one line: numbers of few bytes, a title, a checksum.
pub const CART_BYTES: usize = 14;
pub const ORDER_BYTES: usize = 88;
/// A number and a checksum.
pub const NUMBER_BYTES: usize = 12;

/// Customers of the earlier orders have so many each.
pub const ORDERS_OF_A_CUSTOMER: u64 = 100;

pub fn filler(bytes: usize, n: u64) -> Vec<u8> {
    let mut row = vec![b'x'; bytes];
    row[..8].copy_from_slice(&n.to_be_bytes());
    row
}

pub fn number(n: u64) -> [u8; NUMBER_BYTES] {
    let mut row = [0; NUMBER_BYTES];
    row[..8].copy_from_slice(&n.to_be_bytes());
    row
}

pub fn read_number(row: &[u8]) -> u64 {
    let bytes = row.first_chunk().expect("a number has eight bytes");
    u64::from_be_bytes(*bytes)
}

pub fn pair(a: u64, b: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&a.to_be_bytes());
    key[8..].copy_from_slice(&b.to_be_bytes());
    key
}

/// Kept numbers that a checkout moves on.
#[derive(Clone, Copy, Debug)]
pub enum Counter {
    LastCartLine,
    LastOrder,
    LastOrderLine,
    Orders,
    OrdersBy(u64),
}

impl Counter {
    /// Its place among the counters.
    pub fn place(self) -> (u8, u64) {
        match self {
            Self::LastCartLine => (0, 0),
            Self::LastOrder => (1, 0),
            Self::LastOrderLine => (2, 0),
            Self::Orders => (3, 0),
            Self::OrdersBy(user) => (4, user),
        }
    }

    pub fn key(self) -> [u8; 9] {
        let (kind, of) = self.place();
        let mut key = [0; 9];
        key[0] = kind;
        key[1..].copy_from_slice(&of.to_be_bytes());
        key
    }
}
