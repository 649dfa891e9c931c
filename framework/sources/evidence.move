/// Remembers who signed blocks in which epoch, for as long as evidence against them counts, and judges it.
///
/// Evidence is two signed block headers of one slot. The signed bytes are a domain tag and the header's BCS, which
/// begins with the chain (32 bytes), the epoch, the round (u64 each) and the author's position (u16), numbers with the
/// lowest byte first. An honest validator never signs two blocks of one slot, on any chain: that the chains are equal is
/// enough, and the chain's own name, the hash of a genesis that holds this module, cannot be known here.
module aptos_framework::evidence {
    use std::error;
    use std::vector;
    use aptos_std::ed25519;
    use aptos_std::table::{Self, Table};
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;

    friend aptos_framework::genesis;
    friend aptos_framework::stake;

    /// First bytes of what validators sign for a block.
    const BLOCK_DOMAIN: vector<u8> = b"NOEMA::Block";
    const CHAIN_BYTES: u64 = 32;
    const ROUND_AT: u64 = 40;
    const AUTHOR_AT: u64 = 48;
    /// Bytes that name a slot.
    const SLOT_BYTES: u64 = 50;
    /// Epochs forgotten at the start of one, at most.
    const FORGOTTEN_MAX: u64 = 8;

    /// The two are one and the same block.
    const ESAME_BLOCK: u64 = 1;
    /// The bytes are too few to be a header.
    const EMALFORMED_HEADER: u64 = 2;
    /// The headers are of different chains.
    const EDIFFERENT_CHAINS: u64 = 3;
    /// The headers are of different epochs.
    const EDIFFERENT_EPOCHS: u64 = 4;
    /// The headers are of different rounds.
    const EDIFFERENT_ROUNDS: u64 = 5;
    /// The headers are of different authors.
    const EDIFFERENT_AUTHORS: u64 = 6;
    /// The epoch has not begun, or is too long ago.
    const EEPOCH_OUT_OF_REACH: u64 = 7;
    /// The epoch had fewer validators.
    const EUNKNOWN_AUTHOR: u64 = 8;
    /// A signature is not that of the author's key of that epoch.
    const EWRONG_SIGNATURE: u64 = 9;
    /// The validator was punished for this epoch already.
    const EALREADY_PUNISHED: u64 = 10;

    /// A validator of an epoch and the key that it signed blocks with.
    struct BlockSigner has copy, drop, store {
        addr: address,
        consensus_pubkey: vector<u8>
    }

    /// What is kept of an epoch.
    struct EpochRecord has drop, store {
        /// By their position in the committee.
        signers: vector<BlockSigner>,
        /// Whether the epoch is over.
        over: bool,
        /// When evidence of an epoch that is over stops to count.
        evidence_until_secs: u64,
        /// Validators that were punished for it.
        punished: vector<address>
    }

    struct History has key {
        epochs: Table<u64, EpochRecord>,
        /// The first epoch that is kept.
        first_epoch: u64,
        /// The epoch that runs; 0 before the first.
        current_epoch: u64
    }

