//! What a transaction runs.

use serde::{Deserialize, Serialize};

use crate::encoding::{DecodeError, byte_strings, u256_le};
use crate::keys::ModuleBundle;
use crate::limits::{CALL_ARGS_MAX, TYPE_ARGS_MAX, TYPE_TAG_NODES_MAX};
use crate::{Address, Identifier, ModuleId, TypeTag, U256};

/// What a transaction runs. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionPayload {
    /// Bytecode that comes with the transaction.
    Script(Script),
    /// Removed from the wire: decoding it is an error.
    ModuleBundle(ModuleBundle),
    /// A call of an entry function.
    EntryFunction(EntryFunction),
    /// A transaction in the name of a multisig account.
    Multisig(Multisig),
    /// The extensible form: what to run, and how.
    Payload(ExtendedPayload),
}

/// Bytecode and what to run it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The script's binary.
    #[serde(with = "serde_bytes")]
    pub code: Vec<u8>,
    /// Type arguments.
    pub type_args: Vec<TypeTag>,
    /// Arguments after the signers.
    pub args: Vec<TransactionArgument>,
}

/// A call of an entry function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryFunction {
    /// Module of the function.
    pub module: ModuleId,
    /// Name of the function.
    pub function: Identifier,
    /// Type arguments.
    pub type_args: Vec<TypeTag>,
    /// BCS of each argument after the signers.
    #[serde(with = "byte_strings")]
    pub args: Vec<Vec<u8>>,
}

/// A transaction in the name of a multisig account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multisig {
    /// The multisig account.
    pub multisig_address: Address,
    /// What to run, unless the account stores it.
    pub transaction_payload: Option<MultisigPayload>,
}

/// What a multisig account runs. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MultisigPayload {
    /// A call of an entry function.
    EntryFunction(EntryFunction),
}

/// The extensible form of a payload. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtendedPayload {
    /// The only version so far.
    V1 {
        /// What to run.
        executable: Executable,
        /// How to run it.
        extra: ExtraConfig,
    },
}

/// What an extended payload runs. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Executable {
    /// Bytecode that comes with the transaction.
    Script(Script),
    /// A call of an entry function.
    EntryFunction(EntryFunction),
    /// Nothing: the multisig account stores it.
    Empty,
}

/// How an extended payload runs. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtraConfig {
    /// The only version so far.
    V1 {
        /// Run in the name of this multisig account.
        multisig_address: Option<Address>,
        /// Orderless: protected from replay by this number in place of the sequence number.
        replay_protection_nonce: Option<u64>,
    },
}

/// What a payload runs, whichever form it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutableRef<'a> {
    /// Bytecode that comes with the transaction.
    Script(&'a Script),
    /// A call of an entry function.
    EntryFunction(&'a EntryFunction),
    /// Nothing: the multisig account stores it.
    Empty,
}

/// An argument of a script. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants are Move's own type names")]
pub enum TransactionArgument {
    U8(u8),
    U64(u64),
    U128(u128),
    Address(Address),
    U8Vector(#[serde(with = "serde_bytes")] Vec<u8>),
    Bool(bool),
    U16(u16),
    U32(u32),
    U256(#[serde(with = "u256_le")] U256),
    /// BCS of a value whose type the script's signature tells.
    Serialized(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl TransactionPayload {
    /// What the payload runs.
    #[must_use]
    pub fn executable(&self) -> ExecutableRef<'_> {
        match self {
            Self::Script(script) => ExecutableRef::Script(script),
            Self::ModuleBundle(never) => match *never {},
            Self::EntryFunction(call) => ExecutableRef::EntryFunction(call),
            Self::Multisig(multisig) => match &multisig.transaction_payload {
                Some(MultisigPayload::EntryFunction(call)) => ExecutableRef::EntryFunction(call),
                None => ExecutableRef::Empty,
            },
            Self::Payload(ExtendedPayload::V1 { executable, .. }) => match executable {
                Executable::Script(script) => ExecutableRef::Script(script),
                Executable::EntryFunction(call) => ExecutableRef::EntryFunction(call),
                Executable::Empty => ExecutableRef::Empty,
            },
        }
    }

    /// The multisig account in whose name the payload runs.
    #[must_use]
    pub fn multisig_address(&self) -> Option<Address> {
        match self {
            Self::Multisig(multisig) => Some(multisig.multisig_address),
            Self::Payload(ExtendedPayload::V1 { extra: ExtraConfig::V1 { multisig_address, .. }, .. }) => {
                *multisig_address
            }
            Self::Script(_) | Self::ModuleBundle(_) | Self::EntryFunction(_) => None,
        }
    }

    /// The number that protects an orderless transaction from replay.
    #[must_use]
    pub fn replay_protection_nonce(&self) -> Option<u64> {
        match self {
            Self::Payload(ExtendedPayload::V1 { extra: ExtraConfig::V1 { replay_protection_nonce, .. }, .. }) => {
                *replay_protection_nonce
            }
            Self::Script(_) | Self::ModuleBundle(_) | Self::EntryFunction(_) | Self::Multisig(_) => None,
        }
    }

    /// Whether the payload publishes code, and so may be large.
    #[must_use]
    pub fn publishes(&self) -> bool {
        let ExecutableRef::EntryFunction(call) = self.executable() else { return false };
        let (module, function) = (call.module.name.as_str(), call.function.as_str());
        call.module.address == Address::ONE
            && matches!(
                (module, function),
                ("code", "publish_package_txn") | ("object_code_deployment", "publish" | "upgrade")
            )
    }

    /// Checks the limits on arguments and types.
    ///
    /// # Errors
    /// [`DecodeError::OverLimit`].
    pub fn check_limits(&self) -> Result<(), DecodeError> {
        let (type_args, args) = match self.executable() {
            ExecutableRef::Script(script) => (&script.type_args, script.args.len()),
            ExecutableRef::EntryFunction(call) => (&call.type_args, call.args.len()),
            ExecutableRef::Empty => return Ok(()),
        };
        let what = "payload";
        if type_args.len() > TYPE_ARGS_MAX {
            let count = type_args.len();
            return Err(DecodeError::OverLimit { what, of: "type arguments", count, limit: TYPE_ARGS_MAX });
        }
        if args > CALL_ARGS_MAX {
            return Err(DecodeError::OverLimit { what, of: "arguments", count: args, limit: CALL_ARGS_MAX });
        }
        let mut nodes = 0;
        for tag in type_args {
            // A tag that cannot be measured is over the limit by itself.
            nodes += tag.measure().map_or(TYPE_TAG_NODES_MAX + 1, |(nodes, _)| nodes);
        }
        if nodes > TYPE_TAG_NODES_MAX {
            let limit = TYPE_TAG_NODES_MAX;
            return Err(DecodeError::OverLimit { what, of: "nested or joined types", count: nodes, limit });
        }
        Ok(())
    }
}
