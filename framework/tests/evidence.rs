//! Evidence and registrations as nodes make them, judged in Move.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use noema_crypto::{BlsKeyPair, Ed25519KeyPair, verify_ed25519};
use noema_dag::{BlockHeader, CommitVote};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, TransactionContext};
use noema_framework::{
    GenesisConfig, INFERENCE_CALLS_PER_TRANSACTION, INFERENCE_UNITS_PER_TRANSACTION, Registration, RegistrationKeys,
    StakingParameters, build_genesis, calls, compile_packages, natives, on_chain,
};
use noema_types::{Address, Author, ChainId, Ed25519Signature, EntryFunction, Epoch, Hash, Round, TimestampMs, U256};
use noema_vm::{ExecError, Vm, VmError, VmLimits};
use sha2::{Digest, Sha512};

const REPORTER: Address = Address::from_u8(0xFA);

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([seed; 32])
}

fn registration(seed: u8) -> Registration {
    let (account, consensus, network) = (pair(seed), pair(seed + 50), pair(seed + 100));
    let checkpoint = BlsKeyPair::from_seed(&[seed; 32]);
    let keys =
        RegistrationKeys { account: &account, consensus: &consensus, network: &network, checkpoint: &checkpoint };
    Registration::sign(ChainId(4), &keys, format!("validator-{seed}:7000"))
}

fn state() -> MemoryState {
    let packages = compile_packages().unwrap_or_else(|failure| panic!("{failure}"));
    let config = GenesisConfig {
        chain_id: ChainId(4),
        timestamp_us: 1_700_000_000_000_000,
        epoch_interval_us: 7_200_000_000,
        validators: (0..4).map(|seed| registration(seed).validator(0, 1_000_000_000)).collect(),
        staking: StakingParameters::default(),
        accounts: vec![(REPORTER, 1_000), (registration(9).address, 500_000_000)],
        faucet: None,
        resident_models: vec![],
        inference_units_per_transaction: INFERENCE_UNITS_PER_TRANSACTION,
        inference_calls_per_transaction: INFERENCE_CALLS_PER_TRANSACTION,
    };
    let mut state = MemoryState::new();
    state.apply(&build_genesis(&packages, &config).unwrap_or_else(|error| panic!("{error}")).write_set);
    state
}

/// Runs a call as `sender`; gives its abort code.
fn run(state: &mut MemoryState, sender: Address, call: EntryFunction) -> Result<(), u64> {
    let vm = Vm::new(natives(), GasSchedule::default(), VmLimits::default());
    let mut session = vm.session(&*state, &NoAnswers, TransactionContext::default());
    let gas = &mut GasMeter::unlimited();
    let result = session.execute_entry(&call.module, &call.function, call.type_args, &[sender], call.args, gas);
    if let Err(error) = result {
        return Err(error.program().and_then(VmError::abort_code).unwrap_or_else(|| panic!("{error}")));
    }
    let output = session.finish().unwrap_or_else(|error: ExecError| panic!("{error}"));
    state.apply(&output.write_set);
    Ok(())
}

fn header(author: u16, timestamp: u64) -> BlockHeader {
    BlockHeader {
        chain: Hash([7; 32]),
        epoch: Epoch(1),
        round: Round(12),
        author: Author(author),
        ancestors: vec![],
        batches: vec![],
        timestamp: TimestampMs(timestamp),
        commit_votes: Vec::<CommitVote>::new(),
    }
}

fn bcs_of(header: &BlockHeader) -> Vec<u8> {
    bcs::to_bytes(header).unwrap()
}

