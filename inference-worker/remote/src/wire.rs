//! What a worker and its node say to each other: protocol buffers, with jobs and answers in BCS inside.
//!
//! The definition, for other languages:
//! ```proto
//! package noema.workers.v1;
//! service Workers { rpc Attach(stream FromWorker) returns (stream FromNode); }
//! message FromWorker { oneof said { Hello hello = 1; Answered answered = 2; Piece piece = 3; Beat beat = 4;
//!                                   Returned returned = 5; Leaving leaving = 6; } }
//! message FromNode { oneof said { Welcome welcome = 1; Order order = 2; Cancel cancel = 3; Beat beat = 4;
//!                                 Refusal refusal = 5; } }
//! ```
//! The protocol's version is agreed on in the TLS handshake ([`PROTOCOL`]) and said once more in `Hello`.

use noema_inference_api::{Answer, Job, JobClass};
use noema_types::Hash;
use prost::{Message, Oneof};

use crate::limits::{CAPACITY_MAX, MODELS_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX};
use crate::report::PoolReport;

/// What both sides agree on in the handshake.
pub const PROTOCOL: &str = "noema-worker/1";
/// Version of the messages.
pub(crate) const VERSION: u32 = 1;

/// What a worker says.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FromWorker {
    #[prost(oneof = "WorkerSaid", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) said: Option<WorkerSaid>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum WorkerSaid {
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Answered(Answered),
    #[prost(message, tag = "3")]
    Piece(Piece),
    #[prost(message, tag = "4")]
    Beat(Beat),
    #[prost(message, tag = "5")]
    Returned(Returned),
    #[prost(message, tag = "6")]
    Leaving(Leaving),
}

/// What a node says.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FromNode {
    #[prost(oneof = "NodeSaid", tags = "1, 2, 3, 4, 5")]
    pub(crate) said: Option<NodeSaid>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum NodeSaid {
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    #[prost(message, tag = "2")]
    Order(Order),
    #[prost(message, tag = "3")]
    Cancel(Cancel),
    #[prost(message, tag = "4")]
    Beat(Beat),
    #[prost(message, tag = "5")]
    Refusal(Refusal),
}

/// The first message of a worker.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Hello {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) numerics: u32,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) program: String,
    #[prost(string, tag = "5")]
    pub(crate) kernel: String,
    #[prost(uint32, tag = "6")]
    pub(crate) threads: u32,
    /// Jobs it takes at once.
    #[prost(uint32, tag = "7")]
    pub(crate) capacity: u32,
    /// Roots of the models it holds, 32 bytes each.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(crate) models: Vec<Vec<u8>>,
}

/// The first message of a node that takes the worker.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Welcome {
    #[prost(uint64, tag = "1")]
    pub(crate) beat_ms: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) silence_ms: u64,
}

/// A job for a worker.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Order {
    #[prost(uint64, tag = "1")]
    pub(crate) ticket: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) class: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) job: Vec<u8>,
}

/// Nobody wants the answer any more.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Cancel {
    #[prost(uint64, tag = "1")]
    pub(crate) ticket: u64,
}

/// An answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Answered {
    #[prost(uint64, tag = "1")]
    pub(crate) ticket: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) answer: Vec<u8>,
}

/// A piece of a text that still grows.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Piece {
    #[prost(uint64, tag = "1")]
    pub(crate) ticket: u64,
    /// Bytes of the text before it.
    #[prost(uint64, tag = "2")]
    pub(crate) offset: u64,
    #[prost(string, tag = "3")]
    pub(crate) text: String,
}

/// A job that the worker hands back.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Returned {
    #[prost(uint64, tag = "1")]
    pub(crate) ticket: u64,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
}

/// The worker takes no more jobs and ends soon.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Leaving {}

/// A sign of life; what the worker's pool does and did.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Beat {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) counts: Vec<u64>,
}

/// Why a node does not take a worker, or lets it go for good.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Refusal {
    /// Whether coming back cannot help before a person changes something.
    #[prost(bool, tag = "1")]
    pub(crate) permanent: bool,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
}

