use std::collections::BTreeSet;

use noema_types::{Author, Round, TimestampMs};

use super::harness::*;
use crate::{Block, CommitIndex, Core, Fault, Input, Message, Output, Record};

const FOUR: [u64; 4] = [1; 4];

fn quiet(net: &mut Net, places: &[usize]) {
    let mut count = 0;
    for place in places {
        for _ in 0..3 {
            count += 1;
            net.offer(*place, format!("transaction {place} {count}"));
        }
    }
}

#[test]
fn four_validators_order_the_same_transactions_once() {
    let mut net = Net::new(&FOUR, |_| {});
    for _ in 0..20 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(100);
    }
    net.run(1_000);
    assert!(net.agreed(&[0, 1, 2, 3]) > 50, "{}", net.agreed(&[0, 1, 2, 3]));
    let ordered = net.ordered(0);
    assert_eq!(ordered.len(), 20 * 12);
}

#[test]
fn a_committee_of_one_commits_by_itself() {
    let mut net = Net::new(&[5], |_| {});
    net.offer(0, "alone");
    net.run(2_000);
    assert!(net.agreed(&[0]) > 3);
    assert_eq!(net.ordered(0).len(), 1);
    assert!(net.core(0).stats().proposals < 30, "idle rounds are slow");
}

#[test]
fn losses_delay_and_change_nothing() {
    for seed in 0..5u64 {
        let mut net = Net::new(&[3, 1, 2, 1, 1, 2, 2], |config| config.rules.leaders = 3);
        let mut random = seed + 1;
        net.passes = Box::new(move |_, _, _, _| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % 10 >= 3
        });
        for round in 0..20 {
            net.offer(round % 7, vec![7; 1_000 + round]);
            net.input(round % 7, Input::Transactions(vec![vec![u8::try_from(round).unwrap(); 40_000].into()]));
            net.run(100);
        }
        let all = [0, 1, 2, 3, 4, 5, 6];
        for _ in 0..40 {
            net.run(500);
            if net.ordered(0).len() == 40 && net.agreed(&all) > 15 {
                break;
            }
        }
        assert!(net.agreed(&all) > 15, "{}", net.agreed(&all));
        assert_eq!(net.ordered(0).len(), 40, "seed {seed}");
    }
}

#[test]
fn a_crashed_validator_is_not_waited_for_and_catches_up() {
    let mut net = Net::new(&FOUR, |_| {});
    net.run(500);
    net.crash(3);
    for _ in 0..30 {
        quiet(&mut net, &[0, 1, 2]);
        net.run(100);
    }
    let before = net.agreed(&[0, 1, 2]);
    assert!(before > 50, "{before}");
    assert!(net.seen[3].commits.len() < 30);
    net.restart(3);
    net.run(1_500);
    assert!(net.agreed(&[0, 1, 2, 3]) > before);
    assert!(net.core(3).stats().catch_ups > 0);
    let last = net.seen[3].sent.keys().next_back().unwrap();
    assert!(last.0 + 5 > net.core(0).round().0, "it takes part again");
}

#[test]
fn far_behind_after_a_restart_is_caught_up_by_ranges() {
    let mut net = Net::new(&FOUR, |config| config.rules.gc_depth = 500);
    net.run(300);
    net.crash(1);
    for count in 0..300u64 {
        net.input(0, Input::Transactions(vec![count.to_le_bytes().to_vec().into()]));
        net.run(50);
    }
    let rounds = net.core(0).round().0;
    assert!(rounds > 300, "{rounds}");
    net.restart(1);
    net.run(2_000);
    let (round, stats) = (net.core(1).round().0, net.core(1).stats());
    assert!(round + 3 > net.core(0).round().0, "{round} {} {stats:?}", net.core(0).round().0);
    assert!(stats.catch_ups < 20, "{stats:?}");
    net.agreed(&[0, 1, 2, 3]);
}