fn stake_of(state: &MemoryState, author: u16) -> u64 {
    let address = registration(author as u8).address;
    let tag = "0x1::stake::StakePool".parse().unwrap();
    let key = noema_types::StateKey::Resource { address, tag };
    let bytes = &state.values[&key];
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

#[test]
fn headers_that_validators_sign_are_what_move_judges() {
    let mut state = state();
    let key = pair(52);
    let (first, second) = (header(2, 1), header(2, 2));
    let signatures = [&first, &second].map(|header| key.sign(&header.signing_message()));
    let call = |first: &BlockHeader, second: &BlockHeader, signatures: [&Ed25519Signature; 2]| {
        calls::report_equivocation((&bcs_of(first), signatures[0]), (&bcs_of(second), signatures[1]))
    };
    let [a, b] = &signatures;
    assert_eq!(run(&mut state, REPORTER, call(&first, &first, [a, a])), Err(0x10001));
    assert_eq!(run(&mut state, REPORTER, call(&first, &second, [b, a])), Err(0x10009));
    assert_eq!(
        run(&mut state, REPORTER, call(&first, &BlockHeader { round: Round(13), ..second.clone() }, [a, b])),
        Err(0x10005)
    );
    assert_eq!(run(&mut state, REPORTER, call(&first, &second, [a, b])), Ok(()));
    // Five percent.
    assert_eq!((stake_of(&state, 2), stake_of(&state, 1)), (950_000_000, 1_000_000_000));
}

/// The private scalar of a seed's key.
fn scalar(seed: u8) -> U256 {
    let mut bytes: [u8; 32] = Sha512::digest([seed; 32])[..32].try_into().unwrap();
    bytes[0] &= 248;
    bytes[31] = (bytes[31] & 127) | 64;
    U256::from_le_bytes(bytes) % order()
}

/// Order of the group.
fn order() -> U256 {
    "7237005577332262213973186563042994240857116359379907606001950938285454250989".parse().unwrap()
}

/// A signature by a seed's key with a commitment of choice, which is `nonce` times the base point.
fn sign_with(seed: u8, commitment: [u8; 32], nonce: U256, message: &[u8]) -> Ed25519Signature {
    let order = order();
    let hash = Sha512::digest([&commitment, pair(seed).public().0.as_slice(), message].concat());
    let half = |range: std::ops::Range<usize>| U256::from_le_bytes::<32>(hash[range].try_into().unwrap()) % order;
    let two_to_256 = (U256::MAX % order).add_mod(U256::from(1), order);
    let challenge = half(32..64).mul_mod(two_to_256, order).add_mod(half(0..32), order);
    let s = challenge.mul_mod(scalar(seed), order).add_mod(nonce, order);
    Ed25519Signature([commitment, s.to_le_bytes::<32>()].concat().try_into().unwrap())
}

#[test]
fn one_header_signed_twice_makes_two_blocks() {
    let mut state = state();
    let header = header(3, 1);
    let message = header.signing_message();
    let signatures = [pair(53).sign(&message), sign_with(53, pair(77).public().0, scalar(77), &message)];
    assert!(signatures.iter().all(|signature| verify_ed25519(&pair(53).public(), &message, signature)));
    let bytes = bcs_of(&header);
    let call = calls::report_equivocation((&bytes, &signatures[0]), (&bytes, &signatures[1]));
    assert_eq!(run(&mut state, REPORTER, call), Ok(()));
    assert_eq!(stake_of(&state, 3), 950_000_000);
}

#[test]
fn a_signature_that_only_validators_take_is_evidence() {
    // With the identity as commitment plain ZIP-215 holds, and the check of contracts does not.
    let mut state = state();
    let mut identity = [0; 32];
    identity[0] = 1;
    let (first, second) = (header(1, 1), header(1, 2));
    let signatures = [&first, &second].map(|header| sign_with(51, identity, U256::ZERO, &header.signing_message()));
    assert!(verify_ed25519(&pair(51).public(), &first.signing_message(), &signatures[0]));
    assert!(!noema_crypto::verify_ed25519_strict(&pair(51).public(), &first.signing_message(), &signatures[0]));
    let call = calls::report_equivocation((&bcs_of(&first), &signatures[0]), (&bcs_of(&second), &signatures[1]));
    assert_eq!(run(&mut state, REPORTER, call), Ok(()));
}

#[test]
fn a_registration_becomes_a_validator_by_transactions() {
    let mut state = state();
    let new = registration(9);
    run(&mut state, new.address, calls::initialize_validator(&new, "https://full.example.org")).unwrap();
    run(&mut state, new.address, calls::add_stake(500_000_000)).unwrap();
    run(&mut state, new.address, calls::join_validator_set(new.address)).unwrap();
    let set = on_chain::validator_set(&state).unwrap();
    assert_eq!((set.pending_active.len(), set.total_joining_power), (1, 500_000_000));
    let config = &set.pending_active[0].config;
    assert_eq!(config.consensus_pubkey, new.consensus_key.0);
    assert_eq!(
        (&*config.network_addresses, &*config.fullnode_addresses),
        (&b"validator-9:7000"[..], &b"https://full.example.org"[..])
    );
    assert_eq!(on_chain::committee(&state).unwrap().size(), 4);
    run(&mut state, new.address, calls::leave_validator_set(new.address)).unwrap();
    assert_eq!(on_chain::validator_set(&state).unwrap().pending_active, []);
}
