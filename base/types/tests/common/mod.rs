//! Seeded samples of every wire and storage type, for round trips, frozen formats and mutation.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use bytes::Bytes;
use noema_types::*;

/// splitmix64: the same numbers for ever, whatever crates change.
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, max: usize) -> Vec<u8> {
        (0..self.below(max + 1)).map(|_| self.next() as u8).collect()
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    pub fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 1).then(|| make(self))
    }

    pub fn list<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(max + 1)).map(|_| make(self)).collect()
    }
}

pub fn address(seed: &mut Seed) -> Address {
    if seed.below(3) == 0 { Address::from_u8(seed.next() as u8) } else { Address(seed.array()) }
}

pub fn hash(seed: &mut Seed) -> Hash {
    Hash(seed.array())
}

fn name(seed: &mut Seed) -> Identifier {
    const NAMES: [&str; 6] = ["coin", "aptos_account", "transfer", "_x", "Coin", "publish_package_txn"];
    Identifier::new(NAMES[seed.below(NAMES.len())]).expect("an identifier")
}

pub fn type_tag(seed: &mut Seed, depth: usize) -> TypeTag {
    match seed.below(if depth == 0 { 9 } else { 11 }) {
        0 => TypeTag::Bool,
        1 => TypeTag::U8,
        2 => TypeTag::U16,
        3 => TypeTag::U32,
        4 => TypeTag::U64,
        5 => TypeTag::U128,
        6 => TypeTag::U256,
        7 => TypeTag::Address,
        8 => TypeTag::Signer,
        9 => TypeTag::Vector(Box::new(type_tag(seed, depth - 1))),
        _ => TypeTag::Struct(Box::new(struct_tag(seed, depth - 1))),
    }
}

fn struct_tag(seed: &mut Seed, depth: usize) -> StructTag {
    StructTag {
        address: address(seed),
        module: name(seed),
        name: name(seed),
        type_args: seed.list(2, |seed| type_tag(seed, depth)),
    }
}

fn module_id(seed: &mut Seed) -> ModuleId {
    ModuleId::new(address(seed), name(seed))
}

fn argument(seed: &mut Seed) -> TransactionArgument {
    match seed.below(10) {
        0 => TransactionArgument::U8(seed.next() as u8),
        1 => TransactionArgument::U64(seed.next()),
        2 => TransactionArgument::U128(u128::from(seed.next()) << 50),
        3 => TransactionArgument::Address(address(seed)),
        4 => TransactionArgument::U8Vector(seed.bytes(9)),
        5 => TransactionArgument::Bool(seed.below(2) == 1),
        6 => TransactionArgument::U16(seed.next() as u16),
        7 => TransactionArgument::U32(seed.next() as u32),
        8 => TransactionArgument::U256(U256::from_le_bytes(seed.array::<32>())),
        _ => TransactionArgument::Serialized(seed.bytes(9)),
    }
}

fn script(seed: &mut Seed) -> Script {
    Script { code: seed.bytes(20), type_args: seed.list(3, |seed| type_tag(seed, 3)), args: seed.list(12, argument) }
}

fn call(seed: &mut Seed) -> EntryFunction {
    EntryFunction {
        module: module_id(seed),
        function: name(seed),
        type_args: seed.list(3, |seed| type_tag(seed, 3)),
        args: seed.list(4, |seed| seed.bytes(40)),
    }
}

pub fn payload(seed: &mut Seed) -> TransactionPayload {
    match seed.below(4) {
        0 => TransactionPayload::Script(script(seed)),
        1 => TransactionPayload::EntryFunction(call(seed)),
        2 => TransactionPayload::Multisig(Multisig {
            multisig_address: address(seed),
            transaction_payload: seed.some(|seed| MultisigPayload::EntryFunction(call(seed))),
        }),
        _ => TransactionPayload::Payload(ExtendedPayload::V1 {
            executable: match seed.below(3) {
                0 => Executable::Script(script(seed)),
                1 => Executable::EntryFunction(call(seed)),
                _ => Executable::Empty,
            },
            extra: ExtraConfig::V1 {
                multisig_address: seed.some(address),
                replay_protection_nonce: seed.some(Seed::next),
            },
        }),
    }
}

pub fn raw_transaction(seed: &mut Seed) -> RawTransaction {
    RawTransaction {
        sender: address(seed),
        sequence_number: seed.next(),
        payload: payload(seed),
        max_gas_amount: Gas(seed.next()),
        gas_unit_price: seed.next(),
        expiration_timestamp_secs: seed.next(),
        chain_id: ChainId(seed.next() as u8),
    }
}

fn any_public_key(seed: &mut Seed) -> AnyPublicKey {
    match seed.below(3) {
        0 => AnyPublicKey::Ed25519(Ed25519PublicKey(seed.array())),
        1 => AnyPublicKey::Secp256k1(Secp256k1PublicKey(seed.array())),
        _ => AnyPublicKey::Secp256r1(Secp256r1PublicKey(seed.array())),
    }
}

fn any_signature(seed: &mut Seed) -> AnySignature {
    match seed.below(2) {
        0 => AnySignature::Ed25519(Ed25519Signature(seed.array())),
        _ => AnySignature::Secp256k1(Secp256k1Signature(seed.array())),
    }
}

fn multi_ed25519(seed: &mut Seed) -> (MultiEd25519PublicKey, MultiEd25519Signature) {
    let keys = (0..2 + seed.below(3)).map(|_| Ed25519PublicKey(seed.array())).collect();
    let signatures = seed.list(3, |seed| Ed25519Signature(seed.array()));
    let key = MultiEd25519PublicKey::new(keys, 1 + seed.below(2) as u8).expect("2 to 4 keys");
    (key, MultiEd25519Signature { signatures, bitmap: seed.array() })
}

