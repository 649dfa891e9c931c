//! Text between Markdown and HTML.

/// For HTML.
pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A doc comment's Markdown, so that `Table<K, V>` in its prose is no tag. Code is left as it is.
pub(super) fn escape_prose(text: &str) -> String {
    map_prose(text, |prose| prose.replace('<', "&lt;"), |code| code.to_owned())
}

/// Applies a function to the prose and one to every code span of Markdown; fenced blocks stay.
pub(super) fn map_prose(text: &str, prose: impl Fn(&str) -> String, code: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut fence: Option<&str> = None;
    let mut paragraph = String::new();
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        let ticks = &start[..start.len() - start.trim_start_matches('`').len()];
        if let Some(open) = fence {
            out.push_str(line);
            if ticks.len() >= open.len() && start.trim_matches('`').trim().is_empty() {
                fence = None;
            }
        } else if ticks.len() >= 3 && !start[ticks.len()..].contains('`') {
            spans(&std::mem::take(&mut paragraph), &prose, &code, &mut out);
            out.push_str(line);
            fence = Some(ticks);
        } else {
            paragraph.push_str(line);
        }
    }
    spans(&paragraph, &prose, &code, &mut out);
    if let Some(open) = fence {
        // What the author left open would swallow the rest of the page.
        out.push_str(&format!("\n{open}"));
    }
    out
}

/// Splits text without fences at its code spans.
fn spans(text: &str, prose: &impl Fn(&str) -> String, code: &impl Fn(&str) -> String, out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let behind = &rest[start + ticks..];
        let Some(length) = closing(behind, ticks) else {
            // No span: the ticks are themselves.
            out.push_str(&prose(&rest[..start]));
            out.push_str(&rest[start..start + ticks]);
            rest = behind;
            continue;
        };
        out.push_str(&prose(&rest[..start]));
        let end = start + ticks + length + ticks;
        out.push_str(&code(&rest[start..end]));
        rest = &rest[end..];
    }
    out.push_str(&prose(rest));
}

/// Where a run of exactly `ticks` back quotes begins.
fn closing(text: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == ticks {
            return Some(start);
        }
        at = start + run;
    }
    None
}

/// The first sentence of a doc comment, on one line.
pub(super) fn first_sentence(text: &str) -> String {
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = paragraph.join(" ");
    line.find(". ").map_or(line.clone(), |end| line[..=end].to_owned())
}

/// Source in a block that nothing inside can end.
pub(super) fn fenced(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}move\n{code}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_escaped_and_code_is_not() {
        assert_eq!(escape_prose("a Table<K> of `T<U>`"), "a Table&lt;K> of `T<U>`");
        assert_eq!(escape_prose("``a`<b>`` <c>"), "``a`<b>`` &lt;c>");
        assert_eq!(escape_prose("no ` span <x>"), "no ` span &lt;x>");
        assert_eq!(escape_prose("```\n<a>\n```\n<b>"), "```\n<a>\n```\n&lt;b>");
        assert_eq!(escape_prose("```\n<a>"), "```\n<a>\n```");
        assert_eq!(escape_html("&T<A> & b"), "&amp;T&lt;A&gt; &amp; b");
    }

    #[test]
    fn sentences_end_at_their_stop() {
        assert_eq!(first_sentence("One thing. And more."), "One thing.");
        assert_eq!(first_sentence("Over\ntwo lines\n\nrest"), "Over two lines");
        assert_eq!(first_sentence(""), "");
    }

    #[test]
    fn fences_outlast_their_text() {
        assert_eq!(fenced("x"), "```move\nx\n```\n");
        assert!(fenced("// ```").starts_with("````move\n"));
    }
}
