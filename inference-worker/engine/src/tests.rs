use std::collections::BTreeMap;
use std::sync::Arc;

use noema_inference_api::{
    Answer, AnswerError, Engine, EngineError, Generated, Grammar, Job, JobClass, JobId, JobKind, NUMERICS_VERSION,
    Options, Poll, Stop,
};
use noema_models::{Compute, LoadedModel, load_bytes, synthetic};
use noema_numerics::Kernel;
use noema_types::Hash;
use proptest::prelude::*;

use crate::limits::PREFILL_TOKENS_MAX;
use crate::{Pool, PoolConfig, Resources, Spill, spill};

fn model(seed: u64) -> LoadedModel {
    load_bytes(&synthetic::tiny_llama(seed), None).expect("a synthetic model loads")
}

fn pool(kernel: Kernel, threads: usize) -> Pool {
    let compute = Compute::with_threads(kernel, threads).expect("an available kernel");
    Pool::start(vec![model(1), model(2)], &PoolConfig { compute }).expect("the machine is sound")
}

fn job(model: &LoadedModel, prompt: &str, options: Options) -> Job {
    Job { numerics: NUMERICS_VERSION, model: model.root, kind: JobKind::Generate, prompt: prompt.to_owned(), options }
}

fn options(max_new_tokens: u32) -> Options {
    Options { max_new_tokens, ..Options::default() }
}

fn ask(pool: &Pool, job: &Job) -> Answer {
    let id = pool.submit(job, JobClass::Certified).expect("the pool takes the job");
    pool.wait(id).expect("the pool answers")
}

fn generated(answer: Answer) -> Generated {
    match answer {
        Answer::Generated(generated) => generated,
        other => panic!("{other:?}"),
    }
}

fn choice(model: &LoadedModel, prompt: &str, choices: &[&str]) -> Job {
    let kind = JobKind::Choose(choices.iter().map(|&choice| choice.to_owned()).collect());
    Job { kind, ..job(model, prompt, options(0)) }
}

fn mixed_jobs() -> Vec<Job> {
    let (one, two) = (model(1), model(2));
    let long = "a long prompt that takes more than one chunk ".repeat(6);
    let drawn = |seed| Options { temperature_bps: 9_000, top_k: 40, top_p_bps: 9_500, seed, ..options(20) };
    vec![
        job(&one, "hello", options(12)),
        job(&two, "hello", options(12)),
        job(&one, &long, options(8)),
        job(&one, "hello", drawn(7)),
        job(&one, "hello", drawn(8)),
        job(&two, &long, drawn(7)),
        choice(&one, "the review is", &[" good", " bad", " neither of the two"]),
        choice(&two, &long, &["x", "yy"]),
    ]
}

#[test]
fn answers_depend_on_nothing_but_the_job() {
    let jobs = mixed_jobs();
    let alone: Vec<Answer> = jobs.iter().map(|job| ask(&pool(Kernel::Scalar, 1), job)).collect();
    for kernel in Kernel::available() {
        for threads in [1, 2, 3] {
            let pool = pool(kernel, threads);
            let ids: Vec<_> =
                jobs.iter().rev().map(|job| pool.submit(job, JobClass::Simulation).expect("room")).collect();
            let together: Vec<Answer> = ids.iter().rev().map(|id| pool.wait(*id).expect("answered")).collect();
            assert_eq!(together, alone, "{kernel:?} on {threads} threads");
        }
    }
}

#[test]
fn the_long_prompts_of_these_tests_take_several_chunks() {
    let one = model(1);
    let Answer::Generated(answer) = ask(&pool(Kernel::best(), 1), &mixed_jobs()[2]) else { panic!("generated") };
    assert!(answer.prompt_tokens as usize > PREFILL_TOKENS_MAX, "{} tokens", answer.prompt_tokens);
    assert!(one.manifest.context > answer.prompt_tokens);
}

#[test]
fn a_job_runs_once() {
    let pool = pool(Kernel::best(), 1);
    let job = job(&model(1), "once", options(6));
    let ids: Vec<_> = (0..12).map(|_| pool.submit(&job, JobClass::Certified).expect("room")).collect();
    let answers: Vec<_> = ids.iter().map(|id| pool.wait(*id).expect("answered")).collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    pool.submit(&job, JobClass::Speculative).expect("known");
    assert_eq!(pool.poll(job.id()), Poll::Ready(answers[0].clone()));
    assert_eq!(pool.jobs_run(), 1);
}

#[test]
fn marked_text_of_users_holds_no_special_token() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let tokens = |prompt: &str| generated(ask(&pool, &job(&one, prompt, options(1)))).prompt_tokens;
    let special = pool.special_texts(one.root).expect("a loaded model");
    assert_eq!(special.eos(), "<|end|>");
    assert_eq!(tokens("a<|end|>"), 2);
    assert_eq!(tokens(&format!("a{}", special.plain_message("<|end|>"))), 8);
}

