use std::convert::Infallible;

use bytes::Bytes;
use noema_types::Hash;
use proptest::prelude::*;

use super::*;
use crate::single::{CommitSink, DriveError, Proposer, drive};

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Bytes>,
    asked: Vec<(Round, PayloadLimits)>,
}

impl Proposer for Queue {
    fn payload(&mut self, _now: TimestampMs, round: Round, limits: PayloadLimits) -> Vec<Bytes> {
        self.asked.push((round, limits));
        let count = self.waiting.len().min(limits.transactions_max);
        self.waiting.drain(..count).collect()
    }
}

#[derive(Debug, Default)]
struct Ledger(Vec<Commit>);

impl CommitSink for Ledger {
    type Error = Infallible;

    fn commit(&mut self, commit: Commit) -> Result<(), Infallible> {
        self.0.push(commit);
        Ok(())
    }
}

fn genesis() -> LastCommit {
    LastCommit::genesis(CommitDigest(Hash([7; 32])), TimestampMs(1_000))
}

fn orderer() -> SingleOrderer {
    SingleOrderer::new(SingleConfig::default(), genesis())
}

fn tick(
    orderer: &mut SingleOrderer,
    now: u64,
    queue: &mut Queue,
    ledger: &mut Ledger,
) -> Result<Option<TimestampMs>, DriveError<Infallible>> {
    drive(orderer, TimestampMs(now), Input::Tick, queue, ledger)
}

fn transaction(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 3])
}

#[test]
fn transactions_become_one_commit_at_once() {
    let (mut orderer, mut queue, mut ledger) = (orderer(), Queue::default(), Ledger::default());
    queue.waiting = vec![transaction(1), transaction(2)];
    let wake = tick(&mut orderer, 1_100, &mut queue, &mut ledger).expect("fits");
    assert_eq!(wake, Some(TimestampMs(1_150)));
    let [commit] = ledger.0.as_slice() else { panic!("one commit, got {:?}", ledger.0) };
    assert_eq!(commit.transactions, vec![transaction(1), transaction(2)]);
    assert_eq!((commit.index, commit.round, commit.timestamp), (CommitIndex(1), Round(1), TimestampMs(1_100)));
    assert_eq!(commit.previous, genesis().digest);
    assert_eq!(orderer.last(), LastCommit::of(commit));
}

#[test]
fn rounds_keep_their_interval() {
    let (mut orderer, mut queue, mut ledger) = (orderer(), Queue::default(), Ledger::default());
    queue.waiting = vec![transaction(1)];
    tick(&mut orderer, 1_100, &mut queue, &mut ledger).expect("fits");
    queue.waiting = vec![transaction(2)];
    assert_eq!(tick(&mut orderer, 1_149, &mut queue, &mut ledger).expect("fits"), Some(TimestampMs(1_150)));
    assert_eq!(ledger.0.len(), 1);
    tick(&mut orderer, 1_150, &mut queue, &mut ledger).expect("fits");
    assert_eq!(ledger.0.len(), 2);
}

#[test]
fn an_idle_chain_commits_only_every_idle_interval() {
    let (mut orderer, mut queue, mut ledger) = (orderer(), Queue::default(), Ledger::default());
    for now in (1_050..=4_000).step_by(50) {
        tick(&mut orderer, now, &mut queue, &mut ledger).expect("fits");
    }
    let times: Vec<u64> = ledger.0.iter().map(|commit| commit.timestamp.0).collect();
    assert_eq!(times, vec![2_000, 3_000, 4_000]);
    assert!(ledger.0.iter().all(|commit| commit.transactions.is_empty()));
    assert!(ledger.0.is_sorted_by(|a, b| a.round < b.round));
}

#[test]
fn a_clock_that_jumps_back_does_not_take_the_chain_with_it() {
    let (mut orderer, mut queue, mut ledger) = (orderer(), Queue::default(), Ledger::default());
    queue.waiting = vec![transaction(1)];
    tick(&mut orderer, 500, &mut queue, &mut ledger).expect("fits");
    assert_eq!(ledger.0[0].timestamp, TimestampMs(1_001));
}

#[test]
fn a_clock_that_jumps_back_after_a_proposal_does_not_silence_the_proposer() {
    let (mut orderer, mut queue, mut ledger) = (orderer(), Queue::default(), Ledger::default());
    queue.waiting = vec![transaction(1)];
    tick(&mut orderer, 3_600_000, &mut queue, &mut ledger).expect("fits");
    queue.waiting = vec![transaction(2)];
    tick(&mut orderer, 5_000, &mut queue, &mut ledger).expect("fits");
    let times: Vec<u64> = ledger.0.iter().map(|commit| commit.timestamp.0).collect();
    assert_eq!(times, vec![3_600_000, 3_600_001]);
}

