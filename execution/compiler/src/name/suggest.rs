//! Finds the name that was probably meant.

/// Names longer than this are not compared: the table is quadratic.
const LENGTH_MAX: usize = 64;

/// The candidate nearest to `name`, if one is near enough to be a likely slip.
pub(crate) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match name.len() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.len() <= LENGTH_MAX && name.len() <= LENGTH_MAX)
        .map(|candidate| (distance(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len().max(name.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance with insertions, deletions and substitutions.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_refuses_strangers() {
        assert_eq!(closest("lenght", ["length", "push_back"]), Some("length"));
        assert_eq!(closest("balance", ["account", "ledger"]), None);
        assert_eq!(closest("x", ["y"]), None);
    }
}
