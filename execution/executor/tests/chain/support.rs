//! A chain in memory: framework and probe package from source, genesis, blocks, an engine that counts.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use noema_compiler::{CompiledProgram, Options, SourcePackage, compile_sources};
use noema_crypto::{BlsKeyPair, Ed25519KeyPair};
use noema_execution_api::{
    BlockContext, BlockExecutor, BlockOutput, ExecutionBlock, GasSchedule, MemoryState, NativeTable, StateView,
    TransactionOutput, TransactionResult,
};
use noema_executor::{EngineAnswers, MoveTransactionVm, SequentialExecutor, TransactionCosts, VerifiedSignatures};
use noema_framework::{
    GenesisConfig, GenesisPackage, GenesisValidator, INFERENCE_CALLS_PER_TRANSACTION, INFERENCE_UNITS_PER_TRANSACTION,
    PackageMetadata, ResidentModel, StakingParameters, UpgradePolicy, build_genesis,
};
use noema_inference_api::{
    Answer, Engine, EngineError, Family, Generated, Job, JobClass, JobId, JobKind, ModelManifest, NUMERICS_VERSION,
    Poll, RopeScaling, SpecialTokens, Stop,
};
use noema_move_stdlib::EmbeddedPackage;
use noema_types::{
    Address, AuthKey, BlockMetadata, ChainId, EntryFunction, Epoch, Gas, Genesis, Hash, Height, Identifier, ModuleId,
    RawTransaction, Round, SignedTransaction, StateKey, StructTag, Transaction, TransactionAuthenticator,
    TransactionPayload, TypeTag,
};
use noema_vm::{Vm, VmLimits};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const CHAIN: ChainId = ChainId(4);
pub(crate) const GENESIS_US: u64 = 1_700_000_000_000_000;
pub(crate) const ACCOUNTS: u8 = 8;
pub(crate) const BALANCE: u64 = 1_000_000_000;
pub(crate) const WEIGHTS: Hash = Hash([3; 32]);

fn source_package(package: EmbeddedPackage) -> SourcePackage {
    let named = ["std", "aptos_std", "aptos_framework", "noema"].map(|name| (name.to_owned(), Address::ONE));
    let vm = ("vm_reserved".to_owned(), Address::ZERO);
    SourcePackage {
        name: package.name.to_owned(),
        sources: package.sources.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
        addresses: named.into_iter().chain([vm]).collect(),
    }
}

/// Compiles `sources` against the framework, with the address `probe`.
pub(crate) fn compile(name: &str, sources: &[&str], probe: Address) -> CompiledProgram {
    let stdlib = source_package(noema_move_stdlib::package());
    let framework = source_package(noema_framework::package());
    let mut addresses = framework.addresses.clone();
    addresses.insert("probe".to_owned(), probe);
    let sources = sources.iter().enumerate().map(|(at, text)| (format!("{name}{at}.move"), (*text).to_owned()));
    let root = SourcePackage { name: name.to_owned(), sources: sources.collect(), addresses };
    let compiled = compile_sources(&root, &[stdlib, framework], Options::default());
    compiled.unwrap_or_else(|failure| panic!("{failure}"))
}

/// The framework as genesis takes it.
static FRAMEWORK: LazyLock<Vec<GenesisPackage>> = LazyLock::new(|| {
    let stdlib = source_package(noema_move_stdlib::package());
    let framework = source_package(noema_framework::package());
    let program = compile_sources(&framework, &[stdlib], Options::default());
    let program = program.unwrap_or_else(|failure| panic!("{failure}"));
    let package = |name: &str, is_target: bool| {
        let units = || program.modules.iter().filter(move |unit| unit.is_target == is_target);
        let names = units().map(|unit| unit.module.self_id().name.to_string());
        GenesisPackage {
            metadata: PackageMetadata::new(name, UpgradePolicy::COMPATIBLE, names),
            modules: units().map(|unit| unit.bytes.clone()).collect(),
        }
    };
    vec![package("MoveStdlib", false), package("NoemaFramework", true)]
});

pub(crate) fn key(who: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([who + 1; 32])
}

pub(crate) fn address(who: u8) -> Address {
    AuthKey::ed25519(&key(who).public()).to_address()
}

