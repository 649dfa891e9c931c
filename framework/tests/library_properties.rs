//! The library's containers, sorts and numbers against models in Rust, on random programs of calls.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use noema_compiler::{Options, SourcePackage, compile_sources};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, TransactionContext};
use noema_framework::{natives, source_package};
use noema_types::{Address, ModuleId, StateKey, U256};
use noema_vm::{ExecError, Vm, VmLimits};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

/// What stands for no value in a trace.
const NONE: u64 = u64::MAX;

/// What the reader reads.
type Read = (u16, Vec<Vec<u8>>, Option<u128>, bool);

const PROGRAM: &str = include_str!("library_properties.move.in");

/// The standard library, the framework and the test's own module.
static STATE: LazyLock<MemoryState> = LazyLock::new(|| {
    let mut addresses = source_package(noema_framework::package()).addresses;
    addresses.insert("test".to_owned(), Address::from_u8(0x42));
    let package = SourcePackage {
        name: "test".to_owned(),
        sources: vec![("library_properties.move".to_owned(), PROGRAM.to_owned())],
        addresses,
    };
    let dependencies = [source_package(noema_move_stdlib::package()), source_package(noema_framework::package())];
    let program =
        compile_sources(&package, &dependencies, Options::default()).unwrap_or_else(|failure| panic!("{failure}"));
    let mut state = MemoryState::new();
    for unit in &program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    state
});

static VM: LazyLock<Vm> = LazyLock::new(|| Vm::new(natives(), GasSchedule::default(), VmLimits::default()));

/// Calls a function of the test's module; the results' BCS one after the other, or the abort code.
fn call(function: &str, args: Vec<Vec<u8>>) -> Result<Vec<u8>, u64> {
    let module: ModuleId = "0x42::library_properties".parse().expect("a module's name");
    let mut session = VM.session(&*STATE, &NoAnswers, TransactionContext::default());
    match session.execute_function(&module, function, vec![], args, &mut GasMeter::unlimited()) {
        Ok(results) => Ok(results.into_iter().flat_map(|(bytes, _)| bytes).collect()),
        Err(ExecError::Program(error)) => Err(error.abort_code().unwrap_or(NONE)),
        Err(error) => panic!("{function}: {error:?}"),
    }
}

fn run<T: DeserializeOwned>(function: &str, args: Vec<Vec<u8>>) -> T {
    bcs::from_bytes(&call(function, args).expect("it returns")).expect("its results are of this type")
}

fn arg<T: serde::Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("arguments have BCS")
}

/// What a map of numbers answers to `(operation, key)`s: 0 sets the key's value to the operation's position, 1 takes it
/// away, 2 reads it, 3 the next key, 4 the key before.
fn model(operations: &[(u8, u64)]) -> (Vec<u64>, BTreeMap<u64, u64>) {
    let mut map = BTreeMap::new();
    let trace = operations.iter().enumerate().map(|(position, (operation, key))| {
        match operation {
            0 => map.insert(*key, position as u64),
            1 => map.remove(key),
            2 => map.get(key).copied(),
            3 => map.range(key + 1..).next().map(|(key, _)| *key),
            _ => map.range(..key).next_back().map(|(key, _)| *key),
        }
        .unwrap_or(NONE)
    });
    (trace.collect(), map)
}

fn operations(kinds: u8) -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0..kinds, 0u64..40), 0..80)
}

fn check_map(function: &str, operations: &[(u8, u64)]) {
    let (trace, map) = model(operations);
    let (kinds, keys): (Vec<u8>, Vec<u64>) = operations.iter().copied().unzip();
    let found: (Vec<u64>, Vec<u64>, Vec<u64>) = run(function, vec![arg(&kinds), arg(&keys)]);
    assert_eq!(found, (trace, map.keys().copied().collect(), map.values().copied().collect()), "{function}");
}

