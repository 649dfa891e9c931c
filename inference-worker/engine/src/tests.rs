use std::sync::Arc;

use noema_inference_api::{
    Answer, AnswerError, Engine, EngineError, Generated, Job, JobClass, JobKind, NUMERICS_VERSION, Options, Poll, Stop,
};
use noema_models::{Compute, LoadedModel, load_bytes, synthetic};
use noema_numerics::Kernel;
use noema_types::Hash;
use proptest::prelude::*;

use crate::limits::PREFILL_TOKENS_MAX;
use crate::{Pool, PoolConfig};

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
