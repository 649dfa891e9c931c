/// Asks models inside a transaction.
///
/// An answer is a function of the model, the question and the options; nothing else. Every call has a bound in
/// inference units (see `model`), computed before the work from the question's bytes and the tokens allowed. The bound
/// must fit what is left of the transaction's units and gas; what the answer did not use is given back.
module noema::inference {
    use std::error;
    use std::option::{Self, Option};
    use std::string::{Self, String};
    use std::vector;
    use aptos_std::math64;
    use aptos_framework::object::{Self, Object};
    use aptos_framework::system_addresses;
    use noema::model::{Self, Model};

    friend aptos_framework::genesis;

    /// The transaction may not ask so much: its inference units or calls are used up.
    const EINFERENCE_BUDGET: u64 = 1;
    /// There is no model at the address.
    const EMODEL_UNKNOWN: u64 = 2;
    /// Validators do not hold the model: transactions cannot ask it.
    const EMODEL_NOT_RESIDENT: u64 = 3;
    /// The question and the tokens allowed exceed what the model can see.
    const EPROMPT_TOO_LONG: u64 = 4;
    /// The question is empty.
    const EPROMPT_EMPTY: u64 = 5;
    /// The bytes are not valid UTF-8.
    const EINVALID_UTF8: u64 = 6;
    /// A value inside the model became infinite or not a number.
    const EMODEL_NUMERIC: u64 = 7;
    /// 1 to 64 choices of 1 to 4,096 bytes are allowed.
    const ECHOICES: u64 = 8;
    /// 1 to 4,096 new tokens are allowed.
    const ENEW_TOKENS: u64 = 9;
    /// The temperature is at most 100,000 basis points.
    const ETEMPERATURE: u64 = 10;
    /// The nucleus is 1 to 10,000 basis points.
    const ETOP_P: u64 = 11;
    /// At most 8 stop strings of 1 to 256 bytes are allowed.
    const ESTOP: u64 = 12;
    /// The chain has no randomness that the sender cannot compute beforehand yet.
    const EUNBIASABLE_SEED_UNAVAILABLE: u64 = 13;
    /// The number kept of the likeliest tokens does not fit 32 bits.
    const ETOP_K: u64 = 14;
    /// The model is of another kind: it does not continue texts, or does not embed them.
    const EMODEL_KIND: u64 = 15;
    /// A continuation has 1 to 262,144 bytes.
    const ECONTINUATION: u64 = 16;
    /// The embeddings have different widths: they are not of one model.
    const EEMBEDDINGS: u64 = 17;
    /// Where a grammar is too large is not the same on all machines: transactions cannot use grammars yet.
    const EEXTRACT_UNAVAILABLE: u64 = 18;

    const NEW_TOKENS_DEFAULT: u64 = 64;
    const NEW_TOKENS_MAX: u64 = 4096;
    const TEMPERATURE_BPS_MAX: u64 = 100000;
    const BASIS_POINTS: u64 = 10000;
    const TOP_K_MAX: u64 = 4294967295;
    const PROMPT_BYTES_MAX: u64 = 262144;
    const CHOICES_MAX: u64 = 64;
    const CHOICE_BYTES_MAX: u64 = 4096;
    const STOPS_MAX: u64 = 8;
    const STOP_BYTES_MAX: u64 = 256;
    // Tokens that an embedding model puts around a text.
    const EMBED_FRAME_TOKENS: u64 = 2;

    // What the native says of a question.
    const ANSWERED: u8 = 0;
    const CONTEXT_EXCEEDED: u8 = 1;
    const NUMERIC: u8 = 2;
    const EMPTY: u8 = 3;
    const NOT_UTF8: u8 = 4;
    const OTHER_KIND: u8 = 5;

    /// How to continue a question.
    struct Options has copy, drop, store {
        max_new_tokens: u64,
        temperature_bps: u64,
        top_p_bps: u64,
        top_k: u64,
        seed: Option<u64>,
        stop: vector<String>
    }