    public(friend) fun initialize(aptos_framework: &signer) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, History { epochs: table::new(), first_epoch: 1, current_epoch: 0 });
    }

    public(friend) fun new_block_signer(addr: address, consensus_pubkey: vector<u8>): BlockSigner {
        BlockSigner { addr, consensus_pubkey }
    }

    #[view]
    /// The epoch that runs; 0 before the first.
    public fun current_epoch(): u64 {
        borrow_global<History>(@aptos_framework).current_epoch
    }

    #[view]
    /// Whether evidence of an epoch counts now.
    public fun is_epoch_within_reach(epoch: u64): bool {
        let history = borrow_global<History>(@aptos_framework);
        if (!table::contains(&history.epochs, epoch)) return false;
        let record = table::borrow(&history.epochs, epoch);
        !record.over || timestamp::now_seconds() < record.evidence_until_secs
    }

    /// Ends the epoch that runs and begins the next. Evidence of the former counts until `evidence_until_secs`.
    public(friend) fun begin_epoch(signers: vector<BlockSigner>, evidence_until_secs: u64) {
        let history = borrow_global_mut<History>(@aptos_framework);
        if (history.current_epoch > 0) {
            let ended = table::borrow_mut(&mut history.epochs, history.current_epoch);
            ended.over = true;
            ended.evidence_until_secs = evidence_until_secs;
        };
        history.current_epoch = history.current_epoch + 1;
        let record = EpochRecord { signers, over: false, evidence_until_secs: 0, punished: vector::empty() };
        table::add(&mut history.epochs, history.current_epoch, record);
        forget(history);
    }

    fun forget(history: &mut History) {
        let now = timestamp::now_seconds();
        let left = FORGOTTEN_MAX;
        while (left > 0 && history.first_epoch < history.current_epoch) {
            if (now < table::borrow(&history.epochs, history.first_epoch).evidence_until_secs) return;
            table::remove(&mut history.epochs, history.first_epoch);
            history.first_epoch = history.first_epoch + 1;
            left = left - 1;
        }
    }

    /// Judges two signed headers: whose they are, and of which epoch. Aborts if they prove nothing. The same validator is
    /// judged once per epoch.
    public(friend) fun judge(
        header_a: vector<u8>, signature_a: vector<u8>, header_b: vector<u8>, signature_b: vector<u8>
    ): (address, u64) {
        assert!(header_a != header_b || signature_a != signature_b, error::invalid_argument(ESAME_BLOCK));
        check_slot(&header_a, &header_b);
        let epoch = number(&header_a, CHAIN_BYTES, ROUND_AT);
        assert!(is_epoch_within_reach(epoch), error::out_of_range(EEPOCH_OUT_OF_REACH));
        let record = table::borrow_mut(&mut borrow_global_mut<History>(@aptos_framework).epochs, epoch);
        let author = number(&header_a, AUTHOR_AT, SLOT_BYTES);
        assert!(author < vector::length(&record.signers), error::invalid_argument(EUNKNOWN_AUTHOR));
        let signer = *vector::borrow(&record.signers, author);
        let addr = signer.addr;
        assert!(!vector::contains(&record.punished, &addr), error::already_exists(EALREADY_PUNISHED));
        check_signature(signature_a, signer.consensus_pubkey, header_a);
        check_signature(signature_b, signer.consensus_pubkey, header_b);
        vector::push_back(&mut record.punished, addr);
        (addr, epoch)
    }

    fun check_slot(a: &vector<u8>, b: &vector<u8>) {
        assert!(
            vector::length(a) >= SLOT_BYTES && vector::length(b) >= SLOT_BYTES,
            error::invalid_argument(EMALFORMED_HEADER)
        );
        assert!(equal(a, b, 0, CHAIN_BYTES), error::invalid_argument(EDIFFERENT_CHAINS));
        assert!(equal(a, b, CHAIN_BYTES, ROUND_AT), error::invalid_argument(EDIFFERENT_EPOCHS));
        assert!(equal(a, b, ROUND_AT, AUTHOR_AT), error::invalid_argument(EDIFFERENT_ROUNDS));
        assert!(equal(a, b, AUTHOR_AT, SLOT_BYTES), error::invalid_argument(EDIFFERENT_AUTHORS));
    }

    fun equal(a: &vector<u8>, b: &vector<u8>, start: u64, end: u64): bool {
        vector::slice(a, start, end) == vector::slice(b, start, end)
    }

    /// The number whose bytes, lowest first, lie from `start` to before `end`.
    fun number(bytes: &vector<u8>, start: u64, end: u64): u64 {
        let value = 0u64;
        while (end > start) {
            end = end - 1;
            value = (value << 8) | (*vector::borrow(bytes, end) as u64);
        };
        value
    }

    fun check_signature(signature: vector<u8>, key: vector<u8>, header: vector<u8>) {
        let message = BLOCK_DOMAIN;
        vector::append(&mut message, header);
        assert!(
            ed25519::signature_verify_as_validators_do(signature, key, message),
            error::invalid_argument(EWRONG_SIGNATURE)
        );
    }
}
