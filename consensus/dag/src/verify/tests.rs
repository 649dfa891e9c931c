use bytes::Bytes;
use noema_types::{Author, CommitIndex, Ed25519Signature, Epoch, Hash, Round};
use proptest::prelude::*;

use super::*;
use crate::core::harness::{base, batch, block, config, genesis, names, on};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::{BatchDigest, BlockDigest, CommitDigest, CommitVote, Core, Input, Message, TimestampMs};

fn verifier() -> Verifier {
    Core::new(config(&[2, 1, 1, 3], 0), base(4)).verifier
}

fn at(round: u64, author: u16) -> BlockRef {
    BlockRef { round: Round(round), author: Author(author), ..genesis(author) }
}

/// A valid block of the second validator for round 5, edited, then signed.
fn edited(edit: impl FnOnce(&mut BlockV1)) -> Block {
    let ancestors = on(1, &[at(4, 0), at(3, 1), at(2, 2), at(4, 3)]);
    block(1, 5, ancestors, |block| {
        let data = batch(1, 4, &[b"one", b"two"]);
        names(block, &data);
        block.inline.push(data);
        names(block, &batch(1, 5, &[b"elsewhere"]));
        block.header.commit_votes = [3, 4].map(vote).to_vec();
        edit(block);
    })
}

fn vote(index: u64) -> CommitVote {
    CommitVote { index: CommitIndex(index), digest: CommitDigest(Hash([0; 32])) }
}

fn outcome(edit: impl FnOnce(&mut BlockV1)) -> Option<Invalid> {
    verifier().check(edited(edit)).err()
}

#[test]
fn a_block_within_all_rules_is_valid() {
    assert_eq!(outcome(|_| {}), None);
    let all: Vec<_> = (0..4).map(genesis).collect();
    assert!(verifier().check(block(2, 1, on(2, &all), |_| {})).is_ok());
}

#[test]
fn each_rule_is_refused_by_name() {
    let header = |edit: fn(&mut BlockHeader)| outcome(|block| edit(&mut block.header));
    assert_eq!(header(|header| header.chain = Hash([0; 32])), Some(Invalid::Chain));
    assert_eq!(header(|header| header.epoch = Epoch(8)), Some(Invalid::Epoch));
    assert_eq!(header(|header| header.author = Author(4)), Some(Invalid::Author));
    assert_eq!(header(|header| header.round = Round(0)), Some(Invalid::Round));
    assert_eq!(header(|header| header.ancestors.clear()), Some(Invalid::OwnPrevious));
    assert_eq!(header(|header| header.ancestors.swap(0, 1)), Some(Invalid::OwnPrevious));
    assert_eq!(header(|header| header.ancestors.push(at(1, 1))), Some(Invalid::AncestorOrder));
    assert_eq!(header(|header| header.ancestors.swap(1, 2)), Some(Invalid::AncestorOrder));
    assert_eq!(header(|header| header.ancestors.insert(1, at(4, 0))), Some(Invalid::AncestorOrder));
    assert_eq!(header(|header| header.ancestors.push(at(4, 4))), Some(Invalid::AncestorAuthor));
    assert_eq!(header(|header| header.ancestors[1].round = Round(5)), Some(Invalid::AncestorRound));
    assert_eq!(
        header(|header| header.ancestors[2] = BlockRef { digest: BlockDigest(Hash([1; 32])), ..at(0, 2) }),
        Some(Invalid::AncestorGenesis)
    );
    assert_eq!(header(|header| header.ancestors[2] = genesis(2)), None);
    assert_eq!(header(|header| header.ancestors[1].round = Round(3)), Some(Invalid::Quorum));
    assert_eq!(header(|header| header.commit_votes.push(vote(4))), Some(Invalid::CommitVotes));
    assert_eq!(header(|header| header.commit_votes = (0..65).map(vote).collect()), Some(Invalid::CommitVotes));
    assert_eq!(header(|header| header.commit_votes = (0..64).map(vote).collect()), None);
    assert_eq!(header(|header| header.batches.push(header.batches[1])), Some(Invalid::BatchTwice));
    assert_eq!(header(|header| header.batches[1].bytes = BATCH_BYTES_MAX as u32 + 1), Some(Invalid::BatchSize));
    assert_eq!(header(|header| header.batches[1].transactions = 0), Some(Invalid::BatchSize));
    assert_eq!(header(|header| header.batches[1].transactions = 8_193), Some(Invalid::BatchSize));
    assert_eq!(header(|header| header.batches[1].created = Round(6)), Some(Invalid::BatchRound));
    assert_eq!(header(|header| header.round = Round(26)), Some(Invalid::Quorum));
    assert_eq!(
        header(|header| {
            let named = header.batches[1];
            header.batches.extend((0..63).map(|byte| BatchRef { digest: BatchDigest(Hash([byte; 32])), ..named }));
        }),
        Some(Invalid::BatchCount)
    );
}

#[test]
fn batches_live_as_long_as_the_collection_depth() {
    let aged = |age: u64| {
        outcome(|block| {
            block.header.round = Round(4 + age);
            block.header.ancestors = on(1, &[at(3 + age, 0), at(2, 1), at(3 + age, 3)]);
        })
    };
    assert_eq!((aged(20), aged(21)), (None, Some(Invalid::BatchRound)));
}

