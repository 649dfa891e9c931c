//! Carries messages between validators, authenticated and encrypted by their network keys.
//!
//! [`Transport`] is the seam that consensus is written against; [`memory`] is the same thing without sockets, for tests.

mod limits;
pub mod memory;
mod transport;

pub use limits::{ChannelLimits, Limits};
pub use transport::{Channel, NetworkEvent, Peer, SendError, Transport};