#[test]
fn all_at_once_lose_nothing_that_was_committed() {
    let mut net = Net::new(&FOUR, |_| {});
    for _ in 0..5 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(130);
    }
    let before = net.agreed(&[0, 1, 2, 3]);
    (0..4).for_each(|place| net.crash(place));
    net.run(100);
    (0..4).for_each(|place| net.restart(place));
    for _ in 0..5 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(100);
    }
    net.run(1_000);
    assert!(net.agreed(&[0, 1, 2, 3]) > before + 10);
}

#[test]
fn every_cut_of_the_log_gives_the_same_decisions_and_no_second_block() {
    let mut net = Net::new(&FOUR, |_| {});
    for _ in 0..6 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(100);
    }
    let records = net.logs[2].0.clone();
    let own: BTreeSet<Round> = net.seen[2].sent.keys().copied().collect();
    let mut decided = 0;
    for cut in 0..=records.len() {
        let taken = &records[..cut];
        let (mut core, outputs) = Core::recover(net.configs[2].clone(), base(4), taken.to_vec()).unwrap();
        for output in &outputs {
            if let Output::Commit(committed) = output {
                assert_eq!(net.seen[2].commits[&committed.commit.index], **committed);
                decided = decided.max(committed.commit.index.0);
            }
        }
        let highest = taken.iter().filter_map(|record| match record {
            Record::Block(block) if block.v1().header.author == Author(2) => Some(block.v1().header.round),
            _ => None,
        });
        let highest = highest.max().unwrap_or(Round(0));
        assert!(own.contains(&highest) || highest.0 == 0);
        for time in [0, 1_000, 2_000] {
            for output in core.step(TimestampMs(net.now + time), Input::Tick) {
                match output {
                    Output::Propose { round, .. } => assert!(round > highest, "{round:?} after {highest:?}"),
                    Output::Broadcast(Message::Block(block)) => {
                        assert_eq!(block.v1().header.round, highest, "only the last block goes out again");
                    }
                    _ => {}
                }
            }
        }
        let (twin, again) = Core::recover(net.configs[2].clone(), base(4), taken.to_vec()).unwrap();
        assert_eq!((again, twin.round()), (outputs, core.round()), "recovery is a function of the log");
    }
    assert!(decided > 5);
}