fn manifest() -> ModelManifest {
    ModelManifest {
        name: "toy".to_owned(),
        numerics: NUMERICS_VERSION,
        family: Family::Llama,
        layers: 8,
        hidden: 256,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        feed_forward: 512,
        vocab: 4_096,
        context: 512,
        rope_base: 10_000,
        rope_scaling: RopeScaling::None,
        norm_epsilon_bits: 925_353_388,
        tied_head: true,
        special: SpecialTokens { bos: None, eos: vec![0] },
        chat_template: String::new(),
        license: "Apache-2.0".to_owned(),
    }
}

/// An account as a validator of its own keys.
pub(crate) fn validator(who: u8, stake: u64) -> GenesisValidator {
    let checkpoint = BlsKeyPair::from_seed(&[who; 32]);
    GenesisValidator {
        address: address(who),
        balance: 0,
        stake,
        consensus_key: consensus_key(who).public(),
        network_key: Ed25519KeyPair::from_private_bytes([who + 200; 32]).public(),
        checkpoint_key: checkpoint.public(),
        proof_of_possession: checkpoint.proof_of_possession(),
        network_address: format!("validator-{who}:7000"),
    }
}

pub(crate) fn consensus_key(who: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([who + 100; 32])
}

pub(crate) fn staking() -> StakingParameters {
    StakingParameters {
        minimum_stake: 1_000,
        maximum_stake: 1_000_000_000,
        recurring_lockup_secs: 20,
        rewards_rate: 1,
        rewards_rate_denominator: 1_000,
        equivocation_share: 5_000,
        jail_epochs: 2,
        evidence_window_secs: 20,
        ..StakingParameters::default()
    }
}

pub(crate) fn genesis() -> Genesis {
    static GENESIS: LazyLock<Genesis> = LazyLock::new(|| genesis_of(vec![validator(0, 1_000_000)], 3_600_000_000));
    GENESIS.clone()
}

/// A first state with these validators.
pub(crate) fn genesis_of(validators: Vec<GenesisValidator>, epoch_interval_us: u64) -> Genesis {
    let config = GenesisConfig {
        chain_id: CHAIN,
        timestamp_us: GENESIS_US,
        epoch_interval_us,
        validators,
        staking: staking(),
        accounts: (0..ACCOUNTS).map(|who| (address(who), BALANCE)).collect(),
        faucet: None,
        resident_models: vec![ResidentModel { weights: WEIGHTS, tokenizer: WEIGHTS, manifest: manifest() }],
        inference_units_per_transaction: INFERENCE_UNITS_PER_TRANSACTION,
        inference_calls_per_transaction: INFERENCE_CALLS_PER_TRANSACTION,
    };
    build_genesis(&FRAMEWORK, &config).unwrap_or_else(|error| panic!("{error}"))
}

/// Answers every job with its prompt turned around, and counts the jobs it runs.
#[derive(Debug, Default)]
pub(crate) struct CountingEngine {
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    queued: BTreeMap<JobId, Job>,
    answers: BTreeMap<JobId, Answer>,
    run: Vec<Job>,
}

fn answer(job: &Job) -> Answer {
    match &job.kind {
        JobKind::Generate => Answer::Generated(Generated {
            text: job.prompt.chars().rev().collect(),
            prompt_tokens: job.prompt.len() as u32,
            new_tokens: 1,
            stop: Stop::EndToken,
        }),
        JobKind::Choose(choices) => Answer::Chosen {
            index: job.prompt.len() as u32 % choices.len() as u32,
            prompt_tokens: job.prompt.len() as u32,
            choice_tokens: 2,
        },
        other => panic!("the chain asks no such question: {other:?}"),
    }
}

impl CountingEngine {
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.jobs.lock().run.clone()
    }
}

impl Engine for CountingEngine {
    fn submit(&self, job: &Job, _class: JobClass) -> Result<JobId, EngineError> {
        assert_eq!(job.model, WEIGHTS, "the chain knows one model");
        self.jobs.lock().queued.insert(job.id(), job.clone());
        Ok(job.id())
    }

