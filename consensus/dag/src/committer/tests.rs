use std::collections::BTreeMap;

use super::*;
use crate::dsl::{self, Built};
use noema_types::{Hash, Stake};

/// A committee whose leaders are the wanted ones, and blocks.
struct Case {
    committee: Arc<Committee>,
    rules: Rules,
    state: ConsensusState,
    epoch_end: TimestampMs,
    built: Built,
}

impl Case {
    /// `leaders` gives the leaders of rounds 1, 2, .. by their letters, with `AB` for two slots.
    fn new(stakes: &[u64], leaders: &[&str], text: &str) -> Self {
        let slots = leaders.first().map_or(1, |leaders| leaders.len());
        let rules = Rules { leaders: u16::try_from(slots).unwrap(), ..Rules::default() };
        Self::with_rules(stakes, leaders, rules, text)
    }

    fn with_rules(stakes: &[u64], leaders: &[&str], rules: Rules, text: &str) -> Self {
        let committee = dsl::committee(stakes);
        let mut state = dsl::start(&committee);
        state.chain = chain_with(&committee, &rules, &state, leaders);
        let built = dsl::build(text, &committee, &state).unwrap();
        Self { committee, rules, state, epoch_end: TimestampMs(u64::MAX), built }
    }

    fn committer(&self) -> Committer {
        Committer::new(Arc::clone(&self.committee), self.rules.clone(), self.epoch_end, self.state.clone())
    }

    fn commits(&self) -> (Vec<Committed>, CommitStats) {
        let mut committer = self.committer();
        let batch = |digest: &crate::BatchDigest| self.built.batches.get(digest).cloned();
        (committer.try_commit(&self.built.dag, &batch).unwrap(), committer.stats)
    }

    fn fault(&self) -> Fault {
        self.committer().try_commit(&self.built.dag, &|_| None).unwrap_err()
    }

    fn name(&self, block: &BlockRef) -> String {
        self.built.names.iter().find(|(_, named)| *named == block).unwrap().0.clone()
    }

    /// Committed leaders, with the skipped ones before them as `-A`.
    fn leaders(&self) -> String {
        let mut words = Vec::new();
        for committed in self.commits().0 {
            words.extend(committed.skipped.iter().map(|author| format!("-{}", dsl::author_name(*author))));
            words.push(self.name(&committed.commit.leader));
        }
        words.join(" ")
    }

    /// The blocks of each commit.
    fn blocks(&self) -> Vec<String> {
        let names = |blocks: &[BlockRef]| blocks.iter().map(|block| self.name(block)).collect::<Vec<_>>().join(" ");
        self.commits().0.iter().map(|committed| names(&committed.commit.blocks)).collect()
    }
}

/// A chain in whose first window these lead.
fn chain_with(committee: &Committee, rules: &Rules, state: &ConsensusState, leaders: &[&str]) -> Hash {
    for seed in 0..1_000_000u64 {
        let mut chain = Hash([7; 32]);
        chain.0[..8].copy_from_slice(&seed.to_le_bytes());
        let found = leaders.iter().zip(1..).all(|(wanted, round)| {
            let drawn = schedule::leaders(committee, rules, chain, &state.schedule, Round(round));
            drawn.iter().map(|author| dsl::author_name(*author)).collect::<String>() == *wanted
        });
        if found {
            return chain;
        }
    }
    panic!("no chain has the leaders {leaders:?}");
}

const ABCD: [&str; 6] = ["A", "B", "C", "D", "A", "B"];
/// A1 is certified by A3 alone; nobody skips it.
const ONE_CERTIFICATE: &str = "r1: { * }, r2: { *, D -> [-A1, *] },
    r3: { *, B -> [*, -A2], C -> [*, -A2], D -> [*, -A2] }";

fn four(text: &str) -> Case {
    Case::new(&[1; 4], &ABCD, &format!("DAG {{ {text} }}"))
}

#[test]
fn direct_commit_takes_certificates_by_a_quorum() {
    assert_eq!(four("r1..2: { * }, r3: { A, B }").leaders(), "");
    let case = four("r1..2: { * }, r3: { A, B, C }");
    assert_eq!(case.leaders(), "A1");
    assert_eq!(case.commits().1.direct_commits, 1);
    assert_eq!(four("r1..5: { * }").leaders(), "A1 B2 C3");
}

