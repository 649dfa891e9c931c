//! Words that were likely meant.

/// `true` if one insertion, deletion, replacement or swap of neighbours makes `word` to `meant`.
pub(crate) fn is_near(word: &str, meant: &str) -> bool {
    let word = word.as_bytes();
    let meant = meant.as_bytes();
    if word.len() < 2 || word == meant {
        return false;
    }
    let prefix = word.iter().zip(meant).take_while(|(a, b)| a == b).count();
    let (rest, wanted) = (&word[prefix..], &meant[prefix..]);
    let replaced = rest.len() == wanted.len() && rest.get(1..) == wanted.get(1..);
    let inserted = rest.get(1..) == Some(wanted);
    let deleted = wanted.get(1..) == Some(rest);
    let swapped = match (rest, wanted) {
        ([a, b, rest @ ..], [c, d, wanted @ ..]) => a == d && b == c && rest == wanted,
        _ => false,
    };
    replaced || inserted || deleted || swapped
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn misspellings() {
        for (word, meant) in [
            ("fum", "fun"),
            ("sturct", "struct"),
            ("stuct", "struct"),
            ("modules", "module"),
            ("publi", "public"),
            ("veiw", "view"),
        ] {
            assert!(is_near(word, meant), "{word}");
        }
        for (word, meant) in [("fun", "fun"), ("f", "fun"), ("banana", "struct"), ("", "use")] {
            assert!(!is_near(word, meant), "{word}");
        }
    }
}
