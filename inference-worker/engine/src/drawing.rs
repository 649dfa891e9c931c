//! A drawing on its way: one turn of the scheduler is one of its turns.

use noema_inference_api::{Answer, AnswerError, Drawing, Job};
use noema_models::{Canvas, Compute, LoadedModel, ModelError, Painter, Sketch, Special};

use crate::sequence::{count, numeric};

/// Tokens that a model puts around a text.
pub(crate) const FRAME_TOKENS: usize = 2;

/// Begins a drawing of a checked job, or says at once why the model has none.
///
/// # Errors
/// A fault of this machine.
pub(crate) fn begin(
    job: &Job,
    drawing: &Drawing,
    prompt: &[u32],
    model: &LoadedModel,
) -> Result<Result<Canvas, AnswerError>, ModelError> {
    let negative = model.tokenizer.encode(&drawing.negative_prompt, Special::Text)?;
    let context = model.manifest.context;
    let longest = prompt.len().max(negative.len());
    if longest + FRAME_TOKENS > context as usize {
        let (tokens, new_tokens) = (count(longest), count(FRAME_TOKENS));
        return Ok(Err(AnswerError::ContextExceeded { tokens, new_tokens, context }));
    }
    let sketch = Sketch {
        prompt,
        negative: &negative,
        width: drawing.width,
        height: drawing.height,
        steps: drawing.steps,
        guidance_bps: drawing.guidance_bps,
        seed: job.options.seed,
    };
    painter(model).begin(&sketch).map(Ok)
}

/// One turn.
///
/// # Errors
/// A fault of this machine.
pub(crate) fn turn(
    canvas: &mut Canvas,
    prompt_tokens: usize,
    model: &LoadedModel,
    compute: &Compute,
) -> Result<Option<Answer>, ModelError> {
    match painter(model).paint(compute, canvas) {
        Ok(png) => Ok(png.map(|png| Answer::Drawn { png, prompt_tokens: count(prompt_tokens) })),
        Err(error) => numeric(error).map(Some),
    }
}

