//! Who leads a round: drawn by stake, corrected by reputation once per window of commits (after HammerHead).
//!
//! # Drawing
//! A round has as many distinct leaders as the rules say (all validators if there are fewer). They are drawn one after
//! the other without replacement, each with a chance proportional to its weight, by the output of BLAKE3 over chain,
//! epoch, window and round. Weight is stake, after the window's swaps: the stake of who was swapped out counts for who
//! was swapped in.
//!
//! # Reputation
//! Within a window of commits each author earns one point per commit whose leader has a block of it among its ancestors
//! of the round before, that is, for being in time; and it loses [`SKIPPED_LEADER_PENALTY`] points, down to none, per
//! leader slot of its own that was skipped. At the window's end the authors with the lowest scores, lower ones first, go
//! out as long as their stake together stays within the rules' share, each for the best one not taken yet, and only if
//! it trails that one by more than a quarter: while all do well nobody is swapped. Ties go by author.
//!
//! All of it is integer arithmetic over commits, so that all validators draw the same leaders.

use noema_types::{Author, Committee, Epoch, Hash, Round};

use crate::limits::SKIPPED_LEADER_PENALTY;
use crate::types::to_bytes;
use crate::{Rules, ScheduleState};

const SEED_CONTEXT: &str = "noema 2026 leader schedule";

/// Leader slots of a round.
pub(crate) fn slots(committee: &Committee, rules: &Rules) -> u16 {
    let size = u16::try_from(committee.size()).expect("a committee is smaller than its limit");
    rules.leaders.clamp(1, size)
}

/// The distinct leaders of a round, by slot.
pub(crate) fn leaders(
    committee: &Committee,
    rules: &Rules,
    chain: Hash,
    schedule: &ScheduleState,
    round: Round,
) -> Vec<Author> {
    let seed: (Hash, Epoch, u64, Round) = (chain, committee.epoch(), schedule.window, round);
    let mut draws = blake3::Hasher::new_derive_key(SEED_CONTEXT).update(&to_bytes(&seed)).finalize_xof();
    let mut weights = weights(committee, schedule);
    let mut leaders: Vec<Author> = Vec::new();
    while leaders.len() < usize::from(slots(committee, rules)) {
        if weights.iter().all(|weight| *weight == 0) {
            // More slots than authors that were not swapped out: the others have to lead after all.
            weights = committee.validators().iter().map(|validator| validator.stake.0).collect();
            leaders.iter().for_each(|leader| weights[usize::from(leader.0)] = 0);
        }
        let mut bytes = [0; 16];
        draws.fill(&mut bytes);
        let place = draw(&weights, u128::from_le_bytes(bytes));
        weights[place] = 0;
        leaders.push(Author(u16::try_from(place).expect("a place in the committee")));
    }
    leaders
}

fn weights(committee: &Committee, schedule: &ScheduleState) -> Vec<u64> {
    let mut weights: Vec<u64> = committee.validators().iter().map(|validator| validator.stake.0).collect();
    for (out, into) in &schedule.swaps {
        weights[usize::from(into.0)] += std::mem::take(&mut weights[usize::from(out.0)]);
    }
    weights
}

/// The place whose share of the weights a random number falls on. A remainder of 128 bits by a sum of 64 is as good as
/// even.
fn draw(weights: &[u64], random: u128) -> usize {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut left = random % total;
    for (place, weight) in weights.iter().enumerate() {
        if left < u128::from(*weight) {
            return place;
        }
        left -= u128::from(*weight);
    }
    unreachable!("a remainder is below the sum of the weights")
}

/// Takes a commit into account: authors of the leader's ancestors in the round before, and the skipped leaders. `true`
/// if it ended the window.
pub(crate) fn record_commit(
    schedule: &mut ScheduleState,
    committee: &Committee,
    rules: &Rules,
    in_time: &[Author],
    skipped: &[Author],
) -> bool {
    for author in in_time {
        schedule.scores[usize::from(author.0)] += 1;
    }
    for author in skipped {
        let score = &mut schedule.scores[usize::from(author.0)];
        *score = score.saturating_sub(SKIPPED_LEADER_PENALTY);
    }
    schedule.commits += 1;
    if schedule.commits < rules.window_commits {
        return false;
    }
    *schedule = ScheduleState {
        window: schedule.window + 1,
        commits: 0,
        swaps: swaps(committee, rules, &schedule.scores),
        scores: vec![0; committee.size()],
    };
    true
}