/// What a vector answers to `(operation, index)`s: 0 adds the position at the end, 1 takes the last, 2 removes, 3 removes
/// with the last in its place, 4 swaps with the first, 5 reverses.
fn check_vector(function: &str, operations: &[(u8, u64)]) {
    let mut vector: Vec<u64> = Vec::new();
    let mut trace = Vec::new();
    for (position, (operation, index)) in operations.iter().enumerate() {
        let index = if vector.is_empty() { 0 } else { *index as usize % vector.len() };
        match operation {
            0 => vector.push(position as u64),
            _ if vector.is_empty() => {}
            1 => trace.extend(vector.pop()),
            2 => trace.push(vector.remove(index)),
            3 => trace.push(vector.swap_remove(index)),
            4 => vector.swap(0, index),
            _ => vector.reverse(),
        }
    }
    let (kinds, indices): (Vec<u8>, Vec<u64>) = operations.iter().copied().unzip();
    let found: (Vec<u64>, Vec<u64>) = run(function, vec![arg(&kinds), arg(&indices)]);
    assert_eq!(found, (trace, vector), "{function}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn maps_are_maps(operations in operations(5)) {
        check_map("ordered_map", &operations);
    }

    #[test]
    fn maps_without_order_are_maps(operations in operations(3)) {
        check_map("simple_map", &operations);
        check_map("smart_table", &operations);
    }

    #[test]
    fn merged_maps_are_maps(first in prop::collection::btree_map(0u64..60, 0u64..9, 0..30),
                            second in prop::collection::btree_map(0u64..60, 0u64..9, 0..30)) {
        let args = [&first, &second].into_iter().flat_map(|map| {
            [arg(&map.keys().copied().collect::<Vec<_>>()), arg(&map.values().copied().collect::<Vec<_>>())]
        });
        let found: (Vec<u64>, Vec<u64>) = run("merge", args.collect());
        let mut merged = first;
        merged.extend(second);
        prop_assert_eq!(found, (merged.keys().copied().collect(), merged.values().copied().collect()));
    }

    #[test]
    fn vectors_in_buckets_are_vectors(mut operations in prop::collection::vec((0u8..6, 0u64..40), 0..60)) {
        // Enough elements for several buckets.
        operations.splice(0..0, (0..12).map(|_| (0, 0)));
        check_vector("big_vector", &operations);
        check_vector("smart_vector", &operations);
    }

    #[test]
    fn sorts_are_stable(values in prop::collection::vec(0u64..400, 0..70)) {
        let mut sorted = values.clone();
        sorted.sort_by_key(|value| value / 10);
        for function in ["sort_by", "merge_sort", "insertion_sort"] {
            prop_assert_eq!(&run::<Vec<u64>>(function, vec![arg(&values)]), &sorted, "{}", function);
        }
    }

    #[test]
    fn partitions_part(values in prop::collection::vec(0u64..100, 0..40), limit in 0u64..100) {
        let (low, high): (Vec<u64>, Vec<u64>) = values.iter().partition(|value| **value < limit);
        let stable = (low.len() as u64, [low.clone(), high.clone()].concat());
        prop_assert_eq!(run::<(u64, Vec<u64>)>("stable_partition", vec![arg(&values), arg(&limit)]), stable);
        let (count, mut parts): (u64, Vec<u64>) = run("partition", vec![arg(&values), arg(&limit)]);
        let (mut rest, mut first) = (parts.split_off(count as usize), parts);
        let (mut low, mut high) = (low, high);
        [&mut rest, &mut first, &mut low, &mut high].into_iter().for_each(|part| part.sort_unstable());
        prop_assert_eq!((first, rest), (low, high));
    }

    #[test]
    fn order_is_rusts(first in any::<(u64, Vec<u8>, bool)>(), second in any::<(u64, Vec<u8>, bool)>()) {
        let order = match first.cmp(&second) {
            std::cmp::Ordering::Less => 0u8,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Greater => 2,
        };
        let args = vec![arg(&first.0), arg(&first.1), arg(&first.2), arg(&second.0), arg(&second.1), arg(&second.2)];
        prop_assert_eq!(run::<u8>("compare", args), order);
    }

    #[test]
    fn the_reader_takes_what_rusts_takes(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        any::<Read>().prop_map(|value| arg(&value)),
        (any::<Read>(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(value, at, byte)| {
                let mut bytes = arg(&value);
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }
        ),
    ]) {
        let expected: Option<Read> = bcs::from_bytes(&bytes).ok();
        // The last result is what is left.
        let found = call("peel", vec![arg(&bytes)]).ok().and_then(|results| {
            let (value, rest): (_, Vec<u8>) = bcs::from_bytes(&results).unwrap();
            rest.is_empty().then_some(value)
        });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn integers_of_64_bits(x in any::<u64>(), shift in 0u32..64, y in any::<u64>(), z in 1u64..) {
        let x = x >> shift;
        let roots: (u64, u128, u128) = run("roots", vec![arg(&x)]);
        prop_assert_eq!(roots.0, x.isqrt());
        let square = u128::from(x) * u128::from(x) + u128::from(x);
        prop_assert_eq!(roots.1, square.isqrt());
        prop_assert_eq!(roots.2, square);
        let product = u128::from(x) * u128::from(y) / u128::from(z);
        let found = call("mul_div", vec![arg(&x), arg(&y), arg(&z)]);
        match u64::try_from(product) {
            Ok(product) => prop_assert_eq!(found, Ok(arg(&product))),
            Err(_) => prop_assert!(found.is_err()),
        }
        let checked: (Option<u64>, Option<u64>, Option<u64>, Option<u64>) = run("checked", vec![arg(&x), arg(&y)]);
        prop_assert_eq!(checked, (x.checked_add(y), x.checked_sub(y), x.checked_mul(y), x.checked_div(y)));
        let saturating: (u64, u64, u64) = run("saturating", vec![arg(&x), arg(&y)]);
        prop_assert_eq!(saturating, (x.saturating_add(y), x.saturating_sub(y), x.saturating_mul(y)));
        let exponent = (y % 12) as u8;
        let power = call("pow", vec![arg(&x), arg(&exponent)]).ok();
        prop_assert_eq!(power, x.checked_pow(exponent.into()).map(|power| arg(&power)));
        prop_assert_eq!(run::<String>("digits", vec![arg(&x)]), x.to_string());
    }

    #[test]
    fn fixed_point_rounds_down(a in any::<u128>(), shift in 0u32..128, b in 1u128..) {
        let (a, wide_a, wide_b) = (a >> shift, U256::from(a >> shift), U256::from(b));
        let fits = |value: U256| u128::try_from(value).ok();
        let product = fits((wide_a * wide_b) >> 64);
        let quotient = fits((wide_a << 64) / wide_b);
        prop_assert_eq!(call("multiply_64", vec![arg(&a), arg(&b)]).ok(), product.map(|value| arg(&value)));
        prop_assert_eq!(call("divide_64", vec![arg(&a), arg(&b)]).ok(), quotient.map(|value| arg(&value)));
        prop_assert_eq!(call("uq_multiply_64", vec![arg(&a), arg(&b)]).ok(), product.map(|value| arg(&value)));
        prop_assert_eq!(call("uq_divide_64", vec![arg(&a), arg(&b)]).ok(), quotient.map(|value| arg(&value)));
    }

    #[test]
    fn exponentials_and_logarithms_undo_each_other(raw in 1u128 << 40..44 << 64) {
        // ln(exp(x)) = x, up to what is cut off the exponential.
        let found: u128 = run("ln_of_exp", vec![arg(&raw)]);
        prop_assert!(found.abs_diff(raw) <= 16, "{found} for {raw}");
        let root: u128 = run("square_of_root", vec![arg(&raw)]);
        prop_assert!(root <= raw && raw - root < 1 << 36, "{root} for {raw}");
    }

    #[test]
    fn a_pool_never_pays_more_than_it_got(steps in prop::collection::vec((0u8..3, 0u8..4, 1u64..1_000_000), 1..40)) {
        let (kinds, rest): (Vec<u8>, Vec<(u8, u64)>) = steps.into_iter().map(|(a, b, c)| (a, (b, c))).unzip();
        let (who, amounts): (Vec<u8>, Vec<u64>) = rest.into_iter().unzip();
        // Paid in and profits, paid out, left; and that balances never exceed the pot is asserted in Move.
        let (paid_in, paid_out, left): (u64, u64, u64) = run("pool", vec![arg(&kinds), arg(&who), arg(&amounts)]);
        prop_assert_eq!(paid_in, paid_out + left);
    }
}
