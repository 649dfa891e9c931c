//! Light verification over the REST API of a node that is not trusted.

use bytes::Bytes;
use noema_types::{Address, Height, StateKey, StructTag, TimestampMs, Version};

use super::{LightClient, LightError};
use crate::Client;

/// How often an epoch may end between a client's two questions before it gives up.
const EPOCH_RACES_MAX: usize = 8;

/// A value, or its absence, that is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedValue {
    /// The block after which it holds.
    pub height: Height,
    /// That block's last transaction.
    pub version: Version,
    /// That block's time. Whether it is recent is for the caller to judge: a node can stop serving what is new.
    pub timestamp: TimestampMs,
    /// The value; `None` if there is none.
    pub value: Option<Bytes>,
}

impl LightClient {
    /// Follows the chain to the node's newest checkpoint.
    ///
    /// # Errors
    /// [`LightError`]. What was verified before the error stays.
    pub fn sync(&mut self, client: &Client) -> Result<(), LightError> {
        let mut races = 0;
        loop {
            while let Some(change) = client.epoch_change(self.epoch())? {
                self.advance(&change)?;
            }
            let newest = client.latest_checkpoint()?;
            let data = newest.data();
            let known = self.newest().map(|known| known.data().height);
            if self.newest() == Some(&newest) {
                return Ok(());
            }
            if let Some(known) = known.filter(|known| *known > data.height) {
                return Err(LightError::Behind { known, found: data.height });
            }
            // The epoch may have ended between the two questions.
            if data.epoch > self.epoch() && races < EPOCH_RACES_MAX {
                races += 1;
                continue;
            }
            return self.trust(&newest);
        }
    }

    /// Asks a node for a value, or its absence, in the state after its newest block, and verifies it.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn fetch_value(&mut self, client: &Client, key: &StateKey) -> Result<VerifiedValue, LightError> {
        self.sync(client)?;
        let newest = self.newest().expect("synchronising ends with a checkpoint");
        let data = newest.data();
        let answer = client.value_proof(key, Some(data.height))?;
        if answer.height() != data.height {
            return Err(LightError::OtherHeight { expected: data.height, found: answer.height() });
        }
        let value = self.verify_value(newest, key, answer.proof())?;
        Ok(VerifiedValue { height: data.height, version: data.version, timestamp: data.timestamp, value })
    }
}

/// A value, or its absence, in the newest state of the chain that begins with `genesis` (the BCS of its genesis
/// transaction), from a node that is not trusted.
///
/// # Errors
/// [`LightError`].
pub fn verify_value(client: &Client, genesis: &[u8], key: &StateKey) -> Result<VerifiedValue, LightError> {
    LightClient::from_genesis(genesis)?.fetch_value(client, key)
}

/// [`verify_value`] for a resource of an account.
///
/// # Errors
/// [`LightError`].
pub fn verify_resource(
    client: &Client,
    genesis: &[u8],
    account: Address,
    tag: &StructTag,
) -> Result<VerifiedValue, LightError> {
    verify_value(client, genesis, &StateKey::Resource { address: account, tag: tag.clone() })
}