#[test]
fn equal_inputs_give_equal_outputs() {
    let mut net = Net::new(&FOUR, |_| {});
    net.recorded = Some((1, Vec::new()));
    for _ in 0..5 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(100);
    }
    let (_, inputs) = net.recorded.take().unwrap();
    let run = || {
        let mut core = Core::new(net.configs[1].clone(), base(4));
        inputs.iter().map(|(now, input)| core.step(*now, input.clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
    assert!(inputs.len() > 50, "{}", inputs.len());
}

#[test]
fn a_partition_heals() {
    let mut net = Net::new(&FOUR, |_| {});
    net.passes = Box::new(|now, from, to, _| !(1_500..4_500).contains(&now) || (from.0 < 2) == (to.0 < 2));
    net.run(3_000);
    let before = net.agreed(&[0, 1, 2, 3]);
    quiet(&mut net, &[0, 3]);
    net.run(4_000);
    assert!(net.agreed(&[0, 1, 2, 3]) > before + 5, "{before} {}", net.agreed(&[0, 1, 2, 3]));
    assert_eq!(net.ordered(1).len(), 6);
    assert!(net.core(0).stats().resends > 0);
}

#[test]
fn a_missing_ancestor_is_asked_of_the_sender_and_then_of_others() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    let first: Vec<_> = (0..4).map(|author| block(author, 1, on(author, &all), |_| {})).collect();
    let refs: Vec<_> = first.iter().map(reference).collect();
    alone.block(&first[1]);
    alone.block(&first[2]);
    let second = block(1, 2, on(1, &refs[1..]), |_| {});
    assert_eq!(requests(&alone.block(&second)), [], "it may be on its way");
    assert_eq!(requests(&alone.tick(25)), [(Author(1), vec![refs[3]])]);
    assert!(!alone.has(&second));
    let mut asked = BTreeSet::new();
    for _ in 0..30 {
        asked.extend(requests(&alone.tick(200)).into_iter().map(|(to, _)| to));
    }
    assert_eq!(asked, BTreeSet::from([Author(1), Author(3)]), "its author and who builds on it");
    alone.message(2, Message::Blocks { blocks: vec![first[3].clone()], held_from: Round(1) });
    assert!(alone.has(&second) && alone.has(&first[3]));
    assert_eq!(requests(&alone.tick(200)), []);
}

#[test]
fn a_copy_of_a_block_with_other_batches_inside_does_not_keep_the_block_out() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    let (data, other) = (batch(3, 1, &[b"one"]), batch(3, 1, &[b"two"]));
    let author = |author: u16| {
        block(author, 1, on(author, &all), |block| {
            if author == 3 {
                names(block, &data);
                block.inline.push(data.clone());
            }
        })
    };
    let first: Vec<_> = (0..4).map(author).collect();
    let refs: Vec<_> = first.iter().map(reference).collect();
    alone.block(&first[1]);
    alone.block(&first[2]);
    let second = block(1, 2, on(1, &refs[1..]), |_| {});
    alone.block(&second);
    alone.tick(25);
    let Block::V1(mut copy) = first[3].clone();
    copy.inline = vec![other];
    assert_eq!(copy.reference(), refs[3], "a block's name does not cover what travels with it");
    alone.message(2, Message::Blocks { blocks: vec![Block::V1(copy)], held_from: Round(1) });
    assert!(!alone.has(&first[3]));
    assert_eq!(requests(&alone.tick(200)).len(), 1, "it is asked for again");
    alone.message(1, Message::Blocks { blocks: vec![first[3].clone()], held_from: Round(1) });
    assert!(alone.has(&first[3]) && alone.has(&second));
}

#[test]
fn a_missing_batch_is_asked_for_and_the_block_waits() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    let data = batch(1, 1, &[b"one", b"two"]);
    let named = block(1, 1, on(1, &all), |block| names(block, &data));
    alone.block(&named);
    assert!(!alone.has(&named));
    let outputs = alone.tick(50);
    let asked = Output::Send { to: Author(1), message: Message::FetchBatches(vec![data.reference().digest]) };
    assert!(outputs.contains(&asked), "{outputs:?}");
    let other = batch(1, 1, &[b"three"]);
    alone.message(1, Message::Batches(vec![other]));
    assert!(!alone.has(&named));
    let outputs = alone.message(2, Message::Batches(vec![data.clone()]));
    assert!(alone.has(&named));
    let stored: Vec<_> = outputs
        .iter()
        .filter_map(|output| if let Output::Store(record) = output { Some(record.clone()) } else { None })
        .collect();
    assert_eq!(stored[..2], [Record::Batch(data), Record::Block(named)], "the batch first");
}

#[test]
fn a_batch_under_a_false_reference_never_makes_a_block_acceptable() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    let data = batch(1, 1, &[b"one"]);
    let lie = block(1, 1, on(1, &all), |block| {
        names(block, &data);
        block.header.batches[0].bytes += 1;
    });
    alone.block(&lie);
    alone.message(1, Message::Batch(data.clone()));
    let foreign = block(2, 1, on(2, &all), |block| names(block, &data));
    alone.block(&foreign);
    assert!(!alone.has(&lie) && !alone.has(&foreign));
    assert_eq!(alone.core.stats().blocks_invalid.values().sum::<u64>(), 2);
    // An answer whose batch is of nobody is refused, and breaks nothing.
    let nobody = batch(900, 1, &[b"x"]);
    alone.block(&block(3, 1, on(3, &all), |block| names(block, &nobody)));
    alone.message(3, Message::Batches(vec![nobody]));
    assert_eq!(alone.core.stats().batches_refused, 1);
}

