//! Ids: integers from 1, one type per thing, never reused.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }
    )*};
}

id! {
    /// A person with an account; also the id of their one cart.
    UserId,
    CategoryId,
    ProductId,
    CommentId,
    /// A line of a cart.
    CartLineId,
    OrderId,
    /// A line of an order.
    OrderLineId,
}