#[test]
fn payloads_are_empty_while_execution_is_too_far_behind() {
    let config = SingleConfig { round_interval_ms: 1, ..SingleConfig::default() };
    let mut orderer = SingleOrderer::new(config, genesis());
    let (mut queue, mut ledger) = (Queue::default(), Ledger::default());
    for now in 0..200 {
        queue.waiting = vec![transaction(1)];
        tick(&mut orderer, 2_000 + now, &mut queue, &mut ledger).expect("fits");
    }
    assert_eq!(ledger.0.len() as u64, UNEXECUTED_COMMITS_MAX + 1);
    assert_eq!(queue.asked.last().expect("asked").1, PayloadLimits::NOTHING);

    let executed = Input::Executed(orderer.last().index);
    drive(&mut orderer, TimestampMs(2_300), executed, &mut queue, &mut ledger).expect("fits");
    assert_eq!(orderer.unexecuted(), 1, "the waiting transaction went out as soon as execution caught up");
}

#[test]
fn inputs_that_do_not_fit_are_refused_and_change_nothing() {
    let mut orderer = orderer();
    let stray = Input::Payload { round: Round(1), transactions: vec![] };
    assert_eq!(
        orderer.step(TimestampMs(0), stray.clone()),
        Err(StepError::UnexpectedPayload { expected: None, got: Round(1) })
    );
    orderer.step(TimestampMs(1_100), Input::Tick).expect("opens round 1");
    let late = Input::Payload { round: Round(9), transactions: vec![] };
    assert_eq!(
        orderer.step(TimestampMs(1_100), late),
        Err(StepError::UnexpectedPayload { expected: Some(Round(1)), got: Round(9) })
    );
    let huge = vec![Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1])];
    let error = orderer.step(TimestampMs(1_100), Input::Payload { round: Round(1), transactions: huge });
    assert!(matches!(error, Err(StepError::OversizedPayload { transactions: 1, .. })), "{error:?}");
    assert_eq!(
        orderer.step(TimestampMs(1_100), Input::Executed(CommitIndex(3))),
        Err(StepError::ExecutedUnknown { got: CommitIndex(3), last: CommitIndex(0) })
    );
    let outputs =
        orderer.step(TimestampMs(1_100), Input::Payload { round: Round(1), transactions: vec![transaction(1)] });
    assert!(matches!(outputs.expect("still open").as_slice(), [Output::Commit(_), Output::WakeAt(_)]));
}

#[test]
fn every_field_and_transaction_border_reaches_the_digest() {
    let commit = Commit {
        index: CommitIndex(1),
        previous: genesis().digest,
        epoch: Epoch(1),
        round: Round(1),
        author: Author(0),
        timestamp: TimestampMs(5),
        transactions: vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")],
    };
    let variants = [
        commit.clone(),
        Commit { index: CommitIndex(2), ..commit.clone() },
        Commit { previous: CommitDigest(Hash::ZERO), ..commit.clone() },
        Commit { epoch: Epoch(2), ..commit.clone() },
        Commit { round: Round(2), ..commit.clone() },
        Commit { author: Author(1), ..commit.clone() },
        Commit { timestamp: TimestampMs(6), ..commit.clone() },
        Commit { transactions: vec![Bytes::from_static(b"a"), Bytes::from_static(b"bc")], ..commit.clone() },
        Commit { transactions: vec![Bytes::from_static(b"abc")], ..commit },
    ];
    let digests: std::collections::BTreeSet<_> = variants.iter().map(Commit::digest).collect();
    assert_eq!(digests.len(), variants.len());
}

proptest! {
    /// Whatever the clock and the load do, and wherever a crash falls, the stream keeps the crate's guarantees.
    #[test]
    fn the_stream_keeps_its_guarantees(steps in prop::collection::vec((0u64..5_000, 0usize..3, any::<bool>()), 1..80)) {
        let (mut orderer, mut queue, mut ledger) = (orderer(), Queue::default(), Ledger::default());
        let mut sent = Vec::new();
        for (step, (now, count, crash)) in steps.into_iter().enumerate() {
            for nth in 0..count {
                let transaction = Bytes::from(format!("{step}/{nth}").into_bytes());
                sent.push(transaction.clone());
                queue.waiting.push(transaction);
            }
            tick(&mut orderer, now, &mut queue, &mut ledger).expect("fits");
            if crash {
                orderer = SingleOrderer::new(SingleConfig::default(), orderer.last());
            }
        }
        let mut previous = genesis();
        for commit in &ledger.0 {
            prop_assert_eq!(commit.index.0, previous.index.0 + 1);
            prop_assert_eq!(commit.previous, previous.digest);
            prop_assert!(commit.timestamp > previous.timestamp);
            prop_assert!(commit.round > previous.round);
            previous = LastCommit::of(commit);
        }
        let ordered: Vec<Bytes> = ledger.0.into_iter().flat_map(|commit| commit.transactions).collect();
        prop_assert_eq!(&sent[..ordered.len()], &ordered[..]);
        prop_assert_eq!(sent.len(), ordered.len() + queue.waiting.len());
    }
}