#[test]
fn a_certificate_takes_a_quorum_of_support() {
    // All of round 3 builds on two supporters and one other.
    let text = "r1: { * }, r2: { A, B, C -> [*, -A1], D -> [*, -A1] }, r3: { * }";
    assert_eq!(four(text).leaders(), "");
    // Support by way of another block is none: A1 is in the history of all of round 3.
    assert_eq!(four(&format!("{text}, r4..6: {{ * }}")).leaders(), "-A B2 C3 D4");
}

#[test]
fn direct_skip_takes_a_quorum_without_support() {
    let rest = "B -> [*, -A1], C -> [*, -A1]";
    let undecided = four(&format!("r1: {{ * }}, r2: {{ *, {rest} }}, r3..4: {{ * }}"));
    assert_eq!(undecided.leaders(), "");
    let case = four(&format!("r1: {{ * }}, r2: {{ *, {rest}, D -> [*, -A1] }}, r3..4: {{ * }}"));
    assert_eq!(case.leaders(), "-A B2");
    assert_eq!(case.commits().1.direct_skips, 1);
    assert_eq!(case.blocks(), ["B1 C1 D1 B2"], "a skipped leader's block may come later");
}

#[test]
fn indirect_commit_by_a_certificate_in_the_anchors_history() {
    let case = four(&format!("{ONE_CERTIFICATE}, r4..6: {{ * }}"));
    assert_eq!(case.leaders(), "A1 B2 C3 D4");
    let stats = case.commits().1;
    assert_eq!((stats.indirect_commits, stats.direct_commits), (1, 3));
}

#[test]
fn indirect_skip_without_a_certificate_in_the_anchors_history() {
    // The certificate exists, and others build on it, but the anchor does not.
    let case = four(&format!("{ONE_CERTIFICATE}, r4: {{ *, D -> [*, -A3] }}, r5..6: {{ * }}"));
    assert_eq!(case.leaders(), "-A B2 C3 D4");
    assert_eq!(case.commits().1.indirect_skips, 1);
}

#[test]
fn a_certificate_further_down_the_anchors_history_counts() {
    // D3 is the certificate; the anchor of round 5 reaches it through D4 only. Slot 4 is skipped.
    let case = Case::new(
        &[1; 4],
        &["A", "B", "C", "B", "A", "B"],
        "DAG { r1: { * }, r2: { *, C -> [-A1, *] },
               r3: { *, A -> [*, -D2], B -> [*, -D2], C -> [*, -D2] },
               r4: { A -> [*, -D3], C -> [*, -D3], D }, r5..7: { * } }",
    );
    assert_eq!(case.leaders(), "A1 B2 C3 -B A5");
    assert_eq!(case.commits().1.indirect_commits, 1);
}

#[test]
fn undecided_stays_undecided() {
    for rest in ["", ", r4: { * }", ", r4..5: { * }"] {
        let case = four(&format!("{ONE_CERTIFICATE}{rest}"));
        assert_eq!(case.leaders(), "", "{rest}");
    }
}

#[test]
fn an_undecided_anchor_holds_back_what_is_decided_behind() {
    // Slot 4 is the anchor of slot 1 and no more decided than it; slots 2, 3 and 5 are decided.
    let text = format!(
        "{ONE_CERTIFICATE}, r4: {{ * }}, r5: {{ *, B -> [*, -D4] }},
         r6: {{ *, A -> [*, -D5], B -> [*, -D5], C -> [*, -D5] }}, r7: {{ * }}"
    );
    let case = four(&text);
    assert_eq!(case.leaders(), "");
    let stats = case.commits().1;
    assert!(stats.undecided_anchors >= 1, "{stats:?}");
    // When the anchor's own anchor is decided, all are.
    assert_eq!(four(&text.replace("r7: {", "r7..9: {")).leaders().split(' ').take(5).collect::<String>(), "A1B2C3D4A5");
}

