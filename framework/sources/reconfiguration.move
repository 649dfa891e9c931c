/// Counts epochs and says when they began and when they end.
///
/// The end of an epoch is fixed when it begins. The first block whose time reaches it is the epoch's last: its prologue
/// starts the next epoch, so that the state after it holds the next committee.
module aptos_framework::reconfiguration {
    use aptos_framework::account;
    use aptos_framework::event::{Self, EventHandle};
    use aptos_framework::stake;
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;

    friend aptos_framework::block;
    friend aptos_framework::genesis;

    struct Configuration has key {
        /// The epoch that runs; 0 before the first.
        epoch: u64,
        /// When it began, in microseconds.
        last_reconfiguration_time: u64,
        /// The first block of this time or later ends it, in microseconds.
        epoch_end_time: u64,
        events: EventHandle<NewEpochEvent>
    }

    struct NewEpochEvent has drop, store {
        epoch: u64
    }

    #[event]
    /// The same news as a module event.
    struct NewEpoch has drop, store {
        epoch: u64
    }

    const MAX_U64: u64 = 18446744073709551615;

    public(friend) fun initialize(aptos_framework: &signer) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, Configuration {
            epoch: 0,
            last_reconfiguration_time: 0,
            epoch_end_time: 0,
            events: account::new_event_handle<NewEpochEvent>(aptos_framework)
        });
    }

    #[view]
    /// The epoch that runs.
    public fun current_epoch(): u64 {
        borrow_global<Configuration>(@aptos_framework).epoch
    }

    #[view]
    /// When the epoch began, in microseconds.
    public fun last_reconfiguration_time(): u64 {
        borrow_global<Configuration>(@aptos_framework).last_reconfiguration_time
    }

    #[view]
    /// When the epoch ends, in microseconds.
    public fun epoch_end_time(): u64 {
        borrow_global<Configuration>(@aptos_framework).epoch_end_time
    }

    /// Whether a block of this time ends the epoch.
    public(friend) fun ends_epoch(timestamp: u64): bool {
        timestamp >= epoch_end_time()
    }

    /// Starts the next epoch now, `interval` microseconds long.
    public(friend) fun reconfigure(interval: u64) {
        stake::on_new_epoch();
        let now = timestamp::now_microseconds();
        let config = borrow_global_mut<Configuration>(@aptos_framework);
        config.epoch = config.epoch + 1;
        config.last_reconfiguration_time = now;
        config.epoch_end_time = if (interval <= MAX_U64 - now) now + interval else MAX_U64;
        event::emit_event(&mut config.events, NewEpochEvent { epoch: config.epoch });
        event::emit(NewEpoch { epoch: config.epoch });
    }
}