fn swaps(committee: &Committee, rules: &Rules, scores: &[u64]) -> Vec<(Author, Author)> {
    let mut ranked: Vec<Author> = committee.authors().collect();
    let score = |author: &Author| scores[usize::from(author.0)];
    ranked.sort_by_key(|author| (score(author), *author));
    let allowed = u128::from(committee.total_stake().0) * u128::from(rules.swap_percent);
    let (mut out, mut swaps) = (0u128, Vec::new());
    let mut best = ranked.iter().rev();
    for (place, author) in ranked.iter().enumerate() {
        out += u128::from(committee.stake(*author).0) * 100;
        let Some(into) = best.next().filter(|_| 2 * (place + 1) <= ranked.len()) else { break };
        let trails = u128::from(score(author)) * 4 < u128::from(score(into)) * 3;
        if out > allowed || !trails {
            break;
        }
        swaps.push((*author, *into));
    }
    swaps.sort_unstable();
    swaps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dsl::committee;

    fn rules(leaders: u16, window_commits: u64, swap_percent: u64) -> Rules {
        Rules { leaders, window_commits, swap_percent, ..Rules::default() }
    }

    fn start(validators: usize) -> ScheduleState {
        ScheduleState { scores: vec![0; validators], ..ScheduleState::default() }
    }

    #[test]
    fn leaders_lead_as_often_as_they_have_stake() {
        let committee = committee(&[1, 2, 3, 4]);
        let mut counts = [0u64; 4];
        for round in 1..=10_000 {
            let leaders = leaders(&committee, &rules(1, 1, 0), Hash([1; 32]), &start(4), Round(round));
            counts[usize::from(leaders[0].0)] += 1;
        }
        for (count, stake) in counts.iter().zip(1u64..) {
            assert!(count.abs_diff(stake * 1_000) < 200, "{counts:?}");
        }
    }

    #[test]
    fn the_draw_depends_on_chain_epoch_window_and_round() {
        let committee = committee(&[1; 50]);
        let all = |chain: u8, window: u64| -> Vec<Vec<Author>> {
            let schedule = ScheduleState { window, ..start(50) };
            (1..20).map(|r| leaders(&committee, &rules(3, 1, 0), Hash([chain; 32]), &schedule, Round(r))).collect()
        };
        assert_eq!(all(1, 0), all(1, 0));
        assert_ne!(all(1, 0), all(2, 0));
        assert_ne!(all(1, 0), all(1, 1));
        assert_ne!(all(1, 0)[0], all(1, 0)[1]);
        // Frozen: another draw is another protocol.
        assert_eq!(all(1, 0)[0], FROZEN.map(Author));
    }

    const FROZEN: [u16; 3] = [39, 6, 27];

    #[test]
    fn who_trails_goes_out_within_the_share_for_the_best() {
        let scores = [100, 0, 90, 5];
        let swapped = |stakes: &[u64], percent| swaps(&committee(stakes), &rules(1, 1, percent), &scores);
        assert_eq!(swapped(&[1, 1, 1, 1], 33), [(Author(1), Author(0))]);
        assert_eq!(swapped(&[1, 1, 1, 1], 50), [(Author(1), Author(0)), (Author(3), Author(2))]);
        assert_eq!(swapped(&[1, 1, 1, 1], 20), []);
        assert_eq!(swapped(&[1, 9, 1, 1], 33), [], "stake counts, not heads");
        assert_eq!(swaps(&committee(&[1; 4]), &rules(1, 1, 33), &[100, 75, 80, 90]), [], "nobody trails enough");
        assert_eq!(swaps(&committee(&[1]), &rules(1, 1, 100), &[0]), [], "nobody to swap with");
    }

    #[test]
    fn who_was_swapped_out_leads_only_where_nobody_else_is_left() {
        let committee = committee(&[1; 4]);
        let schedule = ScheduleState { swaps: vec![(Author(2), Author(0))], ..start(4) };
        let mut counts = [0; 4];
        for round in 1..=1_000 {
            for leader in leaders(&committee, &rules(3, 1, 0), Hash([1; 32]), &schedule, Round(round)) {
                counts[usize::from(leader.0)] += 1;
            }
            let all = leaders(&committee, &rules(9, 1, 0), Hash([1; 32]), &schedule, Round(round));
            assert_eq!((all.len(), all[3]), (4, Author(2)));
        }
        assert_eq!(counts, [1_000, 1_000, 0, 1_000]);
    }

    #[test]
    fn a_window_scores_and_starts_anew() {
        let (committee, rules) = (committee(&[1; 4]), rules(1, 2, 33));
        let mut schedule = start(4);
        let in_time = [Author(0), Author(1), Author(2)];
        assert!(!record_commit(&mut schedule, &committee, &rules, &in_time, &[Author(1)]));
        assert_eq!((schedule.window, schedule.commits, &schedule.scores[..]), (0, 1, &[1, 0, 1, 0][..]));
        assert!(record_commit(&mut schedule, &committee, &rules, &in_time, &[]));
        let expected = ScheduleState { window: 1, commits: 0, swaps: vec![(Author(3), Author(2))], scores: vec![0; 4] };
        assert_eq!(schedule, expected);
    }

    proptest! {
        #[test]
        fn leaders_are_distinct_members(
            stakes in prop::collection::vec(1..=u64::MAX / 128, 1..100),
            slots in 1..8u16,
            percent in 0..=100u64,
            scores in prop::collection::vec(0..300u64, 100),
            round in 1..1_000u64,
        ) {
            let (committee, rules) = (committee(&stakes), rules(slots, 1, percent));
            let swaps = swaps(&committee, &rules, &scores[..stakes.len()]);
            let out: u128 = swaps.iter().map(|(out, _)| u128::from(committee.stake(*out).0)).sum();
            prop_assert!(out * 100 <= u128::from(committee.total_stake().0) * u128::from(percent));
            let mut parties: Vec<Author> = swaps.iter().flat_map(|(out, into)| [*out, *into]).collect();
            parties.sort_unstable();
            parties.dedup();
            prop_assert_eq!(parties.len(), 2 * swaps.len());
            let schedule = ScheduleState { swaps, ..start(stakes.len()) };
            let mut leaders = leaders(&committee, &rules, Hash([7; 32]), &schedule, Round(round));
            prop_assert_eq!(leaders.len(), usize::from(slots).min(stakes.len()));
            leaders.sort_unstable();
            leaders.dedup();
            prop_assert_eq!(leaders.len(), usize::from(slots).min(stakes.len()));
            prop_assert!(leaders.iter().all(|leader| committee.get(*leader).is_some()));
        }
    }
}