#[test]
fn skipped_slots_are_no_anchors() {
    // D makes no block in round 4: the anchor of slot 1 is slot 5.
    let case = four(&format!("{ONE_CERTIFICATE}, r4: {{ *, -D }}, r5: {{ * }}"));
    assert_eq!(case.leaders(), "");
    let case = four(&format!("{ONE_CERTIFICATE}, r4: {{ *, -D }}, r5..7: {{ * }}"));
    assert_eq!(case.leaders(), "A1 B2 C3 -D A5");
}

#[test]
fn slots_of_a_round_are_decided_each_and_emitted_in_order() {
    let leaders = ["AB", "CD", "AB"];
    let two = |text: &str| Case::new(&[1; 4], &leaders, &format!("DAG {{ {text} }}"));
    assert_eq!(two("r1..3: { * }").leaders(), "A1 B1");
    // B1 has one certificate: only the first slot is emitted.
    let second = ONE_CERTIFICATE.replace("-A1", "-B1").replace("-A2", "-C2").replace("C -> [*, -C2]", "A -> [*, -C2]");
    let case = two(&second);
    assert_eq!(case.leaders(), "A1");
    // A1 has one certificate: the second slot waits for it.
    assert_eq!(two(ONE_CERTIFICATE).leaders(), "");
    assert_eq!(two(&format!("{ONE_CERTIFICATE}, r4..6: {{ * }}")).leaders().get(..11), Some("A1 B1 C2 D2"));
}

#[test]
fn a_leader_without_a_block_is_skipped() {
    assert_eq!(four("r1: { *, -A }, r2..4: { * }").leaders(), "-A B2");
}

#[test]
fn a_crashed_leader_costs_its_slots_only() {
    let case = four("r1: { * }, r2..8: { *, -D }");
    assert!(case.leaders().starts_with("A1 B2 C3 -D A5 B6"), "{}", case.leaders());
    assert!(case.commits().1.direct_skips >= 1);
}

#[test]
fn an_equivocating_leader_commits_the_half_that_is_certified() {
    let case = four("r1: { *, A, A' }, r2: { *, D -> [*, A1'] }, r3: { * }");
    assert_eq!(case.leaders(), "A1");
    assert_eq!(case.commits().1.equivocated_slots, 1);
    let case = four("r1: { *, A, A' }, r2: { A -> [*, A1'], B -> [*, A1'], C, D -> [*, A1'] }, r3..4: { * }");
    assert_eq!(case.leaders(), "A1' B2");
    assert_eq!(case.blocks()[0], "A1'");
    // The other half is ordered by whoever built on it.
    let case = four("r1: { *, A, A' }, r2: { A -> [*, A1'], B -> [*, A1'], C, D -> [*, A1'] }, r3..5: { * }");
    assert!(case.blocks()[2].split(' ').any(|block| block == "A1"), "{:?}", case.blocks());
}

#[test]
fn an_equivocating_leader_without_a_certified_half_is_skipped() {
    let halves = "r1: { *, A, A' }, r2: { A, B, C -> [*, A1'], D -> [*, A1'] }";
    assert_eq!(four(&format!("{halves}, r3..5: {{ * }}")).leaders(), "", "everybody supports some block");
    let case = four(&format!("{halves}, r3..6: {{ * }}"));
    assert_eq!(case.leaders(), "-A B2 C3 D4");
    assert_eq!(case.commits().1.indirect_skips, 1);
}

