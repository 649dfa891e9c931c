//! Random schedules: whatever runs beside a job, its logits and its answer stay the same bits.

use std::collections::BTreeMap;

use noema_inference_api::{Answer, Engine, Grammar, Job, JobClass, JobKind, NUMERICS_VERSION, Options};
use noema_models::{Compute, LoadedModel, load_bytes, synthetic};
use noema_numerics::Kernel;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::{Pool, PoolConfig, Resources};

/// Schedules of the long run, unless the variable says how many.
const LONG_RUN: &str = "NOEMA_ENGINE_SCHEDULES";
/// Schedules of every run.
const SHORT_RUN: u64 = 6;
/// Bytes of a page of the synthetic model: 2 layers, 2 heads, keys and values of width 8, 64 positions.
const PAGE: usize = 2 * 2 * 2 * 8 * 64 * 4;

struct Dice(ChaCha20Rng);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }
}

fn models() -> Vec<LoadedModel> {
    (1..=2).map(|seed| load_bytes(&synthetic::tiny_llama(seed), None).expect("a synthetic model loads")).collect()
}

/// Schedules within which one shares a page, but for a fault.
const SHARING_WITHIN: u64 = 60;

/// Jobs of all kinds whose prompts often begin alike, with several pages in common.
fn jobs(dice: &mut Dice, models: &[LoadedModel]) -> Vec<Job> {
    let starts = ["the rain in the other ".repeat(8), "an inner thing ".repeat(6), String::new()];
    let ends = ["a", "the end", "and then there were many of them, all alike", "than an ant in the tin "];
    let grammars = [Grammar::Regex("[ab]{1,6}".to_owned()), Grammar::JsonSchema("{\"type\":\"integer\"}".to_owned())];
    let count = 1 + dice.below(24);
    let job = |dice: &mut Dice| {
        let prompt = dice.one_of(&starts) + dice.one_of(&ends);
        let options = Options {
            max_new_tokens: dice.below(14) as u32,
            temperature_bps: dice.one_of(&[0, 0, 7_000, 13_000]),
            top_k: dice.one_of(&[0, 20]),
            top_p_bps: dice.one_of(&[10_000, 9_000]),
            seed: dice.below(3) as u64,
            stop: dice.one_of(&[vec![], vec!["e".to_owned(), "th".to_owned()]]),
            ..Options::default()
        };
        let model = dice.one_of(models).root;
        let generate = |options| Job { numerics: NUMERICS_VERSION, model, kind: JobKind::Generate, prompt, options };
        match dice.below(6) {
            0 => Job { kind: JobKind::Score(dice.one_of(&ends).to_owned()), ..generate(options) },
            1 => Job { kind: JobKind::Choose(ends.map(str::to_owned).to_vec()), ..generate(options) },
            2 => generate(Options { grammar: Some(dice.one_of(&grammars)), ..options }),
            3 => generate(Options { repetition_penalty_bps: 13_000, ..options }),
            _ => generate(options),
        }
    };
    (0..count).map(|_| job(dice)).collect()
}

fn pool(kernel: Kernel, threads: usize, resources: Resources) -> Pool {
    let compute = Compute::with_threads(kernel, threads).expect("an available kernel");
    Pool::start_with(models(), &PoolConfig { compute }, resources).expect("the machine is sound")
}

fn alone() -> Pool {
    pool(Kernel::Scalar, 1, Resources { batch: 1, chunk: 1_000, prefix_bytes: 0, ..Resources::default() })
}

fn any_pool(dice: &mut Dice) -> Pool {
    let resources = Resources {
        batch: dice.one_of(&[1, 2, 7, 64]),
        chunk: dice.one_of(&[1, 5, 64, 100, 128, 500]),
        prefix_bytes: dice.one_of(&[0, 2 * PAGE, 7 * PAGE, 1 << 30]),
        ..Resources::default()
    };
    pool(dice.one_of(&Kernel::available()), 1 + dice.below(3), resources)
}

/// Answers and digests of the logits of all jobs, some submitted twice, some cancelled, some watched.
fn run(pool: &Pool, jobs: &[Job], dice: &mut Dice) -> BTreeMap<usize, (Answer, Option<blake3::Hash>)> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, dice.below(last + 1));
    }
    for index in &order {
        let class = dice.one_of(&[JobClass::Certified, JobClass::Speculative, JobClass::Simulation]);
        let id = pool.submit(&jobs[*index], class).expect("room");
        match dice.below(8) {
            0 => pool.cancel(id),
            1 => std::thread::sleep(std::time::Duration::from_micros(300)),
            _ => {}
        }
    }
    let mut results = BTreeMap::new();
    for index in order {
        let id = pool.submit(&jobs[index], JobClass::Simulation).expect("room");
        let mut text = String::new();
        let mut each = |piece: &str| {
            text.push_str(piece);
            true
        };
        let answer = pool.watch(id, &mut each).expect("answered");
        if let Answer::Generated(generated) = &answer {
            assert_eq!(text, generated.text, "pieces are the text");
        }
        results.insert(index, (answer, pool.logits(id)));
    }
    results
}

fn check(seed: u64) -> u64 {
    let dice = &mut Dice::new(seed);
    let jobs = jobs(dice, &models());
    let expected = run(&alone(), &jobs, dice);
    let pool = any_pool(dice);
    // The second time the pages are warm, and the answers are remembered.
    for _ in 0..2 {
        assert_eq!(run(&pool, &jobs, dice), expected, "schedule {seed}");
    }
    pool.stats().prefix_tokens
}

/// Checks `count` schedules, and more if none of them shared a page: a run that shares nothing would prove less.
fn check_all(first: u64, count: u64) {
    let mut shared = 0;
    for done in 0..count.max(SHARING_WITHIN) {
        if done >= count && shared > 0 {
            return;
        }
        shared += check(first + done);
    }
    assert!(shared > 0, "no schedule of {} shared a page", count.max(SHARING_WITHIN));
}

#[test]
fn schedules_never_change_an_answer() {
    // Fresh seeds in every run; the message of a failure names the schedule.
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    check_all(fresh as u64 >> 8, SHORT_RUN);
}

#[test]
fn many_schedules_never_change_an_answer() {
    let Ok(count) = std::env::var(LONG_RUN) else { return };
    check_all(0, count.parse().expect("a number of schedules"));
}
