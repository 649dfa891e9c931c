use std::collections::BTreeMap;

use noema_types::{
    AuthKey, ChainId, Ed25519PublicKey, Ed25519Signature, EntryFunction, Gas, Identifier, ModuleId, RawTransaction,
    SignedTransaction, TransactionAuthenticator, TransactionPayload,
};
use proptest::prelude::*;

use super::*;
use crate::{AccountState, GasBounds, SignatureVerifier, StaticRules, verify};

const NOW: UnixSeconds = UnixSeconds(1_000);

/// Accepts every signature whose first byte is not 0xBA.
#[derive(Debug)]
struct Toy;

impl SignatureVerifier for Toy {
    fn verify_batch(&self, transactions: &[&SignedTransaction]) -> Vec<Result<(), String>> {
        transactions
            .iter()
            .map(|tx| match &tx.authenticator {
                TransactionAuthenticator::Ed25519 { signature, .. } if signature.0[0] != 0xBA => Ok(()),
                _ => Err("bad".to_owned()),
            })
            .collect()
    }
}

#[derive(Debug, Default)]
struct Ledger(BTreeMap<Address, (u64, u64)>);

impl LedgerView for Ledger {
    fn account(&self, address: Address) -> Result<Option<AccountState>, String> {
        let state = |(sequence_number, _): &(u64, u64)| AccountState {
            sequence_number: *sequence_number,
            auth_key: AuthKey(address.0),
        };
        Ok(self.0.get(&address).map(state))
    }

    fn balance(&self, address: Address) -> Result<u64, String> {
        Ok(self.0.get(&address).map_or(0, |(_, balance)| *balance))
    }
}

fn rules() -> StaticRules {
    let gas = GasBounds { price_min: 1, price_max: 10_000, amount_min: 2, amount_max: 2_000_000 };
    StaticRules { chain_id: ChainId(4), gas }
}

fn key(who: u8) -> Ed25519PublicKey {
    Ed25519PublicKey([who; 32])
}

fn address(who: u8) -> Address {
    AuthKey::ed25519(&key(who)).to_address()
}

fn signed(who: u8, sequence_number: u64, price: u64) -> SignedTransaction {
    let name = |text: &str| Identifier::new(text).expect("a name");
    SignedTransaction {
        raw: RawTransaction {
            sender: address(who),
            sequence_number,
            payload: TransactionPayload::EntryFunction(EntryFunction {
                module: ModuleId::new(Address::ONE, name("coin")),
                function: name("transfer"),
                type_args: vec![],
                args: vec![],
            }),
            max_gas_amount: Gas(1_000),
            gas_unit_price: price,
            expiration_timestamp_secs: 2_000,
            chain_id: ChainId(4),
        },
        authenticator: TransactionAuthenticator::Ed25519 { public_key: key(who), signature: Ed25519Signature([1; 64]) },
    }
}

fn check(tx: SignedTransaction) -> Result<VerifiedTransaction, Rejection> {
    verify(vec![tx], &rules(), NOW, &Toy).pop().expect("one verdict")
}

fn ledger() -> Ledger {
    Ledger((0..10).map(|who| (address(who), (5, 100_000_000))).collect())
}

fn admit(pool: &mut Mempool, tx: SignedTransaction) -> Result<Admitted, Rejection> {
    pool.admit(check(tx)?, NOW, &ledger())
}

fn batch(pool: &mut Mempool, count: usize) -> Vec<(u64, u64)> {
    let batch = pool.next_batch(count, usize::MAX);
    batch.iter().map(|tx| (tx.sequence_number(), tx.price())).collect()
}

#[test]
fn every_static_rule_has_its_number() {
    let with = |change: &dyn Fn(&mut SignedTransaction)| {
        let mut tx = signed(1, 5, 100);
        change(&mut tx);
        check(tx).expect_err("refused").status_code()
    };
    assert_eq!(with(&|tx| tx.raw.chain_id = ChainId(9)), Some(23));
    assert_eq!(with(&|tx| tx.raw.max_gas_amount = Gas(2_000_001)), Some(13));
    assert_eq!(with(&|tx| tx.raw.max_gas_amount = Gas(1)), Some(14));
    assert_eq!(with(&|tx| tx.raw.gas_unit_price = 0), Some(15));
    assert_eq!(with(&|tx| tx.raw.gas_unit_price = 10_001), Some(16));
    assert_eq!(with(&|tx| tx.raw.expiration_timestamp_secs = 1_000), Some(6));
    let huge = |tx: &mut SignedTransaction| {
        let TransactionPayload::EntryFunction(call) = &mut tx.raw.payload else { panic!("a call") };
        call.args = vec![vec![0; 70_000]];
    };
    assert_eq!(with(&huge), Some(10));
    let bad = TransactionAuthenticator::Ed25519 { public_key: key(1), signature: Ed25519Signature([0xBA; 64]) };
    assert_eq!(with(&|tx| tx.authenticator = bad.clone()), Some(1));
    assert!(check(signed(1, 5, 100)).is_ok());
}