#[test]
fn equivocating_voters_count_once() {
    // Three blocks without support by D, and one by C: two authors.
    let blames = "r1: { * }, r2: { A, B, C -> [*, -A1], D -> [*, -A1], D' -> [*, -A1], D'' -> [*, -A1] }, r3..4: { * }";
    let case = four(blames);
    assert_eq!((case.leaders(), case.commits().1.direct_skips), (String::new(), 0));
    // Certificates by A and thrice by D: two authors.
    let certificates = "r1: { * }, r2: { *, C -> [*, -A1] },
        r3: { A, B -> [*, -A2], C -> [*, -A2], D, D' -> [*, D2], D'' -> [*, D2] }";
    assert_eq!(four(certificates).leaders(), "");
    assert_eq!(four(&certificates.replace("B -> [*, -A2]", "B")).leaders(), "A1");
}

#[test]
fn an_equivocating_voter_may_count_for_support_and_for_skip() {
    // With D2' three authors do not support A1; with D2 only two do.
    let text = "r1: { * }, r2: { A, B -> [*, -A1], C -> [*, -A1], D, D' -> [*, -A1] }, r3..4: { * }";
    assert_eq!(four(text).leaders(), "-A B2");
}

#[test]
fn two_certified_blocks_of_a_slot_are_a_fault() {
    let case = four(
        "r1: { *, A, A' }, r2: { B, C, D, B' -> [*, A1'], C' -> [*, A1'], D' -> [*, A1'] },
         r3: { B, C, D -> [B2', C2', D2'] }",
    );
    let (one, two) = (case.built.names["A1"], case.built.names["A1'"]);
    let expected = Fault::TwoCertified { first: one.min(two), second: one.max(two) };
    assert_eq!(case.fault(), expected);
}

#[test]
fn a_fault_comes_after_the_commits_before_it_and_stays() {
    // Slot 1 is committed; then round 5 brings the second certificate for slot 2.
    let text = "r1: { * }, r2: { *, B, B' }, 
        r3: { A, B, C, D, C' -> [*, B2'], D' -> [*, B2'], A' -> [*, B2'] }";
    let case = four(&format!("{text}, r4: {{ *, D -> [A3', C3', D3'] }}"));
    let mut committer = case.committer();
    let mut dag = Dag::new(Arc::clone(&case.committee), &case.state);
    for block in case.built.blocks.iter().filter(|block| block.round().0 < 4) {
        dag.insert(block.clone());
    }
    assert_eq!(committer.try_commit(&dag, &|_| None).unwrap().len(), 1);
    for block in &case.built.blocks {
        dag.insert(block.clone());
    }
    for _ in 0..2 {
        assert!(matches!(committer.try_commit(&dag, &|_| None), Err(Fault::TwoCertified { .. })));
    }
}

#[test]
fn stake_counts_and_not_heads() {
    // A has 10 of 13; 9 make a quorum.
    let stakes = |text: &str| Case::new(&[10, 1, 1, 1], &["B", "A"], &format!("DAG {{ {text} }}"));
    assert_eq!(stakes("r1: { * }, r2: { A }, r3: { A }").leaders(), "B1");
    assert_eq!(stakes("r1: { * }, r2: { * }, r3: { B, C, D }").leaders(), "");
    assert_eq!(stakes("r1: { * }, r2: { *, A -> [*, -B1] }, r3: { * }, r4: { A }").leaders(), "-B A2");
    assert_eq!(Stake(9), dsl::committee(&[10, 1, 1, 1]).quorum());
}

#[test]
fn any_number_of_validators_has_a_quorum() {
    let five = |text: &str| Case::new(&[1; 5], &["A", "B"], &format!("DAG {{ {text} }}")).leaders();
    assert_eq!(five("r1..2: { * }, r3: { A, B, C }"), "");
    assert_eq!(five("r1..2: { * }, r3: { A, B, C, D }"), "A1");
    let three = |text: &str| Case::new(&[1; 3], &["A", "B"], &format!("DAG {{ {text} }}")).leaders();
    assert_eq!(three("r1..2: { * }, r3: { A, B }"), "");
    assert_eq!(three("r1..3: { * }"), "A1");
    let one = |text: &str| Case::new(&[1], &["A"], &format!("DAG {{ {text} }}")).leaders();
    assert_eq!(one("r1..5: { * }"), "A1 A2 A3");
}

#[test]
fn a_window_swaps_who_does_not_lead() {
    let rules = Rules { leaders: 1, window_commits: 10, swap_percent: 33, ..Rules::default() };
    let leaders = ["A", "D", "C", "D", "B"];
    let case = Case::with_rules(&[1; 4], &leaders, rules, "DAG { r1..60: { *, -D } }");
    let (commits, stats) = case.commits();
    let skipped = |commits: &[Committed]| commits.iter().map(|committed| committed.skipped.len()).sum::<usize>();
    assert!(skipped(&commits[..10]) >= 2, "the first window has D as a leader");
    assert_eq!(skipped(&commits[10..]), 0, "the others do not");
    assert_eq!(stats.schedule_changes, commits.len() as u64 / 10);
    assert!(commits.len() >= 50);
}

