//! What each code means, at length: a paragraph, an example that provokes it and one that does not.
//!
//! The texts are Markdown under `explanations/`; the examples are compiled by a test.

use super::{Code, codes};

const TEXTS: &[&str] = &[
    include_str!("explanations/syntax.md"),
    include_str!("explanations/modules.md"),
    include_str!("explanations/names.md"),
    include_str!("explanations/types.md"),
    include_str!("explanations/flow.md"),
];

/// What kind of text an [`Example`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExampleKind {
    /// Source that provokes the code; without `module` or `script` in front it is the inside of a module.
    Wrong,
    /// The like that does not.
    Right,
    /// A Move.toml that provokes the code.
    Manifest,
}

/// An example of an [`Explanation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it is.
    pub kind: ExampleKind,
    /// The text.
    pub text: &'static str,
}

/// What a code means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A paragraph.
    pub text: &'static str,
    /// Examples, in the order written; none where no short text provokes the code.
    pub examples: Vec<Example>,
}

impl Code {
    /// What the code means, at length.
    #[must_use]
    pub fn explanation(self) -> Option<Explanation> {
        let head = format!("## {self}\n");
        let section = TEXTS.iter().find_map(|text| text.split_once(&head).map(|(_, rest)| rest))?;
        let section = section.split_once("\n## ").map_or(section, |(own, _)| own);
        let text = section.split("```").next().unwrap_or_default().trim();
        let mut examples = Vec::new();
        for block in section.split("```").skip(1).step_by(2) {
            let (kind, text) = block.split_once('\n').unwrap_or((block, ""));
            let kind = match kind {
                "wrong" => ExampleKind::Wrong,
                "right" => ExampleKind::Right,
                "manifest" => ExampleKind::Manifest,
                _ => continue,
            };
            examples.push(Example { kind, text: text.trim_end() });
        }
        Some(Explanation { text, examples })
    }

    /// The explanation as people read it.
    #[must_use]
    pub fn explain(self) -> String {
        let mut output = format!("{self}: {}\n", self.summary());
        if let Some(general) = self.general() {
            output.push_str(&format!("a special case of {general}: {}\n", general.summary()));
        }
        let Some(explanation) = self.explanation() else { return output };
        output.push_str(&format!("\n{}\n", explanation.text));
        for example in explanation.examples {
            let title = match example.kind {
                ExampleKind::Wrong => "wrong:",
                ExampleKind::Right => "right:",
                ExampleKind::Manifest => "wrong, in Move.toml:",
            };
            output.push_str(&format!("\n{title}\n\n"));
            for line in example.text.lines() {
                output.push_str(&format!("    {line}\n"));
            }
        }
        let special: Vec<&codes::Entry> = codes::TABLE.iter().filter(|entry| entry.general == Some(self)).collect();
        if !special.is_empty() {
            output.push_str("\nspecial cases:\n\n");
            for entry in special {
                output.push_str(&format!("    {}  {}\n", entry.code, entry.summary));
            }
        }
        output
    }
}