fn painter(model: &LoadedModel) -> &dyn Painter {
    &**model.painter().expect("jobs that other models cannot do are refused first")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use noema_inference_api::{Engine, Grammar, JobClass, JobId, JobKind, NUMERICS_VERSION, Options, Poll};
    use noema_models::{load_bytes, synthetic};
    use noema_numerics::Kernel;

    use super::*;
    use crate::{Pool, PoolConfig};

    fn models() -> [LoadedModel; 2] {
        [synthetic::tiny_diffusion(7), synthetic::tiny_llama(1)].map(|file| load_bytes(&file, None).expect("it loads"))
    }

    fn pool(kernel: Kernel, threads: usize) -> Pool {
        let compute = Compute::with_threads(kernel, threads).expect("an available kernel");
        Pool::start(models().to_vec(), &PoolConfig { compute }).expect("the machine is sound")
    }

    fn drawing(steps: u32) -> Drawing {
        Drawing { width: 24, height: 16, steps, guidance_bps: 75_000, negative_prompt: "blur".to_owned() }
    }

    fn job(drawing: Drawing, seed: u64) -> Job {
        let options = Options { max_new_tokens: 0, seed, ..Options::default() };
        let kind = JobKind::Draw(drawing);
        Job { numerics: NUMERICS_VERSION, model: models()[0].root, kind, prompt: "the red cat".to_owned(), options }
    }

    fn text(prompt: &str) -> Job {
        let options = Options { max_new_tokens: 4, ..Options::default() };
        let kind = JobKind::Generate;
        Job { numerics: NUMERICS_VERSION, model: models()[1].root, kind, prompt: prompt.to_owned(), options }
    }

    fn submit(pool: &Pool, job: &Job) -> JobId {
        pool.submit(job, JobClass::Simulation).expect("the pool takes the job")
    }

    fn ask(pool: &Pool, job: &Job) -> Answer {
        let id = submit(pool, job);
        pool.wait(id).expect("the pool answers")
    }

    #[test]
    fn a_drawing_is_the_same_in_any_company() {
        let wanted = ask(&pool(Kernel::Scalar, 1), &job(drawing(2), 1));
        let Answer::Drawn { png, prompt_tokens } = &wanted else { panic!("{wanted:?}") };
        assert_eq!((&png[1..4], *prompt_tokens), (b"PNG".as_slice(), 6));
        let pool = pool(Kernel::best(), 2);
        let ids: Vec<JobId> = (1..=4).map(|seed| submit(&pool, &job(drawing(2), seed))).collect();
        let texts: Vec<JobId> = ["a", "b", "c"].map(|prompt| submit(&pool, &text(prompt))).to_vec();
        let answers: Vec<Answer> = ids.into_iter().map(|id| pool.wait(id).expect("an answer")).collect();
        assert!(answers[0] == wanted && answers[1] != wanted);
        assert!(texts.into_iter().all(|id| matches!(pool.wait(id), Ok(Answer::Generated(_)))));
        assert_eq!(pool.jobs_run(), 7);
    }

    #[test]
    fn texts_do_not_wait_for_drawings_and_drawings_can_be_cancelled() {
        let pool = pool(Kernel::best(), 1);
        // More drawings than the batch has room for, each of many steps.
        let large = Drawing { width: 128, height: 128, ..drawing(200) };
        let jobs: Vec<Job> = (0..20).map(|seed| job(large.clone(), seed)).collect();
        let (hello, last) = (text("hello"), job(drawing(1), 99));
        let ids: Vec<JobId> = jobs.iter().map(|job| submit(&pool, job)).collect();
        let answer = ask(&pool, &hello);
        assert!(matches!(answer, Answer::Generated(_)));
        assert!(ids.iter().all(|&id| pool.poll(id) == Poll::Pending), "no drawing is done yet");
        for &id in &ids {
            pool.cancel(id);
        }
        assert!(ids.iter().all(|&id| pool.poll(id) == Poll::Unknown && pool.wait(id).is_err()));
        let begun = std::time::Instant::now();
        assert!(matches!(ask(&pool, &last), Answer::Drawn { .. }));
        assert!(begun.elapsed() < Duration::from_secs(60), "cancelled drawings take no more time");
        assert_eq!(pool.stats().cancelled, 20);
    }

    #[test]
    fn what_a_model_cannot_do_is_refused() {
        let pool = pool(Kernel::best(), 1);
        let refused = |job: Job| match ask(&pool, &job) {
            Answer::Refused(error) => error.to_string(),
            other => panic!("{other:?}"),
        };
        let fine = || job(drawing(1), 0);
        assert_eq!(refused(Job { model: models()[1].root, ..fine() }), "this model cannot draw");
        assert_eq!(refused(Job { model: models()[0].root, ..text("x") }), "this model cannot continue texts");
        assert_eq!(refused(Job { kind: JobKind::Embed, ..fine() }), "this model cannot embed");
        let grammar = Some(Grammar::Regex("a".to_owned()));
        let constrained = Job { options: Options { grammar, ..fine().options }, ..fine() };
        assert_eq!(refused(constrained), "this model cannot draw under a grammar");
        let long = "x y ".repeat(40);
        let exceeds = "prompt of 80 tokens and 2 new ones exceed the context of 77";
        assert_eq!(refused(Job { prompt: long.clone(), ..fine() }), exceeds);
        assert_eq!(refused(job(Drawing { negative_prompt: long, ..drawing(1) }, 0)), exceeds);
        assert_eq!(refused(Job { prompt: " \n".to_owned(), ..fine() }), "the prompt is empty");
        assert!(refused(job(Drawing { width: 12, ..drawing(1) }, 0)).contains("multiple of 8"));
    }
}
