//! The commit rule once more, slow and by its words, and random DAGs on which both must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use noema_types::{Author, Committee, Epoch, Round, TimestampMs};
use proptest::prelude::*;

use super::*;
use crate::{Batch, BatchDigest, BatchRef, VerifiedBlock, dsl};

/// Everything by definition: all blocks in one map, nothing cached, nothing pruned.
struct Oracle<'a> {
    committee: &'a Committee,
    rules: &'a Rules,
    start: &'a ConsensusState,
    blocks: BTreeMap<BlockRef, VerifiedBlock>,
    batches: &'a BTreeMap<BatchDigest, Arc<Batch>>,
}

/// What one commit comes to.
#[derive(Debug, PartialEq, Eq)]
struct Ordered {
    leader: BlockRef,
    blocks: Vec<BlockRef>,
    skipped: Vec<Author>,
    batches: Vec<BatchDigest>,
    timestamp: TimestampMs,
}

impl From<&Committed> for Ordered {
    fn from(committed: &Committed) -> Self {
        Self {
            leader: committed.commit.leader,
            blocks: committed.commit.blocks.clone(),
            skipped: committed.skipped.clone(),
            batches: committed.batches.iter().map(|batch| batch.reference().digest).collect(),
            timestamp: committed.commit.timestamp,
        }
    }
}

type Place = (u64, usize);