#[test]
fn batches_inside_are_those_that_are_named() {
    assert_eq!(outcome(|block| block.inline[0].transactions.push(Bytes::new())), Some(Invalid::Inline));
    assert_eq!(outcome(|block| block.inline.push(block.inline[0].clone())), Some(Invalid::Inline));
    assert_eq!(outcome(|block| block.inline[0].author = Author(0)), Some(Invalid::BatchContent));
    assert_eq!(outcome(|block| block.inline[0].epoch = Epoch(6)), Some(Invalid::BatchContent));
    assert_eq!(outcome(|block| block.inline[0].transactions.clear()), Some(Invalid::BatchSize));
    assert_eq!(outcome(|block| block.header.batches[0].bytes += 1), Some(Invalid::Inline));
    assert_eq!(outcome(|block| block.inline.clear()), None, "they may come apart");
    let large = |size: usize| {
        outcome(|block| {
            let data = batch(1, 5, &[&vec![0; size]]);
            block.header.batches = vec![data.reference()];
            block.inline = vec![data];
        })
    };
    assert_eq!((large(INLINE_BYTES_MAX), large(INLINE_BYTES_MAX + 1)), (None, Some(Invalid::Inline)));
}

#[test]
fn only_the_author_signs() {
    let mut forged = edited(|_| {});
    let Block::V1(inner) = &mut forged;
    inner.signature = Ed25519Signature([7; 64]);
    assert_eq!(verifier().check(forged).err(), Some(Invalid::Signature));
    let mut changed = edited(|_| {});
    let Block::V1(inner) = &mut changed;
    inner.header.timestamp = TimestampMs(9);
    assert_eq!(verifier().check(changed).err(), Some(Invalid::Signature));
}

#[test]
fn ancestors_count_by_stake_and_once() {
    // Stakes 2, 1, 1, 3: a quorum is 5, so that the last validator and any one with 2 make it.
    let ancestors = |blocks: &[BlockRef]| outcome(|block| block.header.ancestors = on(1, blocks));
    assert_eq!(ancestors(&[at(4, 1), at(4, 3)]), Some(Invalid::Quorum));
    assert_eq!(ancestors(&[at(4, 1), at(4, 2), at(4, 3)]), None);
    assert_eq!(ancestors(&[at(4, 0), at(4, 1), at(4, 2)]), Some(Invalid::Quorum));
}

/// A core with some blocks in it.
fn running() -> (Core, Vec<Message>) {
    let mut core = Core::new(config(&[1; 4], 0), base(4));
    let mut below: Vec<BlockRef> = (0..4).map(genesis).collect();
    let mut messages = Vec::new();
    for round in 1..6 {
        let blocks: Vec<Block> = (1..4)
            .map(|author| {
                block(author, round, on(author, &below), |block| {
                    let data = batch(author, round, &[b"payload"]);
                    names(block, &data);
                    if author == 1 {
                        block.inline.push(data);
                    } else {
                        messages.push(Message::Batch(data));
                    }
                })
            })
            .collect();
        below = blocks.iter().map(|block| block.v1().reference()).collect();
        messages.extend(blocks.iter().cloned().map(Message::Block));
        messages.push(Message::Blocks { blocks, held_from: Round(1) });
        messages.push(Message::FetchBlocks(below.clone()));
        messages.push(Message::FetchAfter(vec![Round(round); 4]));
        messages.push(Message::FetchLast { nonce: round });
        messages.push(Message::Last { nonce: 1, own: None, yours: None });
    }
    for message in &messages[..messages.len() / 2] {
        for from in 1..4 {
            core.step(TimestampMs(1_000), Input::Message { from: Author(from), message: message.clone() });
        }
    }
    (core, messages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Block::decode(&bytes);
        if let Ok(message) = Message::decode(&bytes) {
            let mut core = Core::new(config(&[1; 4], 0), base(4));
            core.step(TimestampMs(1), Input::Message { from: Author(1), message });
        }
    }

    #[test]
    fn changed_messages_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
        from in 0..6u16,
        amnesiac in any::<bool>(),
    ) {
        let (mut core, messages) = running();
        core.amnesia = amnesiac.then(Default::default);
        for (which, place, byte) in changes {
            let mut bytes = which.get(&messages).to_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Ok(message) = Message::decode(&bytes) {
                core.step(TimestampMs(1_100), Input::Message { from: Author(from), message });
            }
        }
        core.step(TimestampMs(5_000), Input::Tick);
    }

    #[test]
    fn changed_blocks_that_are_signed_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let (mut core, messages) = running();
        let blocks: Vec<Block> = messages
            .iter()
            .filter_map(|message| if let Message::Block(block) = message { Some(block.clone()) } else { None })
            .collect();
        for (which, place, byte) in changes {
            let mut bytes = crate::types::to_bytes(which.get(&blocks));
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let Ok(Block::V1(changed)) = Block::decode(&bytes) else { continue };
            let author = changed.header.author;
            let signed = block(author.0, 1, Vec::new(), |block| *block = changed);
            core.step(TimestampMs(1_100), Input::Message { from: author, message: Message::Block(signed.clone()) });
            let message = Message::Blocks { blocks: vec![signed], held_from: Round(u64::from(byte)) };
            core.step(TimestampMs(1_100), Input::Message { from: Author(3), message });
        }
        core.step(TimestampMs(5_000), Input::Tick);
    }
}

#[test]
fn messages_over_the_limit_are_not_decoded() {
    assert!(Message::decode(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
}
