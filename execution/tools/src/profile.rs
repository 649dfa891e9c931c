//! Gas by call stack.
//!
//! A [`Profile`] is a tree of calls. [`Profile::folded`] writes it as folded stacks, one line for each stack with the gas
//! that its innermost function paid itself, which flame graph programs read.

use std::collections::BTreeMap;

use crate::limits::PROFILE_TOP;

/// Gas by call stack; merging profiles in any order gives the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    nodes: Vec<Node>,
    /// From the root to the running function.
    stack: Vec<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    children: BTreeMap<String, usize>,
    own_gas: u64,
    calls: u64,
}

/// One function's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCost {
    /// `0x1::coin::withdraw`
    pub name: String,
    /// How often it was called.
    pub calls: u64,
    /// Gas that it paid itself.
    pub own_gas: u64,
    /// Gas that it and what it calls paid; inner calls of a recursion count once.
    pub total_gas: u64,
}

impl Default for Profile {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], stack: vec![0] }
    }
}

impl Profile {
    fn top(&self) -> usize {
        self.stack.last().copied().unwrap_or(0)
    }

    pub(crate) fn enter(&mut self, name: String) {
        let (top, next) = (self.top(), self.nodes.len());
        let child = *self.nodes[top].children.entry(name).or_insert(next);
        if child == next {
            self.nodes.push(Node::default());
        }
        self.nodes[child].calls += 1;
        self.stack.push(child);
    }

    pub(crate) fn leave(&mut self) {
        if self.stack.len() > 1 {
            self.stack.pop();
        }
    }

    pub(crate) fn pay(&mut self, gas: u64) {
        let top = self.top();
        self.nodes[top].own_gas += gas;
    }

    /// Takes back gas that was paid in advance and given back: from who paid most, as far as that goes, then from the
    /// next. So the sum stays what the run cost.
    pub(crate) fn refund(&mut self, gas: u64) {
        let mut left = gas;
        while left > 0 {
            let most = self.nodes.iter_mut().rev().max_by_key(|node| node.own_gas);
            let Some(node) = most.filter(|node| node.own_gas > 0) else { break };
            let part = left.min(node.own_gas);
            node.own_gas -= part;
            left -= part;
        }
    }

    /// Adds what another profile counted.
    pub fn merge(&mut self, other: &Self) {
        let mut pairs = vec![(0, 0)];
        while let Some((mine, theirs)) = pairs.pop() {
            let node = &other.nodes[theirs];
            self.nodes[mine].own_gas += node.own_gas;
            self.nodes[mine].calls += node.calls;
            for (name, child) in &node.children {
                let next = self.nodes.len();
                let position = *self.nodes[mine].children.entry(name.clone()).or_insert(next);
                if position == next {
                    self.nodes.push(Node::default());
                }
                pairs.push((position, *child));
            }
        }
    }

    /// All gas.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.nodes.iter().map(|node| node.own_gas).sum()
    }

    /// Every path from the root, outermost function first, with the node it ends in.
    fn paths(&self) -> Vec<(Vec<&str>, &Node)> {
        let mut found = Vec::new();
        let mut open: Vec<(Vec<&str>, usize)> = vec![(Vec::new(), 0)];
        while let Some((path, at)) = open.pop() {
            let node = &self.nodes[at];
            for (name, child) in node.children.iter().rev() {
                let mut longer = path.clone();
                longer.push(name);
                open.push((longer, *child));
            }
            found.push((path, node));
        }
        found
    }

    /// Folded stacks: `outer;inner gas`, in the order of the names.
    #[must_use]
    pub fn folded(&self) -> String {
        let paying = self.paths().into_iter().filter(|(path, node)| !path.is_empty() && node.own_gas > 0);
        paying.map(|(path, node)| format!("{} {}\n", path.join(";"), node.own_gas)).collect()
    }

    /// The functions by the gas that they paid themselves, the most expensive first.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionCost> {
        let mut by_name: BTreeMap<&str, FunctionCost> = BTreeMap::new();
        for (path, node) in self.paths() {
            let mut seen: Vec<&str> = Vec::new();
            for name in &path {
                let cost = by_name.entry(name).or_insert_with(|| FunctionCost {
                    name: (*name).to_owned(),
                    calls: 0,
                    own_gas: 0,
                    total_gas: 0,
                });
                if !seen.contains(name) {
                    cost.total_gas += node.own_gas;
                    seen.push(name);
                }
            }
            if let Some(cost) = path.last().and_then(|name| by_name.get_mut(name)) {
                cost.own_gas += node.own_gas;
                cost.calls += node.calls;
            }
        }
        let mut costs: Vec<_> = by_name.into_values().collect();
        costs.sort_by(|a, b| b.own_gas.cmp(&a.own_gas).then_with(|| a.name.cmp(&b.name)));
        costs
    }

    /// The most expensive functions, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let all = self.total().max(1);
        let mut out = format!("{:>14} {:>6} {:>14} {:>9}  function\n", "own gas", "", "with callees", "calls");
        for cost in self.functions().iter().take(PROFILE_TOP) {
            let permille = u128::from(cost.own_gas) * 1000 / u128::from(all);
            out.push_str(&format!(
                "{:>14} {:>3}.{}% {:>14} {:>9}  {}\n",
                cost.own_gas,
                permille / 10,
                permille % 10,
                cost.total_gas,
                cost.calls,
                cost.name
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `main` pays 5 and calls `f` (10, which calls itself once: 3) and `g` (7).
    fn profile() -> Profile {
        let mut profile = Profile::default();
        profile.enter("main".to_owned());
        profile.pay(2);
        profile.enter("f".to_owned());
        profile.pay(10);
        profile.enter("f".to_owned());
        profile.pay(3);
        profile.leave();
        profile.leave();
        profile.pay(3);
        profile.enter("g".to_owned());
        profile.pay(7);
        profile
    }

    #[test]
    fn stacks_are_folded() {
        assert_eq!(profile().folded(), "main 5\nmain;f 10\nmain;f;f 3\nmain;g 7\n");
        assert_eq!(profile().total(), 25);
    }

    #[test]
    fn recursion_counts_once_in_totals() {
        let costs: Vec<_> =
            profile().functions().into_iter().map(|c| (c.name, c.calls, c.own_gas, c.total_gas)).collect();
        let wanted = [("f", 2, 13, 13), ("g", 1, 7, 7), ("main", 1, 5, 25)];
        assert_eq!(costs, wanted.map(|(name, calls, own, total)| (name.to_owned(), calls, own, total)));
    }

    #[test]
    fn refunds_come_from_who_paid_most() {
        let mut profile = profile();
        profile.refund(4);
        assert_eq!(profile.folded(), "main 5\nmain;f 6\nmain;f;f 3\nmain;g 7\n");
        profile.refund(9);
        assert_eq!((profile.folded().as_str(), profile.total()), ("main 5\nmain;f 4\nmain;f;f 3\n", 12));
        profile.refund(100);
        assert_eq!(profile.total(), 0);
    }

    #[test]
    fn merging_is_addition_in_any_order() {
        let mut other = Profile::default();
        other.enter("main".to_owned());
        other.enter("h".to_owned());
        other.pay(1);
        let (mut left, mut right) = (profile(), other.clone());
        left.merge(&other);
        right.merge(&profile());
        assert_eq!(left.folded(), right.folded());
        assert_eq!(left.folded(), "main 5\nmain;f 10\nmain;f;f 3\nmain;g 7\nmain;h 1\n");
    }
}