#[test]
fn uncommitted_bytes_of_an_author_are_capped_until_others_have_them() {
    let mut alone = Alone::new(|config| config.pace.uncommitted_bytes_max = 1_000);
    let all: Vec<_> = (0..4).map(genesis).collect();
    alone.message(1, Message::Batch(batch(1, 1, &[&[1; 600]])));
    let second = batch(1, 1, &[&[2; 600]]);
    alone.message(1, Message::Batch(second.clone()));
    assert_eq!(alone.core.stats().batches_refused, 1);
    let named = block(1, 1, on(1, &all), |block| names(block, &second));
    alone.block(&named);
    let fetches = |outputs: &[Output]| {
        outputs.iter().filter(|output| matches!(output, Output::Send { message: Message::FetchBatches(_), .. })).count()
    };
    for _ in 0..5 {
        assert_eq!(fetches(&alone.tick(200)), 0, "more than its share is not fetched");
    }
    let others: Vec<_> = [2, 3].map(|author| block(author, 1, on(author, &all), |_| {})).to_vec();
    others.iter().for_each(|block| drop(alone.block(block)));
    let refs = [reference(&named), reference(&others[0]), reference(&others[1])];
    alone.block(&block(2, 2, on(2, &refs), |_| {}));
    assert_eq!(fetches(&alone.tick(200)), 1, "another has taken it");
    alone.message(2, Message::Batches(vec![second]));
    assert!(alone.has(&named));
}

#[test]
fn an_equivocation_is_proven_once_and_stored_only_where_others_build_on_it() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    let first: Vec<_> = (0..4).map(|author| block(author, 1, on(author, &all), |_| {})).collect();
    let twin = block(3, 1, on(3, &all), |block| block.header.timestamp = TimestampMs(1_001));
    let third = block(3, 1, on(3, &all), |block| block.header.timestamp = TimestampMs(1_002));
    first[1..].iter().for_each(|block| drop(alone.block(block)));
    alone.block(&twin);
    alone.block(&third);
    assert!(!alone.has(&twin) && !alone.has(&third));
    let evidence: Vec<_> = alone
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Evidence(evidence) => Some(evidence.clone()),
            _ => None,
        })
        .collect();
    let [only] = &evidence[..] else { panic!("{evidence:?}") };
    let (low, high) = (only.first.reference(), only.second.reference());
    assert!(low < high);
    assert_eq!(BTreeSet::from([low, high]), BTreeSet::from([reference(&first[3]), reference(&twin)]));
    assert_eq!(alone.core.stats().equivocations_refused, 2);
    // Its own block is no reason to take the other half; another author's is.
    let refs = [reference(&first[1]), reference(&first[2]), reference(&twin)];
    alone.block(&block(3, 2, on(3, &refs), |_| {}));
    alone.message(3, Message::Blocks { blocks: vec![twin.clone()], held_from: Round(1) });
    assert!(!alone.has(&twin));
    alone.block(&block(1, 2, on(1, &refs), |_| {}));
    alone.message(1, Message::Blocks { blocks: vec![twin.clone()], held_from: Round(1) });
    assert!(alone.has(&twin) && alone.has(&first[3]));
    assert_eq!(alone.core.stats().equivocations_accepted, 1);
    assert_eq!(alone.core.stats().evidence, 1);
}

#[test]
fn a_block_of_the_future_is_held_until_it_is_not() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    let future = block(1, 1, on(1, &all), |block| block.header.timestamp = TimestampMs(2_000));
    alone.block(&future);
    alone.tick(499);
    assert!(!alone.has(&future));
    let near = block(2, 1, on(2, &all), |block| block.header.timestamp = TimestampMs(alone.now + 500));
    alone.block(&near);
    assert!(alone.has(&near));
    alone.tick(1);
    assert!(alone.has(&future));
    assert_eq!(alone.core.stats().blocks_future, 1);
}

