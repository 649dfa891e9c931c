//! Delays between places.
//!
//! The wide-area table is the average round-trip time between the ten multi-zone regions of IBM Cloud VPC over the 30
//! days to 25 August 2024, as IBM publishes it (IBM Cloud Docs, VPC, "Network latency dashboards"). Within a region it
//! is 2 ms between zones, from the same page.

use crate::rng::Dice;
use crate::{Micros, NodeId};

/// Names of the regions, in the order of the table.
pub const REGIONS: [&str; 10] =
    ["Dallas", "Toronto", "Washington DC", "Frankfurt", "London", "Madrid", "Osaka", "Sydney", "Tokyo", "Sao Paulo"];

/// Round-trip times in milliseconds; the table is symmetric.
pub const ROUND_TRIP_MS: [[u64; 10]; 10] = [
    [2, 34, 31, 123, 113, 119, 150, 186, 143, 146],
    [34, 2, 19, 93, 82, 108, 168, 215, 162, 129],
    [31, 19, 2, 91, 75, 87, 172, 214, 164, 118],
    [123, 93, 91, 2, 13, 29, 232, 250, 233, 198],
    [113, 82, 75, 13, 2, 27, 244, 261, 243, 188],
    [119, 108, 87, 29, 27, 2, 257, 275, 258, 209],
    [150, 168, 172, 232, 244, 257, 2, 122, 9, 293],
    [186, 215, 214, 250, 261, 275, 122, 2, 115, 328],
    [143, 162, 164, 233, 243, 258, 9, 115, 2, 284],
    [146, 129, 118, 198, 188, 209, 293, 328, 284, 2],
];

/// One-way delays between all pairs of validators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    delays: Vec<Vec<Micros>>,
}

impl Latency {
    /// All in one building: 100 µs to 1 ms.
    pub fn local(nodes: usize, dice: &mut Dice) -> Self {
        Self::random(nodes, 100, 1_000, dice)
    }

    /// Each pair somewhere between two delays.
    pub fn random(nodes: usize, low: Micros, high: Micros, dice: &mut Dice) -> Self {
        let mut half: Vec<Vec<Micros>> = Vec::new();
        for from in 0..nodes {
            half.push((0..from).map(|_| dice.between(low, high)).collect());
        }
        let one_way = |from: usize, to: usize| if from == to { 0 } else { half[from.max(to)][from.min(to)] };
        let delays = (0..nodes).map(|from| (0..nodes).map(|to| one_way(from, to)).collect()).collect();
        Self { delays }
    }

    /// Validators spread over the regions in turn, from `first` on.
    #[must_use]
    pub fn wide_area(nodes: usize, first: usize) -> Self {
        let region = |node: usize| (first + node) % REGIONS.len();
        let one_way = |from: usize, to: usize| ROUND_TRIP_MS[region(from)][region(to)] * 1_000 / 2;
        let row = |from: usize| (0..nodes).map(|to| if from == to { 0 } else { one_way(from, to) }).collect();
        Self { delays: (0..nodes).map(row).collect() }
    }

    /// From one validator to another.
    #[must_use]
    pub fn one_way(&self, from: NodeId, to: NodeId) -> Micros {
        self.delays[usize::from(from)][usize::from(to)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_table_is_symmetric_and_covers_ten_regions() {
        for (from, row) in ROUND_TRIP_MS.iter().enumerate() {
            for (to, delay) in row.iter().enumerate() {
                assert_eq!(*delay, ROUND_TRIP_MS[to][from], "{} to {}", REGIONS[from], REGIONS[to]);
            }
        }
    }
}
