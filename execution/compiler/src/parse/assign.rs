//! The left side of an assignment: an expression read again as a target.

use super::ast::{AssignTarget, AssignTargetKind, Exp, ExpKind};
use super::cursor::{Parsed, Parser};
use super::operators::is_place;
use crate::diagnostics::{Diagnostic, codes};

impl Parser<'_> {
    /// Reads `left` as what stands before `=`.
    pub(super) fn assign_target(&mut self, left: Exp) -> Parsed<AssignTarget> {
        let span = left.span;
        let kind = match left.kind {
            ExpKind::Path(path) if path.as_name().is_some_and(|name| name.value == "_") => AssignTargetKind::Wildcard,
            ExpKind::Tuple(elements) => AssignTargetKind::Tuple(self.assign_targets(elements)?),
            ExpKind::Pack { path, fields } => {
                let rest = self.unclaimed_rests.remove(&path.span.start).map(|rest| rest.span);
                let mut targets = Vec::with_capacity(fields.len());
                for field in fields {
                    targets.push((field.field, self.assign_target(field.value)?));
                }
                AssignTargetKind::Named { path, fields: targets, rest }
            }
            ExpKind::Call { callee, args } if callee.last_name().is_some_and(|name| starts_upper(&name.value)) => {
                let rest = self.unclaimed_rests.remove(&callee.span.start);
                AssignTargetKind::Positional { path: callee, fields: self.assign_targets(args)?, rest }
            }
            kind => {
                let place = Exp { kind, span };
                if !is_place(&place) {
                    self.bad_place(&place);
                }
                AssignTargetKind::Place(Box::new(place))
            }
        };
        Ok(AssignTarget { kind, span })
    }

    fn assign_targets(&mut self, elements: Vec<Exp>) -> Parsed<Vec<AssignTarget>> {
        elements.into_iter().map(|element| self.assign_target(element)).collect()
    }

    /// Reports what cannot be assigned to; parsing goes on.
    pub(super) fn bad_place(&mut self, place: &Exp) {
        let mut diagnostic =
            Diagnostic::new(codes::BAD_ASSIGN_TARGET, place.span, "this cannot be assigned to").label("not a place");
        let text = self.text_of(place.span);
        diagnostic = match &place.kind {
            ExpKind::Call { .. } | ExpKind::MethodCall { .. } => diagnostic
                .help("to write through the reference it returns, put `*` before it")
                .suggest(place.span, format!("*{text}")),
            ExpKind::Borrow { .. } => diagnostic.help("write `*` to assign through a reference"),
            ExpKind::Binary { .. } | ExpKind::Literal(_) => diagnostic.help("write `==` to compare"),
            _ => diagnostic.help("assign to a variable, a field, an element or through `*` to a reference"),
        };
        self.report(diagnostic);
    }

    /// Reports every `..` in a pack or call that no assignment has claimed.
    pub(super) fn report_unclaimed_rests(&mut self) {
        for rest in std::mem::take(&mut self.unclaimed_rests).into_values() {
            let diagnostic = Diagnostic::new(
                codes::MISPLACED_REST,
                rest.span,
                "`..` may stand only in patterns and on the left of `=`",
            )
            .label("not a value");
            self.report(diagnostic);
        }
    }
}

pub(super) fn starts_upper(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
}
