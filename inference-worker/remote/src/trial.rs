//! Jobs that test workers: drawn anew for every test, so that nobody can have prepared for them.

use noema_inference_api::limits::BASIS_POINTS;
use noema_inference_api::{
    Answer, Drawing, Engine, EngineError, Family, Job, JobClass, JobKind, ModelManifest, Options,
};
use noema_types::Hash;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::limits::{BUSY_PAUSE, TEST_SIDE, TEST_TOKENS};

/// Words of a test's prompt.
const WORDS: usize = 6;

fn draw() -> u64 {
    OsRng.try_next_u64().unwrap_or(0)
}

fn words(count: usize) -> String {
    let word = || {
        let bits = draw();
        let letter = |index: u64| char::from(b'a' + ((bits >> (5 * index)) % 26) as u8);
        (0..3 + bits % 5).map(letter).collect::<String>()
    };
    (0..count).map(|_| word()).collect::<Vec<_>>().join(" ")
}

/// Jobs that a machine with this model must answer as everyone does.
pub(crate) fn of_model(root: Hash, manifest: &ModelManifest) -> Vec<Job> {
    let greedy = Options { max_new_tokens: TEST_TOKENS, ..Options::default() };
    let drawn = Options { temperature_bps: 10_000, seed: draw(), ..greedy.clone() };
    let unused = Options { max_new_tokens: 0, ..Options::default() };
    let kinds = match manifest.family {
        Family::Bert => vec![(JobKind::Embed, unused)],
        Family::Diffusion => {
            let (width, height) = (TEST_SIDE, TEST_SIDE);
            let drawing =
                Drawing { width, height, steps: 1, guidance_bps: 2 * BASIS_POINTS, negative_prompt: words(WORDS) };
            vec![(JobKind::Draw(drawing), Options { seed: draw(), ..unused })]
        }
        Family::Llama | Family::NeoX => vec![
            (JobKind::Generate, greedy),
            (JobKind::Generate, drawn),
            (JobKind::Score(words(WORDS)), unused.clone()),
            (JobKind::Choose(vec![words(2), words(2), words(2)]), unused),
        ],
    };
    let numerics = manifest.numerics;
    let job = |(kind, options)| Job { numerics, model: root, kind, prompt: words(WORDS), options };
    kinds.into_iter().map(job).collect()
}

/// What the node's own pool says to a job. Blocks.
pub(crate) fn compute(engine: &dyn Engine, job: &Job) -> Result<Answer, EngineError> {
    loop {
        match engine.submit(job, JobClass::Speculative) {
            Ok(id) => return engine.wait(id),
            Err(EngineError::Busy(_)) => std::thread::sleep(BUSY_PAUSE),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use noema_models::synthetic::tiny_manifest;

    use super::*;

    #[test]
    fn no_two_tests_are_alike_and_all_are_jobs() {
        let manifest = tiny_manifest();
        let (first, second) = (of_model(Hash::ZERO, &manifest), of_model(Hash::ZERO, &manifest));
        assert_eq!(first.len(), 4);
        for (a, b) in first.iter().zip(&second) {
            assert_eq!(a.check(), Ok(()));
            assert_ne!(a.id(), b.id());
        }
        let bert = ModelManifest { family: Family::Bert, ..manifest };
        assert!(of_model(Hash::ZERO, &bert).iter().all(|job| job.kind == JobKind::Embed));
        let painter = ModelManifest { family: Family::Diffusion, ..bert };
        let drawings = of_model(Hash::ZERO, &painter);
        assert!(drawings.len() == 1 && drawings.iter().all(|job| job.check() == Ok(())));
    }
}
