//! Numbers that cross modules, each with a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident($number:ty);)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$number> for $name {
            fn from(number: $number) -> Self {
                Self(number)
            }
        }

        impl $name {
            /// The following number.
            ///
            /// # Panics
            /// At the largest number, which nothing that counts from zero reaches.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("a counter does not reach its largest number"))
            }

            /// The preceding number, if there is one.
            #[must_use]
            pub fn previous(self) -> Option<Self> {
                self.0.checked_sub(1).map(Self)
            }
        }
    )*};
}

units! {
    /// Identity of a chain, signed into every transaction.
    ChainId(u8);
    /// Position of a transaction in the ledger, from 0 (genesis).
    Version(u64);
    /// Gas, in the units that a transaction's price is quoted for.
    Gas(u64);
    /// Number of a validator set's term.
    Epoch(u64);
    /// Round of consensus within an epoch.
    Round(u64);
    /// Position of a block in the ledger, from 0 (genesis).
    Height(u64);
    /// Position of a commit in the ordered stream, from 1; counts over epochs.
    CommitIndex(u64);
    /// Position of a validator in its epoch's committee.
    Author(u16);
    /// Stake of a validator, in the native coin's smallest unit.
    Stake(u64);
    /// Milliseconds since the Unix epoch.
    TimestampMs(u64);
}