    /// At 0x1: what one transaction may ask.
    struct Limits has key {
        units_per_transaction: u64,
        calls_per_transaction: u64
    }

    public(friend) fun initialize(
        aptos_framework: &signer, units_per_transaction: u64, calls_per_transaction: u64
    ) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, Limits { units_per_transaction, calls_per_transaction });
    }

    /// Greedy, at most 64 new tokens, no stop strings.
    public fun options(): Options {
        Options {
            max_new_tokens: NEW_TOKENS_DEFAULT,
            temperature_bps: 0,
            top_p_bps: BASIS_POINTS,
            top_k: 0,
            seed: option::none(),
            stop: vector::empty()
        }
    }

    /// Allows so many new tokens.
    public fun with_max_new_tokens(self: Options, max_new_tokens: u64): Options {
        assert!(
            max_new_tokens > 0 && max_new_tokens <= NEW_TOKENS_MAX, error::invalid_argument(ENEW_TOKENS)
        );
        self.max_new_tokens = max_new_tokens;
        self
    }

    /// Draws tokens at this temperature, in basis points; 0 always takes the likeliest one.
    public fun with_temperature(self: Options, basis_points: u64): Options {
        assert!(basis_points <= TEMPERATURE_BPS_MAX, error::invalid_argument(ETEMPERATURE));
        self.temperature_bps = basis_points;
        self
    }

    /// Draws only from the likeliest tokens that together have this probability, in basis points.
    public fun with_top_p(self: Options, basis_points: u64): Options {
        assert!(basis_points > 0 && basis_points <= BASIS_POINTS, error::invalid_argument(ETOP_P));
        self.top_p_bps = basis_points;
        self
    }

    /// Draws only from so many of the likeliest tokens; 0 keeps all.
    public fun with_top_k(self: Options, top_k: u64): Options {
        assert!(top_k <= TOP_K_MAX, error::invalid_argument(ETOP_K));
        self.top_k = top_k;
        self
    }

    /// Draws from this seed. Without one, the seed follows from the transaction's hash and the number of the call:
    /// the same everywhere, but the sender can compute it beforehand.
    public fun with_seed(self: Options, seed: u64): Options {
        self.seed = option::some(seed);
        self
    }

    /// Would draw from a seed that nobody can compute beforehand. Always aborts: the chain has no such randomness yet.
    public fun with_unbiasable_seed(_self: Options): Options {
        abort error::not_implemented(EUNBIASABLE_SEED_UNAVAILABLE)
    }

    /// Ends the answer before this string; up to 8 may be given.
    public fun with_stop(self: Options, stop: String): Options {
        let length = string::length(&stop);
        assert!(
            length > 0 && length <= STOP_BYTES_MAX && vector::length(&self.stop) < STOPS_MAX,
            error::invalid_argument(ESTOP)
        );
        vector::push_back(&mut self.stop, stop);
        self
    }

    /// Reads bytes as a question; aborts with `EINVALID_UTF8` if they are not UTF-8.
    public fun prompt_from_bytes(bytes: vector<u8>): String {
        let prompt = string::try_utf8(bytes);
        assert!(option::is_some(&prompt), error::invalid_argument(EINVALID_UTF8));
        option::destroy_some(prompt)
    }

    /// Words of somebody else, to be put into a prompt: no special token of any model is read from them. A prompt is
    /// otherwise read with the special tokens that its text spells, as chat templates need.
    public fun plain(text: String): String {
        string::utf8(plain_internal(string::into_bytes(text)))
    }

    /// The model's continuation of the prompt. Ends at the model's end token, a stop string or the token limit.
    public fun generate(model: Object<Model>, prompt: String, options: &Options): String {
        let cost = model_cost(model, &prompt, true);
        let tokens_max = prompt_tokens_max(model, &prompt);
        let bound = model::generate_units(&cost, tokens_max, options.max_new_tokens);
        reserve(bound);
        let seed = if (options.temperature_bps == 0) {
            0
        } else if (option::is_some(&options.seed)) {
            *option::borrow(&options.seed)
        } else {
            derive_seed()
        };
        let (status, text, prompt_tokens, new_tokens) = generate_internal(
            model::numerics(model),
            model::weights(model),
            string::into_bytes(prompt),
            options.max_new_tokens,
            options.temperature_bps,
            options.top_p_bps,
            options.top_k,
            seed,
            bytes_of(&options.stop)
        );
        assert_answered(status, bound);
        settle(bound, math64::min(bound, model::generate_units(&cost, prompt_tokens, new_tokens)));
        string::utf8(text)
    }

    /// The index of the likeliest continuation of the prompt among the choices, by mean likelihood per token; of
    /// equals the first.
    public fun choose(model: Object<Model>, prompt: String, choices: vector<String>): u64 {
        let cost = model_cost(model, &prompt, true);
        let tokens_max = prompt_tokens_max(model, &prompt);
        let bound = model::choose_units(&cost, tokens_max, choice_tokens_max(&choices));
        reserve(bound);
        let (status, index, prompt_tokens, choice_tokens) = choose_internal(
            model::numerics(model), model::weights(model), string::into_bytes(prompt), bytes_of(&choices)
        );
        assert_answered(status, bound);
        settle(bound, math64::min(bound, model::choose_units(&cost, prompt_tokens, choice_tokens)));
        index
    }

    /// How unlikely the continuation is after the prompt: its negative log-likelihood in micro-nats, 1,000,000 for a
    /// factor of e.
    public fun score(model: Object<Model>, prompt: String, continuation: String): u64 {
        let cost = model_cost(model, &prompt, true);
        let tokens_max = prompt_tokens_max(model, &prompt);
        let bound = model::choose_units(&cost, tokens_max, continuation_tokens_max(&continuation));
        reserve(bound);
        let (status, micro_nats, prompt_tokens, tokens) = score_internal(
            model::numerics(model),
            model::weights(model),
            string::into_bytes(prompt),
            string::into_bytes(continuation)
        );
        assert_answered(status, bound);
        settle(bound, math64::min(bound, model::choose_units(&cost, prompt_tokens, tokens)));
        micro_nats
    }

    /// The embedding of a text: of length one, in units of 1/127, each a signed byte.
    public fun embed(model: Object<Model>, text: String): vector<u8> {
        let cost = model_cost(model, &text, false);
        let bound = model::embed_units(&cost, embedded_tokens_max(model, &text));
        reserve(bound);
        let (status, embedding, tokens) =
            embed_internal(model::numerics(model), model::weights(model), string::into_bytes(text));
        assert_answered(status, bound);
        settle(bound, math64::min(bound, model::embed_units(&cost, tokens + EMBED_FRAME_TOKENS)));
        embedding
    }

    /// How alike two embeddings of one model are: the cosine of their angle in basis points, rounded down; 10,000 for the
    /// same direction, 0 for a right angle and beyond.
    public fun similarity(a: &vector<u8>, b: &vector<u8>): u64 {
        assert!(vector::length(a) == vector::length(b), error::invalid_argument(EEMBEDDINGS));
        similarity_internal(*a, *b)
    }

    /// Would answer with JSON that satisfies a JSON schema. Always aborts: see `EEXTRACT_UNAVAILABLE`. Off the chain, the
    /// gateway's `response_format` does it.
    public fun extract(_model: Object<Model>, _prompt: String, _schema: String): String {
        abort error::not_implemented(EEXTRACT_UNAVAILABLE)
    }

    #[view]
    /// The most inference units that `generate` can cost.
    public fun quote_generate(model: Object<Model>, prompt: String, max_new_tokens: u64): u64 {
        let cost = model_cost(model, &prompt, true);
        model::generate_units(&cost, prompt_tokens_max(model, &prompt), max_new_tokens)
    }

    #[view]
    /// The most inference units that `choose` can cost.
    public fun quote_choose(model: Object<Model>, prompt: String, choices: vector<String>): u64 {
        let cost = model_cost(model, &prompt, true);
        model::choose_units(&cost, prompt_tokens_max(model, &prompt), choice_tokens_max(&choices))
    }

    #[view]
    /// The most inference units that `score` can cost.
    public fun quote_score(model: Object<Model>, prompt: String, continuation: String): u64 {
        let cost = model_cost(model, &prompt, true);
        model::choose_units(&cost, prompt_tokens_max(model, &prompt), continuation_tokens_max(&continuation))
    }

    #[view]
    /// The most inference units that `embed` can cost.
    public fun quote_embed(model: Object<Model>, text: String): u64 {
        let cost = model_cost(model, &text, false);
        model::embed_units(&cost, embedded_tokens_max(model, &text))
    }

    #[view]
    /// Inference units and calls that one transaction may use.
    public fun limits(): (u64, u64) {
        let limits = borrow_global<Limits>(@aptos_framework);
        (limits.units_per_transaction, limits.calls_per_transaction)
    }

    /// Checks what can be checked before any work, and returns the price.
    fun model_cost(model: Object<Model>, prompt: &String, continues: bool): model::Cost {
        let addr = object::object_address(&model);
        assert!(object::object_exists<Model>(addr), error::not_found(EMODEL_UNKNOWN));
        assert!(model::is_resident(model), error::invalid_state(EMODEL_NOT_RESIDENT));
        let fits = if (continues) model::continues_texts(model) else model::embeds_texts(model);
        assert!(fits, error::invalid_argument(EMODEL_KIND));
        assert!(!string::is_empty(prompt), error::invalid_argument(EPROMPT_EMPTY));
        assert!(string::length(prompt) <= PROMPT_BYTES_MAX, error::invalid_argument(EPROMPT_TOO_LONG));
        model::cost(model)
    }

    /// A token covers at least one byte, and a start token may come before them; more than the context is refused.
    fun prompt_tokens_max(model: Object<Model>, prompt: &String): u64 {
        math64::min(string::length(prompt) + 1, model::context(model))
    }

    /// A token covers at least one byte; the model's own tokens stand around them.
    fun embedded_tokens_max(model: Object<Model>, text: &String): u64 {
        math64::min(string::length(text) + EMBED_FRAME_TOKENS, model::context(model))
    }

    fun continuation_tokens_max(continuation: &String): u64 {
        let bytes = string::length(continuation);
        assert!(bytes > 0 && bytes <= PROMPT_BYTES_MAX, error::invalid_argument(ECONTINUATION));
        bytes
    }

    fun choice_tokens_max(choices: &vector<String>): u64 {
        let len = vector::length(choices);
        assert!(len > 0 && len <= CHOICES_MAX, error::invalid_argument(ECHOICES));
        let total = 0;
        let i = 0;
        while (i < len) {
            let bytes = string::length(vector::borrow(choices, i));
            assert!(bytes > 0 && bytes <= CHOICE_BYTES_MAX, error::invalid_argument(ECHOICES));
            total = total + bytes;
            i = i + 1;
        };
        total
    }

    fun reserve(bound: u64) {
        let (units_max, calls_max) = limits();
        assert!(reserve_internal(bound, units_max, calls_max), error::resource_exhausted(EINFERENCE_BUDGET));
    }

    fun assert_answered(status: u8, bound: u64) {
        if (status == ANSWERED) return;
        // Only after a numeric failure has the model worked.
        settle(bound, if (status == NUMERIC) bound else 0);
        assert!(status != CONTEXT_EXCEEDED, error::invalid_argument(EPROMPT_TOO_LONG));
        assert!(status != EMPTY, error::invalid_argument(EPROMPT_EMPTY));
        assert!(status != NOT_UTF8, error::invalid_argument(EINVALID_UTF8));
        assert!(status != OTHER_KIND, error::invalid_argument(EMODEL_KIND));
        abort error::internal(EMODEL_NUMERIC)
    }

    fun bytes_of(texts: &vector<String>): vector<vector<u8>> {
        let bytes = vector::empty();
        let i = 0;
        while (i < vector::length(texts)) {
            vector::push_back(&mut bytes, *string::bytes(vector::borrow(texts, i)));
            i = i + 1;
        };
        bytes
    }

    /// Counts a call and charges its bound; false, and nothing charged, when the transaction may not use so much.
    native fun reserve_internal(bound: u64, units_max: u64, calls_max: u64): bool;

    /// Gives back what a call did not use of its bound.
    native fun settle(bound: u64, used: u64);

    /// The seed of a call that has none: from the transaction's hash and the number of the call.
    native fun derive_seed(): u64;

    /// Status, text, tokens of the prompt, new tokens. Suspends the transaction until the answer is known.
    native fun generate_internal(
        numerics: u32,
        weights: vector<u8>,
        prompt: vector<u8>,
        max_new_tokens: u64,
        temperature_bps: u64,
        top_p_bps: u64,
        top_k: u64,
        seed: u64,
        stop: vector<vector<u8>>
    ): (u8, vector<u8>, u64, u64);

    /// Status, index, tokens of the prompt, tokens of all choices. Suspends the transaction until the answer is known.
    native fun choose_internal(
        numerics: u32, weights: vector<u8>, prompt: vector<u8>, choices: vector<vector<u8>>
    ): (u8, u64, u64, u64);

    /// Status, micro-nats, tokens of the prompt, tokens of the continuation. Suspends as the others.
    native fun score_internal(
        numerics: u32, weights: vector<u8>, prompt: vector<u8>, continuation: vector<u8>
    ): (u8, u64, u64, u64);

    /// Status, embedding, tokens of the text. Suspends as the others.
    native fun embed_internal(numerics: u32, weights: vector<u8>, text: vector<u8>): (u8, vector<u8>, u64);

    /// The cosine in basis points of two embeddings of one width.
    native fun similarity_internal(a: vector<u8>, b: vector<u8>): u64;

    /// UTF-8 with marks that keep special tokens from being read.
    native fun plain_internal(text: vector<u8>): vector<u8>;

    #[test_only]
    native fun script_answer(status: u8, text: vector<u8>, index: u64, prompt_tokens: u64, new_tokens: u64);

    #[test_only]
    native fun prompts_asked(): vector<vector<u8>>;

    #[test_only]
    native fun units_used(): u64;

    #[test_only]
    /// Sets what a test needs: the limits of the main network, if there are none.
    public fun initialize_for_test(aptos_framework: &signer) {
        if (!exists<Limits>(@aptos_framework)) initialize(aptos_framework, 1000000, 4)
    }

    #[test_only]
    /// The next `generate` of this test that has no script yet answers `text`. Scripts are used in order.
    public fun script_text_for_test(text: vector<u8>) {
        script_answer(ANSWERED, text, 0, 8, 4)
    }

    #[test_only]
    /// The next `choose` of this test that has no script yet answers `index`.
    public fun script_choice_for_test(index: u64) {
        script_answer(ANSWERED, b"", index, 8, 4)
    }

    #[test_only]
    /// The next `score` of this test that has no script yet answers so many micro-nats.
    public fun script_score_for_test(micro_nats: u64) {
        script_answer(ANSWERED, b"", micro_nats, 8, 4)
    }

    #[test_only]
    /// The next `embed` of this test that has no script yet answers these bytes.
    public fun script_embedding_for_test(embedding: vector<u8>) {
        script_answer(ANSWERED, embedding, 0, 8, 0)
    }

    #[test_only]
    /// The next question fails: 1 the context is exceeded, 2 a value left the numbers.
    public fun script_failure_for_test(status: u8) {
        script_answer(status, b"", 0, 0, 0)
    }

    #[test_only]
    /// The prompts that this test asked so far.
    public fun prompts_for_test(): vector<vector<u8>> {
        prompts_asked()
    }

    #[test_only]
    /// The inference units that this test was charged so far.
    public fun units_used_for_test(): u64 {
        units_used()
    }
}