/// A worker that has introduced itself, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) kernel: String,
    pub(crate) threads: u32,
    pub(crate) capacity: u32,
    pub(crate) models: Vec<Hash>,
}

impl From<WorkerSaid> for FromWorker {
    fn from(said: WorkerSaid) -> Self {
        Self { said: Some(said) }
    }
}

impl From<NodeSaid> for FromNode {
    fn from(said: NodeSaid) -> Self {
        Self { said: Some(said) }
    }
}

/// The beginning of a text that fits, with nothing a terminal would obey.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let mut kept = String::new();
    for character in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + character.len_utf8() > max {
            break;
        }
        kept.push(character);
    }
    kept
}

impl Hello {
    /// Checks what the worker says of itself; the error is a reason for people.
    pub(crate) fn check(self, numerics: u32) -> Result<Introduction, String> {
        if self.version != VERSION {
            return Err(format!(
                "the worker speaks version {} of the protocol, the node {VERSION}; hint: run the same release on both",
                self.version
            ));
        }
        if self.numerics != numerics {
            return Err(format!(
                "the worker computes by version {} of the arithmetic, the node by {numerics}",
                self.numerics
            ));
        }
        if !(1..=CAPACITY_MAX).contains(&self.capacity) {
            return Err(format!("the worker takes {} jobs at once; it must be 1 to {CAPACITY_MAX}", self.capacity));
        }
        if self.models.len() > MODELS_MAX {
            return Err(format!("the worker holds {} models, more than {MODELS_MAX}", self.models.len()));
        }
        let roots = self.models.iter().map(|root| root.as_slice().try_into().map(Hash));
        let models = roots.collect::<Result<_, _>>().map_err(|_| "a model's root is not 32 bytes".to_owned())?;
        for text in [&self.name, &self.program, &self.kernel] {
            if text.is_empty() || *text != plain(text, NAME_BYTES_MAX) {
                return Err(format!("a name is empty, over {NAME_BYTES_MAX} bytes, or holds control characters"));
            }
        }
        let Self { name, program, kernel, threads, capacity, .. } = self;
        Ok(Introduction { name, program, kernel, threads, capacity, models })
    }
}

impl Refusal {
    pub(crate) fn say(permanent: bool, reason: &str) -> FromNode {
        NodeSaid::Refusal(Self { permanent, reason: plain(reason, REASON_BYTES_MAX) }).into()
    }
}

impl Order {
    pub(crate) fn say(ticket: u64, class: JobClass, job: &Job) -> FromNode {
        let class = match class {
            JobClass::Certified => 0,
            JobClass::Speculative => 1,
            JobClass::Simulation => 2,
        };
        NodeSaid::Order(Self { ticket, class, job: bcs::to_bytes(job).expect("a job always serialises") }).into()
    }

    /// The job and who waits for it.
    pub(crate) fn open(&self) -> Result<(Job, JobClass), String> {
        let class = match self.class {
            0 => JobClass::Certified,
            1 => JobClass::Speculative,
            2 => JobClass::Simulation,
            other => return Err(format!("no job has the class {other}")),
        };
        let job = bcs::from_bytes(&self.job).map_err(|error| format!("a job does not decode: {error}"))?;
        Ok((job, class))
    }
}

impl Answered {
    pub(crate) fn say(ticket: u64, answer: &Answer) -> FromWorker {
        let answer = bcs::to_bytes(answer).expect("an answer always serialises");
        WorkerSaid::Answered(Self { ticket, answer }).into()
    }

    pub(crate) fn open(&self) -> Result<Answer, String> {
        bcs::from_bytes(&self.answer).map_err(|error| format!("an answer does not decode: {error}"))
    }
}

impl Beat {
    pub(crate) fn of(report: &PoolReport) -> Self {
        Self { counts: report.to_counts().to_vec() }
    }

    /// What the worker says of its pool; counts that it does not know are zero.
    pub(crate) fn report(&self) -> PoolReport {
        PoolReport::from_counts(&self.counts)
    }
}

