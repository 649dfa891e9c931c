//! Expands inline functions and their lambdas.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Span, codes};
use crate::typing::{Exp, ExpKind, FunId, LocalId, Ty};

use super::exp::{Closure, Dest, Frame, Lower, Target};
use super::ir::Slot;

/// How deep expansions may nest.
const EXPANSION_DEPTH_MAX: usize = 64;

impl<'a> Lower<'a> {
    /// Value arguments are evaluated once, left to right, into the parameters; then the body stands in for the call.
    pub(super) fn expand_call(
        &mut self,
        function: FunId,
        args: &[Ty],
        parts: &'a [Exp],
        ty: &Ty,
        dest: &Dest,
        span: Span,
    ) {
        let Some(body) = self.bodies.get(&function) else { return };
        let is_recursive = self.is_open(function);
        if is_recursive || self.frames.len() >= EXPANSION_DEPTH_MAX {
            let info = self.globals.function(function);
            self.diagnostics.push(
                Diagnostic::new(
                    codes::EXPANDED_IN_ITSELF,
                    span,
                    format!("`{}` is expanded inside itself", info.name.value),
                )
                .secondary(info.name.span, "declared `inline` here")
                .help("an inline function cannot be recursive"),
            );
            return;
        }
        let args = self.types(args);
        let (dest, slots) = self.off_stack(ty, dest, span);
        let end = self.label();
        let mut frame = Frame {
            function,
            parent: Some(self.frame),
            body,
            args,
            slots: BTreeMap::new(),
            closures: BTreeMap::new(),
            targets: BTreeMap::new(),
            result: Target { end, head: None, dest: dest.clone() },
        };
        let caller = self.frame;
        // Every argument is evaluated before the first parameter is in force: the callee's slots are new.
        let mut stored: Vec<(LocalId, Slot)> = Vec::new();
        for (position, part) in parts.iter().enumerate() {
            let local = LocalId(u32::try_from(position).expect("parameters are few"));
            match &part.kind {
                ExpKind::Lambda(lambda) => {
                    frame.closures.insert(local, Closure { lambda, frame: caller });
                }
                ExpKind::Local(own, _) if matches!(part.ty, Ty::Fun(..)) => {
                    if let Some(closure) = self.frames[caller].closures.get(own) {
                        frame.closures.insert(local, *closure);
                    }
                }
                _ => {
                    let info = &body.locals[position];
                    let slot = self.slots.len();
                    self.slots.push(super::ir::SlotInfo {
                        name: info.name.clone(),
                        ty: info.ty.subst(&frame.args),
                        span: info.span,
                        is_user: false,
                    });
                    self.exp(part, &Dest::Store(vec![slot]));
                    stored.push((local, slot));
                }
            }
        }
        frame.slots.extend(stored);
        self.frames.push(frame);
        self.frame = self.frames.len() - 1;
        self.exp(&body.exp, &dest);
        self.frames.pop();
        self.frame = caller;
        self.bind(end, span);
        self.load_all(slots, span);
    }

    /// Whether the code being lowered stands in the body of `function`. While a caller's lambda runs, the functions it
    /// was passed to are not around it.
    fn is_open(&self, function: FunId) -> bool {
        let mut next = Some(self.frame);
        while let Some(frame) = next {
            if self.frames[frame].function == function {
                return true;
            }
            next = self.frames[frame].parent;
        }
        false
    }

    /// The body of a lambda runs in the frame it was written in.
    pub(super) fn expand_lambda(&mut self, local: LocalId, parts: &'a [Exp], ty: &Ty, dest: &Dest, span: Span) {
        let Some(closure) = self.frames[self.frame].closures.get(&local).copied() else { return };
        let (dest, slots) = self.off_stack(ty, dest, span);
        self.operands(&parts.iter().collect::<Vec<_>>());
        let caller = std::mem::replace(&mut self.frame, closure.frame);
        for target in closure.lambda.params.iter().rev() {
            self.store(target);
        }
        self.exp(&closure.lambda.body, &dest);
        self.frame = caller;
        self.load_all(slots, span);
    }
}
