//! What the tree says about the tokens: which ones belong together, and where lines may break.

use noema_compiler::diagnostics::Span;
use noema_compiler::parse::token::TokenKind as T;

use super::tokens::Tok;

/// A line break before a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Break {
    /// Never, unless a comment forces it.
    No,
    /// If the group it belongs to is broken.
    Soft,
    /// Always.
    Hard,
}

/// Tokens laid out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) kind: Kind,
}

/// How a group is laid out when it does not fit on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Brackets around items; `hug` is the opening brace of a last item that may stay on the line of the bracket.
    List { hug: Option<usize>, hug_first: bool },
    /// The items between brackets: all on one line, or each on its own; only the latter if `each`.
    Items { each: bool },
    /// The items between brackets: as many on a line as fit.
    Fill,
    /// `target = value`; where the value begins, and how it may stay on the line.
    Assign { value: usize, hang: Hang },
    /// Operands and operators, or a chain of method calls.
    Chain { indent: bool },
    /// Breaks one at a time, when what follows does not fit.
    Tail,
    /// `if`, whose blocks all break if one does.
    If,
    /// `{ .. }` of statements; `follows` its `if`.
    Block { follows: bool },
}

/// How the value of an assignment may stay on the line when it does not fit there whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hang {
    /// It breaks inside its blocks.
    Block,
    /// It breaks inside its last brackets.
    Bracket,
    /// It breaks before its operators.
    Chain,
    /// It cannot break.
    No,
}

/// What is known about each token.
#[derive(Debug)]
pub(super) struct Marks {
    /// The other bracket, for brackets, `<` and `>` of type arguments and `|` of lambdas.
    pub(super) partner: Vec<Option<usize>>,
    /// `<` and `>` of type parameters and arguments.
    pub(super) is_angle: Vec<bool>,
    /// Operators before their operand.
    pub(super) is_prefix: Vec<bool>,
    /// `|` of lambdas.
    pub(super) is_bar: Vec<bool>,
    /// Words that are not names of functions: a space before `(`.
    pub(super) is_keyword: Vec<bool>,
    /// Part of the operator that begins with the token before.
    pub(super) is_glued: Vec<bool>,
    /// Part of a verbatim piece whose text the first token has.
    pub(super) is_hidden: Vec<bool>,
    /// `@` between a name and a pattern.
    pub(super) is_binding: Vec<bool>,
    /// Braces without space inside.
    pub(super) is_tight: Vec<bool>,
    /// A comma before a closing bracket.
    pub(super) is_optional: Vec<bool>,
    /// On a broken line of its group, not indented.
    pub(super) is_dedented: Vec<bool>,
    /// Braces of statements, members, arms: no lists.
    pub(super) is_block: Vec<bool>,
    pub(super) breaks: Vec<Break>,
    pub(super) groups: Vec<Group>,
}

impl Marks {
    pub(super) fn new(tokens: &[Tok<'_>]) -> Self {
        let none = || vec![false; tokens.len()];
        Self {
            partner: brackets(tokens),
            is_angle: none(),
            is_prefix: none(),
            is_bar: none(),
            is_keyword: none(),
            is_glued: none(),
            is_hidden: none(),
            is_binding: none(),
            is_tight: none(),
            is_optional: none(),
            is_dedented: none(),
            is_block: none(),
            breaks: vec![Break::No; tokens.len()],
            groups: Vec::new(),
        }
    }

    pub(super) fn break_before(&mut self, token: usize, kind: Break) {
        if let Some(known) = self.breaks.get_mut(token) {
            *known = kind.max(*known);
        }
    }

    /// The range widened so that no bracket is cut from its partner.
    pub(super) fn balanced(&self, mut first: usize, mut last: usize) -> (usize, usize) {
        let mut at = first;
        while at <= last {
            if let Some(partner) = self.partner[at] {
                if partner < first {
                    (first, at) = (partner, partner);
                    continue;
                }
                last = last.max(partner);
            }
            at += 1;
        }
        (first, last)
    }

    pub(super) fn group(&mut self, first: usize, last: usize, kind: Kind) {
        let (first, last) = self.balanced(first, last);
        self.groups.push(Group { first, last, kind });
    }
}

/// The token that begins at or behind `byte`.
pub(super) fn token_at(tokens: &[Tok<'_>], byte: u32) -> usize {
    tokens.partition_point(|token| token.start < byte as usize).min(tokens.len().saturating_sub(1))
}

/// First and last token of a span.
pub(super) fn range(tokens: &[Tok<'_>], span: Span) -> (usize, usize) {
    let first = token_at(tokens, span.start);
    let behind = tokens.partition_point(|token| token.end <= span.end as usize);
    (first, behind.saturating_sub(1).max(first))
}

fn brackets(tokens: &[Tok<'_>]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            T::LParen | T::LBracket | T::LBrace => open.push(at),
            T::RParen | T::RBracket | T::RBrace => {
                if let Some(opener) = open.pop() {
                    partners[opener] = Some(at);
                    partners[at] = Some(opener);
                }
            }
            _ => {}
        }
    }
    partners
}