#[test]
fn every_account_rule_has_its_number() {
    let mut pool = Mempool::new(MempoolConfig::default());
    let code = |result: Result<Admitted, Rejection>| result.expect_err("refused").status_code();
    assert_eq!(code(admit(&mut pool, signed(1, 4, 100))), Some(3));
    assert_eq!(code(admit(&mut pool, signed(1, 5 + SEQUENCE_AHEAD_MAX + 1, 100))), Some(4));
    assert_eq!(code(admit(&mut pool, signed(99, 0, 100))), Some(7));
    let mut stolen = signed(1, 5, 100);
    stolen.raw.sender = address(2);
    assert_eq!(code(admit(&mut pool, stolen)), Some(2));
    let poor = Ledger(BTreeMap::from([(address(1), (5, 99_999))]));
    let result = pool.admit(check(signed(1, 5, 100)).expect("valid"), NOW, &poor);
    assert_eq!(code(result), Some(5));
    assert_eq!(pool.size(), PoolSize::default());
}

#[test]
fn a_bad_signature_wins_over_a_wrong_key() {
    let mut tx = signed(1, 5, 100);
    tx.raw.sender = address(2);
    tx.authenticator =
        TransactionAuthenticator::Ed25519 { public_key: key(1), signature: Ed25519Signature([0xBA; 64]) };
    assert_eq!(check(tx).expect_err("refused").status_code(), Some(1));
}

#[test]
fn price_orders_senders_and_sequence_orders_within_one() {
    let mut pool = Mempool::new(MempoolConfig::default());
    for (who, number, price) in [(1, 5, 10), (1, 6, 900), (2, 5, 50), (3, 5, 50), (2, 6, 20)] {
        assert!(!admit(&mut pool, signed(who, number, price)).expect("admitted").parked);
    }
    assert_eq!(batch(&mut pool, 3), [(5, 50), (5, 50), (6, 20)]);
    assert_eq!(batch(&mut pool, 9), [(5, 10), (6, 900)]);
    assert_eq!(batch(&mut pool, 9), []);
    assert_eq!(pool.size().proposed, 5);
}

#[test]
fn parked_transactions_wait_for_the_gap_to_close() {
    let mut pool = Mempool::new(MempoolConfig::default());
    assert!(admit(&mut pool, signed(1, 7, 10)).expect("admitted").parked);
    assert!(admit(&mut pool, signed(1, 6, 10)).expect("admitted").parked);
    assert!(!pool.has_ready());
    assert_eq!(batch(&mut pool, 9), []);
    assert!(!admit(&mut pool, signed(1, 5, 10)).expect("admitted").parked);
    assert_eq!(batch(&mut pool, 9), [(5, 10), (6, 10), (7, 10)]);
}

#[test]
fn the_chain_can_close_a_gap_too() {
    let mut pool = Mempool::new(MempoolConfig::default());
    admit(&mut pool, signed(1, 7, 10)).expect("admitted");
    pool.committed(address(1), 7);
    assert_eq!(batch(&mut pool, 9), [(7, 10)]);
    pool.committed(address(1), 8);
    assert_eq!(pool.size(), PoolSize::default());
}

#[test]
fn a_higher_price_replaces_and_a_lower_one_does_not() {
    let mut pool = Mempool::new(MempoolConfig::default());
    let first = admit(&mut pool, signed(1, 5, 10)).expect("admitted");
    assert!(matches!(admit(&mut pool, signed(1, 5, 9)), Err(Rejection::InvalidUpdate { .. })));
    let second = admit(&mut pool, signed(1, 5, 11)).expect("replaces");
    assert_eq!(second.replaced, Some(first.hash));
    assert_eq!(admit(&mut pool, signed(1, 5, 11)).expect("known"), Admitted { replaced: None, ..second });
    assert!(pool.get(&first.hash).is_none());
    assert_eq!(batch(&mut pool, 9), [(5, 11)]);
    assert!(matches!(admit(&mut pool, signed(1, 5, 99)), Err(Rejection::InvalidUpdate { .. })));
}

