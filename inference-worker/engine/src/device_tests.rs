//! Pools on a device, emulated: the processor's answers, also when the device fails between two tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use noema_cuda::{Backend, CudaError, Device, Launch};
use noema_inference_api::{Answer, Engine, Job, JobClass, JobKind, NUMERICS_VERSION, Options};
use noema_models::{Compute, LoadedModel, load_bytes, synthetic};
use noema_numerics::Kernel;

use crate::{Pool, PoolConfig, PoolError, Resources};

/// A device that stops to answer after a number of launches.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn Backend>,
    left: Arc<AtomicI64>,
}

impl Backend for Failing {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn allocate(&self, bytes: usize) -> Result<u64, CudaError> {
        self.inner.allocate(bytes)
    }

    fn free(&self, address: u64, bytes: usize) {
        self.inner.free(address, bytes);
    }

    fn upload(&self, to: u64, data: &[u8]) -> Result<(), CudaError> {
        self.inner.upload(to, data)
    }

    fn download(&self, from: u64, out: &mut [u8]) -> Result<(), CudaError> {
        self.inner.download(from, out)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), CudaError> {
        self.inner.copy(from, to, bytes)
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<(), CudaError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            let what = launch.kernel.to_owned();
            return Err(CudaError::Device { what, reason: "it fell off the bus".to_owned() });
        }
        self.inner.launch(launch)
    }
}

fn models() -> Vec<LoadedModel> {
    let files = [synthetic::tiny_llama(1), synthetic::tiny_qwen(2), synthetic::tiny_neox(3), synthetic::tiny_bert(4)];
    files.iter().map(|file| load_bytes(file, None).expect("loads")).collect()
}

fn jobs() -> Vec<Job> {
    let models = models();
    let job = |index: usize, prompt: &str, kind| Job {
        numerics: NUMERICS_VERSION,
        model: models[index].root,
        prompt: prompt.to_owned(),
        kind,
        options: Options { max_new_tokens: 12, ..Options::default() },
    };
    let choices = || JobKind::Choose(vec!["yes".to_owned(), "no, never".to_owned()]);
    vec![
        job(0, "the quick brown fox jumps over the lazy dog", JobKind::Generate),
        job(0, "the quick brown fox", choices()),
        job(1, "a second model on the same device", JobKind::Generate),
        job(1, "a second model", JobKind::Score(" scores".to_owned())),
        job(2, "a family that has no kernels there", JobKind::Generate),
        job(3, "a direction", JobKind::Embed),
    ]
}

fn pool(device: Option<Device>, retest: Duration) -> Pool {
    let compute = Compute::single(Kernel::best()).expect("an available kernel");
    let resources = Resources { device, retest, chunk: 5, ..Resources::default() };
    Pool::start_with(models(), &PoolConfig { compute }, resources).expect("the machine is sound")
}

fn answers(pool: &Pool) -> Vec<Answer> {
    let ids: Vec<_> = jobs().iter().map(|job| pool.submit(job, JobClass::Simulation).expect("room")).collect();
    ids.into_iter().map(|id| pool.wait(id).expect("an answer")).collect()
}

const LATER: Duration = Duration::from_secs(3_600);

/// A device whose launches can be counted down.
fn failing() -> (Device, Arc<AtomicI64>) {
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let counter = Arc::clone(&left);
    let device = Device::emulated_behind(move |inner| Arc::new(Failing { inner, left: counter }));
    (device.unwrap_or_else(|error| panic!("{error}")), left)
}

#[test]
fn a_device_answers_as_the_processor_and_its_jobs_move_on_when_it_fails() {
    let expected = answers(&pool(None, LATER));
    assert!(expected.iter().all(|answer| !matches!(answer, Answer::Refused(_))), "{expected:?}");

    let (device, left) = failing();
    let sound = pool(Some(device.clone()), LATER);
    let before = left.load(Ordering::SeqCst);
    assert_eq!(answers(&sound), expected);
    assert_eq!(sound.stats().device_faults, 0);
    let launches = before - left.load(Ordering::SeqCst);
    assert!(launches > 0, "the device had no part in it");
    drop(sound);

    for share in [1, 5] {
        left.store(i64::MAX, Ordering::SeqCst);
        let pool = pool(Some(device.clone()), LATER);
        left.store(launches * share / 8, Ordering::SeqCst);
        assert_eq!(answers(&pool), expected, "after {share} eighths of the launches");
        assert_eq!(pool.stats().device_faults, 1);
    }
}

#[test]
fn a_text_that_began_anew_is_handed_out_once() {
    let (device, left) = failing();
    let pool = pool(Some(device), LATER);
    let job = &jobs()[0];
    let id = pool.submit(job, JobClass::Simulation).expect("room");
    let (mut text, mut pieces) = (String::new(), 0);
    let answer = pool.watch(id, &mut |piece| {
        text.push_str(piece);
        pieces += 1;
        if pieces == 1 {
            left.store(0, Ordering::SeqCst);
        }
        true
    });
    let Answer::Generated(generated) = answer.expect("an answer") else { panic!("it generates") };
    assert_eq!(text, generated.text);
    assert!(pieces > 1);
}

#[test]
fn a_device_that_fails_at_its_test_is_not_used_or_is_left() {
    let (device, left) = failing();
    left.store(0, Ordering::SeqCst);
    let compute = Compute::single(Kernel::best()).expect("an available kernel");
    let resources = Resources { device: Some(device.clone()), ..Resources::default() };
    let refused = Pool::start_with(models(), &PoolConfig { compute }, resources);
    assert!(matches!(refused, Err(PoolError::Device { .. })), "{refused:?}");

    let expected = answers(&pool(None, LATER));
    left.store(i64::MAX, Ordering::SeqCst);
    let tested = pool(Some(device), Duration::from_millis(1_500));
    assert_eq!(answers(&tested), expected);
    let until = |is_there: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_there() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        is_there()
    };
    assert!(until(&|| tested.stats().retests > 0), "tested again");
    left.store(0, Ordering::SeqCst);
    let more = Job { prompt: "something new to answer".to_owned(), ..jobs()[4].clone() };
    let id = tested.submit(&more, JobClass::Simulation).expect("room");
    tested.wait(id).expect("an answer of a model that never was on the device");
    assert!(until(&|| tested.stats().device_faults == 1), "the next test finds it, idle or not");
}