impl Oracle<'_> {
    fn of_round(&self, round: u64) -> impl Iterator<Item = &VerifiedBlock> {
        self.blocks.values().filter(move |block| block.round().0 == round)
    }

    fn is_quorum(&self, authors: impl Iterator<Item = Author>) -> bool {
        self.committee.stake_of(&authors.collect()) >= self.committee.quorum()
    }

    fn supports(voter: &VerifiedBlock, block: &BlockRef) -> bool {
        voter.ancestors().contains(block)
    }

    fn certifies(&self, certifier: &VerifiedBlock, block: &BlockRef) -> bool {
        certifier.round().0 == block.round.0 + 2
            && self.is_quorum(
                certifier
                    .ancestors()
                    .iter()
                    .filter_map(|ancestor| self.blocks.get(ancestor))
                    .filter(|voter| voter.round().0 == block.round.0 + 1 && Self::supports(voter, block))
                    .map(VerifiedBlock::author),
            )
    }

    fn history(&self, from: &BlockRef) -> BTreeSet<BlockRef> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*from]);
        while let Some(next) = open.pop() {
            if let Some(block) = self.blocks.get(&next)
                && seen.insert(next)
            {
                open.extend(block.ancestors());
            }
        }
        seen
    }

    fn leader_blocks(&self, round: u64, leader: Author) -> Vec<BlockRef> {
        let of_leader = self.of_round(round).filter(|block| block.author() == leader);
        of_leader.map(VerifiedBlock::reference).collect()
    }

    fn status(&self, schedule: &dyn Fn(u64) -> Vec<Author>, (round, slot): Place) -> Option<Option<BlockRef>> {
        let highest = self.blocks.keys().map(|block| block.round.0).max().unwrap_or(0);
        let blocks = self.leader_blocks(round, schedule(round)[slot]);
        for block in &blocks {
            let certifiers = self.of_round(round + 2).filter(|certifier| self.certifies(certifier, block));
            if self.is_quorum(certifiers.map(VerifiedBlock::author)) {
                return Some(Some(*block));
            }
        }
        let blames = self.of_round(round + 1).filter(|voter| !blocks.iter().any(|block| Self::supports(voter, block)));
        if self.is_quorum(blames.map(VerifiedBlock::author)) {
            return Some(None);
        }
        for above in round + 3..=highest {
            for slot in 0..schedule(above).len() {
                match self.status(schedule, (above, slot)) {
                    None => return None,
                    Some(None) => {}
                    Some(Some(anchor)) => {
                        let history = self.history(&anchor);
                        let certified = |block: &&BlockRef| {
                            history.iter().any(|certifier| self.certifies(&self.blocks[certifier], block))
                        };
                        return Some(blocks.iter().find(certified).copied());
                    }
                }
            }
        }
        None
    }

    fn is_faulty(&self, schedule: &dyn Fn(u64) -> Vec<Author>, after: Option<Place>) -> bool {
        let highest = self.blocks.keys().map(|block| block.round.0).max().unwrap_or(0);
        (1..=highest).any(|round| {
            schedule(round).iter().enumerate().any(|(slot, leader)| {
                let certified = |block: &&BlockRef| self.of_round(round + 2).any(|other| self.certifies(other, block));
                after < Some((round, slot)) && self.leader_blocks(round, *leader).iter().filter(certified).count() > 1
            })
        })
    }

    /// All commits, and whether a fault ended them.
    fn run(&self) -> (Vec<Ordered>, bool) {
        let mut state = self.start.schedule.clone();
        let (mut commits, mut emitted, mut executed) =
            (Vec::<Ordered>::new(), BTreeSet::<BlockRef>::new(), BTreeSet::new());
        let (mut after, mut skipped): (Option<Place>, Vec<Author>) = (None, Vec::new());
        loop {
            let chain = self.start.chain;
            let schedule = |round| schedule::leaders(self.committee, self.rules, chain, &state, Round(round));
            if skipped.is_empty() && self.is_faulty(&schedule, after) {
                return (commits, true);
            }
            let slots = schedule(1).len();
            let (round, slot) = match after {
                None => (1, 0),
                Some((round, slot)) if slot + 1 < slots => (round, slot + 1),
                Some((round, _)) => (round + 1, 0),
            };
            let Some(status) = self.status(&schedule, (round, slot)) else { return (commits, false) };
            after = Some((round, slot));
            let Some(leader) = status else {
                skipped.push(schedule(round)[slot]);
                continue;
            };
            let previous = commits.last();
            let time = previous.map_or(self.start.timestamp.0, |commit| commit.timestamp.0);
            let collected = previous.map_or(0, |commit| commit.leader.round.0.saturating_sub(self.rules.gc_depth));
            let new = self.history(&leader).into_iter().filter(|block| block.round.0 > collected);
            let blocks: Vec<BlockRef> = new.filter(|block| !emitted.contains(block)).collect();
            emitted.extend(&blocks);
            let batches = blocks.iter().flat_map(|block| self.valid_batches(&self.blocks[block])).collect::<Vec<_>>();
            let batches = batches.into_iter().filter(|batch| executed.insert(*batch)).collect();
            let (median, in_time) = self.votes(&leader);
            let timestamp = TimestampMs(median.max(time + 1));
            if schedule::record_commit(&mut state, self.committee, self.rules, &in_time, &skipped) {
                after = Some((round, slots - 1));
            }
            commits.push(Ordered { leader, blocks, skipped: std::mem::take(&mut skipped), batches, timestamp });
        }
    }

    fn valid_batches(&self, block: &VerifiedBlock) -> Vec<BatchDigest> {
        let valid = |named: &&BatchRef| {
            let batch = &self.batches[&named.digest];
            let age = block.round().0.checked_sub(batch.created.0);
            batch.author == block.author() && age.is_some_and(|age| age <= self.rules.gc_depth)
        };
        block.header().batches.iter().filter(valid).map(|named| named.digest).collect()
    }

    /// The median by listing each timestamp as often as its author has stake.
    fn votes(&self, leader: &BlockRef) -> (u64, Vec<Author>) {
        let ancestors = self.blocks[leader].ancestors().iter().filter_map(|ancestor| self.blocks.get(ancestor));
        let below: Vec<_> = ancestors.filter(|block| block.round().0 + 1 == leader.round.0).collect();
        let mut times: Vec<u64> = below
            .iter()
            .flat_map(|block| {
                let stake = usize::try_from(self.committee.stake(block.author()).0).unwrap();
                std::iter::repeat_n(block.header().timestamp.0, stake)
            })
            .collect();
        times.sort_unstable();
        let median = if times.is_empty() { 0 } else { times[(times.len() - 1) / 2] };
        (median, below.iter().map(|block| block.author()).collect())
    }
}

/// Small numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            let other = usize::try_from(self.roll(place as u64 + 1)).unwrap();
            items.swap(place, other);
        }
    }
}

/// A random DAG of valid blocks, in an order in which ancestors come first.
struct World {
    committee: Arc<Committee>,
    rules: Rules,
    state: ConsensusState,
    blocks: Vec<VerifiedBlock>,
    batches: BTreeMap<BatchDigest, Arc<Batch>>,
}

