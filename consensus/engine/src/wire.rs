//! What travels between engines, and its bytes.
//!
//! ```text
//! envelope of the DAG:  version 1 | epoch 8 | chain 8 | message of the core
//! ```
//! The first bytes of the chain's hash keep a message of another chain from being taken for one of this; what matters is
//! signed over all of it. Other messages are versioned enums in BCS.

use bytes::Bytes;
use noema_dag::{Message, MessageClass};
use noema_network::Channel;
use noema_types::{
    BlsSignature, CertifiedCheckpoint, Checkpoint, DecodeError, Epoch, EpochChange, Hash, Height, decode,
};
use serde::{Deserialize, Serialize};

use crate::{Base, SnapshotChunk, SyncBlock};

const VERSION: u8 = 1;
const HEADER: usize = 17;

/// Wraps a message of the core.
pub(crate) fn encode_dag(chain: &Hash, epoch: Epoch, message: &Message) -> Bytes {
    let mut bytes = Vec::with_capacity(1024);
    bytes.push(VERSION);
    bytes.extend(epoch.0.to_le_bytes());
    bytes.extend(&chain.0[..8]);
    bcs::serialize_into(&mut bytes, message).expect("messages always serialise");
    bytes.into()
}

/// Unwraps a message of the core.
pub(crate) fn decode_dag(chain: &Hash, bytes: &[u8]) -> Result<(Epoch, Message), DecodeError> {
    let malformed = |reason: &str| DecodeError::Malformed { what: "envelope", reason: reason.to_owned() };
    let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(|| malformed("cut off"))?;
    if header[0] != VERSION {
        return Err(malformed("a version that this program does not know"));
    }
    if header[9..] != chain.0[..8] {
        return Err(malformed("of another chain"));
    }
    let epoch = u64::from_le_bytes(header[1..9].try_into().expect("8 bytes"));
    Ok((Epoch(epoch), Message::decode(body)?))
}

/// The stream that a message of the core goes by.
pub(crate) fn channel(message: &Message) -> Channel {
    match message.class() {
        MessageClass::Block => Channel::Blocks,
        MessageClass::Batch => Channel::Batches,
        MessageClass::Fetch => Channel::Fetch,
    }
}

/// On [`Channel::Checkpoints`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CheckpointMessage {
    /// The sender's signature.
    Vote(Vote),
    /// A certificate, for who missed the votes.
    Certified(CertifiedCheckpoint),
    /// A question for the certificate of a height.
    Want(Height),
}

/// A validator's word on a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vote {
    /// What it executed the block to.
    pub(crate) checkpoint: Checkpoint,
    /// Its signature.
    pub(crate) signature: BlsSignature,
    /// Whether it still waits for the certificate.
    pub(crate) waiting: bool,
}

/// On [`Channel::Sync`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SyncMessage {
    /// A question.
    Ask {
        /// Names the request.
        id: u64,
        /// What is asked.
        question: Question,
        /// From which byte of the answer on.
        offset: u64,
    },
    /// A part of the encoded [`Answer`].
    Part {
        /// The request.
        id: u64,
        /// Where it begins.
        offset: u64,
        /// Bytes of the whole answer.
        total: u64,
        /// The part.
        bytes: Bytes,
    },
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The latest base.
    Base,
    /// Certified blocks from a height on.
    Blocks {
        /// The first.
        from: Height,
        /// How many at most.
        count: u64,
    },
    /// Ends of epochs, from that of this epoch on.
    Epochs {
        /// The first.
        from: Epoch,
    },
    /// A part of the state.
    Chunk {
        /// After this block.
        height: Height,
        /// Where it begins.
        from: Option<Bytes>,
    },
}

/// What is answered.
#[expect(clippy::large_enum_variant, reason = "values that live shortly and are moved once or twice")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The latest base; none while there is none.
    Base(Option<Base>),
    /// As many as fit.
    Blocks {
        /// One after the other; none if the first is not there.
        blocks: Vec<SyncBlock>,
        /// The last height that there is.
        tip: Height,
    },
    /// As many as fit.
    Epochs(Vec<EpochChange>),
    /// None if that state is not there.
    Chunk(Option<SnapshotChunk>),
}

pub(crate) fn encode(message: &impl Serialize) -> Bytes {
    bcs::to_bytes(message).expect("messages always serialise").into()
}

pub(crate) fn decode_checkpoint_message(bytes: &[u8]) -> Result<CheckpointMessage, DecodeError> {
    decode("checkpoint message", bytes)
}

pub(crate) fn decode_sync_message(bytes: &[u8]) -> Result<SyncMessage, DecodeError> {
    decode("message of synchronisation", bytes)
}

pub(crate) fn decode_answer(bytes: &[u8]) -> Result<Answer, DecodeError> {
    decode("answer", bytes)
}

#[cfg(test)]
mod tests {
    use noema_types::Round;
    use proptest::prelude::*;

    use super::*;

    fn samples() -> Vec<Bytes> {
        let question = Question::Blocks { from: Height(3), count: 9 };
        vec![
            encode_dag(&Hash([3; 32]), Epoch(2), &Message::FetchLast { nonce: 9 }),
            encode_dag(&Hash([3; 32]), Epoch(2), &Message::Blocks { blocks: Vec::new(), held_from: Round(5) }),
            encode(&SyncMessage::Ask { id: 1, question, offset: 0 }),
            encode(&SyncMessage::Part { id: 1, offset: 2, total: 9, bytes: Bytes::from_static(b"abc") }),
            encode(&Answer::Blocks { blocks: Vec::new(), tip: Height(4) }),
            encode(&Answer::Chunk(Some(SnapshotChunk { content: Bytes::from_static(b"x"), next: None }))),
        ]
    }

    fn decode_all(bytes: &[u8]) -> usize {
        let results = [
            decode_dag(&Hash([3; 32]), bytes).is_ok(),
            decode_checkpoint_message(bytes).is_ok(),
            decode_sync_message(bytes).is_ok(),
            decode_answer(bytes).is_ok(),
        ];
        results.into_iter().filter(|ok| *ok).count()
    }

    #[test]
    fn messages_round_trip_and_other_chains_and_versions_are_refused() {
        let chain = Hash([3; 32]);
        let message = Message::FetchLast { nonce: 9 };
        let bytes = encode_dag(&chain, Epoch(2), &message);
        assert_eq!(decode_dag(&chain, &bytes), Ok((Epoch(2), message)));
        assert!(decode_dag(&Hash([4; 32]), &bytes).is_err());
        let mut other = bytes.to_vec();
        other[0] = 2;
        assert!(decode_dag(&chain, &other).is_err());
        other = bytes.to_vec();
        other.push(0);
        assert!(decode_dag(&chain, &other).is_err(), "nothing may be left over");
        assert!(samples().iter().all(|bytes| decode_all(bytes) >= 1));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            decode_all(&bytes);
        }

        #[test]
        fn mutated_messages_never_panic(which in 0..6usize, at in 0..400usize, byte: u8, keep in 0..400usize) {
            let mut bytes = samples()[which].to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            decode_all(&bytes);
            bytes.truncate(keep);
            decode_all(&bytes);
        }
    }
}
