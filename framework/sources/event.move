/// Emits events: to numbered streams (handles), or of a module (types marked `#[event]`).
module aptos_framework::event {
    use std::bcs;
    use aptos_framework::guid::{Self, GUID};

    friend aptos_framework::account;
    friend aptos_framework::object;

    /// A stream of events of type `T`.
    struct EventHandle<phantom T: drop + store> has store {
        /// Events emitted so far.
        counter: u64,
        guid: GUID
    }

    public(friend) fun new_event_handle<T: drop + store>(guid: GUID): EventHandle<T> {
        EventHandle<T> { counter: 0, guid }
    }

    /// Emits an event of type `T`. Whoever holds a value of `T` can emit it; only the module that defines `T` can make one.
    public fun emit<T: store + drop>(msg: T) {
        write_module_event_to_store<T>(bcs::to_bytes(&msg));
    }

    /// Emits the next event of a stream.
    public fun emit_event<T: drop + store>(self: &mut EventHandle<T>, msg: T) {
        write_to_event_store<T>(bcs::to_bytes(&self.guid), self.counter, bcs::to_bytes(&msg));
        self.counter = self.counter + 1;
    }

    public fun guid<T: drop + store>(self: &EventHandle<T>): &GUID {
        &self.guid
    }

    /// Events emitted so far.
    public fun counter<T: drop + store>(self: &EventHandle<T>): u64 {
        self.counter
    }

    /// Ends a stream; its events stay.
    public fun destroy_handle<T: drop + store>(self: EventHandle<T>) {
        EventHandle<T> { counter: _, guid: _ } = self;
    }

    native fun write_module_event_to_store<T>(msg: vector<u8>);

    native fun write_to_event_store<T>(guid: vector<u8>, count: u64, msg: vector<u8>);

    #[test_only]
    /// BCS of the module events of type `T` that this test emitted so far.
    native fun module_events_for_test<T>(): vector<vector<u8>>;

    #[test_only]
    /// BCS of the events of one stream that this test emitted so far.
    native fun handle_events_for_test<T>(guid: vector<u8>): vector<vector<u8>>;

    #[test_only]
    /// Whether this test emitted the module event.
    public fun was_event_emitted<T: store + drop>(msg: &T): bool {
        let events = module_events_for_test<T>();
        std::vector::contains(&events, &bcs::to_bytes(msg))
    }

    #[test_only]
    /// How many module events of type `T` this test emitted.
    public fun emitted_count<T: store + drop>(): u64 {
        std::vector::length(&module_events_for_test<T>())
    }

    #[test_only]
    /// Whether this test emitted the event to the stream.
    public fun was_event_emitted_by_handle<T: store + drop>(handle: &EventHandle<T>, msg: &T): bool {
        let events = handle_events_for_test<T>(bcs::to_bytes(&handle.guid));
        std::vector::contains(&events, &bcs::to_bytes(msg))
    }
}
