//! Marks the lists: what stands between brackets, separated by commas.

use noema_compiler::parse::token::TokenKind as T;

use super::marks::{Break, Kind};
use super::walk::Walker;

impl Walker<'_, '_> {
    /// Marks every pair of brackets that is no block. Comes last: the tree has said what the brackets are.
    pub(super) fn lists(&mut self) {
        for open in 0..self.tokens.len() {
            let is_opener = match self.kind(open) {
                T::LParen | T::LBracket | T::LBrace => true,
                T::Less => self.marks.is_angle[open],
                _ => false,
            };
            if let Some(close) = self.marks.partner[open]
                && is_opener
                && !self.marks.is_block[open]
            {
                self.list(open, close);
            }
        }
    }

    fn list(&mut self, open: usize, close: usize) {
        if close == open + 1 {
            return;
        }
        let starts = self.items(open, close);
        if self.kind(close - 1) == T::Comma {
            self.marks.is_optional[close - 1] = true;
        }
        let is_brace = self.kind(open) == T::LBrace;
        // Fields stay on lines of their own, or together on one, where they were written so.
        let is_broken = is_brace && !self.marks.is_tight[open] && self.tokens[open + 1].on_new_line;
        let is_together = is_broken && starts.get(1).is_some_and(|second| !self.tokens[*second].on_new_line);
        let outer = if is_broken { Break::Hard } else { Break::Soft };
        self.marks.break_before(open + 1, outer);
        self.marks.break_before(close, outer);
        for start in &starts[1..] {
            self.marks.break_before(*start, if is_together { Break::Soft } else { outer });
        }
        let last = starts.last().copied().unwrap_or(open + 1);
        let hug = if is_brace { None } else { self.hug(last, close) };
        let hug_first = hug.is_some_and(|brace| self.marks.is_block[brace]) || is_broken;
        self.marks.group(open, close, Kind::List { hug, hug_first });
        let inner = if self.marks.is_tight[open] || self.is_plain(open, &starts, close) {
            Kind::Fill
        } else {
            Kind::Items { each: (is_brace && !is_together) || self.is_assert(open) }
        };
        self.marks.group(open + 1, close - 1, inner);
    }

    /// The first tokens of the items.
    fn items(&self, open: usize, close: usize) -> Vec<usize> {
        let mut starts = vec![open + 1];
        let mut at = open + 1;
        while at < close {
            match self.marks.partner[at] {
                Some(partner) if partner > at => at = partner,
                _ if self.kind(at) == T::Comma && at + 1 < close => starts.push(at + 1),
                _ => {}
            }
            at += 1;
        }
        starts
    }

    /// The brace that ends the last item, if the item can begin on the line of the list's bracket.
    fn hug(&self, start: usize, close: usize) -> Option<usize> {
        let mut end = close - 1;
        if self.kind(end) == T::Comma {
            end -= 1;
        }
        let open = self.marks.partner[end].filter(|open| self.kind(*open) == T::LBrace && *open >= start)?;
        let is_outermost = (start..open).all(|at| self.marks.partner[at].is_none_or(|partner| partner < open));
        is_outermost.then_some(open)
    }

    /// A vector of single tokens.
    fn is_plain(&self, open: usize, starts: &[usize], close: usize) -> bool {
        let ends = starts.iter().skip(1).map(|start| start - 1).chain([close]);
        self.kind(open) == T::LBracket
            && starts.len() > 2
            && starts.iter().zip(ends).all(|(start, end)| end - start <= 2 && self.marks.partner[*start].is_none())
    }

    /// `assert!(`, whose code stands on a line of its own.
    fn is_assert(&self, open: usize) -> bool {
        open > 1 && self.kind(open - 1) == T::Exclaim && self.text(open - 2) == "assert"
    }
}
