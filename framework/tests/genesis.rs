//! The first state, and questions to models on it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use noema_crypto::{BlsKeyPair, Ed25519KeyPair};
use noema_execution_api::{
    AnswerSource, GasMeter, GasSchedule, MemoryState, NoAnswers, PendingJob, StateView, TransactionContext,
};
use noema_framework::{
    GenesisConfig, GenesisError, GenesisPackage, GenesisValidator, INFERENCE_CALLS_PER_TRANSACTION,
    INFERENCE_UNITS_PER_TRANSACTION, ResidentModel, StakingParameters, build_genesis, compile_packages, natives,
    on_chain,
};
use noema_inference_api::{
    Answer, AnswerError, Family, Generated, Job, JobKind, ModelManifest, NUMERICS_VERSION, Options, RopeScaling,
    SpecialTokens, Stop,
};
use noema_types::{Address, ChainId, Epoch, Genesis, Hash, ModuleId, Stake, StateKey, TimestampMs, TypeTag, WriteOp};
use noema_vm::{ExecError, Session, Vm, VmLimits};
use serde::Serialize;

const RICH: Address = Address::from_u8(0xFA);
const WEIGHTS: Hash = Hash([3; 32]);

static PACKAGES: LazyLock<Vec<GenesisPackage>> =
    LazyLock::new(|| compile_packages().unwrap_or_else(|failure| panic!("{failure}")));

fn manifest() -> ModelManifest {
    ModelManifest {
        name: "smollm2-135m".to_owned(),
        numerics: NUMERICS_VERSION,
        family: Family::Llama,
        layers: 30,
        hidden: 576,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        feed_forward: 1_536,
        vocab: 49_152,
        context: 8_192,
        rope_base: 100_000,
        rope_scaling: RopeScaling::None,
        norm_epsilon_bits: 1e-5f32.to_bits(),
        tied_head: true,
        special: SpecialTokens { bos: Some(1), eos: vec![2, 0] },
        chat_template: "{{ messages }}".to_owned(),
        license: "Apache-2.0".to_owned(),
    }
}

fn config() -> GenesisConfig {
    GenesisConfig {
        chain_id: ChainId(4),
        timestamp_us: 1_700_000_000_000_000,
        epoch_interval_us: 7_200_000_000,
        validators: (0..4).map(validator).collect(),
        staking: StakingParameters::default(),
        accounts: vec![(RICH, 1_000_000)],
        faucet: Some(RICH),
        resident_models: vec![ResidentModel { weights: WEIGHTS, tokenizer: Hash([4; 32]), manifest: manifest() }],
        inference_units_per_transaction: INFERENCE_UNITS_PER_TRANSACTION,
        inference_calls_per_transaction: INFERENCE_CALLS_PER_TRANSACTION,
    }
}

fn validator(seed: u8) -> GenesisValidator {
    let checkpoint = BlsKeyPair::from_seed(&[seed; 32]);
    GenesisValidator {
        address: Address([0xA0 + seed; 32]),
        balance: 500,
        stake: 100_000_000 * (1 + u64::from(seed)),
        consensus_key: Ed25519KeyPair::from_private_bytes([seed; 32]).public(),
        network_key: Ed25519KeyPair::from_private_bytes([seed + 100; 32]).public(),
        checkpoint_key: checkpoint.public(),
        proof_of_possession: checkpoint.proof_of_possession(),
        network_address: format!("validator-{seed}:7000"),
    }
}

fn genesis(config: &GenesisConfig) -> Genesis {
    build_genesis(&PACKAGES, config).unwrap_or_else(|error| panic!("{error}"))
}

fn state() -> MemoryState {
    let mut state = MemoryState::new();
    state.apply(&genesis(&config()).write_set);
    state
}

fn vm() -> Vm {
    Vm::new(natives(), GasSchedule::default(), VmLimits::default())
}

fn module(name: &str) -> ModuleId {
    format!("0x1::{name}").parse().expect("a module")
}