impl World {
    /// Stake that equivocates stays below a third, unless `lawless`.
    fn random(seed: u64, rounds: u64, lawless: bool) -> Self {
        let mut dice = Dice(seed);
        let stakes: Vec<u64> = match dice.roll(3) {
            0 => vec![1; 4],
            _ => (0..1 + dice.roll(7)).map(|_| 1 + dice.roll(4)).collect(),
        };
        let committee = dsl::committee(&stakes);
        let rules = Rules {
            leaders: u16::try_from(1 + dice.roll(3)).unwrap(),
            gc_depth: 3 + dice.roll(6),
            window_commits: 1 + dice.roll(12),
            swap_percent: 33,
            block_interval_ms: 20,
            idle_block_interval_ms: 50,
            ..Rules::default()
        };
        let mut state = dsl::start(&committee);
        state.chain.0[..8].copy_from_slice(&seed.to_le_bytes());
        let mut faulty = BTreeSet::new();
        for author in committee.authors() {
            let mut more = faulty.clone();
            more.insert(author);
            if (lawless || committee.stake_of(&more) < committee.validity()) && dice.percent(60) {
                faulty = more;
            }
        }
        let mut world = Self { committee, rules, state, blocks: Vec::new(), batches: BTreeMap::new() };
        let (loss, silence) = ([0, 5, 25, 60][usize::try_from(dice.roll(4)).unwrap()], dice.roll(25));
        let mut below: Vec<BlockRef> = Dag::new(Arc::clone(&world.committee), &world.state).genesis().to_vec();
        let mut last: BTreeMap<Author, Vec<BlockRef>> =
            below.iter().map(|block| (block.author, vec![*block])).collect();
        for round in (1..=rounds).map(Round) {
            let mut now = Vec::new();
            for author in world.committee.authors().collect::<Vec<_>>() {
                let silent = dice.percent(silence);
                let copies = if faulty.contains(&author) { 1 + dice.roll(3) } else { 1 };
                for variant in 0..if silent { 0 } else { copies } {
                    let variant = u8::try_from(variant).unwrap();
                    now.extend(world.grow(&mut dice, (round, author, variant), &below, &last, loss));
                }
            }
            for block in &now {
                let own = last.get_mut(&block.author).unwrap();
                own.retain(|own| own.round == block.round);
                own.push(*block);
            }
            let authors: BTreeSet<Author> = now.iter().map(|block| block.author).collect();
            if world.committee.stake_of(&authors) < world.committee.quorum() {
                break;
            }
            below = now;
        }
        world
    }

    fn grow(
        &mut self,
        dice: &mut Dice,
        place: (Round, Author, u8),
        below: &[BlockRef],
        last: &BTreeMap<Author, Vec<BlockRef>>,
        loss: u64,
    ) -> Option<BlockRef> {
        let (round, author, _) = place;
        let pick =
            |blocks: &[BlockRef], dice: &mut Dice| blocks[usize::try_from(dice.roll(blocks.len() as u64)).unwrap()];
        let own = pick(&last[&author], dice);
        let mut others: BTreeMap<Author, BlockRef> = BTreeMap::new();
        let mut left_out = Vec::new();
        let authors: BTreeSet<Author> = below.iter().map(|block| block.author).collect();
        for other in authors.into_iter().filter(|other| *other != author) {
            let choice: Vec<BlockRef> = below.iter().filter(|block| block.author == other).copied().collect();
            let block = pick(&choice, dice);
            if dice.percent(loss) { left_out.push(block) } else { _ = others.insert(other, block) }
        }
        dice.shuffle(&mut left_out);
        let quorum = self.committee.quorum().0;
        let stake = |others: &BTreeMap<Author, BlockRef>| {
            let own = if own.round.0 + 1 == round.0 { self.committee.stake(author).0 } else { 0 };
            own + others.keys().map(|other| self.committee.stake(*other).0).sum::<u64>()
        };
        while stake(&others) < quorum {
            let block = left_out.pop()?;
            others.insert(block.author, block);
        }
        for (other, blocks) in last {
            if *other != author && !others.contains_key(other) && dice.percent(50) {
                let block = pick(blocks, dice);
                if block.round < round {
                    others.insert(*other, block);
                }
            }
        }
        let ancestors = std::iter::once(own).chain(others.into_values()).collect();
        let batches = self.name_batches(dice, round, author);
        let timestamp = TimestampMs(self.state.timestamp.0 + 10 * round.0 + dice.roll(30));
        let block = dsl::block(&self.state, place, ancestors, batches, timestamp);
        self.blocks.push(block.clone());
        Some(block.reference())
    }

