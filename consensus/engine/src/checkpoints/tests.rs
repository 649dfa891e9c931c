use noema_crypto::{BlsKeyPair, sign_checkpoint};
use noema_types::{Address, BlsPublicKey, Ed25519PublicKey, Epoch, ValidatorInfo, Version};

use super::*;

const CHAIN: Hash = Hash([9; 32]);

fn key(author: u8) -> BlsKeyPair {
    BlsKeyPair::from_seed(&[author + 1; 32])
}

fn committee() -> Arc<Committee> {
    let info = |author: u8| ValidatorInfo {
        address: Address([author; 32]),
        stake: Stake(10),
        consensus_key: Ed25519PublicKey([author; 32]),
        network_key: Ed25519PublicKey([author; 32]),
        checkpoint_key: BlsPublicKey(key(author).public().0),
        network_address: String::new(),
    };
    Arc::new(Committee::new(Epoch(1), (0..4).map(info).collect()).unwrap())
}

fn pool(own: u16) -> CheckpointPool {
    let start = (Height(0), CHAIN);
    CheckpointPool::new(CHAIN, committee(), Some(Author(own)), start, BTreeMap::new(), Duration::from_secs(60))
}

fn result(height: u64, root: u8) -> ExecutedResult {
    ExecutedResult {
        height: Height(height),
        timestamp: TimestampMs(height),
        commit: CommitIndex(height),
        commit_digest: Hash([1; 32]),
        consensus_state: Hash([2; 32]),
        block: ExecutedBlock {
            version: Version(height),
            state_root: Hash([root; 32]),
            accumulator_root: Hash([3; 32]),
            next: None,
        },
    }
}

/// Executes a block and signs it; the vote that goes out.
fn execute(pool: &mut CheckpointPool, author: u8, height: u64, root: u8) -> (Vote, Vec<PoolOutput>) {
    let outputs = pool.executed(result(height, root));
    let [PoolOutput::Store { height, digest }] = outputs[..] else { panic!("{outputs:?}") };
    let mut outputs = pool.stored(height, digest, |checkpoint| sign_checkpoint(&key(author), checkpoint));
    let PoolOutput::Broadcast(vote) = outputs.remove(0) else { panic!("{outputs:?}") };
    (vote, outputs)
}

fn votes(height: u64, root: u8) -> Vec<Vote> {
    let vote = |author: u8| {
        let mut other = pool(u16::from(author));
        (1..=height).map(|at| execute(&mut other, author, at, if at == height { root } else { 5 }).0).last().unwrap()
    };
    (0..4).map(vote).collect()
}