fn arg(value: &impl Serialize) -> Vec<u8> {
    bcs::to_bytes(value).expect("arguments serialise")
}

fn coin() -> TypeTag {
    "0x1::aptos_coin::AptosCoin".parse().expect("a type")
}

/// First result of a function that only looks.
fn view(state: &MemoryState, name: &str, function: &str, types: Vec<TypeTag>, args: Vec<Vec<u8>>) -> Vec<u8> {
    let vm = vm();
    let mut session = vm.session(state, &NoAnswers, TransactionContext::default());
    let results = session.execute_view(&module(name), function, types, args, &mut GasMeter::unlimited());
    results.unwrap_or_else(|error| panic!("{name}::{function}: {error}")).swap_remove(0).0
}

fn model_address(state: &MemoryState) -> Address {
    let models: Vec<Address> = bcs::from_bytes(&view(state, "model", "resident_models", vec![], vec![])).unwrap();
    assert_eq!(models.len(), 1);
    models[0]
}

#[test]
fn genesis_repeats_exactly() {
    assert_eq!(genesis(&config()), genesis(&config()));
    let other = GenesisConfig { chain_id: ChainId(5), ..config() };
    assert_ne!(genesis(&config()).write_set, genesis(&other).write_set);
}

#[test]
fn genesis_holds_modules_coins_and_the_model() {
    let genesis = genesis(&config());
    assert!(genesis.write_set.0.values().all(|op| matches!(op, WriteOp::Write(_))));
    let modules: usize = PACKAGES.iter().map(|package| package.modules.len()).sum();
    let published = genesis.write_set.0.keys().filter(|key| matches!(key, StateKey::Module(_))).count();
    assert_eq!(published, modules);
    assert!(PACKAGES.iter().all(|package| package.modules.len() > 5));

    let state = state();
    assert_eq!(view(&state, "coin", "balance", vec![coin()], vec![arg(&RICH)]), arg(&1_000_000u64));
    assert_eq!(view(&state, "coin", "symbol", vec![coin()], vec![]), arg(&"NOEMA"));
    assert_eq!(view(&state, "chain_id", "get", vec![], vec![]), [4]);
    assert_eq!(view(&state, "timestamp", "now_seconds", vec![], vec![]), arg(&1_700_000_000u64));
    assert_eq!(
        view(&state, "code", "package_names", vec![], vec![arg(&Address::ONE)]),
        arg(&vec!["MoveStdlib", "NoemaFramework"])
    );
    let model = arg(&model_address(&state));
    assert_eq!(view(&state, "model", "name", vec![], vec![model.clone()]), arg(&"smollm2-135m"));
    assert_eq!(view(&state, "model", "weights", vec![], vec![model]), arg(&WEIGHTS.0.to_vec()));
}

#[test]
fn block_0_holds_the_first_committee() {
    let state = state();
    let epoch = on_chain::epoch_state(&state).unwrap();
    assert_eq!(epoch.committee.epoch(), Epoch(1));
    assert_eq!(on_chain::configuration(&state).unwrap().announced(), 1);
    assert_eq!((epoch.begun_us, epoch.end), (1_700_000_000_000_000, TimestampMs(1_700_007_200_000)));
    assert_eq!(epoch.committee.size(), 4);
    for (seed, info) in (0..4).zip(epoch.committee.validators()) {
        let expected = validator(seed);
        assert_eq!((info.address, info.stake), (expected.address, Stake(expected.stake)));
        assert_eq!((info.consensus_key, info.network_key), (expected.consensus_key, expected.network_key));
        assert_eq!((info.checkpoint_key, &info.network_address), (expected.checkpoint_key, &expected.network_address));
        assert_eq!(view(&state, "coin", "balance", vec![coin()], vec![arg(&info.address)]), arg(&500u64));
    }
    let late = GenesisConfig { timestamp_us: 1_700_000_000_000_001, ..config() };
    let mut state = MemoryState::new();
    state.apply(&genesis(&late).write_set);
    assert_eq!(on_chain::epoch_end_ms(&state).unwrap(), TimestampMs(1_700_007_200_001));
}