    fn name_batches(&mut self, dice: &mut Dice, round: Round, author: Author) -> Vec<BatchRef> {
        let mut named = BTreeMap::new();
        if dice.percent(30) {
            let transaction = format!("{round} {author} {}", dice.roll(1_000)).into();
            let batch = Batch { epoch: Epoch(1), author, created: round, transactions: vec![transaction] };
            self.batches.insert(batch.reference().digest, Arc::new(batch.clone()));
            named.insert(batch.reference().digest, batch.reference());
        }
        let known: Vec<&Arc<Batch>> = self.batches.values().collect();
        if !known.is_empty() && dice.percent(30) {
            let batch = known[usize::try_from(dice.roll(known.len() as u64)).unwrap()].reference();
            named.insert(batch.digest, batch);
        }
        named.into_values().collect()
    }

    fn committer(&self, state: &ConsensusState) -> (Committer, Dag) {
        let committee = || Arc::clone(&self.committee);
        let committer = Committer::new(committee(), self.rules.clone(), TimestampMs(u64::MAX), state.clone());
        (committer, Dag::new(committee(), state))
    }

    /// Commits found by a committer that starts from `state` and gets the blocks in this order.
    fn feed(&self, state: &ConsensusState, blocks: &[VerifiedBlock]) -> (Vec<Committed>, Committer, bool) {
        let (mut committer, mut dag) = self.committer(state);
        let mut commits = Vec::new();
        for block in blocks.iter().filter(|block| block.round() > state.gc_round) {
            dag.insert(block.clone());
            match committer.try_commit(&dag, &|digest| self.batches.get(digest).cloned()) {
                Ok(more) => commits.extend(more),
                Err(_) => return (commits, committer, true),
            }
            dag.prune_below(committer.gc_round().next());
        }
        (commits, committer, false)
    }

    /// Another order in which ancestors come first; blocks that `without` names and all built on them are left out.
    fn reordered(&self, dice: &mut Dice, without: &BTreeSet<BlockRef>) -> Vec<VerifiedBlock> {
        let mut waiting: Vec<&VerifiedBlock> = self.blocks.iter().collect();
        dice.shuffle(&mut waiting);
        let (mut order, mut here): (Vec<VerifiedBlock>, BTreeSet<BlockRef>) = (Vec::new(), BTreeSet::new());
        loop {
            let before = order.len();
            waiting.retain(|block| {
                let reference = block.reference();
                let ready = |ancestor: &BlockRef| ancestor.round.0 == 0 || here.contains(ancestor);
                let take = !without.contains(&reference) && block.ancestors().iter().all(ready);
                if take {
                    here.insert(reference);
                    order.push((*block).clone());
                }
                !take
            });
            if order.len() == before {
                return order;
            }
        }
    }