pub fn account_authenticator(seed: &mut Seed) -> AccountAuthenticator {
    match seed.below(5) {
        0 => AccountAuthenticator::Ed25519 {
            public_key: Ed25519PublicKey(seed.array()),
            signature: Ed25519Signature(seed.array()),
        },
        1 => {
            let (public_key, signature) = multi_ed25519(seed);
            AccountAuthenticator::MultiEd25519 { public_key, signature }
        }
        2 => AccountAuthenticator::SingleKey { public_key: any_public_key(seed), signature: any_signature(seed) },
        3 => AccountAuthenticator::MultiKey {
            public_keys: MultiKey::new((0..1 + seed.below(4)).map(|_| any_public_key(seed)).collect(), 1)
                .expect("1 to 4 keys"),
            signature: MultiKeySignature {
                signatures: seed.list(3, any_signature),
                bitmap: Bitmap::new((0..1 + seed.below(4)).map(|_| seed.next() as u8).collect()).expect("1 to 4"),
            },
        },
        _ => AccountAuthenticator::NoAccountAuthenticator,
    }
}

pub fn signed_transaction(seed: &mut Seed) -> SignedTransaction {
    let raw = raw_transaction(seed);
    let secondary_signer_addresses = seed.list(3, address);
    let secondary_signers = seed.list(3, account_authenticator);
    let authenticator = match seed.below(5) {
        0 => TransactionAuthenticator::Ed25519 {
            public_key: Ed25519PublicKey(seed.array()),
            signature: Ed25519Signature(seed.array()),
        },
        1 => {
            let (public_key, signature) = multi_ed25519(seed);
            TransactionAuthenticator::MultiEd25519 { public_key, signature }
        }
        2 => TransactionAuthenticator::MultiAgent {
            sender: account_authenticator(seed),
            secondary_signer_addresses,
            secondary_signers,
        },
        3 => TransactionAuthenticator::FeePayer {
            sender: account_authenticator(seed),
            secondary_signer_addresses,
            secondary_signers,
            fee_payer_address: address(seed),
            fee_payer_signer: account_authenticator(seed),
        },
        _ => TransactionAuthenticator::SingleSender { sender: account_authenticator(seed) },
    };
    SignedTransaction { raw, authenticator }
}

pub fn state_key(seed: &mut Seed) -> StateKey {
    match seed.below(3) {
        0 => StateKey::Module(module_id(seed)),
        1 => StateKey::Resource { address: address(seed), tag: struct_tag(seed, 2) },
        _ => StateKey::TableItem { handle: address(seed), key: seed.bytes(40) },
    }
}

pub fn write_set(seed: &mut Seed) -> WriteSet {
    WriteSet(
        seed.list(6, |seed| {
            let value =
                seed.some(|seed| seed.bytes(40)).map_or(WriteOp::Delete, |bytes| WriteOp::Write(Bytes::from(bytes)));
            (state_key(seed), value)
        })
        .into_iter()
        .collect(),
    )
}

pub fn event(seed: &mut Seed) -> Event {
    let (type_tag, data) = (type_tag(seed, 2), seed.bytes(20));
    match seed.below(2) {
        0 => Event::V1 {
            key: EventKey { creation_number: seed.next(), account_address: address(seed) },
            sequence_number: seed.next(),
            type_tag,
            data,
        },
        _ => Event::V2 { type_tag, data },
    }
}

fn location(seed: &mut Seed) -> CodeLocation {
    seed.some(module_id).map_or(CodeLocation::Script, CodeLocation::Module)
}

pub fn status(seed: &mut Seed) -> ExecutionStatus {
    match seed.below(5) {
        0 => ExecutionStatus::Success,
        1 => ExecutionStatus::OutOfGas,
        2 => ExecutionStatus::MoveAbort {
            location: location(seed),
            code: seed.next(),
            info: seed.some(|_| AbortInfo { reason_name: "ENOT_FOUND".into(), description: "Not there".into() }),
        },
        3 => ExecutionStatus::ExecutionFailure {
            location: location(seed),
            function: seed.next() as u16,
            code_offset: seed.next() as u16,
            status: seed.next(),
        },
        _ => ExecutionStatus::MiscellaneousError(seed.next()),
    }
}

pub fn transaction(seed: &mut Seed) -> Transaction {
    match seed.below(3) {
        0 => Transaction::User(signed_transaction(seed)),
        1 => Transaction::Genesis(Genesis { write_set: write_set(seed), events: seed.list(3, event) }),
        _ => Transaction::BlockMetadata(BlockMetadata {
            id: hash(seed),
            height: Height(seed.next()),
            epoch: Epoch(seed.next()),
            round: Round(seed.next()),
            proposer: address(seed),
            failed_proposer_indices: seed.list(3, |seed| seed.next() as u32),
            previous_block_votes: seed.bytes(4),
            timestamp_us: seed.next(),
        }),
    }
}

pub fn transaction_info(seed: &mut Seed) -> TransactionInfo {
    TransactionInfo {
        transaction_hash: hash(seed),
        state_root: seed.some(hash),
        event_root: hash(seed),
        write_set_hash: hash(seed),
        gas_used: Gas(seed.next()),
        status: status(seed),
    }
}

pub fn block_info(seed: &mut Seed) -> BlockInfo {
    BlockInfo {
        height: Height(seed.next()),
        id: hash(seed),
        epoch: Epoch(seed.next()),
        round: Round(seed.next()),
        proposer: address(seed),
        timestamp_us: seed.next(),
        first_version: Version(seed.next()),
        last_version: Version(seed.next()),
    }
}
