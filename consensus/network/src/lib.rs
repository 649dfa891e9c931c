//! Carries messages between validators, authenticated and encrypted by their network keys.
//!
//! [`Transport`] is the seam that consensus is written against; [`Network`] is it over sockets, [`memory`] without, for
//! tests. [`SecureSide`] lends the same handshake to other connections of a node.
//!
//! # What holds
//! - Only validators in the set of peers, on the same chain, get past the handshake of TLS 1.3; both sides prove their
//!   Ed25519 keys in it.
//! - What a peer sends on a channel arrives in order and intact, or the connection ends.
//! - Bulk never waits in front of votes: every class of channels has a connection of its own per peer ([`Channel`]),
//!   and urgent messages overtake the others on the way to the receiver.
//! - Nothing grows without limit: queues, frames, rates, handshakes ([`Limits`]). A frame's length and its sender's
//!   rate are checked before its payload is read.
//! - A peer that is silent for 3 s is disconnected; whoever is disconnected is dialled again, at growing pauses.
//!
//! # How
//! ```text
//! send ─► Outbox per lane ─► lane task ══ TLS 1.3 over TCP ══ lane task ─► Inbox: urgent first ─► receiver
//!         bounded, by channel   frames      4 per peer          header, rate,     bounded, by bytes
//!                                                               then payload
//! ```
//! The README says why it is TLS over TCP and not QUIC, with figures.

mod error;
mod frame;
mod handshake;
mod identity;
mod inbox;
mod lane;
mod limits;
mod link;
pub mod memory;
mod metrics;
mod network;
mod outbox;
mod peer;
mod rate;
mod secure;
mod transport;

pub use error::NetworkError;
pub use limits::{ChannelLimits, Limits};
pub use network::{Network, NetworkConfig};
pub use secure::{SecureAcceptor, SecureError, SecureSide, SecureStream};
pub use transport::{Channel, NetworkEvent, Peer, SendError, Transport};