fn certified(outputs: &[PoolOutput]) -> Vec<Height> {
    let of = |output: &PoolOutput| match output {
        PoolOutput::Certified(certified, _) => Some(certified.data().height),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

#[test]
fn three_of_four_certify_and_two_do_not() {
    let votes = votes(1, 5);
    let mut pool = pool(0);
    let (_, outputs) = execute(&mut pool, 0, 1, 5);
    assert!(outputs.is_empty());
    assert!(pool.vote(Author(1), votes[1].clone()).is_empty());
    assert!(pool.vote(Author(1), votes[1].clone()).is_empty(), "a validator counts once");
    let outputs = pool.vote(Author(2), votes[2].clone());
    assert_eq!(certified(&outputs), [Height(1)]);
    let PoolOutput::Certified(made, None) = &outputs[0] else { panic!("{outputs:?}") };
    verify_certified(&committee(), made).unwrap();
    assert_eq!(pool.certified(), Height(1));
}

#[test]
fn a_wrong_signature_is_found_and_the_others_count() {
    let votes = votes(1, 5);
    let mut pool = pool(0);
    execute(&mut pool, 0, 1, 5);
    let forged = Vote { signature: votes[3].signature, ..votes[1].clone() };
    assert!(pool.vote(Author(1), forged).is_empty());
    assert!(pool.vote(Author(2), votes[2].clone()).is_empty(), "an aggregate with a forged vote certifies nothing");
    assert!(pool.vote(Author(1), votes[1].clone()).is_empty(), "who forged is not heard again for this height");
    assert_eq!(certified(&pool.vote(Author(3), votes[3].clone())), [Height(1)]);
}

#[test]
fn blocks_are_certified_in_order() {
    let (first, second) = (votes(1, 5), votes(2, 5));
    let mut pool = pool(0);
    for author in 1..4 {
        assert!(pool.vote(Author(author), second[usize::from(author)].clone()).is_empty());
    }
    execute(&mut pool, 0, 1, 5);
    assert!(execute(&mut pool, 0, 2, 5).1.is_empty());
    pool.vote(Author(1), first[1].clone());
    assert_eq!(certified(&pool.vote(Author(2), first[2].clone())), [Height(1), Height(2)]);
}

#[test]
fn another_digest_of_a_height_is_never_signed() {
    let signed = BTreeMap::from([(Height(1), Hash([77; 32]))]);
    let start = (Height(0), CHAIN);
    let mut pool = CheckpointPool::new(CHAIN, committee(), Some(Author(0)), start, signed, Duration::from_secs(60));
    assert!(pool.executed(result(1, 5)).is_empty(), "nothing is stored, so nothing is signed");
    assert!(pool.tick(Duration::ZERO).is_empty());
    assert_eq!(pool.tick(Duration::ZERO), [PoolOutput::Want(Height(1))], "the certificate is asked for instead");
    let votes = votes(1, 5);
    for author in 1..3 {
        assert!(pool.vote(Author(author), votes[usize::from(author)].clone()).is_empty());
    }
    assert_eq!(certified(&pool.vote(Author(3), votes[3].clone())), [Height(1)]);
}

#[test]
fn a_quorum_for_another_result_is_divergence_and_twice_is_the_end() {
    let votes = votes(1, 5);
    for (second, ends) in [(5, false), (7, true)] {
        let mut pool = pool(0);
        execute(&mut pool, 0, 1, 6);
        pool.vote(Author(1), votes[1].clone());
        pool.vote(Author(2), votes[2].clone());
        let outputs = pool.vote(Author(3), votes[3].clone());
        assert!(matches!(outputs[..], [PoolOutput::Diverged { .. }]), "{outputs:?}");
        let outputs = pool.executed(result(1, second));
        match ends {
            true => assert!(matches!(&outputs[..], [PoolOutput::Halt(reason)] if reason.contains("twice"))),
            false => assert_eq!(certified(&outputs), [Height(1)]),
        }
    }
}

#[test]
fn a_split_halts_after_a_while_and_a_missing_vote_does_not() {
    let (right, wrong) = (votes(1, 5), votes(1, 6));
    let mut pool = pool(0);
    execute(&mut pool, 0, 1, 5);
    pool.vote(Author(1), right[1].clone());
    pool.vote(Author(2), wrong[2].clone());
    let halts = |outputs: Vec<PoolOutput>| outputs.iter().any(|output| matches!(output, PoolOutput::Halt(_)));
    for second in 0..200 {
        assert!(!halts(pool.tick(Duration::from_secs(second))), "the fourth vote may decide");
    }
    pool.vote(Author(3), wrong[3].clone());
    assert!(!halts(pool.tick(Duration::from_secs(200))));
    assert!(!halts(pool.tick(Duration::from_secs(259))));
    let outputs = pool.tick(Duration::from_secs(260));
    let Some(PoolOutput::Halt(reason)) = outputs.last() else { panic!("{outputs:?}") };
    let digests = [&right[0], &wrong[0]].map(|vote| vote.checkpoint.digest().to_string());
    assert!(digests.iter().all(|digest| reason.contains(digest)), "{reason}");
}

#[test]
fn who_missed_a_certificate_gets_it() {
    let votes = votes(1, 5);
    let mut ahead = pool(0);
    execute(&mut ahead, 0, 1, 5);
    ahead.vote(Author(1), votes[1].clone());
    ahead.vote(Author(2), votes[2].clone());
    let mut behind = pool(3);
    execute(&mut behind, 3, 1, 5);
    assert!(behind.tick(Duration::ZERO).is_empty());
    let outputs = behind.tick(Duration::ZERO);
    let [PoolOutput::Broadcast(vote)] = &outputs[..] else { panic!("{outputs:?}") };
    let outputs = ahead.vote(Author(3), vote.clone());
    let [PoolOutput::Serve(Author(3), Height(1), Some(made))] = &outputs[..] else { panic!("{outputs:?}") };
    let mut forged = made.clone();
    forged.certificate.signers = vec![0b1111];
    assert!(behind.certificate(forged).is_empty());
    assert_eq!(certified(&behind.certificate(made.clone())), [Height(1)]);
}

#[test]
fn others_out_of_reach_are_noticed_by_a_third_of_the_stake() {
    let mut pool = pool(0);
    let mut far = votes(1, 5)[1].clone();
    let Checkpoint::V1(data) = &mut far.checkpoint;
    data.height = Height(VOTE_WINDOW + 10);
    pool.vote(Author(1), far.clone());
    assert!(pool.tick(Duration::ZERO).is_empty());
    pool.vote(Author(2), far);
    assert_eq!(pool.tick(Duration::ZERO), [PoolOutput::Behind(Height(VOTE_WINDOW + 10))]);
}