    fn poll(&self, id: JobId) -> Poll {
        let jobs = self.jobs.lock();
        match jobs.answers.get(&id) {
            Some(answer) => Poll::Ready(answer.clone()),
            None if jobs.queued.contains_key(&id) => Poll::Pending,
            None => Poll::Unknown,
        }
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        let mut jobs = self.jobs.lock();
        let Jobs { queued, answers, run } = &mut *jobs;
        for (id, job) in std::mem::take(queued) {
            answers.entry(id).or_insert_with(|| {
                run.push(job.clone());
                answer(&job)
            });
        }
        answers.get(&id).cloned().ok_or_else(|| EngineError::Stopped("never submitted".to_owned()))
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        vec![(WEIGHTS, manifest())]
    }

    fn jobs_run(&self) -> u64 {
        self.jobs.lock().run.len() as u64
    }
}

pub(crate) struct Chain {
    pub(crate) state: MemoryState,
    pub(crate) vm: Arc<MoveTransactionVm>,
    pub(crate) engine: Arc<CountingEngine>,
    executor: SequentialExecutor,
    pub(crate) height: u64,
    sequence_numbers: BTreeMap<u8, u64>,
    /// Positions of validators that fail to lead each block.
    pub(crate) failed: Vec<u32>,
    /// Hashes of everything that every transaction left behind.
    pub(crate) digest: Hash,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with_natives(noema_framework::natives())
    }

    pub(crate) fn with_natives(natives: NativeTable) -> Self {
        Self::begin(natives, genesis())
    }

    /// A chain with these validators, the first of which proposes all blocks.
    pub(crate) fn with_validators(validators: Vec<GenesisValidator>, epoch_interval_us: u64) -> Self {
        Self::begin(noema_framework::natives(), genesis_of(validators, epoch_interval_us))
    }

    fn begin(natives: NativeTable, genesis: Genesis) -> Self {
        let vm = Vm::new(natives, GasSchedule::default(), VmLimits::default());
        let signatures = Arc::new(VerifiedSignatures::new());
        let vm = Arc::new(MoveTransactionVm::new(Arc::new(vm), TransactionCosts::default(), signatures));
        let engine = Arc::new(CountingEngine::default());
        let mut chain = Self {
            state: MemoryState::new(),
            executor: SequentialExecutor::new(vm.clone(), engine.clone()),
            vm,
            engine,
            height: 0,
            sequence_numbers: BTreeMap::new(),
            failed: vec![],
            digest: Hash::ZERO,
        };
        let output = chain.execute(vec![Transaction::Genesis(genesis)]);
        assert_eq!(output.results.len(), 1);
        chain
    }

    pub(crate) fn context(&self) -> BlockContext {
        BlockContext {
            chain_id: CHAIN,
            epoch: Epoch(1),
            round: Round(self.height),
            height: Height(self.height),
            timestamp_us: GENESIS_US + self.height * 1_000_000,
            proposer: address(0),
        }
    }

    pub(crate) fn answers(&self) -> EngineAnswers {
        EngineAnswers::new(self.engine.clone())
    }

    fn execute(&mut self, transactions: Vec<Transaction>) -> BlockOutput {
        let block = ExecutionBlock { context: self.context(), transactions };
        let output = self.executor.execute(&self.state, &block).unwrap_or_else(|fault| panic!("{fault}"));
        self.state.apply(&output.write_set());
        for result in &output.results {
            let text = format!("{result:?}");
            self.digest = Hash::sha3(&[&self.digest.0, text.as_bytes()]);
        }
        output
    }

    /// Runs a block of users' transactions; gives their results.
    pub(crate) fn block(&mut self, transactions: Vec<SignedTransaction>) -> Vec<TransactionResult> {
        self.height += 1;
        let context = self.context();
        let failed_proposer_indices = self.failed.clone();
        let metadata = Transaction::BlockMetadata(BlockMetadata {
            id: Hash::sha3(&[&self.height.to_le_bytes()]),
            height: context.height,
            epoch: context.epoch,
            round: context.round,
            proposer: context.proposer,
            failed_proposer_indices,
            previous_block_votes: vec![],
            timestamp_us: context.timestamp_us,
        });
        let users = transactions.into_iter().map(Transaction::User);
        let mut results = self.execute([metadata].into_iter().chain(users).collect()).results;
        assert!(results.remove(0).output().is_some_and(|output| output.status.is_success()));
        results
    }

    /// Runs one transaction in a block of its own.
    pub(crate) fn run(&mut self, transaction: SignedTransaction) -> TransactionResult {
        self.block(vec![transaction]).remove(0)
    }

    /// A signed call with the sender's next sequence number.
    pub(crate) fn call(&mut self, who: u8, function: &str, args: Vec<Vec<u8>>) -> SignedTransaction {
        let raw = self.raw(who, function, args);
        *self.sequence_numbers.entry(who).or_default() += 1;
        sign(who, raw)
    }

    pub(crate) fn raw(&self, who: u8, function: &str, args: Vec<Vec<u8>>) -> RawTransaction {
        RawTransaction {
            sender: address(who),
            sequence_number: self.sequence_numbers.get(&who).copied().unwrap_or(0),
            payload: TransactionPayload::EntryFunction(entry(function, args)),
            max_gas_amount: Gas(200_000),
            gas_unit_price: 100,
            expiration_timestamp_secs: GENESIS_US / 1_000_000 + 1_000_000,
            chain_id: CHAIN,
        }
    }

    /// Compiles and publishes a package; the modules' names come from the sources.
    pub(crate) fn publish(&mut self, who: u8, name: &str, sources: &[&str]) -> TransactionResult {
        let transaction = self.publication(who, name, sources);
        self.run(transaction)
    }

    pub(crate) fn publication(&mut self, who: u8, name: &str, sources: &[&str]) -> SignedTransaction {
        let program = compile(name, sources, address(who));
        let units = || program.modules.iter().filter(|unit| unit.is_target);
        let names = units().map(|unit| unit.module.self_id().name.to_string());
        let metadata = PackageMetadata::new(name, UpgradePolicy::COMPATIBLE, names).to_bytes();
        let code: Vec<Vec<u8>> = units().map(|unit| unit.bytes.clone()).collect();
        self.call(who, "0x1::code::publish_package_txn", vec![bytes(&metadata), bytes(&code)])
    }

    /// A resource of a probe or framework module.
    pub(crate) fn resource<T: DeserializeOwned>(&self, address: Address, tag: &str) -> Option<T> {
        let tag: StructTag = tag.parse().expect("a struct's name");
        let bytes = self.state.get(&StateKey::Resource { address, tag }).expect("a map does not fail")?;
        Some(bcs::from_bytes(&bytes).expect("the test knows the layout"))
    }

    pub(crate) fn balance(&self, address: Address) -> u64 {
        noema_executor::read_balance(&self.state, address).expect("a map does not fail")
    }

    pub(crate) fn sequence_number(&self, address: Address) -> Option<u64> {
        let account = noema_executor::read_account(&self.state, address).expect("a map does not fail");
        account.map(|account| account.sequence_number)
    }

    pub(crate) fn forget_sequence_number(&mut self, who: u8) {
        let number = self.sequence_number(address(who)).unwrap_or(0);
        self.sequence_numbers.insert(who, number);
    }
}