#[test]
fn validators_that_make_no_committee_make_no_genesis() {
    let refused = |validators: Vec<GenesisValidator>| {
        build_genesis(&PACKAGES, &GenesisConfig { validators, ..config() }).unwrap_err()
    };
    assert!(matches!(refused(vec![]), GenesisError::NoValidators));
    let code = |validators| match refused(validators) {
        GenesisError::Function { function: "create_validator", error } => {
            error.program().and_then(noema_vm::VmError::abort_code).expect("it aborts")
        }
        error => panic!("{error}"),
    };
    let with = |change: &dyn Fn(&mut GenesisValidator)| {
        let mut second = validator(1);
        change(&mut second);
        code(vec![validator(0), second])
    };
    let proof = validator(0).proof_of_possession;
    assert_eq!(with(&|it| it.proof_of_possession = proof), 0x10002);
    assert_eq!(with(&|it| it.consensus_key = validator(0).consensus_key), 0x80003);
    assert_eq!(with(&|it| it.network_address = "nowhere".to_owned()), 0x10004);
    assert_eq!(with(&|it| it.stake = 1), 0x10003);
    assert_eq!(with(&|it| it.stake = 1 << 60), 0x1000e);
}

#[test]
fn the_registry_keeps_the_metadata_of_the_packages() {
    let key = StateKey::Resource { address: Address::ONE, tag: "0x1::code::PackageRegistry".parse().unwrap() };
    let bytes = state().get(&key).unwrap().expect("genesis makes the registry");
    let kept: Vec<noema_framework::PackageMetadata> = bcs::from_bytes(&bytes).unwrap();
    let expected: Vec<_> = PACKAGES.iter().map(|package| package.metadata.clone()).collect();
    assert_eq!(kept, expected);
}

#[test]
fn every_native_that_is_declared_is_there() {
    let natives = natives();
    let known: std::collections::BTreeSet<String> =
        natives.names().map(|(_, module, function)| format!("{module}::{function}")).collect();
    let mut declared = std::collections::BTreeSet::new();
    for bytes in PACKAGES.iter().flat_map(|package| &package.modules) {
        declared.extend(natives_of(bytes));
    }
    assert_eq!(declared, known);
}

/// Natives that a module declares, as `module::function`; those of `vector` are instructions.
fn natives_of(bytes: &[u8]) -> Vec<String> {
    let module = noema_bytecode::CompiledModule::deserialize(bytes).expect("compiled modules are well-formed");
    let id = module.self_id();
    module
        .function_defs
        .iter()
        .filter(|def| def.code.is_none() && id.name != *"vector")
        .map(|def| {
            let handle = &module.function_handles[usize::from(def.function.0)];
            format!("{}::{}", id.name, module.identifiers[usize::from(handle.name.0)])
        })
        .collect()
}

#[test]
fn prices_in_move_are_prices_in_rust() {
    for (family, layers, context) in
        [(Family::Llama, 30, 8_192), (Family::Llama, 1, 1), (Family::NeoX, 1_024, 16_777_216), (Family::Bert, 12, 512)]
    {
        let manifest = ModelManifest { family, layers, context, ..manifest() };
        let model = ResidentModel { weights: WEIGHTS, tokenizer: WEIGHTS, manifest: manifest.clone() };
        let mut state = MemoryState::new();
        state.apply(&genesis(&GenesisConfig { resident_models: vec![model], ..config() }).write_set);
        let model = arg(&model_address(&state));
        let cost = manifest.cost();
        let expected = [cost.prompt_token, cost.new_token, cost.context_kilo].map(|units| arg(&units)).concat();
        assert_eq!(view(&state, "model", "cost", vec![], vec![model]), expected);
        for (prompt, new) in [(0, 0), (1, 0), (0, 1), (45, 1), (1_000, 4_096), (u64::MAX, 3), (u64::from(u32::MAX), 9)]
        {
            let args = vec![expected.clone(), arg(&prompt), arg(&new)];
            let vm = vm();
            let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
            let units = session
                .execute_function(&module("model"), "generate_units", vec![], args, &mut GasMeter::unlimited())
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(units[0].0, arg(&cost.units(prompt, new)), "{prompt} and {new} tokens");
        }
    }
}

