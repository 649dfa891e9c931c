//! Models on a device, emulated: the bits of the processor, through the same interface.

use std::sync::OnceLock;

use noema_cuda::Device;
use noema_models::{Compute, KvCache, LoadedModel, Logits, ModelError, Step, Want, load_bytes, synthetic};
use noema_numerics::Kernel;

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| Device::emulated().unwrap_or_else(|error| panic!("{error}")))
}

/// A model on the processor and on the device.
fn both() -> [LoadedModel; 2] {
    let here = load_bytes(&synthetic::tiny_llama(7), None).expect("loads");
    let there = here.on_device(device()).unwrap_or_else(|error| panic!("{error}"));
    [here, there]
}

fn compute() -> Compute {
    Compute::single(Kernel::best()).expect("a kernel")
}

fn tokens(count: usize, salt: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + salt * 17 + i * i) % 265).collect()
}

fn forward(loaded: &LoadedModel, steps: &mut [Step<'_>]) -> Vec<Result<Logits, String>> {
    let results = loaded.causal().expect("it continues texts").forward(&compute(), steps);
    results.into_iter().map(|result| result.map_err(|error| error.to_string())).collect()
}

fn bits(results: &[Result<Logits, String>]) -> Vec<Result<Vec<Vec<u32>>, String>> {
    let rows =
        |logits: &Logits| (0..logits.rows()).map(|row| logits.row(row).iter().map(|x| x.to_bits()).collect()).collect();
    results.iter().map(|result| result.as_ref().map(rows).map_err(Clone::clone)).collect()
}

/// Runs the same batches on both and compares.
fn agree(batches: impl Fn(&LoadedModel) -> Vec<Result<Vec<Vec<u32>>, String>>) {
    let [here, there] = both().map(|loaded| batches(&loaded));
    assert!(!here.is_empty());
    assert_eq!(here, there);
}

#[test]
fn batches_chunks_and_single_tokens_give_the_processors_bits() {
    agree(|loaded| {
        let new = || loaded.causal().expect("it continues texts").new_cache();
        let (mut a, mut b, mut out) = (new(), new(), Vec::new());
        let (first, second) = (tokens(70, 1), tokens(9, 2));
        let mut steps = [
            Step { tokens: &first, cache: &mut a, want: Want::All },
            Step { tokens: &second, cache: &mut b, want: Want::Last },
        ];
        out.extend(bits(&forward(loaded, &mut steps)));
        for i in 0..3 {
            let mut steps = [
                Step { tokens: &tokens(1, i), cache: &mut b, want: Want::Last },
                Step { tokens: &tokens(2, i), cache: &mut a, want: Want::Nothing },
            ];
            out.extend(bits(&forward(loaded, &mut steps)));
        }
        assert_eq!((a.len(), b.len(), a.bytes()), (76, 12, 2 * a.shape().page_bytes()));
        out
    });
}

#[test]
fn forks_share_pages_until_one_writes() {
    agree(|loaded| {
        let mut cache = loaded.causal().expect("it continues texts").new_cache();
        let mut out = Vec::new();
        let mut step = |cache: &mut KvCache, tokens: &[u32]| {
            out.extend(bits(&forward(loaded, &mut [Step { tokens, cache, want: Want::All }])));
        };
        step(&mut cache, &tokens(40, 3));
        let mut fork = cache.fork();
        step(&mut fork, &tokens(5, 4));
        step(&mut cache, &tokens(5, 5));
        fork.truncate(41);
        step(&mut fork, &tokens(3, 6));
        drop(cache);
        step(&mut fork, &tokens(30, 7));
        out
    });
}

#[test]
fn what_is_refused_is_refused_the_same_way_and_harms_no_other() {
    agree(|loaded| {
        let model = loaded.causal().expect("it continues texts");
        let mut caches: Vec<_> = (0..4).map(|_| model.new_cache()).collect();
        let long = tokens(300, 1);
        let steps: [&[u32]; 4] = [&[], &[300], &long, &[5, 6]];
        let steps = steps.into_iter().zip(&mut caches);
        let mut steps: Vec<_> = steps.map(|(tokens, cache)| Step { tokens, cache, want: Want::Last }).collect();
        let results = bits(&forward(loaded, &mut steps));
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, false, true]);
        results
    });
}

#[test]
fn caches_of_processor_and_device_are_strangers() {
    let [here, there] = both();
    let [mut local, mut remote] =
        [&here, &there].map(|loaded| loaded.causal().expect("it continues texts").new_cache());
    for (loaded, cache) in [(&here, &mut remote), (&there, &mut local)] {
        let mut steps = [Step { tokens: &[1], cache, want: Want::Last }];
        let results = loaded.causal().expect("it continues texts").forward(&compute(), &mut steps);
        assert!(matches!(results[0], Err(ModelError::ForeignCache)));
    }
}

#[test]
fn biases_and_stretched_rotation_give_the_processors_bits() {
    let here = load_bytes(&synthetic::tiny_qwen(3), None).expect("loads");
    let there = here.on_device(device()).expect("kernels for the family");
    let [here, there] = [&here, &there].map(|loaded| {
        let mut cache = loaded.causal().expect("it continues texts").new_cache();
        bits(&forward(loaded, &mut [Step { tokens: &tokens(20, 1), cache: &mut cache, want: Want::All }]))
    });
    assert!(here[0].is_ok());
    assert_eq!(here, there);
}

#[test]
fn families_without_kernels_say_so() {
    for file in [synthetic::tiny_neox(1), synthetic::tiny_bert(1)] {
        let error = load_bytes(&file, None).expect("loads").on_device(device()).expect_err("processors only");
        assert!(error.to_string().contains("on processors only"), "{error}");
    }
}

#[test]
fn models_are_placed_where_they_can_run_and_come_back() {
    for (file, is_placed) in [(synthetic::tiny_llama(1), true), (synthetic::tiny_neox(1), false)] {
        let placed = load_bytes(&file, None).expect("loads").placed_on(device()).expect("a working device");
        assert_eq!(placed.is_on_device(), is_placed);
        let back = placed.on_processor();
        assert_eq!(back.is_some(), is_placed);
        assert!(back.is_none_or(|back| !back.is_on_device()));
    }
    let families: Vec<_> =
        noema_models::self_tests_on(device()).expect("golden").into_iter().map(|(name, _)| name).collect();
    assert_eq!(families, ["llama", "llama with biases and stretched positions"]);
}
