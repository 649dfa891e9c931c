//! Prints tokens by their marks.
//!
//! A group is printed on one line if it fits there; otherwise its own breaks are taken and the groups in it decide for
//! themselves. Everything that decides is a function of the tokens, their comments, and the few line ends that
//! [`super::walk`] takes over from the text, which the output repeats: so formatting twice changes nothing.

use super::marks::{Break, Group, Hang, Kind, Marks};
use super::spacing::space;
use super::tokens::{Comment, Tok};
use crate::limits::{INDENT, LINE_WIDTH};

/// How a group is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// No break of its own.
    Flat,
    /// No break of its own, but its last item may have some.
    Hug,
    /// All of its breaks.
    Broken,
}

/// A group with the groups inside it.
#[derive(Debug)]
struct Node {
    group: Group,
    children: Vec<Node>,
    /// Whether a line must end inside.
    must_break: bool,
    id: usize,
}

pub(super) struct Printer<'a, 't> {
    tokens: &'a [Tok<'t>],
    marks: &'a Marks,
    /// A line ends before the token, whatever the groups want.
    forced: Vec<bool>,
    /// Width of everything up to the end of each token, on one line.
    sums: Vec<usize>,
    /// The visible token before each.
    previous: Vec<Option<usize>>,
    /// The group that a break before the token belongs to.
    owner: Vec<usize>,
    /// Groups that are being printed without breaks of their own.
    is_flat: Vec<bool>,
    /// Groups whose breaks are the last resort.
    is_tail: Vec<bool>,
    out: String,
    column: usize,
}

/// Root of the tree: everything, at no indentation.
const ROOT: usize = 0;

