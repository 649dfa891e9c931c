//! `match` and `is`.

use crate::diagnostics::Span;
use crate::typing::{DataId, Exp, Match, Ty};

use super::exp::{Dest, Lower};

impl<'a> Lower<'a> {
    pub(super) fn match_arms(&mut self, data: &'a Match, ty: &Ty, dest: &Dest, span: Span) {
        let _ = (data, ty, dest, span);
    }

    pub(super) fn is_variant(&mut self, inner: &'a Exp, data: DataId, variants: &[usize], dest: &Dest, span: Span) {
        let _ = (inner, data, variants, dest, span);
    }
}