#[test]
fn blocks_too_far_ahead_are_not_kept() {
    let mut alone = Alone::new(|_| {});
    let far: Vec<_> = (1..4)
        .map(|author| block(author, 999, on(author, &(0..4).map(genesis).collect::<Vec<_>>()), |_| {}))
        .map(|block| reference(&block))
        .collect();
    for round in [1_000, u64::MAX] {
        let below: Vec<_> = far.iter().map(|block| crate::BlockRef { round: Round(round - 1), ..*block }).collect();
        let ahead = block(1, round, on(1, &below), |_| {});
        alone.block(&ahead);
    }
    assert_eq!(alone.core.stats().blocks_dropped, 2);
    assert_eq!(alone.core.waiting.iter().count(), 0);
    alone.tick(200);
    alone.message(1, Message::FetchAfter(vec![Round(u64::MAX); 4]));
}

#[test]
fn waiting_blocks_of_an_author_are_bounded() {
    let mut alone = Alone::new(|_| {});
    let unknown = |round| (1..4).map(move |author| crate::BlockRef { round: Round(round), ..genesis(author) });
    for round in 2..=100 {
        let below: Vec<_> = unknown(round - 1).collect();
        alone.block(&block(1, round, on(1, &below), |_| {}));
        alone.block(&block(1, round, on(1, &below), |block| block.header.timestamp = TimestampMs(1)));
    }
    assert_eq!(alone.core.waiting.of_author(Author(1)).0, 99, "one for each slot");
    assert!(alone.core.held_bytes() < 200_000);
}

#[test]
fn an_own_block_that_was_not_made_here_stops_proposing() {
    let mut alone = Alone::new(|_| {});
    let all: Vec<_> = (0..4).map(genesis).collect();
    alone.tick(0);
    assert_eq!(alone.own_last().round, Round(1));
    let first: Vec<_> = (1..4).map(|author| block(author, 1, on(author, &all), |_| {})).collect();
    let foreign = block(0, 1, on(0, &all), |block| block.header.timestamp = TimestampMs(5));
    alone.block(&first[0]);
    let outputs = alone.message(1, Message::Blocks { blocks: vec![foreign.clone()], held_from: Round(1) });
    let fault = Fault::DoubleRun { block: reference(&foreign) };
    assert!(outputs.contains(&Output::Fault(fault)), "{outputs:?}");
    first.iter().for_each(|block| drop(alone.block(block)));
    alone.tick(1_000);
    assert_eq!(alone.own_last().round, Round(1), "nothing is proposed any more");
}

#[test]
fn own_blocks_of_a_lost_log_are_no_double_run_and_no_round_comes_twice() {
    let mut net = Net::new(&FOUR, |_| {});
    for _ in 0..10 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(100);
    }
    net.crash(2);
    net.logs[2] = Default::default();
    let highest = *net.seen[2].sent.keys().next_back().unwrap();
    net.configs[2].log_lost = true;
    net.configs[2].nonce = 2;
    net.restart(2);
    assert!(net.core(2).is_amnesiac());
    for _ in 0..10 {
        quiet(&mut net, &[0, 1]);
        net.run(100);
    }
    net.run(500);
    assert!(!net.core(2).is_amnesiac());
    net.agreed(&[0, 1, 2, 3]);
    let resumed = net.seen[2].sent.keys().find(|round| **round > highest).copied().unwrap();
    assert!(resumed.0 >= highest.0 + 2);
    assert_eq!(net.seen[2].faults, []);
    // With the new log, what was forgotten stays forgiven, and nobody is asked again.
    net.crash(2);
    net.configs[2].nonce = 3;
    net.restart(2);
    assert!(!net.core(2).is_amnesiac());
    net.run(1_000);
    assert_eq!(net.seen[2].faults, []);
    net.agreed(&[0, 1, 2, 3]);
}