#[test]
fn a_full_pool_names_its_limit() {
    let config = MempoolConfig { transactions_max: 3, sender_transactions_max: 2, ..MempoolConfig::default() };
    let mut pool = Mempool::new(config);
    admit(&mut pool, signed(1, 5, 10)).expect("admitted");
    admit(&mut pool, signed(1, 6, 10)).expect("admitted");
    let error = admit(&mut pool, signed(1, 7, 10)).expect_err("full");
    assert_eq!(error, Rejection::Full { what: "the sender", count: 2, limit: 2 });
    admit(&mut pool, signed(2, 5, 10)).expect("admitted");
    let error = admit(&mut pool, signed(3, 5, 10)).expect_err("full");
    assert_eq!(error.to_string(), "mempool is full: the pool has 3, the limit is 3");
    assert!(admit(&mut pool, signed(2, 5, 11)).is_ok(), "a replacement needs no room");
    let mut pool = Mempool::new(MempoolConfig { bytes_max: 100, ..MempoolConfig::default() });
    assert!(matches!(admit(&mut pool, signed(1, 5, 10)), Err(Rejection::Full { what: "the pool's bytes", .. })));
}

#[test]
fn a_full_sender_can_still_close_its_gap() {
    let mut pool = Mempool::new(MempoolConfig { sender_transactions_max: 3, ..MempoolConfig::default() });
    let last = signed(1, 8, 10).hash();
    for number in [6, 7, 8] {
        assert!(admit(&mut pool, signed(1, number, 10)).unwrap().parked);
    }
    assert!(matches!(admit(&mut pool, signed(1, 9, 10)), Err(Rejection::Full { .. })));
    let first = admit(&mut pool, signed(1, 5, 10)).unwrap();
    assert_eq!((first.parked, first.replaced), (false, Some(last)), "the one that waits longest makes room");
    assert_eq!(batch(&mut pool, 9), [(5, 10), (6, 10), (7, 10)]);
}

#[test]
fn batches_keep_their_bytes() {
    let mut pool = Mempool::new(MempoolConfig::default());
    let size = signed(1, 5, 10).size();
    for number in 5..10 {
        admit(&mut pool, signed(1, number, 10)).expect("admitted");
    }
    assert_eq!(pool.next_batch(9, 2 * size).len(), 2);
    assert_eq!(pool.next_batch(9, size - 1).len(), 0);
    assert_eq!(pool.next_batch(9, usize::MAX).len(), 3);
}

#[test]
fn what_expires_goes_and_what_is_proposed_stays() {
    let mut pool = Mempool::new(MempoolConfig { wait_seconds_max: 100, ..MempoolConfig::default() });
    let first = admit(&mut pool, signed(1, 5, 10)).expect("admitted");
    let second = admit(&mut pool, signed(2, 5, 5)).expect("admitted");
    assert_eq!(batch(&mut pool, 1), [(5, 10)]);
    assert_eq!(pool.expire(UnixSeconds(1_099)), []);
    assert_eq!(pool.expire(UnixSeconds(1_100)), [second.hash]);
    assert!(pool.get(&first.hash).is_some());
    assert_eq!(batch(&mut pool, 9), []);
}

#[test]
fn a_failed_proposal_comes_back_in_order() {
    let mut pool = Mempool::new(MempoolConfig::default());
    let first = admit(&mut pool, signed(1, 5, 10)).expect("admitted");
    admit(&mut pool, signed(1, 6, 10)).expect("admitted");
    assert_eq!(batch(&mut pool, 9).len(), 2);
    pool.release(&first.hash);
    assert_eq!(pool.size().proposed, 0);
    assert_eq!(batch(&mut pool, 9), [(5, 10), (6, 10)]);
}

