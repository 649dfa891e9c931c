/// Starts blocks: height, clock, the event that announces them, what their makers did, the epoch's end.
module aptos_framework::block {
    use std::error;
    use std::vector;
    use aptos_framework::account;
    use aptos_framework::event::{Self, EventHandle};
    use aptos_framework::reconfiguration;
    use aptos_framework::stake;
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;

    friend aptos_framework::genesis;

    /// The last block.
    struct BlockResource has key {
        height: u64,
        /// Microseconds of an epoch; a change counts from the next one on.
        epoch_interval: u64,
        new_block_events: EventHandle<NewBlockEvent>
    }

    struct NewBlockEvent has copy, drop, store {
        hash: address,
        epoch: u64,
        round: u64,
        height: u64,
        previous_block_votes_bitvec: vector<u8>,
        proposer: address,
        failed_proposer_indices: vector<u64>,
        time_microseconds: u64
    }

    #[event]
    /// The same news as a module event.
    struct NewBlock has drop, store {
        hash: address,
        epoch: u64,
        round: u64,
        height: u64,
        previous_block_votes_bitvec: vector<u8>,
        proposer: address,
        failed_proposer_indices: vector<u64>,
        time_microseconds: u64
    }

    /// An epoch takes time.
    const EZERO_EPOCH_INTERVAL: u64 = 3;
    /// A block's proposer is a validator of its epoch.
    const EINVALID_PROPOSER: u64 = 4;

    public(friend) fun initialize(aptos_framework: &signer, epoch_interval_microsecs: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        assert!(epoch_interval_microsecs > 0, error::invalid_argument(EZERO_EPOCH_INTERVAL));
        move_to(aptos_framework, BlockResource {
            height: 0,
            epoch_interval: epoch_interval_microsecs,
            new_block_events: account::new_event_handle<NewBlockEvent>(aptos_framework)
        });
    }

    #[view]
    public fun get_current_block_height(): u64 {
        borrow_global<BlockResource>(@aptos_framework).height
    }

    #[view]
    public fun get_epoch_interval_secs(): u64 {
        borrow_global<BlockResource>(@aptos_framework).epoch_interval / 1000000
    }

    /// Changes the length of epochs from the next one on.
    public fun update_epoch_interval_microsecs(aptos_framework: &signer, new_epoch_interval: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        assert!(new_epoch_interval > 0, error::invalid_argument(EZERO_EPOCH_INTERVAL));
        borrow_global_mut<BlockResource>(@aptos_framework).epoch_interval = new_epoch_interval;
    }

    /// Starts a block. Only the virtual machine (0x0) may. The first block at or after the epoch's end starts the next
    /// epoch.
    fun block_prologue(
        vm: &signer,
        hash: address,
        epoch: u64,
        round: u64,
        proposer: address,
        failed_proposer_indices: vector<u64>,
        previous_block_votes_bitvec: vector<u8>,
        timestamp: u64
    ) {
        system_addresses::assert_vm(vm);
        assert!(
            proposer == @vm_reserved || stake::is_current_epoch_validator(proposer),
            error::permission_denied(EINVALID_PROPOSER)
        );
        timestamp::update_global_time(vm, proposer, timestamp);
        let block = borrow_global_mut<BlockResource>(@aptos_framework);
        block.height = block.height + 1;
        emit_new_block(block, hash, epoch, round, proposer, failed_proposer_indices, previous_block_votes_bitvec, timestamp);
        let interval = block.epoch_interval;
        stake::update_performance_statistics(proposer, failed_proposer_indices);
        if (reconfiguration::ends_epoch(timestamp)) reconfiguration::reconfigure(interval);
    }

    /// Starts the first epoch.
    public(friend) fun start_first_epoch() {
        reconfiguration::reconfigure(borrow_global<BlockResource>(@aptos_framework).epoch_interval);
    }

    /// Announces block 0.
    public(friend) fun emit_genesis_block_event() {
        let time = timestamp::now_microseconds();
        let block = borrow_global_mut<BlockResource>(@aptos_framework);
        emit_new_block(block, @0x0, 0, 0, @vm_reserved, vector::empty(), vector::empty(), time);
    }

    fun emit_new_block(
        block: &mut BlockResource,
        hash: address,
        epoch: u64,
        round: u64,
        proposer: address,
        failed_proposer_indices: vector<u64>,
        previous_block_votes_bitvec: vector<u8>,
        time_microseconds: u64
    ) {
        let height = block.height;
        event::emit_event(&mut block.new_block_events, NewBlockEvent {
            hash,
            epoch,
            round,
            height,
            previous_block_votes_bitvec,
            proposer,
            failed_proposer_indices,
            time_microseconds
        });
        event::emit(NewBlock {
            hash,
            epoch,
            round,
            height,
            previous_block_votes_bitvec,
            proposer,
            failed_proposer_indices,
            time_microseconds
        });
    }

    #[test_only]
    public fun initialize_for_test(aptos_framework: &signer, epoch_interval_microsecs: u64) {
        initialize(aptos_framework, epoch_interval_microsecs)
    }

    #[test_only]
    public fun block_prologue_for_test(vm: &signer, proposer: address, round: u64, timestamp: u64) {
        block_prologue(vm, @0xB10C, 1, round, proposer, vector::empty(), vector::empty(), timestamp)
    }

    #[test_only]
    public fun block_with_failures_for_test(vm: &signer, proposer: address, failed: vector<u64>, timestamp: u64) {
        block_prologue(vm, @0xB10C, 1, 1, proposer, failed, vector::empty(), timestamp)
    }
}