#[test]
fn slots_behind_a_window_belong_to_its_successor() {
    let mut lapsed = 0;
    for (slots, window_commits) in [(1, 1), (1, 3), (2, 2), (2, 3), (3, 4)] {
        let rules =
            Rules { leaders: slots, window_commits, idle_block_interval_ms: 0, swap_percent: 33, ..Rules::default() };
        let text = "DAG { r1: { * }, r2..60: { *, C -> [*, A1] } }";
        let case = Case::with_rules(&[1, 2, 3, 1, 2], &[], rules, text);
        let mut committer = case.committer();
        let mut dag = Dag::new(Arc::clone(&case.committee), &case.state);
        let (mut before, mut commits) = (case.state.clone(), 0);
        for block in &case.built.blocks {
            dag.insert(block.clone());
            for committed in committer.try_commit(&dag, &|_| None).unwrap() {
                let leader = committed.commit.leader;
                let (schedule, state) = (&before.schedule, committed.end.unwrap().state);
                let leaders = schedule::leaders(&case.committee, &case.rules, state.chain, schedule, leader.round);
                let slot = leaders.iter().position(|author| *author == leader.author);
                let slot = u16::try_from(slot.expect("who commits leads")).unwrap();
                assert!((before.round, before.slot) < (leader.round, slot) || before.round.0 == 0);
                commits += 1;
                let ends_window = commits % window_commits == 0;
                assert_eq!(state.slot, if ends_window { slots - 1 } else { slot });
                assert_eq!(state.schedule.window, commits / window_commits);
                assert!(ends_window || state.schedule.swaps == schedule.swaps, "fixed within the window");
                before = state;
            }
        }
        let stats = committer.stats();
        assert!(commits > 30 && stats.indirect_skips > 0, "{slots} {window_commits}: {stats:?}");
        assert_eq!(stats.schedule_changes, commits / window_commits);
        lapsed += stats.lapsed_slots;
    }
    assert!(lapsed > 10);
}

#[test]
fn a_commit_that_ends_a_window_closes_its_round() {
    let rules = Rules { leaders: 2, window_commits: 1, idle_block_interval_ms: 0, ..Rules::default() };
    let case = Case::with_rules(&[1; 4], &["AB"], rules, "DAG { r1..4: { * } }");
    let (commits, stats) = case.commits();
    assert_eq!(commits.iter().map(|committed| committed.commit.leader.round.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((stats.lapsed_slots, stats.schedule_changes), (2, 2));
    let state = &commits[0].end.as_ref().unwrap().state;
    assert_eq!((state.round, state.slot, state.schedule.window, state.schedule.commits), (Round(1), 1, 1, 0));
}

#[test]
fn a_late_block_is_collected_or_ordered_by_commits_alone() {
    let rules = || Rules { leaders: 1, gc_depth: 4, ..Rules::default() };
    let late = |round: u64| {
        let text = format!(
            "DAG {{ r1: {{ * }}, r2: {{ A -> [*, -D1], B -> [*, -D1], C -> [*, -D1] }}, r3..{}: {{ *, -D }},
             r{round}: {{ * }}, r{}..16: {{ *, -D }} }}",
            round - 1,
            round + 1
        );
        Case::with_rules(&[1; 4], &["A", "B", "C", "A", "B", "C", "A", "B", "C"], rules(), &text)
    };
    // The block D1 is reached by way of D's next block only, which the leader of the round after orders. The leader of
    // round 5 collects round 1: D1 makes it with the one of round 5, and not with the one of round 6.
    for (round, ordered) in [(4, true), (5, false), (8, false)] {
        let case = late(round);
        let blocks = case.blocks().join(" ");
        assert_eq!(blocks.split(' ').any(|block| block == "D1"), ordered, "{round}: {blocks}");
        assert!(blocks.contains(&format!("D{round}")), "{round}: {blocks}");
        assert_eq!(case.commits().1.gc_drops, u64::from(!ordered), "{round}");
    }
}