pub(crate) fn entry(function: &str, args: Vec<Vec<u8>>) -> EntryFunction {
    let (module, name) = function.rsplit_once("::").expect("ADDRESS::MODULE::FUNCTION");
    EntryFunction {
        module: module.parse::<ModuleId>().expect("ADDRESS::MODULE"),
        function: Identifier::new(name).expect("a name"),
        type_args: vec![],
        args,
    }
}

pub(crate) fn sign(who: u8, raw: RawTransaction) -> SignedTransaction {
    let signature = key(who).sign(&raw.signing_message());
    SignedTransaction {
        raw,
        authenticator: TransactionAuthenticator::Ed25519 { public_key: key(who).public(), signature },
    }
}

pub(crate) fn bytes(value: &impl Serialize) -> Vec<u8> {
    bcs::to_bytes(value).expect("arguments serialise")
}

pub(crate) fn model() -> Address {
    let seed = [b"NOEMA::Model".as_slice(), &WEIGHTS.0].concat();
    Address::named_object(&Address::ONE, &seed)
}

#[track_caller]
pub(crate) fn executed(result: &TransactionResult) -> &TransactionOutput {
    result.output().unwrap_or_else(|| panic!("discarded: {result:?}"))
}

#[track_caller]
pub(crate) fn succeeded(result: &TransactionResult) -> &TransactionOutput {
    let output = executed(result);
    assert!(output.status.is_success(), "{}", output.status);
    output
}

pub(crate) fn tag(text: &str) -> TypeTag {
    text.parse().expect("a type")
}