#[test]
fn without_a_quorum_of_answers_nothing_is_proposed() {
    let mut net = Net::new(&FOUR, |_| {});
    net.run(500);
    net.crash(2);
    net.crash(3);
    net.logs[2] = Default::default();
    net.configs[2].log_lost = true;
    net.seen[2].sent.clear();
    net.restart(2);
    net.run(3_000);
    assert!(net.core(2).is_amnesiac());
    assert!(net.seen[2].sent.is_empty());
    net.restart(3);
    net.run(2_000);
    assert!(!net.core(2).is_amnesiac());
    net.agreed(&[0, 1, 2, 3]);
}

#[test]
fn a_network_without_any_log_starts_at_its_first_round() {
    let mut net = Net::new(&FOUR, |config| config.log_lost = true);
    net.run(3_000);
    assert!(net.agreed(&[0, 1, 2, 3]) > 3);
}

#[test]
fn an_epoch_ends_for_all_at_one_commit_and_gives_back_what_is_left() {
    let end = TimestampMs(3_000);
    let mut net = Net::new(&FOUR, |config| config.epoch_end = end);
    for place in 0..40 {
        net.offer(place % 4, format!("transaction {place}"));
        net.run(60);
    }
    net.run(2_000);
    let commits = net.agreed(&[0, 1, 2, 3]);
    for place in 0..4 {
        assert_eq!(net.seen[place].commits.len() as u64, commits);
        let last = net.seen[place].commits.values().next_back().unwrap();
        assert!(last.commit.timestamp >= end && last.end.as_ref().unwrap().epoch_end);
        assert!(net.core(place).is_epoch_over());
    }
    let (rounds, sent) = (net.core(0).round(), net.seen[0].sent.len());
    net.input(0, Input::Transactions(vec!["late".into()]));
    net.run(2_000);
    assert_eq!((net.core(0).round(), net.seen[0].sent.len()), (rounds, sent), "nothing is proposed any more");
    let left: usize = (0..4).map(|place| net.seen[place].released.len() + net.seen[place].waiting.len()).sum();
    assert_eq!(net.ordered(0).len() + left, 41);
    assert!(net.seen[0].released.contains(&"late".into()));
}

#[test]
fn who_missed_the_end_of_the_epoch_still_reaches_it() {
    let mut net = Net::new(&FOUR, |config| config.epoch_end = TimestampMs(3_000));
    net.certify = false;
    net.passes = Box::new(|now, from, to, _| now > 6_000 || (from.0 != 3 && to.0 != 3) || now < 2_000);
    net.run(4_900);
    assert!(net.core(0).is_epoch_over() && !net.core(3).is_epoch_over());
    net.run(4_000);
    assert!(net.core(3).is_epoch_over());
    net.agreed(&[0, 1, 2, 3]);
}

#[test]
fn throttled_blocks_are_empty() {
    let mut net = Net::new(&FOUR, |_| {});
    (0..4).for_each(|place| net.input(place, Input::Throttle(true)));
    quiet(&mut net, &[0, 1, 2, 3]);
    net.input(0, Input::Transactions(vec!["early".into()]));
    net.run(1_000);
    assert!(net.ordered(0).is_empty());
    assert!(net.agreed(&[0, 1, 2, 3]) > 0, "commits go on");
    (0..4).for_each(|place| net.input(place, Input::Throttle(false)));
    net.run(1_000);
    assert_eq!(net.ordered(0).len(), 13);
}

