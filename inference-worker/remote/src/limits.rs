//! Limits of attached workers. Whatever a worker sends is bounded by these before it is looked at.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Workers that may be attached, at most.
pub const WORKERS_MAX: usize = 64;
/// Jobs that one worker takes at once, at most, whatever it says.
pub const CAPACITY_MAX: u32 = 64;
/// Models of one worker, at most.
pub const MODELS_MAX: usize = 64;
/// Bytes of a worker's name, kernel and version, at most.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of one message of a worker: an answer with an image is the largest.
pub const WORKER_MESSAGE_BYTES_MAX: usize = 16 * MIB;
/// Bytes of one message of the node: a job with all its texts is the largest.
pub const NODE_MESSAGE_BYTES_MAX: usize = 2 * MIB;
/// Bytes of the reason of a refusal, at most.
pub const REASON_BYTES_MAX: usize = 512;
/// Bytes of a text in a refused answer, at most.
pub const REFUSED_BYTES_MAX: usize = 64 * KIB;
/// Bytes that one token may stand for, at most.
pub const TOKEN_BYTES_MAX: usize = 1_024;
/// Bytes of an image, at most.
pub const IMAGE_BYTES_MAX: usize = 8 * MIB;
/// Values of an embedding, at most.
pub const EMBEDDING_MAX: usize = 64 * KIB;
/// Messages that wait to be read by one worker. A worker that lets more wait is dropped.
pub const OUTGOING_MAX: usize = 512;
/// Messages of a worker's jobs that wait to be sent.
pub const DONE_MAX: usize = 256;

/// Seats that are lost with a job before it is suspected of it and runs alone.
pub const LOSSES_SUSPECTED: u32 = 2;
/// Seats that are lost with a job before it is given up, unless a block may wait for it.
pub const LOSSES_MAX: u32 = 8;
/// Jobs given up that are remembered, to say so.
pub const GIVEN_UP_KEPT: usize = 256;

/// Handshakes under way.
pub const HANDSHAKES_MAX: usize = 32;
/// Handshakes under way from one address: no stranger keeps all others out.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 8;
/// Connections of one key: the one that serves, and the one that takes its place.
pub const CONNECTIONS_PER_KEY_MAX: usize = 2;
/// From TCP's connection to the proven key.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// From the stream's beginning to the worker's first message.
pub const HELLO_MAX: Duration = Duration::from_secs(5);
/// A connection without a stream lives so long.
pub const IDLE_MAX: Duration = Duration::from_secs(15);
/// Bytes of flow control of one stream: what a worker may send ahead.
pub const STREAM_WINDOW_BYTES: u32 = MIB as u32;
/// Bytes of headers of a request, at most.
pub const HEADER_BYTES_MAX: u32 = 16 * KIB as u32;
/// Streams of one connection.
pub const STREAMS_MAX: u32 = 2;
/// After the listener's socket failed, out of file descriptors for instance.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Between two beats, both ways.
pub const BEAT: Duration = Duration::from_secs(1);
/// Whoever is silent for so long is lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A job that a worker has not answered after so long moves on, and the worker is dropped.
pub const JOB_MAX: Duration = Duration::from_secs(900);
/// A worker has so long to answer the jobs that test it.
pub const TEST_MAX: Duration = Duration::from_secs(300);
/// Between two audits of a worker.
pub const AUDIT_EVERY: Duration = Duration::from_secs(30);
/// Recent answers of a worker of which an audit draws one.
pub const RECENT_MAX: usize = 8;
/// New tokens of a job that tests a worker.
pub const TEST_TOKENS: u32 = 8;
/// Pixels of a side of an image that tests a worker.
pub const TEST_SIDE: u32 = 64;

/// The first pause before a worker dials again; it doubles. Each pause is drawn between its half and its whole.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest pause before a worker dials again.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A worker that is told to stop finishes its jobs for so long, then hands them back.
pub const GRACE: Duration = Duration::from_secs(20);
/// For the last messages to leave.
pub const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// Before a job that the local pool has no room for is offered again.
pub const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A job of every text at its limit.
const JOB_BYTES_MAX: usize = {
    use noema_inference_api::limits as job;
    let texts = 2 * job::PROMPT_BYTES_MAX + job::GRAMMAR_BYTES_MAX;
    texts + job::CHOICES_MAX * (job::CHOICE_BYTES_MAX + 5) + job::STOPS_MAX * (job::STOP_BYTES_MAX + 5)
};
/// The longest text an answer may have.
const TEXT_BYTES_MAX: usize = noema_inference_api::limits::NEW_TOKENS_MAX as usize * TOKEN_BYTES_MAX;

const _: () = assert!(
    JOB_BYTES_MAX + 4 * KIB < NODE_MESSAGE_BYTES_MAX
        && TEXT_BYTES_MAX + 4 * KIB < WORKER_MESSAGE_BYTES_MAX
        && IMAGE_BYTES_MAX + 4 * KIB < WORKER_MESSAGE_BYTES_MAX
        && 3 * CAPACITY_MAX < OUTGOING_MAX as u32
        && BEAT.as_millis() * 4 <= SILENCE_MAX.as_millis()
        && HELLO_MAX.as_millis() < IDLE_MAX.as_millis()
);