impl<'a, 't> Printer<'a, 't> {
    pub(super) fn new(tokens: &'a [Tok<'t>], marks: &'a Marks) -> Self {
        let mut printer = Self {
            tokens,
            marks,
            forced: Vec::new(),
            sums: Vec::new(),
            previous: Vec::new(),
            owner: vec![ROOT; tokens.len()],
            is_flat: Vec::new(),
            is_tail: Vec::new(),
            out: String::new(),
            column: 0,
        };
        printer.measure();
        printer
    }

    fn measure(&mut self) {
        let (mut visible, mut sum) = (None, 0);
        let mut ends_line = false;
        for (at, token) in self.tokens.iter().enumerate() {
            self.previous.push(visible);
            let own_line = token.before.iter().any(|comment| comment.ends_line);
            let forced = at > 0 && (self.marks.breaks[at] == Break::Hard || own_line || ends_line);
            self.forced.push(forced && !self.marks.is_hidden[at]);
            if !self.marks.is_hidden[at] && !self.marks.is_optional[at] {
                let gap = visible.is_some_and(|left| space(self.tokens, self.marks, left, at));
                sum += usize::from(gap) + width(token.text);
                visible = Some(at);
            }
            let beside = token.before.iter().chain(&token.after).filter(|comment| !comment.ends_line);
            sum += beside.map(|comment| width(comment.text) + 1).sum::<usize>();
            self.sums.push(sum);
            ends_line = token.after.iter().any(|comment| comment.ends_line);
        }
    }

    /// The text.
    pub(super) fn print(mut self) -> String {
        let root = self.tree();
        self.is_flat = vec![false; root.count()];
        self.is_tail = vec![false; root.count()];
        self.mark_owners(&root);
        for comment in &self.tokens[0].before {
            self.own_line(comment, 0);
            self.out.push('\n');
            self.column = 0;
        }
        if self.tokens[0].blank_above && !self.tokens[0].before.is_empty() {
            self.out.push('\n');
        }
        self.inside(&root, Mode::Broken, 0, 0);
        let length = self.out.trim_end().len();
        self.out.truncate(length);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    // -------------------------------------------------------------------------------------------- the tree

    fn tree(&self) -> Node {
        let last = self.tokens.len() - 1;
        let root = Group { first: 0, last, kind: Kind::Tail };
        let mut groups: Vec<(usize, Group)> = self.marks.groups.iter().copied().enumerate().collect();
        let rank = |kind: &Kind| match kind {
            Kind::List { .. } => 0,
            Kind::Items { .. } | Kind::Fill => 1,
            Kind::Assign { .. } => 2,
            _ => 3,
        };
        groups.sort_by_key(|(order, group)| (group.first, usize::MAX - group.last, rank(&group.kind), *order));
        let mut open = vec![Node { group: root, children: Vec::new(), must_break: false, id: ROOT }];
        for (_, group) in groups {
            while open.len() > 1 && open.last().is_some_and(|node| node.group.last < group.first) {
                self.close(&mut open);
            }
            // A group that crosses another would cut it: it is left out. The tree of a correct text has none.
            if open.last().is_some_and(|node| group.last <= node.group.last) {
                open.push(Node { group, children: Vec::new(), must_break: false, id: ROOT });
            }
        }
        while open.len() > 1 {
            self.close(&mut open);
        }
        let mut root = open.pop().expect("the root is never closed");
        root.number(&mut 0);
        root
    }

    fn close(&self, open: &mut Vec<Node>) {
        let mut node = open.pop().expect("only called with an open group");
        let Group { first, last, .. } = node.group;
        let ends_inside = (first + 1..=last).any(|at| self.forced[at]);
        node.must_break = ends_inside || (first..=last).any(|at| self.tokens[at].text.contains('\n'));
        if let Some(parent) = open.last_mut() {
            parent.children.push(node);
        }
    }

    fn mark_owners(&mut self, node: &Node) {
        self.is_tail[node.id] = node.group.kind == Kind::Tail && node.id != ROOT;
        for at in node.group.first + 1..=node.group.last {
            self.owner[at] = node.id;
        }
        for child in &node.children {
            self.mark_owners(child);
        }
    }

    // -------------------------------------------------------------------------------------------- widths

    /// Columns from the beginning of `first` to the end of `last` on one line.
    fn flat(&self, first: usize, last: usize) -> usize {
        let own = if self.marks.is_hidden[first] || self.marks.is_optional[first] {
            0
        } else {
            width(self.tokens[first].text)
        };
        self.sums[last] - self.sums[first] + own
    }

    /// Columns behind `last` up to where a line may end.
    fn tail(&self, last: usize) -> usize {
        let mut end = last;
        for at in last + 1..self.tokens.len() {
            let owner = self.owner[at];
            let may_break = self.marks.breaks[at] != Break::No && !self.is_flat[owner] && !self.is_tail[owner];
            if self.forced[at] || may_break {
                break;
            }
            end = at;
        }
        self.sums[end] - self.sums[last]
    }

    fn fits(&self, first: usize, last: usize) -> bool {
        self.column + self.flat(first, last) + self.tail(last) <= LINE_WIDTH
    }

    // -------------------------------------------------------------------------------------------- groups

    /// Prints a group whose first token comes next; what stands before it is printed.
    fn node(&mut self, node: &Node, indent: usize, parent: Mode) {
        let Group { first, last, kind } = node.group;
        let is_flat = !node.must_break && self.fits(first, last);
        let mode = match kind {
            _ if parent == Mode::Flat => Mode::Flat,
            Kind::Items { each } => match parent {
                Mode::Hug => Mode::Hug,
                _ if is_flat && !each => Mode::Flat,
                _ => Mode::Broken,
            },
            Kind::Fill | Kind::Tail if parent == Mode::Hug => Mode::Hug,
            Kind::Block { follows: true } if parent == Mode::Broken => Mode::Broken,
            _ if is_flat => Mode::Flat,
            Kind::List { hug: Some(brace), hug_first } if self.can_hug(node, brace, hug_first, indent) => Mode::Hug,
            _ => Mode::Broken,
        };
        self.is_flat[node.id] = mode != Mode::Broken;
        if mode == Mode::Flat {
            self.set_flat(node, true);
        }
        let inner = match kind {
            Kind::List { .. } | Kind::Block { .. } if mode == Mode::Broken => indent + INDENT,
            Kind::Chain { indent: true } if mode == Mode::Broken => indent + INDENT,
            _ => indent,
        };
        self.inside(node, mode, indent, inner);
        if mode == Mode::Flat {
            self.set_flat(node, false);
        }
        self.is_flat[node.id] = false;
    }

    fn set_flat(&mut self, node: &Node, is_flat: bool) {
        self.is_flat[node.id] = is_flat;
        for child in &node.children {
            self.set_flat(child, is_flat);
        }
    }

    /// Whether the last item may begin on the line of the bracket: nothing before its brace breaks, and the brace fits.
    fn can_hug(&self, node: &Node, brace: usize, hug_first: bool, indent: usize) -> bool {
        let Group { first, last, .. } = node.group;
        let is_clean = (first + 1..=brace).all(|at| !self.forced[at]) && !self.forced[last];
        let fits = self.column + self.flat(first, brace) <= LINE_WIDTH;
        let next_line = !node.must_break && indent + INDENT + self.flat(first + 1, last - 1) <= LINE_WIDTH;
        is_clean && fits && (hug_first || node.must_break || !next_line)
    }

    /// Prints the tokens of a group and the groups in it.
    fn inside(&mut self, node: &Node, mode: Mode, base: usize, inner: usize) {
        let Group { first, last, kind } = node.group;
        let mut value_indent = None;
        let mut children = node.children.iter().peekable();
        let mut at = first;
        while at <= last {
            if at > first {
                let mut indent = value_indent.unwrap_or(inner);
                let is_closer = matches!(kind, Kind::List { .. } | Kind::Block { .. }) && at == last;
                if is_closer || self.marks.is_dedented[at] {
                    indent = base;
                }
                let mut breaks = self.marks.breaks[at] == Break::Soft && mode == Mode::Broken;
                match kind {
                    Kind::If if breaks && !self.marks.is_dedented[at] => {
                        indent = base + INDENT;
                        value_indent = Some(indent);
                    }
                    Kind::If => value_indent = None,
                    Kind::Fill if breaks => breaks = !self.segment_fits(at, last),
                    Kind::Tail if breaks => {
                        breaks = !self.segment_fits(at, last);
                        if breaks {
                            indent = base + INDENT;
                            value_indent = Some(indent);
                        }
                    }
                    Kind::Assign { value, hang } if at == value => {
                        breaks = mode == Mode::Broken && self.value_breaks(value, last, hang, base);
                        if breaks {
                            indent = base + INDENT;
                            value_indent = Some(indent);
                        }
                    }
                    _ => {}
                }
                self.gap(at, breaks, indent, if is_closer { inner } else { indent });
            }
            match children.peek() {
                Some(child) if child.group.first == at => {
                    let indent = if at == first { base } else { value_indent.unwrap_or(inner) };
                    let child = children.next().expect("just peeked");
                    self.node(child, indent, mode);
                    at = child.group.last + 1;
                }
                _ => {
                    let keeps = mode == Mode::Broken && matches!(kind, Kind::Items { .. });
                    self.token(at, keeps);
                    at += 1;
                }
            }
        }
    }

    /// Whether everything from `at` to the next break of the group, or the group's end, fits on the line.
    fn segment_fits(&self, at: usize, last: usize) -> bool {
        let owner = self.owner[at];
        let next = (at + 1..=last).find(|next| self.owner[*next] == owner && self.marks.breaks[*next] != Break::No);
        let end = next.map_or(last, |next| next - 1);
        let tail = if next.is_some() { 0 } else { self.tail(last) };
        self.column + 1 + self.flat(at, end) + tail <= LINE_WIDTH
    }

    /// Whether the value of an assignment goes to the next line.
    fn value_breaks(&self, value: usize, last: usize, hang: Hang, base: usize) -> bool {
        let must_break = (value + 1..=last).any(|at| self.forced[at] || self.tokens[at].text.contains('\n'));
        let width_below = base + INDENT + self.flat(value, last) + self.tail(last);
        match hang {
            Hang::Block => false,
            _ if must_break => false,
            _ if self.column + 1 + self.flat(value, last) + self.tail(last) <= LINE_WIDTH => false,
            _ if width_below <= LINE_WIDTH => true,
            Hang::Chain => false,
            Hang::No => true,
            Hang::Bracket => {
                let open = self.marks.partner[last].filter(|open| *open >= value);
                open.is_none_or(|open| self.column + 1 + self.flat(value, open) > LINE_WIDTH)
            }
        }
    }

    // -------------------------------------------------------------------------------------------- tokens

    /// What stands before a token that is not the first of everything: white space and comments.
    fn gap(&mut self, at: usize, breaks: bool, indent: usize, comment_indent: usize) {
        if self.marks.is_hidden[at] {
            return;
        }
        let token = &self.tokens[at];
        let is_kept = |comment: &&Comment<'_>| comment.ends_line;
        let own_lines = token.before.iter().filter(is_kept).count();
        if !(breaks || self.forced[at]) {
            if let Some(left) = self.previous[at].filter(|_| !self.marks.is_optional[at])
                && space(self.tokens, self.marks, left, at)
            {
                self.push(" ");
            }
            self.beside(&token.before);
            return;
        }
        // No empty line behind an opening bracket or before a closing one.
        let opened = self.previous[at].is_some_and(|left| self.marks.partner[left].is_some_and(|other| other > left));
        let closes = self.marks.partner[at].is_some_and(|other| other < at);
        for (position, comment) in token.before[..own_lines].iter().enumerate() {
            if comment.blank_above && !(opened && position == 0) {
                self.out.push('\n');
            }
            self.out.push('\n');
            self.own_line(comment, comment_indent);
        }
        let rest = &token.before[own_lines..];
        let blank = rest.first().map_or(token.blank_above, |comment| comment.blank_above);
        if blank && !closes && !(opened && own_lines == 0) {
            self.out.push('\n');
        }
        self.out.push('\n');
        let spaces = if token.kind == noema_compiler::parse::token::TokenKind::End { 0 } else { indent };
        self.out.extend(std::iter::repeat_n(' ', spaces));
        self.column = spaces;
        self.beside(rest);
    }

    /// Comments on the line of the token behind them.
    fn beside(&mut self, comments: &[Comment<'_>]) {
        for comment in comments {
            if self.column > 0 && !self.out.ends_with([' ', '(', '[']) {
                self.push(" ");
            }
            self.push(comment.text);
            self.push(" ");
        }
    }

    fn own_line(&mut self, comment: &Comment<'_>, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
        self.push(comment.text);
    }

    fn token(&mut self, at: usize, keeps_comma: bool) {
        let token = &self.tokens[at];
        if !self.marks.is_hidden[at] && (keeps_comma || !self.marks.is_optional[at]) {
            self.push(token.text);
        }
        for comment in &token.after {
            self.push(" ");
            self.push(comment.text);
        }
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = match text.rfind('\n') {
            Some(newline) => width(&text[newline + 1..]),
            None => self.column + width(text),
        };
    }
}

impl Node {
    fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }

    fn number(&mut self, next: &mut usize) {
        self.id = *next;
        *next += 1;
        for child in &mut self.children {
            child.number(next);
        }
    }
}

/// Columns that a text takes: its characters.
fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}