    fn oracle(&self) -> (Vec<Ordered>, bool) {
        let oracle = Oracle {
            committee: &self.committee,
            rules: &self.rules,
            start: &self.state,
            blocks: self.blocks.iter().map(|block| (block.reference(), block.clone())).collect(),
            batches: &self.batches,
        };
        oracle.run()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_committer_agrees_with_the_rule_by_its_words(seed: u64, rounds in 3..14u64) {
        let world = World::random(seed, rounds, false);
        let (commits, _, faulty) = world.feed(&world.state, &world.blocks);
        let found: Vec<Ordered> = commits.iter().map(Ordered::from).collect();
        prop_assert_eq!((found, faulty), world.oracle());
    }

    #[test]
    fn with_too_many_faulty_both_see_it_or_both_do_not(seed: u64, rounds in 3..10u64) {
        let world = World::random(seed, rounds, true);
        // All at once: what is seen depends on what is held.
        let (mut committer, mut dag) = world.committer(&world.state);
        world.blocks.iter().for_each(|block| _ = dag.insert(block.clone()));
        let batch = |digest: &BatchDigest| world.batches.get(digest).cloned();
        let mut found = Vec::new();
        let faulty = loop {
            match committer.try_commit(&dag, &batch) {
                Ok(commits) if commits.is_empty() => break false,
                Ok(commits) => found.extend(commits.iter().map(Ordered::from)),
                Err(_) => break true,
            }
        };
        prop_assert_eq!((found, faulty), world.oracle());
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(seed: u64, rounds in 3..40u64) {
        let world = World::random(seed, rounds, false);
        let (commits, committer, faulty) = world.feed(&world.state, &world.blocks);
        prop_assert!(!faulty);
        let mut dice = Dice(seed ^ 1);
        for _ in 0..3 {
            let (others, other, faulty) = world.feed(&world.state, &world.reordered(&mut dice, &BTreeSet::new()));
            prop_assert!(!faulty);
            prop_assert_eq!(&others, &commits);
            prop_assert_eq!(other.state(), committer.state());
        }
    }

    #[test]
    fn who_holds_less_commits_a_prefix(seed: u64, rounds in 3..40u64) {
        let world = World::random(seed, rounds, false);
        let (commits, ..) = world.feed(&world.state, &world.blocks);
        let mut dice = Dice(seed ^ 2);
        for _ in 0..3 {
            let without = world.blocks.iter().map(VerifiedBlock::reference).filter(|_| dice.percent(4)).collect();
            let (fewer, ..) = world.feed(&world.state, &world.reordered(&mut dice, &without));
            prop_assert!(fewer.len() <= commits.len());
            prop_assert_eq!(&fewer[..], &commits[..fewer.len()]);
        }
    }

    #[test]
    fn from_any_slice_the_rest_comes_out_the_same(seed: u64, rounds in 3..40u64) {
        let world = World::random(seed, rounds, false);
        let (commits, committer, _) = world.feed(&world.state, &world.blocks);
        let ends = commits.iter().enumerate().filter_map(|(place, committed)| Some((place, committed.end.as_ref()?)));
        for (place, end) in ends {
            let (rest, recovered, _) = world.feed(&end.state, &world.blocks);
            prop_assert_eq!(&rest[..], &commits[place + 1..]);
            prop_assert_eq!(recovered.state(), committer.state());
            prop_assert_eq!(recovered.state().state_digest(), committer.state().state_digest());
        }
    }
}

/// The random DAGs are worth something only if they reach every part of the rule.
#[test]
fn random_worlds_exercise_all_of_the_rule() {
    let mut sum = CommitStats::default();
    let (mut faults, mut commits) = (0, 0);
    for seed in 0..300 {
        let world = World::random(seed, 30, false);
        let (found, committer, _) = world.feed(&world.state, &world.blocks);
        commits += found.len();
        let stats = committer.stats();
        sum.direct_commits += stats.direct_commits;
        sum.indirect_commits += stats.indirect_commits;
        sum.direct_skips += stats.direct_skips;
        sum.indirect_skips += stats.indirect_skips;
        sum.undecided_anchors += stats.undecided_anchors;
        sum.equivocated_slots += stats.equivocated_slots;
        sum.schedule_changes += stats.schedule_changes;
        sum.lapsed_slots += stats.lapsed_slots;
        sum.gc_drops += stats.gc_drops;
        sum.duplicate_batches += stats.duplicate_batches;
        sum.invalid_batches += stats.invalid_batches;
        sum.slices += stats.slices;
        let lawless = World::random(seed, 10, true);
        faults += u64::from(lawless.feed(&lawless.state, &lawless.blocks).2);
    }
    let least = [
        sum.direct_commits,
        sum.indirect_commits,
        sum.direct_skips,
        sum.indirect_skips,
        sum.undecided_anchors,
        sum.equivocated_slots,
        sum.schedule_changes,
        sum.lapsed_slots,
        sum.gc_drops,
        sum.duplicate_batches,
        sum.invalid_batches,
        sum.slices,
        faults,
    ];
    assert!(least.iter().all(|count| *count >= 20), "{commits} commits, {faults} faults, {sum:?}");
}
