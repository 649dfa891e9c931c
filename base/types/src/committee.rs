//! The validators of an epoch, their stake and their keys.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::limits::{COMMITTEE_VALIDATORS_MAX, NETWORK_ADDRESS_BYTES_MAX};
use crate::{Address, Author, BlsPublicKey, Ed25519PublicKey, Epoch, Hash, Stake};

/// One validator of a committee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorInfo {
    /// Account that owns the stake.
    pub address: Address,
    /// Its weight in every vote.
    pub stake: Stake,
    /// Signs blocks.
    pub consensus_key: Ed25519PublicKey,
    /// Proves who is at the other end of a connection.
    pub network_key: Ed25519PublicKey,
    /// Signs checkpoints; its possession was proven when it was registered.
    pub checkpoint_key: BlsPublicKey,
    /// Where it listens: `host:port`.
    pub network_address: String,
}

/// The validators of one epoch. An [`Author`] is a position in it.
///
/// Any distribution of stake is allowed; every rule counts stake, never heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Committee {
    epoch: Epoch,
    validators: Vec<ValidatorInfo>,
    total: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Committee")]
struct Unchecked {
    epoch: Epoch,
    validators: Vec<ValidatorInfo>,
}

/// Validators that make no committee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// Nobody is in it.
    #[error("a committee has no validators")]
    Empty,
    /// Too many are in it.
    #[error("a committee of {count} validators is over the limit of {limit}")]
    TooLarge {
        /// Validators given.
        count: usize,
        /// Validators allowed.
        limit: usize,
    },
    /// A validator without stake has no part in any vote.
    #[error("validator {0} has no stake")]
    NoStake(Address),
    /// The stake of all does not fit a number.
    #[error("the stake of all validators is over {}", u64::MAX)]
    StakeOverflow,
    /// Two validators share an account or a key, so that one could vote twice.
    #[error("validator {address} shares its {what} with another")]
    Shared {
        /// The second of the two.
        address: Address,
        /// What they share.
        what: &'static str,
    },
    /// An address too long to be one.
    #[error("the network address of validator {address} has {size} bytes, over the limit of {limit}")]
    AddressTooLong {
        /// The validator.
        address: Address,
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl Committee {
    /// A committee of these validators, in this order.
    ///
    /// # Errors
    /// [`CommitteeError`].
    pub fn new(epoch: Epoch, validators: Vec<ValidatorInfo>) -> Result<Self, CommitteeError> {
        let (count, limit) = (validators.len(), COMMITTEE_VALIDATORS_MAX);
        if count == 0 {
            return Err(CommitteeError::Empty);
        }
        if count > limit {
            return Err(CommitteeError::TooLarge { count, limit });
        }
        let mut total = 0u64;
        for validator in &validators {
            let (size, limit) = (validator.network_address.len(), NETWORK_ADDRESS_BYTES_MAX);
            if size > limit {
                return Err(CommitteeError::AddressTooLong { address: validator.address, size, limit });
            }
            if validator.stake.0 == 0 {
                return Err(CommitteeError::NoStake(validator.address));
            }
            total = total.checked_add(validator.stake.0).ok_or(CommitteeError::StakeOverflow)?;
        }
        check_distinct(&validators, "account", |validator| validator.address.0.to_vec())?;
        check_distinct(&validators, "consensus key", |validator| validator.consensus_key.0.to_vec())?;
        check_distinct(&validators, "network key", |validator| validator.network_key.0.to_vec())?;
        check_distinct(&validators, "checkpoint key", |validator| validator.checkpoint_key.0.to_vec())?;
        Ok(Self { epoch, validators, total })
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its validators, in the order of their [`Author`]s.
    #[must_use]
    pub fn validators(&self) -> &[ValidatorInfo] {
        &self.validators
    }

    /// How many validators it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.validators.len()
    }

    /// All positions in it.
    pub fn authors(&self) -> impl DoubleEndedIterator<Item = Author> + ExactSizeIterator + use<> {
        let size = u16::try_from(self.validators.len()).expect("a committee is smaller than its limit");
        (0..size).map(Author)
    }

    /// The validator at a position, if it is one.
    #[must_use]
    pub fn get(&self, author: Author) -> Option<&ValidatorInfo> {
        self.validators.get(usize::from(author.0))
    }

    /// Stake of a validator; none for a position outside of the committee.
    #[must_use]
    pub fn stake(&self, author: Author) -> Stake {
        self.get(author).map_or(Stake(0), |validator| validator.stake)
    }

    /// Position of an account.
    #[must_use]
    pub fn author_of(&self, address: Address) -> Option<Author> {
        self.position(|validator| validator.address == address)
    }

    /// Position of who holds a network key.
    #[must_use]
    pub fn author_of_network_key(&self, key: &Ed25519PublicKey) -> Option<Author> {
        self.position(|validator| validator.network_key == *key)
    }

    fn position(&self, matches: impl Fn(&ValidatorInfo) -> bool) -> Option<Author> {
        let index = self.validators.iter().position(matches)?;
        Some(Author(u16::try_from(index).expect("a committee is smaller than its limit")))
    }

    /// Stake of all.
    #[must_use]
    pub fn total_stake(&self) -> Stake {
        Stake(self.total)
    }

    /// Least stake of more than two thirds: two such sets share an honest validator.
    #[must_use]
    pub fn quorum(&self) -> Stake {
        let least = u128::from(self.total) * 2 / 3 + 1;
        Stake(u64::try_from(least).expect("two thirds of a number, and one, fit where it does"))
    }

    /// Least stake of more than a third: such a set has an honest validator.
    #[must_use]
    pub fn validity(&self) -> Stake {
        Stake(self.total / 3 + 1)
    }

    /// Stake of a set of validators, each counted once.
    #[must_use]
    pub fn stake_of(&self, authors: &BTreeSet<Author>) -> Stake {
        Stake(authors.iter().map(|author| self.stake(*author).0).sum())
    }

    /// Domain-separated SHA3-256 of its BCS.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let bytes = bcs::to_bytes(self).expect("a committee always serialises");
        Hash::sha3(&[&Hash::sha3(&[b"NOEMA::Committee"]).0, &bytes])
    }
}