/// Asks the model to continue `prompt` by at most 8 tokens, greedily.
fn generate(session: &mut Session<'_>, model: Address, prompt: &str, gas: &mut GasMeter) -> Result<String, ExecError> {
    let options = arg(&(8u64, 0u64, 10_000u64, 0u64, None::<u64>, Vec::<String>::new()));
    let args = vec![arg(&model), arg(&prompt), options];
    let results = session.execute_function(&module("inference"), "generate", vec![], args, gas)?;
    Ok(bcs::from_bytes(&results[0].0).expect("a text"))
}

fn ask(answers: &dyn AnswerSource, prompt: &str) -> Result<String, ExecError> {
    let (state, vm) = (state(), vm());
    let mut session = vm.session(&state, answers, TransactionContext::default());
    generate(&mut session, model_address(&state), prompt, &mut GasMeter::unlimited())
}

fn job(prompt: &str) -> Job {
    Job {
        numerics: NUMERICS_VERSION,
        model: WEIGHTS,
        kind: JobKind::Generate,
        prompt: prompt.to_owned(),
        options: Options { max_new_tokens: 8, ..Options::default() },
    }
}

fn answered(prompt: &str, answer: &Answer) -> BTreeMap<Hash, Bytes> {
    BTreeMap::from([(job(prompt).id().0, Bytes::from(bcs::to_bytes(answer).unwrap()))])
}

#[test]
fn unknown_answers_suspend_with_their_job() {
    let job = job("The capital of France is");
    let Err(ExecError::Pending(PendingJob { id, request })) = ask(&NoAnswers, &job.prompt) else {
        panic!("an unknown answer suspends")
    };
    assert_eq!(id, job.id().0);
    assert_eq!(bcs::from_bytes::<Job>(&request).unwrap(), job);
}

#[test]
fn known_answers_come_back_and_only_their_work_is_charged() {
    let prompt = "The capital of France is";
    let text = " Paris.".to_owned();
    let answer =
        Answer::Generated(Generated { text: text.clone(), prompt_tokens: 5, new_tokens: 2, stop: Stop::Length });
    let (answers, state, vm) = (answered(prompt, &answer), state(), vm());
    let mut session = vm.session(&state, &answers, TransactionContext::default());
    let mut gas = GasMeter::unlimited();
    assert_eq!(generate(&mut session, model_address(&state), prompt, &mut gas), Ok(text));
    let units = manifest().cost().units(5, 2);
    assert_eq!((session.inference().units, session.inference().calls), (units, 1));
    assert_eq!(session.inference().jobs, [job(prompt).id().0]);
    let inference = vm.schedule().inference_unit.times(units).0;
    assert!(gas.used().0 > inference && gas.used().0 < inference + 1_000_000, "{gas:?}");
}

#[test]
fn gas_must_cover_the_bound_before_the_model_is_asked() {
    let (state, vm) = (state(), vm());
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let bound = manifest().cost().units(25, 8);
    let mut gas = GasMeter::new(vm.schedule().inference_unit.times(bound - 1));
    let error = generate(&mut session, model_address(&state), "The capital of France is", &mut gas).unwrap_err();
    let program = error.program().unwrap_or_else(|| panic!("{error} instead of out of gas"));
    assert_eq!(program.status, noema_execution_api::StatusCode::OUT_OF_GAS);
    assert_eq!(gas.remaining().0, 0);
}

