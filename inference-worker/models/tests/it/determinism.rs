//! The bits of all logits do not depend on kernel, threads, chunks, batch or sharing.

use std::sync::Arc;

use noema_models::{Compute, KvCache, LoadedModel, Model, ModelError, Step, Want, load_bytes, synthetic};
use noema_numerics::{Kernel, NumericsError};
use proptest::prelude::*;

const THREADS: [usize; 4] = [1, 2, 3, 7];

fn computes() -> Vec<Compute> {
    let make = |kernel| THREADS.map(|threads| Compute::with_threads(kernel, threads).expect("an available kernel"));
    Kernel::available().into_iter().flat_map(make).collect()
}

fn tiny() -> LoadedModel {
    load_bytes(&synthetic::tiny_llama(1), None).expect("the synthetic model loads")
}

fn causal(loaded: &LoadedModel) -> Arc<dyn Model> {
    Arc::clone(loaded.causal().expect("it continues texts"))
}

fn tokens(count: usize, salt: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + salt * 17 + i * i) % 265).collect()
}

fn run(model: &dyn Model, compute: &Compute, cache: &mut KvCache, tokens: &[u32]) -> Result<Vec<Vec<u32>>, ModelError> {
    let mut steps = [Step { tokens, cache, want: Want::All }];
    let logits = model.forward(compute, &mut steps).pop().expect("one result per step")?;
    Ok((0..logits.rows()).map(|row| bits(logits.row(row))).collect())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Token by token on the scalar kernel: the truth.
fn truth(model: &dyn Model, tokens: &[u32]) -> Vec<Vec<u32>> {
    let compute = Compute::single(Kernel::Scalar).expect("scalar is always there");
    let mut cache = model.new_cache();
    tokens.chunks(1).flat_map(|token| run(model, &compute, &mut cache, token).expect("finite")).collect()
}

#[test]
fn kernels_threads_and_chunks() {
    let model = causal(&tiny());
    let tokens = tokens(150, 0);
    let truth = truth(&*model, &tokens);
    for compute in computes() {
        for chunk in [1, 7, 64, 65, 150] {
            let mut cache = model.new_cache();
            let mut rows = Vec::new();
            for chunk in tokens.chunks(chunk) {
                rows.extend(run(&*model, &compute, &mut cache, chunk).expect("finite"));
            }
            assert_eq!(cache.len(), 150);
            assert!(
                rows == truth,
                "{:?} {} threads, chunks of {chunk}",
                compute.arithmetic().kernel(),
                compute.threads()
            );
        }
    }
}

#[test]
fn wide_models_split_over_threads_too() {
    let shape = noema_inference_api::ModelManifest {
        hidden: 192,
        heads: 6,
        kv_heads: 3,
        head_dim: 32,
        feed_forward: 513,
        layers: 3,
        tied_head: false,
        ..synthetic::tiny_manifest()
    };
    let model = causal(&load_bytes(&synthetic::random_model(&shape, 4).expect("a valid shape"), None).expect("loads"));
    let tokens = tokens(90, 1);
    let truth = truth(&*model, &tokens);
    for compute in computes() {
        let rows = run(&*model, &compute, &mut model.new_cache(), &tokens).expect("finite");
        assert!(rows == truth, "{:?} {} threads", compute.arithmetic().kernel(), compute.threads());
    }
}

#[test]
fn forked_caches_give_what_separate_ones_give() {
    let model = causal(&tiny());
    let compute = Compute::with_threads(Kernel::best(), 2).expect("a kernel");
    let prefix = tokens(70, 2);
    let mut shared = model.new_cache();
    run(&*model, &compute, &mut shared, &prefix).expect("finite");
    for salt in 0..3 {
        let tail = tokens(20, salt + 10);
        let all: Vec<u32> = prefix.iter().chain(&tail).copied().collect();
        let mut fork = shared.fork();
        let rows = run(&*model, &compute, &mut fork, &tail).expect("finite");
        assert!(rows == truth(&*model, &all)[70..]);
        fork.truncate(70);
        assert!(run(&*model, &compute, &mut fork, &tail).expect("finite") == rows, "after truncation");
    }
    assert_eq!(shared.len(), 70);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Sequences join and leave batches at random; each one's logits are those it has alone.
    #[test]
    fn random_batches(
        lengths in proptest::collection::vec(1usize..90, 1..6),
        cuts in proptest::collection::vec(1usize..40, 200),
        which in any::<prop::sample::Index>(),
    ) {
        let model = causal(&tiny());
        let computes = computes();
        let compute = which.get(&computes);
        let sequences: Vec<Vec<u32>> = lengths.iter().zip(0..).map(|(&n, salt)| tokens(n, salt)).collect();
        let mut caches: Vec<KvCache> = sequences.iter().map(|_| model.new_cache()).collect();
        let mut rows: Vec<Vec<Vec<u32>>> = sequences.iter().map(|_| Vec::new()).collect();
        let mut cuts = cuts.into_iter().cycle();
        while caches.iter().zip(&sequences).any(|(cache, sequence)| cache.len() < sequence.len()) {
            let mut owners = Vec::new();
            let mut steps = Vec::new();
            for (i, (cache, sequence)) in caches.iter_mut().zip(&sequences).enumerate() {
                let (at, cut) = (cache.len(), cuts.next().expect("endless"));
                if at < sequence.len() && cut % 3 != 0 {
                    let end = sequence.len().min(at + cut);
                    steps.push(Step { tokens: &sequence[at..end], cache, want: Want::All });
                    owners.push(i);
                }
            }
            for (owner, logits) in owners.into_iter().zip(model.forward(compute, &mut steps)) {
                let logits = logits.expect("finite");
                rows[owner].extend((0..logits.rows()).map(|row| bits(logits.row(row))));
            }
        }
        for (rows, sequence) in rows.iter().zip(&sequences) {
            prop_assert!(*rows == truth(&*model, sequence));
        }
    }
}

#[test]
fn only_wanted_logits_are_returned() {
    let model = causal(&tiny());
    let compute = Compute::single(Kernel::best()).expect("a kernel");
    let tokens = tokens(9, 3);
    let truth = truth(&*model, &tokens);
    let (mut a, mut b, mut c) = (model.new_cache(), model.new_cache(), model.new_cache());
    let mut steps = [
        Step { tokens: &tokens, cache: &mut a, want: Want::Nothing },
        Step { tokens: &tokens[..4], cache: &mut b, want: Want::Last },
        Step { tokens: &tokens, cache: &mut c, want: Want::All },
    ];
    let logits: Vec<_> = model.forward(&compute, &mut steps).into_iter().map(|r| r.expect("finite")).collect();
    assert_eq!(logits.iter().map(|l| l.rows()).collect::<Vec<_>>(), [0, 1, 9]);
    assert_eq!(bits(logits[1].last().expect("one row")), truth[3]);
    assert_eq!(bits(logits[2].last().expect("nine rows")), truth[8]);
    assert_eq!(logits[0].last(), None);
}

#[test]
fn bad_steps_fail_alone() {
    let model = causal(&tiny());
    let compute = Compute::single(Kernel::best()).expect("a kernel");
    let good = tokens(5, 0);
    let other = noema_models::CacheShape { layers: 1, heads: 1, head_dim: 2 };
    let [mut a, mut b, mut c, mut e] = [(); 4].map(|()| model.new_cache());
    let mut d = KvCache::new(other);
    let long = vec![1; 257];
    let mut steps = [
        Step { tokens: &[], cache: &mut a, want: Want::Last },
        Step { tokens: &[1, 265], cache: &mut b, want: Want::Last },
        Step { tokens: &long, cache: &mut c, want: Want::Last },
        Step { tokens: &good, cache: &mut d, want: Want::Last },
        Step { tokens: &good, cache: &mut e, want: Want::Last },
    ];
    let mut results = model.forward(&compute, &mut steps);
    let last = results.pop().expect("five results").expect("the good step");
    assert_eq!(bits(last.row(0)), truth(&*model, &good)[4]);
    let texts: Vec<String> = results.into_iter().map(|r| r.expect_err("bad").to_string()).collect();
    assert_eq!(
        texts,
        [
            "a step holds no token",
            "token 265 is not in the vocabulary of 265",
            "257 tokens exceed the context of 256",
            "the cache belongs to a model of another shape",
        ]
    );
}

/// Weights so large that one token's values overflow: its sequence ends, its neighbours do not notice.
#[test]
fn overflow_ends_only_its_own_sequence() {
    let mut file = synthetic::tiny_llama(1);
    let embed = embed_scales(&file);
    let scale = embed.start + 4 * 200;
    file[scale..scale + 4].copy_from_slice(&1e30f32.to_le_bytes());
    let model = causal(&load_bytes(&file, None).expect("finite weights load"));
    let good = tokens(20, 0).into_iter().map(|t| t % 200).collect::<Vec<_>>();
    let truth = truth(&*model, &good);
    for compute in computes() {
        let (mut a, mut b) = (model.new_cache(), model.new_cache());
        let mut steps = [
            Step { tokens: &[3, 200, 4], cache: &mut a, want: Want::All },
            Step { tokens: &good, cache: &mut b, want: Want::All },
        ];
        let mut results = model.forward(&compute, &mut steps);
        let fine = results.pop().expect("two").expect("the neighbour");
        assert!((0..20).all(|row| bits(fine.row(row)) == truth[row]));
        let error = results.pop().expect("two").expect_err("overflow");
        assert!(matches!(error, ModelError::Numerics(NumericsError::NonFinite { .. })), "{error}");
        assert_eq!(a.len(), 0);
    }
}

/// Bytes of the embedding's scales.
fn embed_scales(file: &[u8]) -> std::ops::Range<usize> {
    let length = u64::from_le_bytes(file[8..16].try_into().expect("eight bytes")) as usize;
    let header: noema_models::format::Header = bcs::from_bytes(&file[16..16 + length]).expect("a header");
    let start = (16 + length).next_multiple_of(64);
    let section = header.directory.iter().find(|section| section.name == "embed").expect("embed");
    let end = start + (section.offset + section.length) as usize;
    end - 4 * section.rows as usize..end
}