fn check_distinct(
    validators: &[ValidatorInfo],
    what: &'static str,
    key: impl Fn(&ValidatorInfo) -> Vec<u8>,
) -> Result<(), CommitteeError> {
    let mut seen = BTreeSet::new();
    match validators.iter().find(|validator| !seen.insert(key(validator))) {
        Some(second) => Err(CommitteeError::Shared { address: second.address, what }),
        None => Ok(()),
    }
}

impl TryFrom<Unchecked> for Committee {
    type Error = CommitteeError;

    fn try_from(Unchecked { epoch, validators }: Unchecked) -> Result<Self, CommitteeError> {
        Self::new(epoch, validators)
    }
}

impl From<Committee> for Unchecked {
    fn from(Committee { epoch, validators, .. }: Committee) -> Self {
        Self { epoch, validators }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode;

    fn validator(seed: u8, stake: u64) -> ValidatorInfo {
        ValidatorInfo {
            address: Address([seed; 32]),
            stake: Stake(stake),
            consensus_key: Ed25519PublicKey([seed; 32]),
            network_key: Ed25519PublicKey([seed; 32]),
            checkpoint_key: BlsPublicKey([seed; 48]),
            network_address: format!("127.0.0.1:{}", 7000 + u16::from(seed)),
        }
    }

    #[test]
    fn thresholds_follow_stake_and_not_heads() {
        for (stakes, quorum, validity) in [
            (&[1, 1, 1, 1][..], 3, 2),
            (&[1, 1, 1], 3, 2),
            (&[1], 1, 1),
            (&[10, 1, 1], 9, 5),
            (&[u64::MAX], u64::MAX / 3 * 2 + 1, u64::MAX / 3 + 1),
        ] {
            let validators = stakes.iter().zip(1..).map(|(stake, seed)| validator(seed, *stake)).collect();
            let committee = Committee::new(Epoch(1), validators).unwrap();
            assert_eq!((committee.quorum().0, committee.validity().0), (quorum, validity), "{stakes:?}");
        }
    }

    #[test]
    fn what_makes_no_committee_is_refused() {
        let new = |validators| Committee::new(Epoch(1), validators);
        assert_eq!(new(Vec::new()), Err(CommitteeError::Empty));
        assert_eq!(new(vec![validator(1, 0)]), Err(CommitteeError::NoStake(Address([1; 32]))));
        assert_eq!(new(vec![validator(1, u64::MAX), validator(2, 1)]), Err(CommitteeError::StakeOverflow));
        let twin = ValidatorInfo { address: Address([9; 32]), ..validator(1, 1) };
        assert!(matches!(new(vec![validator(1, 1), twin]), Err(CommitteeError::Shared { what: "consensus key", .. })));
        let long = ValidatorInfo { network_address: "x".repeat(300), ..validator(1, 1) };
        assert!(matches!(new(vec![long]), Err(CommitteeError::AddressTooLong { size: 300, .. })));
    }

    proptest! {
        #[test]
        fn two_quorums_share_more_than_a_third_may_lie(stakes in prop::collection::vec(1..1_000_000u64, 1..20)) {
            let validators = stakes.iter().zip(1..).map(|(stake, seed)| validator(seed, *stake)).collect();
            let committee = Committee::new(Epoch(1), validators).unwrap();
            let (total, quorum, validity) = (committee.total_stake().0, committee.quorum().0, committee.validity().0);
            // More than two thirds, more than a third, and no smaller number is.
            prop_assert!(3 * quorum > 2 * total && 3 * (quorum - 1) <= 2 * total);
            prop_assert!(3 * validity > total && 3 * (validity - 1) <= total);
            // Two quorums overlap in more than the faulty stake, which is below `validity`.
            prop_assert!(2 * quorum - total >= validity);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode::<Committee>("committee", &bytes);
        }
    }

    #[test]
    fn bytes_round_trip_and_are_checked() {
        let committee = Committee::new(Epoch(3), vec![validator(1, 5), validator(2, 6)]).unwrap();
        let bytes = bcs::to_bytes(&committee).unwrap();
        assert_eq!(decode::<Committee>("committee", &bytes), Ok(committee));
        let twins = Unchecked { epoch: Epoch(3), validators: vec![validator(1, 5), validator(1, 6)] };
        assert!(decode::<Committee>("committee", &bcs::to_bytes(&twins).unwrap()).is_err());
    }
}
