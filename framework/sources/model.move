/// Models that the chain knows: identity, shape, price, licence, grade.
///
/// A model is an object. Anybody may register one; it then answers *on request* only. The framework's account, which
/// governance controls, makes it *resident*: every validator holds it, and transactions may ask it.
///
/// The price follows from the shape by integer formulas, the same as in the crate noema-inference-api: units are
/// microseconds of a reference machine that does 8,000 multiply-accumulates per microsecond when it generates and
/// 32,000 when it reads. Nothing is ever measured.
module noema::model {
    use std::error;
    use std::option::{Self, Option};
    use std::signer;
    use std::string::{Self, String};
    use std::vector;
    use aptos_std::from_bcs;
    use aptos_std::math64;
    use aptos_framework::event;
    use aptos_framework::object::{Self, Object};
    use aptos_framework::system_addresses;

    friend aptos_framework::genesis;

    /// There is no model at the address.
    const EMODEL_UNKNOWN: u64 = 1;
    /// A root has 32 bytes.
    const EINVALID_ROOT: u64 = 2;
    /// The chain does not know this version of the arithmetic.
    const ENUMERICS_UNKNOWN: u64 = 3;
    /// The chain does not know this family of models.
    const EFAMILY_UNKNOWN: u64 = 4;
    /// A dimension is zero, too large, or does not fit another.
    const EINVALID_SHAPE: u64 = 5;
    /// A text or list is too long.
    const ETOO_LONG: u64 = 6;
    /// The model has this grade already.
    const EGRADE_UNCHANGED: u64 = 7;
    /// A parent is not a model.
    const EPARENT_UNKNOWN: u64 = 8;

    /// Validators do not hold the model; committees of workers answer.
    const ON_REQUEST: u8 = 0;
    /// Every validator holds the model.
    const RESIDENT: u8 = 1;

    // Families that continue texts, and one that embeds them.
    const FAMILY_LLAMA: u8 = 0;
    const FAMILY_NEOX: u8 = 1;
    const FAMILY_BERT: u8 = 2;
    const ROPE_SCALING_NONE: u8 = 0;
    const ROPE_SCALING_LLAMA3: u8 = 2;
    const NUMERICS_VERSION: u32 = 1;

    const GENERATE_MACS_PER_UNIT: u64 = 8000;
    const READ_MACS_PER_UNIT: u64 = 32000;
    const MAX_U64: u128 = 18446744073709551615;

    // Bounds that keep every price formula below 2^64.
    const LAYERS_MAX: u32 = 1024;
    const HEADS_MAX: u32 = 1024;
    const HEAD_DIM_MAX: u32 = 1024;
    const WIDTH_MAX: u32 = 131072;
    const VOCAB_MAX: u32 = 16777216;
    const CONTEXT_MAX: u32 = 16777216;
    const NAME_BYTES_MAX: u64 = 128;
    const CHAT_TEMPLATE_BYTES_MAX: u64 = 65536;
    const LICENSE_BYTES_MAX: u64 = 256;
    const EOS_MAX: u64 = 16;
    const PARENTS_MAX: u64 = 16;

    const SEED_PREFIX: vector<u8> = b"NOEMA::Model";

    /// Shape and identity, in the layout of `ModelManifest` of noema-inference-api: its BCS is read as is.
    struct Manifest has copy, drop, store {
        name: String,
        /// Version of the arithmetic standard.
        numerics: u32,
        family: u8,
        layers: u32,
        hidden: u32,
        heads: u32,
        kv_heads: u32,
        head_dim: u32,
        feed_forward: u32,
        vocab: u32,
        /// Tokens the model can see.
        context: u32,
        rope_base: u64,
        rope_scaling: u8,
        norm_epsilon_bits: u32,
        tied_head: bool,
        special: SpecialTokens,
        chat_template: String,
        /// SPDX licence expression.
        license: String
    }

    struct SpecialTokens has copy, drop, store {
        bos: Option<u32>,
        eos: vector<u32>
    }

    /// Price in inference units.
    struct Cost has copy, drop, store {
        /// Per token of the prompt.
        prompt_token: u64,
        /// Per new token.
        new_token: u64,
        /// Per 1,024 pairs of a token and an earlier one.
        context_kilo: u64
    }

    /// Where a model comes from.
    struct Lineage has copy, drop, store {
        parents: vector<address>,
        datasets: vector<address>,
        training_job: Option<address>
    }

