//! Where an epoch, or a validator in it, goes on from.

use noema_dag::ConsensusState;
use noema_types::{CertifiedCheckpoint, Committee, Hash, Height, TimestampMs};

use crate::limits::LOST_LOG_MARGIN_MS;
use crate::log::Base;

impl Base {
    /// The start of a chain, whose first commit comes after the time of genesis.
    pub(crate) fn genesis(chain: Hash, committee: &Committee, time: TimestampMs) -> Self {
        let state = ConsensusState::epoch_start(
            chain,
            committee.epoch(),
            chain,
            noema_types::CommitIndex(0),
            noema_dag::CommitDigest(chain),
            time,
            committee.size(),
        );
        Self { height: Height(0), certified: None, state }
    }

    /// The start of the epoch after a certified last block.
    pub(crate) fn after_epoch(chain: Hash, next: &Committee, certified: CertifiedCheckpoint) -> Self {
        let data = certified.data();
        let state = ConsensusState::epoch_start(
            chain,
            next.epoch(),
            certified.checkpoint.digest(),
            data.commit_index,
            noema_dag::CommitDigest(data.commit_digest),
            data.timestamp,
            next.size(),
        );
        Self { height: data.height, certified: Some(certified), state }
    }

    /// Whether somebody may have taken part in this epoch before a time: certainly not if the epoch began later.
    pub(crate) fn may_be_older_than(&self, time: TimestampMs) -> bool {
        match &self.certified {
            Some(certified) if certified.data().next_committee.is_some() => {
                certified.data().timestamp.0 <= time.0.saturating_add(LOST_LOG_MARGIN_MS)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use noema_types::{
        Address, BlsPublicKey, BlsSignature, Certificate, Checkpoint, CheckpointData, CommitIndex, Ed25519PublicKey,
        Epoch, Stake, ValidatorInfo, Version,
    };

    use super::*;

    #[test]
    fn only_an_epoch_that_began_well_after_a_time_is_surely_younger() {
        let info = ValidatorInfo {
            address: Address([1; 32]),
            stake: Stake(1),
            consensus_key: Ed25519PublicKey([1; 32]),
            network_key: Ed25519PublicKey([1; 32]),
            checkpoint_key: BlsPublicKey([1; 48]),
            network_address: String::new(),
        };
        let next = Committee::new(Epoch(2), vec![info]).unwrap();
        let ended = |timestamp: u64, ends: bool| CertifiedCheckpoint {
            checkpoint: Checkpoint::V1(CheckpointData {
                chain: Hash([9; 32]),
                epoch: Epoch(1),
                height: Height(5),
                previous: Hash([8; 32]),
                version: Version(7),
                state_root: Hash([1; 32]),
                accumulator_root: Hash([2; 32]),
                timestamp: TimestampMs(timestamp),
                commit_index: CommitIndex(6),
                commit_digest: Hash([3; 32]),
                consensus_state: Hash([4; 32]),
                next_committee: ends.then(|| next.hash()),
            }),
            certificate: Certificate { signers: vec![1], signature: BlsSignature([0; 96]) },
        };
        let start = TimestampMs(1_000_000);
        let at = |timestamp| Base::after_epoch(Hash([9; 32]), &next, ended(timestamp, true));
        assert!(at(start.0).may_be_older_than(start));
        assert!(at(start.0 + LOST_LOG_MARGIN_MS).may_be_older_than(start));
        assert!(!at(start.0 + LOST_LOG_MARGIN_MS + 1).may_be_older_than(start));
        let within = Base { certified: Some(ended(u64::MAX, false)), ..at(0) };
        assert!(within.may_be_older_than(start), "in the middle of an epoch, its beginning is not known");
        assert!(Base::genesis(Hash([9; 32]), &next, TimestampMs(u64::MAX)).may_be_older_than(start));
    }
}
