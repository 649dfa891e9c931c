#[test_only]
module noema::inference_tests {
    use std::option;
    use std::string::{Self, String};
    use std::vector;
    use aptos_framework::event;
    use aptos_framework::object::{Self, Object};
    use noema::inference;
    use noema::model::{Self, Model};

    fun setup(framework: &signer): Object<Model> {
        inference::initialize_for_test(framework);
        model::create_resident_for_test(framework)
    }

    fun text(bytes: vector<u8>): String {
        string::utf8(bytes)
    }

    #[test(framework = @0x1)]
    fun models_answer_and_only_their_work_is_charged(framework: &signer) {
        let model = setup(framework);
        inference::script_text_for_test(b" Paris");
        let options = inference::with_max_new_tokens(inference::options(), 16);
        assert!(inference::generate(model, text(b"The capital of France is"), &options) == text(b" Paris"), 0);
        assert!(inference::prompts_for_test() == vector[b"The capital of France is"], 1);
        // The script says 8 tokens read and 4 written, fewer than the bound.
        let cost = model::cost(model);
        assert!(inference::units_used_for_test() == model::generate_units(&cost, 8, 4), 2);
        let bound = inference::quote_generate(model, text(b"The capital of France is"), 16);
        assert!(bound == model::generate_units(&cost, 25, 16) && bound > inference::units_used_for_test(), 3);
    }

    #[test(framework = @0x1)]
    fun models_choose(framework: &signer) {
        let model = setup(framework);
        inference::script_choice_for_test(1);
        let choices = vector[text(b" yes"), text(b" no")];
        assert!(inference::choose(model, text(b"Is it?"), choices) == 1, 0);
        let cost = model::cost(model);
        assert!(inference::units_used_for_test() == model::choose_units(&cost, 8, 4), 1);
        assert!(inference::quote_choose(model, text(b"Is it?"), choices) == model::choose_units(&cost, 7, 7), 2);
    }

    #[test(framework = @0x1)]
    fun models_score(framework: &signer) {
        let model = setup(framework);
        inference::script_score_for_test(2500000);
        assert!(inference::score(model, text(b"Is it true?"), text(b" yes")) == 2500000, 0);
        let cost = model::cost(model);
        assert!(inference::units_used_for_test() == model::choose_units(&cost, 8, 4), 1);
        assert!(inference::quote_score(model, text(b"Is it true?"), text(b" yes")) == model::choose_units(&cost, 12, 4), 2);
    }