    struct Model has key {
        /// BLAKE3 root of the canonical file, which holds weights and tokenizer: the model's identity.
        weights: vector<u8>,
        /// BLAKE3 root of the tokenizer alone.
        tokenizer: vector<u8>,
        manifest: Manifest,
        cost: Cost,
        /// What the owner asks per 1,000 tokens, in the coin's smallest unit. Recorded; not charged yet.
        royalty_per_kilo_token: u64,
        lineage: Lineage,
        grade: u8
    }

    /// At 0x1: the models that transactions may ask, in the order they became resident.
    struct ResidentModels has key {
        models: vector<address>
    }

    #[event]
    struct ModelRegistered has drop, store {
        model: address,
        creator: address,
        weights: vector<u8>
    }

    #[event]
    struct GradeChanged has drop, store {
        model: address,
        grade: u8
    }

    public(friend) fun initialize(aptos_framework: &signer) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, ResidentModels { models: vector::empty() });
    }

    /// Registers a model that answers on request. `manifest` is the BCS of a `Manifest`; `parents` are models.
    public entry fun register(
        creator: &signer,
        weights: vector<u8>,
        tokenizer: vector<u8>,
        manifest: vector<u8>,
        royalty_per_kilo_token: u64,
        parents: vector<address>
    ) {
        create(creator, weights, tokenizer, manifest, royalty_per_kilo_token, parents);
    }

    /// Registers a model and returns it.
    public fun create(
        creator: &signer,
        weights: vector<u8>,
        tokenizer: vector<u8>,
        manifest: vector<u8>,
        royalty_per_kilo_token: u64,
        parents: vector<address>
    ): Object<Model> {
        assert!(
            vector::length(&weights) == 32 && vector::length(&tokenizer) == 32,
            error::invalid_argument(EINVALID_ROOT)
        );
        let manifest = from_bcs::from_bytes<Manifest>(manifest);
        check_manifest(&manifest);
        check_parents(&parents);
        let constructor = object::create_named_object(creator, seed_of(weights));
        let model_signer = object::generate_signer(&constructor);
        let cost = cost_of(&manifest);
        move_to(&model_signer, Model {
            weights,
            tokenizer,
            manifest,
            cost,
            royalty_per_kilo_token,
            lineage: Lineage { parents, datasets: vector::empty(), training_job: option::none() },
            grade: ON_REQUEST
        });
        event::emit(ModelRegistered {
            model: signer::address_of(&model_signer),
            creator: signer::address_of(creator),
            weights
        });
        object::object_from_constructor_ref<Model>(&constructor)
    }

    /// Lets transactions ask a model. Only the framework's account may: it speaks for governance, which acts after
    /// more than two thirds of the stake have shown that they hold the file.
    public fun make_resident(aptos_framework: &signer, model: Object<Model>) {
        system_addresses::assert_aptos_framework(aptos_framework);
        set_grade(model, RESIDENT);
        let models = &mut borrow_global_mut<ResidentModels>(@aptos_framework).models;
        vector::push_back(models, object::object_address(&model));
    }

    /// Ends a model's residency.
    public fun end_residency(aptos_framework: &signer, model: Object<Model>) {
        system_addresses::assert_aptos_framework(aptos_framework);
        set_grade(model, ON_REQUEST);
        let models = &mut borrow_global_mut<ResidentModels>(@aptos_framework).models;
        let (found, index) = vector::index_of(models, &object::object_address(&model));
        if (found) {
            vector::remove(models, index);
        }
    }

    fun set_grade(model: Object<Model>, grade: u8) {
        let addr = object::object_address(&model);
        assert_known(addr);
        let resource = borrow_global_mut<Model>(addr);
        assert!(resource.grade != grade, error::invalid_state(EGRADE_UNCHANGED));
        resource.grade = grade;
        event::emit(GradeChanged { model: addr, grade });
    }

    #[view]
    /// Where the model is that a creator registered for a root.
    public fun model_address(creator: address, weights: vector<u8>): address {
        object::create_object_address(&creator, seed_of(weights))
    }

    #[view]
    /// The models that transactions may ask.
    public fun resident_models(): vector<address> {
        borrow_global<ResidentModels>(@aptos_framework).models
    }

    #[view]
    public fun is_resident(model: Object<Model>): bool {
        let addr = object::object_address(&model);
        assert_known(addr);
        borrow_global<Model>(addr).grade == RESIDENT
    }

    #[view]
    public fun name(model: Object<Model>): String {
        manifest(model).name
    }

    #[view]
    public fun weights(model: Object<Model>): vector<u8> {
        let addr = object::object_address(&model);
        assert_known(addr);
        borrow_global<Model>(addr).weights
    }

    #[view]
    public fun license(model: Object<Model>): String {
        manifest(model).license
    }

    #[view]
    public fun numerics(model: Object<Model>): u32 {
        manifest(model).numerics
    }

    #[view]
    public fun context(model: Object<Model>): u64 {
        (manifest(model).context as u64)
    }

    #[view]
    public fun cost(model: Object<Model>): Cost {
        let addr = object::object_address(&model);
        assert_known(addr);
        borrow_global<Model>(addr).cost
    }

    public fun manifest(model: Object<Model>): Manifest {
        let addr = object::object_address(&model);
        assert_known(addr);
        borrow_global<Model>(addr).manifest
    }

    #[view]
    /// Whether the model continues texts: `inference` may generate, choose and score with it.
    public fun continues_texts(model: Object<Model>): bool {
        let family = manifest(model).family;
        family == FAMILY_LLAMA || family == FAMILY_NEOX
    }

    #[view]
    /// Whether the model embeds texts.
    public fun embeds_texts(model: Object<Model>): bool {
        manifest(model).family == FAMILY_BERT
    }

    public fun prompt_token_cost(self: &Cost): u64 { self.prompt_token }

    public fun new_token_cost(self: &Cost): u64 { self.new_token }

    public fun context_kilo_cost(self: &Cost): u64 { self.context_kilo }

    /// Units to read `prompt` tokens and write `new` ones after them.
    public fun generate_units(self: &Cost, prompt: u64, new: u64): u64 {
        saturate(
            (prompt as u128) * (self.prompt_token as u128)
                + (new as u128) * (self.new_token as u128)
                + context_units(self, prompt, new)
        )
    }

    /// Units to read `prompt` tokens and weigh `choices` tokens after them. A weighed token passes through the output
    /// head like a new one, but is read like a prompt: a quarter of a new token's price.
    public fun choose_units(self: &Cost, prompt: u64, choices: u64): u64 {
        let speedup = READ_MACS_PER_UNIT / GENERATE_MACS_PER_UNIT;
        saturate(
            (prompt as u128) * (self.prompt_token as u128)
                + (choices as u128) * (math64::ceil_div(self.new_token, speedup) as u128)
                + context_units(self, prompt, choices)
        )
    }

    /// Units to embed a text of so many tokens: each of them reads all others.
    public fun embed_units(self: &Cost, tokens: u64): u64 {
        let tokens = (math64::min(tokens, 4294967295) as u128);
        saturate(
            tokens * (self.prompt_token as u128) + (self.context_kilo as u128) * ((tokens * tokens + 1023) / 1024)
        )
    }

    fun context_units(self: &Cost, prompt: u64, new: u64): u128 {
        let total = math64::min(prompt, 4294967295) + math64::min(new, 4294967295);
        let pairs = (total as u128) * ((total as u128) + 1) / 2;
        (self.context_kilo as u128) * ((pairs + 1023) / 1024)
    }

    fun saturate(units: u128): u64 {
        if (units > MAX_U64) (MAX_U64 as u64) else (units as u64)
    }

    /// The price of a shape.
    fun cost_of(manifest: &Manifest): Cost {
        let layers = (manifest.layers as u64);
        let hidden = (manifest.hidden as u64);
        let query_width = (manifest.heads as u64) * (manifest.head_dim as u64);
        let kv_width = (manifest.kv_heads as u64) * (manifest.head_dim as u64);
        let attention = 2 * hidden * query_width + 2 * hidden * kv_width;
        // The feed-forward layer has a gate beside its two matrices in one family only.
        let matrices = if (manifest.family == FAMILY_LLAMA) 3 else 2;
        let body = layers * (attention + matrices * hidden * (manifest.feed_forward as u64));
        let head = hidden * (manifest.vocab as u64);
        let pair = 2 * layers * query_width;
        Cost {
            prompt_token: math64::ceil_div(body, READ_MACS_PER_UNIT),
            new_token: math64::ceil_div(body + head, GENERATE_MACS_PER_UNIT),
            context_kilo: math64::ceil_div(1024 * pair, READ_MACS_PER_UNIT)
        }
    }

    fun check_manifest(manifest: &Manifest) {
        assert!(manifest.numerics == NUMERICS_VERSION, error::invalid_argument(ENUMERICS_UNKNOWN));
        assert!(
            manifest.family <= FAMILY_BERT && manifest.rope_scaling <= ROPE_SCALING_LLAMA3,
            error::invalid_argument(EFAMILY_UNKNOWN)
        );
        let fits = is_dimension(manifest.layers, LAYERS_MAX)
            && is_dimension(manifest.hidden, WIDTH_MAX)
            && is_dimension(manifest.heads, HEADS_MAX)
            && is_dimension(manifest.kv_heads, manifest.heads)
            && manifest.heads % manifest.kv_heads == 0
            && is_dimension(manifest.head_dim, HEAD_DIM_MAX)
            && is_dimension(manifest.feed_forward, WIDTH_MAX)
            && is_dimension(manifest.vocab, VOCAB_MAX)
            && is_dimension(manifest.context, CONTEXT_MAX);
        assert!(fits, error::invalid_argument(EINVALID_SHAPE));
        assert!(
            string::length(&manifest.name) <= NAME_BYTES_MAX
                && string::length(&manifest.chat_template) <= CHAT_TEMPLATE_BYTES_MAX
                && string::length(&manifest.license) <= LICENSE_BYTES_MAX
                && vector::length(&manifest.special.eos) <= EOS_MAX,
            error::invalid_argument(ETOO_LONG)
        );
    }

    fun is_dimension(value: u32, max: u32): bool {
        value > 0 && value <= max
    }

    fun check_parents(parents: &vector<address>) {
        assert!(vector::length(parents) <= PARENTS_MAX, error::invalid_argument(ETOO_LONG));
        let i = 0;
        while (i < vector::length(parents)) {
            assert!(exists<Model>(*vector::borrow(parents, i)), error::not_found(EPARENT_UNKNOWN));
            i = i + 1;
        }
    }

    fun assert_known(addr: address) {
        assert!(exists<Model>(addr), error::not_found(EMODEL_UNKNOWN));
    }

    fun seed_of(weights: vector<u8>): vector<u8> {
        let seed = SEED_PREFIX;
        vector::append(&mut seed, weights);
        seed
    }

    #[test_only]
    public fun initialize_for_test(aptos_framework: &signer) {
        if (!exists<ResidentModels>(@aptos_framework)) initialize(aptos_framework)
    }

    #[test_only]
    /// BCS of a manifest with the shape of SmolLM2-135M.
    public fun manifest_for_test(name: vector<u8>, heads: u32, context: u32): vector<u8> {
        manifest_of_family_for_test(FAMILY_LLAMA, name, heads, context)
    }

    #[test_only]
    /// As `manifest_for_test`, of a family by its number.
    public fun manifest_of_family_for_test(family: u8, name: vector<u8>, heads: u32, context: u32): vector<u8> {
        std::bcs::to_bytes(&Manifest {
            name: string::utf8(name),
            numerics: NUMERICS_VERSION,
            family,
            layers: 30,
            hidden: 576,
            heads,
            kv_heads: 3,
            head_dim: 64,
            feed_forward: 1536,
            vocab: 49152,
            context,
            rope_base: 100000,
            rope_scaling: ROPE_SCALING_NONE,
            norm_epsilon_bits: 925353388,
            tied_head: true,
            special: SpecialTokens { bos: option::none(), eos: vector[2] },
            chat_template: string::utf8(b""),
            license: string::utf8(b"Apache-2.0")
        })
    }

    #[test_only]
    public fun root_for_test(byte: u8): vector<u8> {
        let root = vector::empty();
        while (vector::length(&root) < 32) vector::push_back(&mut root, byte);
        root
    }

    #[test_only]
    /// A model with the shape of SmolLM2-135M that answers on request.
    public fun create_for_test(creator: &signer): Object<Model> {
        create(
            creator, root_for_test(7), root_for_test(8), manifest_for_test(b"test model", 9, 8192), 0, vector::empty()
        )
    }

    #[test_only]
    /// A resident model that embeds texts, of a made-up shape. Script its answers with `inference::script_*_for_test`.
    public fun create_resident_embedder_for_test(aptos_framework: &signer): Object<Model> {
        initialize_for_test(aptos_framework);
        let manifest = manifest_of_family_for_test(FAMILY_BERT, b"test embedder", 9, 512);
        let model = create(aptos_framework, root_for_test(9), root_for_test(8), manifest, 0, vector::empty());
        make_resident(aptos_framework, model);
        model
    }

    #[test_only]
    /// A resident model, with whatever it needs. Script its answers with `inference::script_*_for_test`.
    public fun create_resident_for_test(aptos_framework: &signer): Object<Model> {
        initialize_for_test(aptos_framework);
        let model = create_for_test(aptos_framework);
        make_resident(aptos_framework, model);
        model
    }
}