#[test]
fn refusals_have_their_codes() {
    let context = AnswerError::ContextExceeded { tokens: 9_000, new_tokens: 8, context: 8_192 };
    for (reason, code) in [(context, 0x10004), (AnswerError::Numeric, 0xB0007), (AnswerError::EmptyPrompt, 0x10005)] {
        let error = ask(&answered("a", &Answer::Refused(reason)), "a").unwrap_err();
        assert_eq!(error.program().and_then(noema_vm::VmError::abort_code), Some(code), "{error}");
    }
    let error = ask(&NoAnswers, "").unwrap_err();
    assert_eq!(error.program().and_then(noema_vm::VmError::abort_code), Some(0x10005));
}

#[test]
fn broken_answers_are_the_nodes_fault() {
    let wrong = Answer::Chosen { index: 0, prompt_tokens: 1, choice_tokens: 1 };
    assert!(matches!(ask(&answered("a", &wrong), "a"), Err(ExecError::Fault(_))));
    let malformed = BTreeMap::from([(job("a").id().0, Bytes::from_static(&[9]))]);
    assert!(matches!(ask(&malformed, "a"), Err(ExecError::Fault(_))));
}

#[test]
fn the_largest_set_is_the_largest_committee() {
    let many = |count: u16| {
        let one = |at: u16| {
            let seed: [u8; 32] = std::array::from_fn(|byte| (at >> (8 * (byte % 2))) as u8);
            let checkpoint = BlsKeyPair::from_seed(&seed);
            GenesisValidator {
                address: Address([seed.as_slice()[..30].to_vec(), vec![0xFF; 2]].concat().try_into().unwrap()),
                stake: StakingParameters::default().maximum_stake,
                consensus_key: Ed25519KeyPair::from_private_bytes(seed).public(),
                network_key: Ed25519KeyPair::from_private_bytes(seed.map(|byte| !byte)).public(),
                checkpoint_key: checkpoint.public(),
                proof_of_possession: checkpoint.proof_of_possession(),
                ..validator(0)
            }
        };
        // The complements of small seeds are those of large ones, which are not drawn.
        GenesisConfig { validators: (0..count).map(one).collect(), resident_models: vec![], ..config() }
    };
    let limit = u16::try_from(noema_types::limits::COMMITTEE_VALIDATORS_MAX).unwrap();
    let mut state = MemoryState::new();
    state.apply(&genesis(&many(limit)).write_set);
    let committee = on_chain::committee(&state).unwrap();
    assert_eq!(committee.size(), usize::from(limit));
    assert_eq!(committee.total_stake(), Stake(StakingParameters::default().maximum_stake * u64::from(limit)));
    let error = build_genesis(&PACKAGES, &many(limit + 1)).unwrap_err();
    let GenesisError::Function { function: "create_validator", error } = error else { panic!("{error}") };
    assert_eq!(error.program().and_then(noema_vm::VmError::abort_code), Some(0x1000c));
    // The start of an epoch with all of them is a block's prologue like any other.
    let vm = vm();
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let time = (on_chain::epoch_end_ms(&state).unwrap().0) * 1_000;
    let proposer = committee.validators()[0].address;
    let args = vec![
        arg(&Address::ZERO),
        arg(&Address::ZERO),
        arg(&1u64),
        arg(&1u64),
        arg(&proposer),
        arg(&(0..u64::from(limit)).collect::<Vec<_>>()),
        arg(&Vec::<u8>::new()),
        arg(&time),
    ];
    let mut gas = GasMeter::unlimited();
    session.execute_function(&module("block"), "block_prologue", vec![], args, &mut gas).unwrap();
    state.apply(&session.finish().unwrap().write_set);
    let next = on_chain::epoch_state(&state).unwrap();
    assert_eq!((next.committee.epoch(), next.committee.size()), (Epoch(2), usize::from(limit)));
    assert!(next.end.0 == time / 1_000 + 7_200_000);
}