#[test]
fn a_discarded_transaction_leaves_a_gap_that_another_may_fill() {
    let mut pool = Mempool::new(MempoolConfig::default());
    let first = admit(&mut pool, signed(1, 5, 10)).expect("admitted");
    admit(&mut pool, signed(1, 6, 10)).expect("admitted");
    assert_eq!(batch(&mut pool, 9).len(), 2);
    assert!(pool.remove(&first.hash).is_some());
    assert_eq!(batch(&mut pool, 9), []);
    assert!(!admit(&mut pool, signed(1, 5, 3)).expect("fills the gap").parked);
    assert_eq!(batch(&mut pool, 9), [(5, 3), (6, 10)]);
}

#[derive(Debug, Clone)]
enum Step {
    Admit(u8, u64, u64),
    Batch(usize),
    Commit(u8, u64),
    Release(u8, u64),
    Discard(u8, u64),
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u8..4;
    let number = 5u64..14;
    prop_oneof![
        4 => (who.clone(), number.clone(), 1u64..5).prop_map(|(who, number, price)| Step::Admit(who, number, price)),
        2 => (0usize..6).prop_map(Step::Batch),
        1 => (who.clone(), number.clone()).prop_map(|(who, number)| Step::Commit(who, number)),
        1 => (who.clone(), number.clone()).prop_map(|(who, number)| Step::Release(who, number)),
        1 => (who, number).prop_map(|(who, number)| Step::Discard(who, number)),
        1 => (1_000u64..2_100).prop_map(Step::Expire),
    ]
}

impl Mempool {
    /// Every index says the same.
    fn check_invariants(&self) {
        let entries = || self.senders.iter().flat_map(|(a, s)| s.entries.iter().map(move |(n, e)| (*a, *n, e)));
        assert_eq!(self.by_hash.len(), entries().count());
        assert_eq!(self.by_expiry.len(), entries().count());
        assert_eq!(self.bytes, entries().map(|(.., entry)| entry.transaction.bytes().len()).sum::<usize>());
        assert_eq!(self.proposed, entries().filter(|(.., entry)| entry.proposed).count());
        let waiting = entries().filter(|(.., entry)| !entry.proposed);
        let waiting: usize = waiting.map(|(.., entry)| entry.transaction.bytes().len()).sum();
        assert_eq!(self.ready_bytes(), if self.heads.is_empty() { 0 } else { waiting });
        let heads: BTreeSet<Place> = self.senders.iter().filter_map(|(a, s)| s.head(*a)).collect();
        assert_eq!(self.heads, heads);
        for sender in self.senders.values() {
            assert!(!sender.entries.is_empty() && sender.next >= sender.sequence_number);
            assert!(sender.entries.iter().all(|(number, entry)| entry.proposed == (*number < sender.next)));
            assert!(sender.entries.keys().all(|number| *number >= sender.sequence_number));
        }
    }
}

proptest! {
    #[test]
    fn indices_agree_and_batches_have_no_gaps(steps in prop::collection::vec(step(), 1..120)) {
        let mut pool = Mempool::new(MempoolConfig { sender_transactions_max: 6, ..MempoolConfig::default() });
        let mut chain = ledger();
        for step in steps {
            let hash = |pool: &Mempool, who, number| {
                pool.of_sender(address(who)).find(|tx| tx.sequence_number() == number).map(VerifiedTransaction::hash)
            };
            match step {
                Step::Admit(who, number, price) => {
                    let _ = pool.admit(check(signed(who, number, price)).expect("valid"), NOW, &chain);
                }
                Step::Batch(count) => {
                    let mut next: BTreeMap<Address, u64> = pool.senders.iter().map(|(a, s)| (*a, s.next)).collect();
                    for tx in pool.next_batch(count, usize::MAX) {
                        let expected = next.get_mut(&tx.sender()).expect("known");
                        prop_assert_eq!(tx.sequence_number(), *expected);
                        *expected += 1;
                    }
                }
                Step::Commit(who, number) => {
                    let state = chain.0.get_mut(&address(who)).expect("exists");
                    state.0 = state.0.max(number);
                    pool.committed(address(who), state.0);
                }
                Step::Release(who, number) => {
                    if let Some(hash) = hash(&pool, who, number) { pool.release(&hash) }
                }
                Step::Discard(who, number) => {
                    if let Some(hash) = hash(&pool, who, number) { prop_assert!(pool.remove(&hash).is_some()) }
                }
                Step::Expire(now) => drop(pool.expire(UnixSeconds(now))),
            }
            pool.check_invariants();
        }
    }
}
