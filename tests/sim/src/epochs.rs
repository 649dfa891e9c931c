//! The committees of a run, epoch after epoch, with their keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use noema_dag::{BlockCrypto, CommitDigest, ConsensusState};
use noema_types::{
    Address, Author, BlsPublicKey, CommitIndex, Committee, Ed25519PublicKey, Epoch, Hash, Stake, TimestampMs,
    ValidatorInfo,
};

use crate::crypto::{Secret, SimCrypto, secret};
use crate::scenario::{Member, Scenario};
use crate::{NodeId, START_MS};

/// Who validates in an epoch.
#[derive(Debug)]
pub(crate) struct EpochSetup {
    pub(crate) epoch: Epoch,
    pub(crate) committee: Arc<Committee>,
    pub(crate) members: Vec<Member>,
    secrets: Arc<Vec<Secret>>,
}

impl EpochSetup {
    pub(crate) fn author(&self, node: NodeId) -> Option<Author> {
        let position = self.members.iter().position(|member| member.node == node)?;
        Some(Author(u16::try_from(position).expect("a small committee")))
    }

    pub(crate) fn node(&self, author: Author) -> Option<NodeId> {
        self.members.get(usize::from(author.0)).map(|member| member.node)
    }

    pub(crate) fn crypto(&self, own: Author) -> Arc<dyn BlockCrypto> {
        let secret = self.secrets[usize::from(own.0)];
        Arc::new(SimCrypto::new(secret, Arc::clone(&self.secrets)))
    }
}

/// All epochs of a run, made when they are asked for.
#[derive(Debug)]
pub(crate) struct Epochs {
    seed: u64,
    plans: Vec<Vec<Member>>,
    epoch_ms: Option<u64>,
    made: RefCell<BTreeMap<Epoch, Rc<EpochSetup>>>,
}

impl Epochs {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            seed: scenario.seed,
            plans: scenario.committees.clone(),
            epoch_ms: scenario.epoch_ms,
            made: RefCell::default(),
        }
    }

    /// The chain's name.
    pub(crate) fn chain(&self) -> Hash {
        Hash(blake3::hash(&self.seed.to_le_bytes()).into())
    }

    /// The first epoch is 1.
    pub(crate) fn get(&self, epoch: Epoch) -> Rc<EpochSetup> {
        let mut made = self.made.borrow_mut();
        Rc::clone(made.entry(epoch).or_insert_with(|| Rc::new(self.make(epoch))))
    }

    /// When an epoch ends whose first moment is `start`.
    pub(crate) fn end(&self, start: TimestampMs) -> TimestampMs {
        self.epoch_ms.map_or(TimestampMs(u64::MAX), |length| TimestampMs(start.0 + length))
    }

    /// The state that the chain begins with.
    pub(crate) fn genesis(&self) -> ConsensusState {
        let chain = self.chain();
        let size = self.get(Epoch(1)).committee.size();
        let digest = CommitDigest(chain);
        ConsensusState::epoch_start(chain, Epoch(1), chain, CommitIndex(0), digest, TimestampMs(START_MS), size)
    }

    fn make(&self, epoch: Epoch) -> EpochSetup {
        let last = self.plans.len() - 1;
        let members = self.plans[usize::try_from(epoch.0 - 1).map_or(last, |index| index.min(last))].clone();
        let secrets: Vec<Secret> = members.iter().map(|member| secret(self.seed, member.node, member.key)).collect();
        let validators = members.iter().zip(&secrets).map(|(member, secret)| info(member, secret)).collect();
        let committee = Arc::new(Committee::new(epoch, validators).expect("distinct validators with stake"));
        EpochSetup { epoch, committee, members, secrets: Arc::new(secrets) }
    }
}

fn info(member: &Member, secret: &Secret) -> ValidatorInfo {
    let mut network_key = [0; 32];
    network_key[..2].copy_from_slice(&member.node.to_le_bytes());
    let mut checkpoint_key = [0; 48];
    checkpoint_key[..32].copy_from_slice(secret);
    ValidatorInfo {
        address: Address(network_key),
        stake: Stake(member.stake),
        consensus_key: Ed25519PublicKey(blake3::hash(secret).into()),
        network_key: Ed25519PublicKey(network_key),
        checkpoint_key: BlsPublicKey(checkpoint_key),
        network_address: format!("sim:{}", member.node),
    }
}