#[test]
fn a_batch_is_ordered_once_in_its_authors_blocks_within_the_depth() {
    let rules = |gc_depth| Rules { leaders: 1, gc_depth, ..Rules::default() };
    let batches = |gc_depth, text: &str| {
        let case = Case::with_rules(&[1; 4], &ABCD, rules(gc_depth), &format!("DAG {{ {text} }}"));
        let (commits, stats) = case.commits();
        let name = |digest: crate::BatchDigest| {
            case.built.batch_names.iter().find(|(_, named)| **named == digest).unwrap().0.clone()
        };
        let named: BTreeMap<String, String> = commits
            .iter()
            .map(|committed| {
                let names = committed.batches.iter().map(|batch| name(batch.reference().digest));
                (case.name(&committed.commit.leader), names.collect::<Vec<_>>().join(" "))
            })
            .filter(|(_, names)| !names.is_empty())
            .collect();
        let named: Vec<String> = named.into_iter().map(|(leader, names)| format!("{leader}: {names}")).collect();
        (named.join(", "), stats.duplicate_batches, stats.invalid_batches)
    };
    let once = |named: &str, duplicates, invalid| (named.to_owned(), duplicates, invalid);
    assert_eq!(batches(60, "r1: { *, A {x y} }, r2..5: { * }"), once("A1: x y", 0, 0));
    // By block and place, not by name.
    assert_eq!(batches(60, "r1: { *, B {z}, C {y x} }, r2..5: { * }"), once("B2: z y x", 0, 0));
    assert_eq!(batches(60, "r1: { *, A {x} }, r2: { *, A {x} }, r3..6: { * }"), once("A1: x", 1, 0));
    assert_eq!(batches(60, "r1: { *, B {x} }, r2: { *, B {x} }, r3..6: { * }"), once("B2: x", 1, 0), "in one commit");
    // D1'' makes the batch, but nothing builds on it. A may not name D's batch, and does not use it up.
    let foreign = "r1: { *, D, D'' {x} }, r2: { *, A {x} }, r3: { *, D {x} }, r4..7: { * }";
    assert_eq!(batches(60, foreign), once("D4: x", 0, 1));
    // Made in round 1: named in the last round where it counts, one later, and, by equivocation, before it was made.
    let named_in = |round: u64| {
        let (before, after) = (round - 1, round + 1);
        format!("r1: {{ *, D, D' {{x}} }}, r2..{before}: {{ * }}, r{round}: {{ *, D {{x}} }}, r{after}..9: {{ * }}")
    };
    assert_eq!(batches(3, &named_in(4)), once("D4: x", 0, 0));
    assert_eq!(batches(3, &named_in(5)), once("", 0, 1));
    // Known as ordered for as long as it may be named.
    let twice = |round: u64| named_in(round).replace("*, D, D' {x}", "*, D {x}");
    assert_eq!(batches(3, &twice(4)), once("B2: x", 1, 0));
    assert_eq!(batches(3, &twice(5)), once("B2: x", 0, 1));
}

#[test]
fn ordered_batches_are_remembered_while_they_may_be_named() {
    let rules = Rules { leaders: 1, gc_depth: 3, block_interval_ms: 0, idle_block_interval_ms: 0, ..Rules::default() };
    let case = Case::with_rules(&[1; 4], &[], rules, "DAG { r1: { *, A {x} }, r2..12: { * } }");
    let batch = |digest: &crate::BatchDigest| case.built.batches.get(digest).cloned();
    for committed in case.committer().try_commit(&case.built.dag, &batch).unwrap() {
        let state = &committed.end.unwrap().state;
        assert_eq!(state.gc_round.0, state.round.0.saturating_sub(3));
        assert!(state.ordered.is_sorted() && state.ordered.iter().all(|block| block.round > state.gc_round));
        // Ordered by round 2 at the latest; blocks above the collected rounds may name it up to round 1 + 3.
        let remembered = state.gc_round.0 < 4 && (state.round.0 >= 2 || committed.commit.leader.author.0 == 0);
        assert_eq!(state.batches.len(), usize::from(remembered), "{:?}", state.round);
    }
}

#[test]
fn a_batch_that_is_not_held_stops_the_committer() {
    let case = four("r1: { *, A {x} }, r2..3: { * }");
    assert!(matches!(case.fault(), Fault::Log { .. }));
}

