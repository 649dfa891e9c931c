//! A thousand random transactions, twice from genesis: the same everywhere.

use noema_types::{Address, Gas, Hash};

use crate::support::{ACCOUNTS, Chain, address, bytes, model, sign};
use crate::{chain_with_probe, probe};

/// SplitMix64: a plain, seeded stream of numbers.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    state: Hash,
    digest: Hash,
    gas: u64,
    successes: u64,
    failures: u64,
    discards: u64,
}

fn state_hash(chain: &Chain) -> Hash {
    Hash::sha3(&[&bytes(&chain.state.values.iter().map(|(key, value)| (key, value.to_vec())).collect::<Vec<_>>())])
}

fn run(seed: u64, count: u64) -> Summary {
    let mut random = Random(seed);
    let mut chain = chain_with_probe();
    let (mut gas, mut successes, mut failures, mut discards) = (0, 0, 0, 0);
    let mut left = count;
    while left > 0 {
        let size = (1 + random.next(24)).min(left);
        left -= size;
        let mut txs = Vec::new();
        for _ in 0..size {
            let who = random.next(u64::from(ACCOUNTS)) as u8;
            let to =
                if random.next(8) == 0 { Address([random.next(50) as u8; 32]) } else { address(random.next(8) as u8) };
            let number = random.next(40);
            let (function, args) = match random.next(9) {
                0 | 1 => ("0x1::aptos_account::transfer".to_owned(), vec![bytes(&to), bytes(&(number * 1_000))]),
                2 => (probe("bump"), vec![bytes(&number)]),
                3 => (probe("only_even"), vec![bytes(&number)]),
                4 => (probe("divide"), vec![bytes(&(number % 4))]),
                5 => (probe("fill"), vec![bytes(&(number % 12))]),
                6 => (probe("ask"), vec![bytes(&model()), bytes(&format!("question {}", number % 6))]),
                7 => {
                    let choices = vec!["yes".to_owned(), "no".to_owned(), "perhaps".to_owned()];
                    (probe("decide"), vec![bytes(&model()), bytes(&"x".repeat(1 + number as usize)), bytes(&choices)])
                }
                _ => (probe("spin"), vec![]),
            };
            let mut raw = chain.raw(who, &function, args);
            if function.ends_with("spin") {
                raw.max_gas_amount = Gas(50 + number);
            }
            match random.next(20) {
                0 => raw.sequence_number += 1,
                1 => raw.chain_id = noema_types::ChainId(99),
                _ => drop(chain.call(who, &function, vec![])),
            }
            txs.push(sign(who, raw));
        }
        for result in chain.block(txs) {
            match result.output() {
                Some(output) => {
                    gas += output.gas_used.0;
                    *(if output.status.is_success() { &mut successes } else { &mut failures }) += 1;
                }
                None => discards += 1,
            }
        }
        (0..ACCOUNTS).for_each(|who| chain.forget_sequence_number(who));
    }
    Summary { state: state_hash(&chain), digest: chain.digest, gas, successes, failures, discards }
}

#[test]
fn a_thousand_random_transactions_twice_from_genesis() {
    let first = run(1, 1_000);
    assert_eq!(first, run(1, 1_000));
    assert_eq!(first.successes + first.failures + first.discards, 1_000);
    assert!(first.successes > 300 && first.failures > 100 && first.discards > 30, "{first:?}");
    assert_ne!(first.state, run(2, 50).state);
}
