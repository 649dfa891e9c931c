/// What the executor's tests call.
module probe::probe {
    use std::signer;
    use std::string::String;
    use std::vector;
    use aptos_framework::aptos_account;
    use aptos_framework::event;
    use aptos_framework::object::Object;
    use aptos_framework::table::{Self, Table};
    use aptos_framework::transaction_context;
    use noema::inference;
    use noema::model::Model;

    friend probe::helper;

    /// The number is odd.
    const EODD: u64 = 7;

    struct Counter has key {
        value: u64,
        runs_of_init: u64
    }

    struct Answers has key {
        texts: vector<String>,
        by_number: Table<u64, u64>
    }

    #[event]
    struct Bumped has drop, store {
        who: address,
        value: u64
    }

    fun init_module(publisher: &signer) {
        move_to(publisher, Counter { value: 0, runs_of_init: 1 });
    }

    public entry fun bump(_who: &signer, by: u64) acquires Counter {
        let counter = borrow_global_mut<Counter>(@probe);
        counter.value = counter.value + by;
        event::emit(Bumped { who: signer::address_of(_who), value: counter.value });
    }

    /// Changes state, then fails if the number is odd.
    public entry fun only_even(number: u64) acquires Counter {
        borrow_global_mut<Counter>(@probe).value = number;
        assert!(number % 2 == 0, EODD);
    }

    public entry fun divide(by: u64) acquires Counter {
        let counter = borrow_global_mut<Counter>(@probe);
        counter.value = 100 / by;
    }

    public entry fun spin() {
        loop {}
    }

    /// Changes state, then copies until there is no memory left.
    public entry fun hoard(number: u64) acquires Counter {
        borrow_global_mut<Counter>(@probe).value = number;
        let all = vector[];
        let i = 0;
        while (i < 10000) {
            vector::push_back(&mut all, i);
            i = i + 1;
        };
        loop {
            let more = all;
            vector::push_back(&mut more, number);
        }
    }

    public entry fun give_all(who: &signer, to: address, amount: u64) {
        aptos_account::transfer(who, to, amount);
    }

    public entry fun fill(who: &signer, count: u64) acquires Answers {
        ensure(who);
        let table = &mut borrow_global_mut<Answers>(signer::address_of(who)).by_number;
        let i = 0;
        while (i < count) {
            if (table::contains(table, i)) {
                let old = table::remove(table, i);
                if (old < 3) table::add(table, i, old + 1);
            } else {
                table::add(table, i, 0);
            };
            i = i + 1;
        }
    }

    public entry fun ask(who: &signer, model: Object<Model>, prompt: String) acquires Answers {
        ensure(who);
        let options = inference::with_max_new_tokens(inference::options(), 8);
        let text = inference::generate(model, prompt, &options);
        vector::push_back(&mut borrow_global_mut<Answers>(signer::address_of(who)).texts, text);
    }

    /// Asks, and fails afterwards: the question is paid for.
    public entry fun ask_and_fail(model: Object<Model>, prompt: String) {
        let options = inference::with_max_new_tokens(inference::options(), 8);
        inference::generate(model, prompt, &options);
        abort EODD
    }

    public entry fun decide(who: &signer, model: Object<Model>, review: String, choices: vector<String>) acquires Counter {
        let index = inference::choose(model, review, choices);
        bump(who, index + 1);
    }

    fun ensure(who: &signer) {
        if (!exists<Answers>(signer::address_of(who))) {
            move_to(who, Answers { texts: vector::empty(), by_number: table::new() });
        }
    }

    public entry fun two_signers(a: &signer, b: &signer) acquires Counter {
        assert!(signer::address_of(a) != signer::address_of(b), 1);
        let counter = borrow_global_mut<Counter>(@probe);
        counter.value = counter.value + 1000;
    }

    /// Changes state, then calls a native that a test may break.
    public entry fun unique(who: &signer) acquires Counter {
        bump(who, 1);
        transaction_context::generate_auid_address();
    }

    fun private_function() {}

    #[view]
    public fun value(): u64 acquires Counter {
        borrow_global<Counter>(@probe).value
    }

    #[view]
    public fun runs_of_init(): u64 acquires Counter {
        borrow_global<Counter>(@probe).runs_of_init
    }

    #[view]
    public fun think(model: Object<Model>, prompt: String): String {
        inference::generate(model, prompt, &inference::options())
    }

    public fun not_a_view(): u64 {
        1
    }
}