#[cfg(test)]
mod tests {
    use noema_inference_api::{AnswerError, JobKind, Options};
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            version: VERSION,
            numerics: 1,
            name: "a".to_owned(),
            program: "noema 0.1.0".to_owned(),
            kernel: "avx2".to_owned(),
            threads: 2,
            capacity: 4,
            models: vec![vec![7; 32]],
        }
    }

    fn job() -> Job {
        Job {
            numerics: 1,
            model: Hash([7; 32]),
            kind: JobKind::Choose(vec!["a".to_owned(), "b".to_owned()]),
            prompt: "text".to_owned(),
            options: Options::default(),
        }
    }

    #[test]
    fn an_introduction_is_checked() {
        assert_eq!(hello().check(1).map(|known| known.models), Ok(vec![Hash([7; 32])]));
        let wrong = [
            Hello { version: 2, ..hello() },
            Hello { numerics: 2, ..hello() },
            Hello { capacity: 0, ..hello() },
            Hello { capacity: CAPACITY_MAX + 1, ..hello() },
            Hello { models: vec![vec![7; 31]], ..hello() },
            Hello { models: vec![vec![7; 32]; MODELS_MAX + 1], ..hello() },
            Hello { name: String::new(), ..hello() },
            Hello { name: "x".repeat(NAME_BYTES_MAX + 1), ..hello() },
            Hello { kernel: "a\x1b[2J".to_owned(), ..hello() },
        ];
        for hello in wrong {
            assert!(hello.clone().check(1).is_err(), "{hello:?}");
        }
    }

    #[test]
    fn jobs_and_answers_travel() {
        for class in [JobClass::Certified, JobClass::Speculative, JobClass::Simulation] {
            let Some(NodeSaid::Order(order)) = Order::say(3, class, &job()).said else { panic!("an order") };
            assert_eq!((order.ticket, order.open()), (3, Ok((job(), class))));
        }
        let answer = Answer::Refused(AnswerError::EmptyPrompt);
        let Some(WorkerSaid::Answered(answered)) = Answered::say(4, &answer).said else { panic!("an answer") };
        assert_eq!((answered.ticket, answered.open()), (4, Ok(answer)));
    }

    fn messages() -> Vec<Vec<u8>> {
        let said = [
            WorkerSaid::Hello(hello()),
            WorkerSaid::Answered(Answered { ticket: 1, answer: vec![0; 9] }),
            WorkerSaid::Piece(Piece { ticket: 1, offset: 2, text: "abc".to_owned() }),
            WorkerSaid::Beat(Beat { counts: vec![1, 2, 3] }),
            WorkerSaid::Returned(Returned { ticket: 1, reason: "busy".to_owned() }),
            WorkerSaid::Leaving(Leaving {}),
        ];
        let order = Order::say(9, JobClass::Certified, &job()).encode_to_vec();
        said.into_iter().map(|said| FromWorker::from(said).encode_to_vec()).chain([order]).collect()
    }

    /// What either side does with bytes of the other.
    fn read(bytes: &[u8]) {
        if let Ok(FromWorker { said: Some(said) }) = FromWorker::decode(bytes) {
            match said {
                WorkerSaid::Hello(hello) => drop(hello.check(1)),
                WorkerSaid::Answered(answered) => drop(answered.open()),
                WorkerSaid::Beat(beat) => drop(beat.report()),
                WorkerSaid::Piece(_) | WorkerSaid::Returned(_) | WorkerSaid::Leaving(_) => {}
            }
        }
        if let Ok(FromNode { said: Some(NodeSaid::Order(order)) }) = FromNode::decode(bytes) {
            let _ = order.open();
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
            let _ = Answered { ticket: 0, answer: bytes.clone() }.open();
            let _ = Order { ticket: 0, class: 0, job: bytes }.open();
        }

        #[test]
        fn damaged_messages_are_read_or_refused(which in 0usize..7, at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
            let mut bytes = messages()[which].clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            read(&bytes);
        }

        #[test]
        fn plain_text_is_short_and_harmless(text in ".{0,80}", max in 0usize..40) {
            let kept = plain(&text, max);
            prop_assert!(kept.len() <= max && !kept.chars().any(char::is_control));
        }
    }
}