#[test]
fn time_is_the_median_by_stake_and_always_grows() {
    let time = |stakes: &[u64], times: [u64; 4]| {
        let [a, b, c, d] = times.map(|time| 1_000_000 + time);
        let text = format!("DAG {{ r1: {{ A @{a}, B @{b}, C @{c}, D @{d} }}, r2..4: {{ *, -C }} }}");
        let case = Case::new(stakes, &["C", "B"], &text);
        case.commits().0.iter().map(|committed| committed.commit.timestamp.0 - 1_000_000).collect::<Vec<_>>()
    };
    // The first is led by round 1, whose ancestors have no time.
    assert_eq!(time(&[1, 1, 1, 1], [10, 20, 30, 40]), [1, 20]);
    assert_eq!(time(&[1, 1, 1, 4], [10, 20, 30, 40]), [1, 40]);
    assert_eq!(time(&[4, 1, 1, 1], [30, 20, 40, 10]), [1, 30]);
    assert_eq!(time(&[1, 1, 1, 1], [0, 1, 1, u64::from(u32::MAX)]), [1, 2], "one step at least");
    // Only the direct ancestors count: C1 is not among B2's.
    let text = "DAG { r1: { A @1000010, B @1000020, C @1000015, D @1000030 }, r2: { *, B -> [*, -C1] }, r3..4: { * } }";
    let times = |text: &str| {
        let case = Case::new(&[1; 4], &["C", "B"], text);
        case.commits().0.iter().map(|committed| committed.commit.timestamp.0).collect::<Vec<_>>()
    };
    assert_eq!(times(text), [1_000_001, 1_000_020]);
    assert_eq!(times(&text.replace("B -> [*, -C1]", "B")), [1_000_001, 1_000_015]);
}

#[test]
fn the_epoch_ends_with_the_first_commit_at_its_end() {
    let mut case = four("r1..10: { * }");
    let all = case.commits().0;
    assert_eq!(all.len(), 8);
    for (end, expected) in [(all[3].commit.timestamp.0, 4), (all[3].commit.timestamp.0 + 1, 5), (0, 1)] {
        case.epoch_end = TimestampMs(end);
        let mut committer = case.committer();
        assert!(!committer.is_epoch_over());
        let commits = committer.try_commit(&case.built.dag, &|_| None).unwrap();
        assert_eq!(commits.len(), expected);
        let ends: Vec<bool> =
            commits.iter().map(|committed| committed.end.as_ref().is_some_and(|end| end.epoch_end)).collect();
        assert_eq!(ends.iter().position(|end| *end), Some(expected - 1));
        assert!(committer.is_epoch_over());
        assert_eq!(committer.try_commit(&case.built.dag, &|_| None).unwrap(), []);
        let state = commits[expected - 1].end.as_ref().unwrap().state.clone();
        let over = Committer::new(Arc::clone(&case.committee), case.rules.clone(), case.epoch_end, state);
        assert!(over.is_epoch_over(), "a restart knows it too");
    }
}

#[test]
fn commits_chain_and_name_who_took_part() {
    let case = four("r1: { * }, r2: { *, -D }, r3..6: { * }");
    let (commits, _) = case.commits();
    let mut previous = case.state.digest;
    for (place, committed) in commits.iter().enumerate() {
        assert_eq!((committed.commit.previous, committed.commit.index.0), (previous, place as u64 + 1));
        previous = committed.commit.digest();
    }
    let voters = |place: usize| commits[place].voters.iter().map(|author| author.0).collect::<Vec<_>>();
    assert_eq!(
        (voters(0), voters(1), voters(2), voters(3)),
        (vec![], vec![0, 1, 2, 3], vec![0, 1, 2], vec![0, 1, 2, 3])
    );
}

#[test]
#[should_panic(expected = "was accepted before its ancestor")]
fn a_block_before_its_ancestors_is_refused_loudly() {
    let case = four("r1..3: { * }");
    let mut dag = Dag::new(Arc::clone(&case.committee), &case.state);
    for block in case.built.blocks.iter().rev() {
        dag.insert(block.clone());
    }
    _ = case.committer().try_commit(&dag, &|_| None);
}