#[test]
fn stop_strings_end_the_answer_and_are_not_in_it() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let free = generated(ask(&pool, &job(&one, "hello", options(24))));
    let text: Vec<char> = free.text.chars().collect();
    assert!(text.len() > 6, "the synthetic model says something: {:?}", free.text);
    // Across token borders: the stop string is cut out of the free answer's middle.
    for (from, to) in [(1, 2), (2, 5), (3, 6)] {
        let stop: String = text[from..to].iter().collect();
        let at = free.text.find(&stop).expect("taken from it");
        let options = Options { stop: vec!["\u{1}never".to_owned(), stop.clone()], ..options(24) };
        let cut = generated(ask(&pool, &job(&one, "hello", options)));
        assert_eq!((cut.text.as_str(), cut.stop), (&free.text[..at], Stop::StopString), "stop {stop:?}");
    }
}

#[test]
fn the_likeliest_choice_is_what_greedy_would_say() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let said = generated(ask(&pool, &job(&one, "hello", options(1)))).text;
    let answer = ask(&pool, &choice(&one, "hello", &["q", said.as_str(), "z"]));
    let Answer::Chosen { index, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(index, 1, "greedy says {said:?}");
}

#[test]
fn equal_choices_tie_to_the_lowest_index() {
    let answer = ask(&pool(Kernel::best(), 1), &choice(&model(1), "hello", &["same", "same"]));
    assert!(matches!(answer, Answer::Chosen { index: 0, .. }), "{answer:?}");
}

#[test]
fn what_a_model_cannot_answer_is_refused_with_its_reason() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let context = one.manifest.context;
    let refused = |job: &Job| match ask(&pool, job) {
        Answer::Refused(error) => error,
        other => panic!("{other:?}"),
    };
    let too_long = job(&one, "x ".repeat(context as usize).as_str(), options(1));
    assert!(matches!(refused(&too_long), AnswerError::ContextExceeded { new_tokens: 1, .. }));
    assert_eq!(refused(&job(&one, "", options(1))), AnswerError::EmptyPrompt);
    assert!(matches!(refused(&job(&one, "a", options(5_000))), AnswerError::Limit { got: 5_000, .. }));
    assert!(matches!(refused(&choice(&one, "a", &[])), AnswerError::Limit { .. }));
    let nothing = generated(ask(&pool, &job(&one, "a", options(0))));
    assert_eq!((nothing.text.as_str(), nothing.new_tokens), ("", 0));
}

#[test]
fn unknown_models_and_jobs_are_errors() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let unknown = Job { model: Hash::ZERO, ..job(&one, "a", options(1)) };
    assert_eq!(pool.submit(&unknown, JobClass::Certified), Err(EngineError::ModelMissing(Hash::ZERO)));
    let future = Job { numerics: NUMERICS_VERSION + 1, ..job(&one, "a", options(1)) };
    assert_eq!(pool.submit(&future, JobClass::Certified), Err(EngineError::ModelMissing(one.root)));
    assert_eq!(pool.poll(unknown.id()), Poll::Unknown);
    assert!(matches!(pool.wait(unknown.id()), Err(EngineError::Stopped(_))));
}