#[test]
fn collected_transactions_are_proposed_again_and_ordered_once() {
    let mut net = Net::new(&FOUR, |config| config.rules.gc_depth = 5);
    net.run(300);
    // For a while nobody hears of what the first validator makes.
    net.passes = Box::new(|now, from, to, _| !(1_300..4_000).contains(&now) || (from.0 != 0 || to.0 == 0));
    net.offer(0, "unheard");
    net.run(50);
    for _ in 0..25 {
        quiet(&mut net, &[1, 2, 3]);
        net.run(100);
    }
    assert!(net.core(0).stats().batches_proposed_again > 0);
    net.run(3_000);
    net.agreed(&[0, 1, 2, 3]);
    let ordered = net.ordered(1);
    assert_eq!(ordered.iter().filter(|transaction| &transaction[..] == b"unheard").count(), 1);
}

#[test]
fn who_is_too_far_behind_says_so() {
    let mut net = Net::new(&FOUR, |config| {
        config.rules.gc_depth = 10;
        config.pace.lag_commits_max = 50;
    });
    net.passes = Box::new(|now, from, to, _| now > 8_000 || (from.0 != 3 && to.0 != 3) || now < 1_500);
    for _ in 0..69 {
        quiet(&mut net, &[0, 1, 2]);
        net.run(100);
    }
    assert_eq!(net.seen[3].lagging, 0);
    net.run(3_000);
    let lagging = net.seen[3].lagging;
    assert!((1..=4).contains(&lagging), "about once a second: {lagging}");
}

#[test]
fn who_starts_from_a_certified_state_goes_on_without_the_blocks_before() {
    let mut net = Net::new(&FOUR, |_| {});
    net.run(300);
    net.crash(3);
    for _ in 0..30 {
        quiet(&mut net, &[0, 1, 2]);
        net.run(100);
    }
    let ends = net.seen[0].commits.values().filter_map(|committed| committed.end.clone());
    let state = ends.map(|end| end.state).next_back().unwrap();
    let first = state.index;
    let records = net.logs[3].0.clone();
    let (core, outputs) = Core::recover(net.configs[3].clone(), state, records).unwrap();
    assert_eq!(outputs, []);
    net.cores[3] = Some(core);
    (0..3).for_each(|peer| net.input(peer, Input::Connected(Author(3))));
    for _ in 0..20 {
        quiet(&mut net, &[0, 1, 2, 3]);
        net.run(100);
    }
    net.run(500);
    let later: Vec<CommitIndex> = net.seen[3].commits.keys().copied().filter(|index| *index > first).collect();
    assert!(later.len() > 20, "{later:?}");
    assert_eq!(later[0], first.next());
    for index in later.iter().filter(|index| net.seen[0].commits.contains_key(index)) {
        assert_eq!(net.seen[3].commits[index].commit, net.seen[0].commits[index].commit);
        assert_eq!(net.seen[3].commits[index].end, net.seen[0].commits[index].end);
    }
    assert_eq!(net.seen[3].lagging, 0);
    assert!(net.seen[3].sent.values().all(|blocks| blocks.len() == 1));
}

#[test]
fn memory_does_not_grow_with_time() {
    let mut net = Net::new(&FOUR, |_| {});
    let mut highest = 0;
    for round in 0..200 {
        net.offer(round % 4, vec![1; 5_000]);
        net.run(50);
        if round == 60 {
            highest = net.core(0).held_bytes();
        }
    }
    assert!(net.core(0).held_bytes() < highest * 2, "{} after {highest}", net.core(0).held_bytes());
    assert!(net.core(0).dag.len() < 4 * 120);
}

#[test]
fn large_payloads_travel_in_batches_of_the_allowed_size() {
    let mut net = Net::new(&FOUR, |_| {});
    for place in 0..3_000u32 {
        net.offer(0, [&place.to_le_bytes()[..], &[0; 500]].concat());
    }
    net.offer(0, vec![9; 600 * 1024]);
    net.run(1_500);
    net.agreed(&[0, 1, 2, 3]);
    assert_eq!(net.ordered(3).len(), 3_000);
    assert_eq!(net.core(0).stats().oversized, 1);
    assert!(net.core(3).stats().batches_received >= 3);
}