    #[test(framework = @0x1)]
    fun models_embed(framework: &signer) {
        inference::initialize_for_test(framework);
        let model = model::create_resident_embedder_for_test(framework);
        inference::script_embedding_for_test(x"7f00");
        inference::script_embedding_for_test(x"5a5a");
        let (a, b) = (inference::embed(model, text(b"a text")), inference::embed(model, text(b"another")));
        assert!(inference::similarity(&a, &b) == 7071 && inference::similarity(&a, &a) == 10000, 0);
        assert!(inference::similarity(&a, &x"81ff") == 0, 1);
        // The script says 8 tokens read, and two stand around them.
        let cost = model::cost(model);
        assert!(inference::quote_embed(model, text(b"a text")) == model::embed_units(&cost, 8), 2);
        assert!(inference::units_used_for_test() == model::embed_units(&cost, 8) + model::embed_units(&cost, 9), 3);
        assert!(model::embed_units(&cost, 100) == 100 * model::prompt_token_cost(&cost) + 10 * 1106, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000f, location = noema::inference)]
    fun embedders_do_not_generate(framework: &signer) {
        inference::initialize_for_test(framework);
        inference::generate(
            model::create_resident_embedder_for_test(framework), text(b"a"), &inference::options()
        );
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000f, location = noema::inference)]
    fun others_do_not_embed(framework: &signer) {
        inference::embed(setup(framework), text(b"a"));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000f, location = noema::inference)]
    fun a_node_may_say_so_too(framework: &signer) {
        let model = setup(framework);
        inference::script_failure_for_test(5);
        inference::score(model, text(b"a"), text(b"b"));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10010, location = noema::inference)]
    fun empty_continuation(framework: &signer) {
        inference::score(setup(framework), text(b"a"), text(b""));
    }

    #[test]
    #[expected_failure(abort_code = 0x10011, location = noema::inference)]
    fun embeddings_of_two_models() {
        inference::similarity(&x"01", &x"0101");
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0xC0012, location = noema::inference)]
    fun grammars_are_refused(framework: &signer) {
        inference::extract(setup(framework), text(b"a"), text(b"{}"));
    }

    #[test]
    fun words_of_others_are_marked() {
        assert!(inference::plain(text(b"a1<b|")) == text(x"efb79061313cefb790627cefb790"), 0);
        assert!(inference::plain(text(b"")) == text(b""), 1);
    }

    #[test(framework = @0x1)]
    fun options_say_how_to_draw(framework: &signer) {
        let model = setup(framework);
        inference::script_text_for_test(b"x");
        inference::script_text_for_test(b"y");
        let options = inference::options();
        options = inference::with_temperature(options, 7000);
        options = inference::with_top_p(options, 9000);
        options = inference::with_top_k(options, 40);
        options = inference::with_max_new_tokens(options, 2);
        options = inference::with_stop(options, text(b"\n"));
        assert!(inference::generate(model, text(b"a"), &options) == text(b"x"), 0);
        assert!(inference::generate(model, text(b"b"), &inference::with_seed(options, 7)) == text(b"y"), 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x90001, location = noema::inference)]
    fun a_question_has_a_budget(framework: &signer) {
        let model = setup(framework);
        inference::generate(model, text(b"a"), &inference::with_max_new_tokens(inference::options(), 100));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x90001, location = noema::inference)]
    fun a_transaction_asks_four_times(framework: &signer) {
        let model = setup(framework);
        let options = inference::with_max_new_tokens(inference::options(), 1);
        let asked = 0;
        while (asked < 5) {
            inference::script_text_for_test(b"x");
            inference::generate(model, text(b"a"), &options);
            asked = asked + 1;
        }
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x30003, location = noema::inference)]
    fun models_on_request_do_not_answer(framework: &signer) {
        setup(framework);
        let creator = aptos_framework::account::create_account_for_test(@0xC0DE);
        inference::generate(model::create_for_test(&creator), text(b"a"), &inference::options());
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10005, location = noema::inference)]
    fun empty_prompt(framework: &signer) {
        inference::generate(setup(framework), text(b""), &inference::options());
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10004, location = noema::inference)]
    fun context_exceeded(framework: &signer) {
        let model = setup(framework);
        inference::script_failure_for_test(1);
        inference::generate(model, text(b"a"), &inference::with_max_new_tokens(inference::options(), 1));
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0xB0007, location = noema::inference)]
    fun numeric_failure(framework: &signer) {
        let model = setup(framework);
        inference::script_failure_for_test(2);
        inference::generate(model, text(b"a"), &inference::with_max_new_tokens(inference::options(), 1));
    }

    #[test]
    #[expected_failure(abort_code = 0x10006, location = noema::inference)]
    fun prompts_are_utf8() {
        inference::prompt_from_bytes(x"ff");
    }

    #[test]
    fun prompts_from_bytes() {
        assert!(inference::prompt_from_bytes(b"ok") == text(b"ok"), 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10008, location = noema::inference)]
    fun no_choices(framework: &signer) {
        inference::choose(setup(framework), text(b"a"), vector[]);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10008, location = noema::inference)]
    fun empty_choice(framework: &signer) {
        inference::choose(setup(framework), text(b"a"), vector[text(b"b"), text(b"")]);
    }

    #[test]
    #[expected_failure(abort_code = 0x10009, location = noema::inference)]
    fun no_new_tokens() {
        inference::with_max_new_tokens(inference::options(), 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x1000a, location = noema::inference)]
    fun too_hot() {
        inference::with_temperature(inference::options(), 100001);
    }

    #[test]
    #[expected_failure(abort_code = 0x1000b, location = noema::inference)]
    fun empty_nucleus() {
        inference::with_top_p(inference::options(), 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x1000c, location = noema::inference)]
    fun too_many_stop_strings() {
        let options = inference::options();
        let i = 0;
        while (i < 9) {
            options = inference::with_stop(options, text(b"."));
            i = i + 1;
        }
    }

    #[test]
    #[expected_failure(abort_code = 0xC000d, location = noema::inference)]
    fun unbiasable_seeds_are_refused() {
        inference::with_unbiasable_seed(inference::options());
    }

    #[test(framework = @0x1)]
    fun prices_follow_the_shape(framework: &signer) {
        let model = setup(framework);
        let cost = model::cost(model);
        // The numbers of noema-inference-api for SmolLM2-135M.
        assert!(model::prompt_token_cost(&cost) == 3318, 0);
        assert!(model::new_token_cost(&cost) == 16810, 1);
        assert!(model::context_kilo_cost(&cost) == 1106, 2);
        assert!(model::generate_units(&cost, 0, 0) == 0, 3);
        assert!(model::generate_units(&cost, 18446744073709551615, 1) == 18446744073709551615, 4);
        assert!(model::generate_units(&cost, 10, 5) == 10 * 3318 + 5 * 16810 + 1106, 5);
        assert!(model::choose_units(&cost, 10, 5) == 10 * 3318 + 5 * 4203 + 1106, 6);
    }

    #[test(framework = @0x1)]
    fun models_are_registered(framework: &signer) {
        let model = setup(framework);
        assert!(model::is_resident(model), 0);
        assert!(model::resident_models() == vector[object::object_address(&model)], 1);
        assert!(object::object_address(&model) == model::model_address(@0x1, model::root_for_test(7)), 2);
        assert!(object::owner(model) == @0x1, 3);
        assert!(model::name(model) == text(b"test model") && model::license(model) == text(b"Apache-2.0"), 4);
        assert!(model::context(model) == 8192 && model::numerics(model) == 1, 5);
        assert!(model::weights(model) == model::root_for_test(7), 6);
        assert!(event::emitted_count<model::ModelRegistered>() == 1, 7);
        model::end_residency(framework, model);
        assert!(!model::is_resident(model) && vector::is_empty(&model::resident_models()), 8);
    }

    #[test(stranger = @0xBAD)]
    #[expected_failure(abort_code = 0x50003, location = aptos_framework::system_addresses)]
    fun only_governance_makes_models_resident(stranger: &signer) {
        model::make_resident(stranger, model::create_for_test(stranger));
    }

    #[test(creator = @0xC0DE)]
    #[expected_failure(abort_code = 0x10002, location = noema::model)]
    fun roots_have_32_bytes(creator: &signer) {
        let manifest = model::manifest_for_test(b"m", 9, 8192);
        model::create(creator, x"00", model::root_for_test(8), manifest, 0, vector[]);
    }

    #[test(creator = @0xC0DE)]
    #[expected_failure(abort_code = 0x10005, location = noema::model)]
    fun heads_share_key_value_heads(creator: &signer) {
        let manifest = model::manifest_for_test(b"m", 10, 8192);
        model::create(creator, model::root_for_test(7), model::root_for_test(8), manifest, 0, vector[]);
    }

    #[test(creator = @0xC0DE)]
    fun other_families_have_two_matrices(creator: &signer) {
        let family = 1;
        while (family < 3) {
            let manifest = model::manifest_of_family_for_test(family, b"m", 9, 8192);
            let root = model::root_for_test(family);
            let model = model::create(creator, root, model::root_for_test(8), manifest, 0, vector[]);
            // 30 layers of 576 by 1,536 less than in the first family, at 32,000 a unit.
            assert!(model::prompt_token_cost(&model::cost(model)) == 2489, 0);
            assert!(model::continues_texts(model) == (family == 1) && model::embeds_texts(model) == (family == 2), 1);
            family = family + 1;
        }
    }

    #[test(creator = @0xC0DE)]
    #[expected_failure(abort_code = 0x10004, location = noema::model)]
    fun families_are_known(creator: &signer) {
        let manifest = model::manifest_of_family_for_test(3, b"m", 9, 8192);
        model::create(creator, model::root_for_test(7), model::root_for_test(8), manifest, 0, vector[]);
    }

    #[test(creator = @0xC0DE)]
    #[expected_failure(abort_code = 0x10005, location = noema::model)]
    fun models_see_something(creator: &signer) {
        let manifest = model::manifest_for_test(b"m", 9, 0);
        model::create(creator, model::root_for_test(7), model::root_for_test(8), manifest, 0, vector[]);
    }

    #[test(creator = @0xC0DE)]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::from_bcs)]
    fun manifests_are_bcs(creator: &signer) {
        model::create(creator, model::root_for_test(7), model::root_for_test(8), x"00", 0, vector[]);
    }

    #[test(creator = @0xC0DE)]
    #[expected_failure(abort_code = 0x60008, location = noema::model)]
    fun parents_are_models(creator: &signer) {
        let manifest = model::manifest_for_test(b"m", 9, 8192);
        model::register(creator, model::root_for_test(7), model::root_for_test(8), manifest, 0, vector[@0xDEAD]);
    }

    #[test(framework = @0x1)]
    fun limits_are_those_of_genesis(framework: &signer) {
        inference::initialize_for_test(framework);
        let (units, calls) = inference::limits();
        assert!(units == 1000000 && calls == 4, 0);
        assert!(option::is_none(&option::none<u8>()), 1);
    }
}