#[test]
fn waiters_hear_when_the_pool_ends() {
    let pool = Arc::new(pool(Kernel::Scalar, 1));
    let one = model(1);
    // More work than the batch holds: the last of it cannot be answered before the pool ends.
    let jobs: Vec<Job> = (0..200).map(|number| job(&one, &format!("number {number}"), options(200))).collect();
    let ids: Vec<_> = jobs.iter().map(|job| pool.submit(job, JobClass::Certified).expect("room")).collect();
    let waiter = {
        let (pool, last) = (Arc::clone(&pool), *ids.last().expect("there are jobs"));
        std::thread::spawn(move || pool.wait(last))
    };
    pool.stop_for_test();
    let ended = waiter.join().expect("the waiter does not panic");
    assert!(matches!(&ended, Err(EngineError::Stopped(reason)) if reason.contains("by a test")), "{ended:?}");
    let late = job(&one, "after the end", options(1));
    assert!(matches!(pool.submit(&late, JobClass::Certified), Err(EngineError::Stopped(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any batch, any order: the same answers as one by one.
    #[test]
    fn any_schedule_gives_the_same_answers(
        prompts in proptest::collection::vec(("[a-z ]{1,300}", 0u32..12, 0u32..3, any::<u64>()), 1..20),
        threads in 1usize..4,
    ) {
        let one = model(1);
        let jobs: Vec<Job> = prompts
            .iter()
            .map(|(prompt, max, heat, seed)| {
                let temperature_bps = heat * 7_000;
                job(&one, prompt, Options { temperature_bps, seed: *seed, ..options(*max) })
            })
            .collect();
        let sequential = pool(Kernel::best(), 1);
        let alone: Vec<_> = jobs.iter().map(|job| ask(&sequential, job)).collect();
        let parallel = pool(Kernel::best(), threads);
        let ids: Vec<_> = jobs.iter().map(|job| parallel.submit(job, JobClass::Certified).expect("room")).collect();
        let together: Vec<_> = ids.iter().map(|id| parallel.wait(*id).expect("answered")).collect();
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn scores_are_sums_and_prefer_what_greedy_says() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let score = |prompt: &str, text: &str| {
        let kind = JobKind::Score(text.to_owned());
        match ask(&pool, &Job { kind, ..job(&one, prompt, options(0)) }) {
            Answer::Scored { micro_nats, tokens, .. } => (micro_nats, tokens),
            other => panic!("{other:?}"),
        }
    };
    let (first, second, both) = (score("zq", "x"), score("zqx", "y"), score("zq", "xy"));
    assert_eq!((first.0 + second.0, first.1 + second.1), both, "the chain rule, exactly");
    assert_eq!(score("zq", ""), (0, 0));
    let said = generated(ask(&pool, &job(&one, "hello", options(1)))).text;
    for other in ["q", "z", "!"] {
        assert!(score("hello", &said).0 < score("hello", other).0);
    }
}

#[test]
fn penalties_change_answers_and_the_neutral_one_does_not() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let with = |bps| Options { repetition_penalty_bps: bps, ..options(40) };
    let free = generated(ask(&pool, &job(&one, "hello", options(40))));
    assert_eq!(generated(ask(&pool, &job(&one, "hello", with(10_000)))), free);
    assert_ne!(generated(ask(&pool, &job(&one, "hello", with(30_000)))).text, free.text);
}

#[test]
fn grammars_are_obeyed() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    for seed in 0..6 {
        let with = |grammar| Options { grammar: Some(grammar), temperature_bps: 10_000, seed, ..options(60) };
        let said = |grammar| generated(ask(&pool, &job(&one, "hello", with(grammar))));
        let digits = said(Grammar::Regex("[0-9]{3,5}x".to_owned()));
        let (number, end) = digits.text.split_at(digits.text.len() - 1);
        assert!(
            (3..=5).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) && end == "x",
            "{digits:?}"
        );
        assert_eq!(digits.stop, Stop::EndToken);
        let schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"}},\"required\":[\"a\"],\"additionalProperties\":false}";
        let object = said(Grammar::JsonSchema(schema.to_owned()));
        let value: serde_json::Value = serde_json::from_str(&object.text).expect("JSON");
        assert!(value["a"].is_boolean(), "{object:?}");
        assert!(!object.text.contains(char::is_whitespace), "{object:?}");
        let lark = said(Grammar::Lark("start: \"ab\" (\"c\" | \"d\")".to_owned()));
        assert!(["abc", "abd"].contains(&lark.text.as_str()), "{lark:?}");
    }
}

#[test]
fn hostile_grammars_are_refused_in_time_and_hurt_nobody() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let hostile = [
        Grammar::JsonSchema("no json".to_owned()),
        Grammar::JsonSchema("[".repeat(60_000)),
        Grammar::Regex("(".repeat(90)),
        Grammar::Regex("((((a{1,999}){1,999}){1,999}){1,999})".to_owned()),
        Grammar::Regex("[ab]*a[ab]{500}c".to_owned()),
        Grammar::Lark("start: nothing".to_owned()),
        Grammar::Lark("start: start start".to_owned()),
        Grammar::Lark(
            (0..5_000).map(|i| format!("A{i}: A{}\n", i + 1)).collect::<String>() + "start: A0\nA5000: \"x\"",
        ),
    ];
    let start = std::time::Instant::now();
    let ids = hostile.map(|grammar| {
        let options = Options { grammar: Some(grammar), ..options(20) };
        pool.submit(&job(&one, "hello", options), JobClass::Simulation).expect("room")
    });
    // Another job streams meanwhile.
    let mut pieces = String::new();
    let id = pool.submit(&job(&one, "hello", options(40)), JobClass::Simulation).expect("room");
    let streamed = pool.watch(id, &mut |piece| {
        pieces.push_str(piece);
        true
    });
    assert_eq!(generated(streamed.expect("answered")).text, pieces);
    let alone = generated(ask(&pool, &job(&one, "hello", options(12))));
    let refused = ids.map(|id| pool.wait(id).expect("answered"));
    assert_eq!(alone.new_tokens, 12);
    for at in [0, 1, 2, 3, 5] {
        assert!(matches!(&refused[at], Answer::Refused(AnswerError::Grammar(_))), "{at}: {:?}", refused[at]);
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn many_grammars_wait_their_turn_and_cancelled_ones_are_not_compiled() {
    let pool = pool(Kernel::best(), 1);
    let one = model(1);
    let with = |number: u32| Options { grammar: Some(Grammar::Regex(format!("[ab]{{{number}}}"))), ..options(60) };
    let jobs: Vec<Job> = (1..40).map(|number| job(&one, "hello", with(number))).collect();
    let ids: Vec<_> = jobs.iter().map(|job| pool.submit(job, JobClass::Simulation).expect("room")).collect();
    for id in ids.iter().skip(20) {
        pool.cancel(*id);
    }
    for (number, id) in (1..).zip(&ids[..20]) {
        let said = generated(pool.wait(*id).expect("answered"));
        assert_eq!(said.text.len(), number, "{said:?}");
    }
    // What was cancelled may be asked again.
    for (number, job) in (1..).zip(&jobs).skip(20) {
        assert_eq!(generated(ask(&pool, job)).text.len(), number);
    }
}

#[test]
fn only_simulations_nobody_else_wants_are_cancelled() {
    let pool = pool(Kernel::Scalar, 1);
    let one = model(1);
    // Certified work fills the batch, so that what is cancelled has not run.
    let long = |number: u32| job(&one, &format!("long {number}"), options(200));
    for number in 0..16 {
        pool.submit(&long(number), JobClass::Certified).expect("room");
    }
    let wanted = |number: u32| job(&one, &format!("wanted {number}"), options(3));
    let (lone, shared, certified) = (wanted(1), wanted(2), wanted(3));
    for job in [&lone, &shared, &shared, &certified] {
        pool.submit(job, JobClass::Simulation).expect("room");
    }
    pool.submit(&certified, JobClass::Certified).expect("known");
    for job in [&lone, &shared, &certified, &certified, &long(15)] {
        pool.cancel(job.id());
    }
    assert_eq!(pool.poll(lone.id()), Poll::Unknown);
    assert!(matches!(pool.wait(lone.id()), Err(EngineError::Stopped(_))));
    for job in [&shared, &certified, &long(15)] {
        assert!(matches!(pool.wait(job.id()), Ok(Answer::Generated(_))));
    }
    assert_eq!(pool.stats().cancelled, 1);
}

#[test]
fn a_full_queue_refuses_and_keeps_room_for_blocks() {
    let pool = pool(Kernel::Scalar, 1);
    let one = model(1);
    let text = "x".repeat(200_000);
    let big = |number: usize| Job { prompt: format!("{number} {text}"), ..job(&one, "", options(1)) };
    for number in 0..16 {
        pool.submit(&job(&one, &format!("busy {number}"), options(240)), JobClass::Certified).expect("room");
    }
    let refused = (0..2_000).find(|number| pool.submit(&big(*number), JobClass::Simulation).is_err());
    assert!(refused.is_some(), "200 KB each: bytes are bounded");
    assert!(matches!(pool.submit(&big(5_000), JobClass::Simulation), Err(EngineError::Busy(_))));
    pool.submit(&big(5_001), JobClass::Certified).expect("room for a block");
    pool.stop_for_test();
}

#[derive(Debug, Default, Clone)]
struct Shelf(Arc<parking_lot::Mutex<BTreeMap<JobId, Vec<u8>>>>);

impl Spill for Shelf {
    fn put(&self, id: JobId, bytes: &[u8]) {
        self.0.lock().insert(id, bytes.to_vec());
    }

    fn remove(&self, id: JobId) {
        self.0.lock().remove(&id);
    }

    fn get(&self, id: JobId) -> Option<Vec<u8>> {
        self.0.lock().get(&id).cloned()
    }
}

#[test]
fn spilled_answers_come_back_and_damaged_ones_are_made_again() {
    let one = model(1);
    let (kept, damaged) = (job(&one, "kept", options(5)), job(&one, "damaged", options(5)));
    let expected = [&kept, &damaged].map(|job| ask(&pool(Kernel::best(), 1), job));
    let shelf = Shelf::default();
    for (job, answer) in [&kept, &damaged].into_iter().zip(&expected) {
        shelf.put(job.id(), &spill::seal(job.id(), answer));
    }
    shelf.0.lock().get_mut(&damaged.id()).expect("there")[40] ^= 1;
    let config = PoolConfig { compute: Compute::single(Kernel::best()).expect("available") };
    let resources = Resources { spill: Some(Box::new(shelf)), ..Resources::default() };
    let pool = Pool::start_with(vec![one], &config, resources).expect("sound");
    assert_eq!([&kept, &damaged].map(|job| ask(&pool, job)), expected);
    assert_eq!((pool.jobs_run(), pool.stats().spill_hits), (1, 1));
}
