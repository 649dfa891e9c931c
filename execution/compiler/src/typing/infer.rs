//! Type variables and unification.

use crate::diagnostics::Span;

use super::ty::Ty;

/// What is known about a type variable.
#[derive(Clone, Debug)]
enum Var {
    /// Equal to another type.
    Bound(Ty),
    /// Nothing, or that it is an integer.
    Free { is_int: bool, span: Span },
}

/// The type variables of one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Infer {
    vars: Vec<Var>,
}

impl Infer {
    /// A new variable; an integer type if `is_int`.
    pub(crate) fn fresh(&mut self, is_int: bool, span: Span) -> Ty {
        let id = u32::try_from(self.vars.len()).expect("variables are fewer than 2^32");
        self.vars.push(Var::Free { is_int, span });
        Ty::Var(id)
    }

    /// The type with its outermost variables replaced by what they stand for.
    pub(crate) fn shallow(&self, ty: &Ty) -> Ty {
        let mut ty = ty;
        while let Ty::Var(id) = ty {
            match &self.vars[*id as usize] {
                Var::Bound(next) => ty = next,
                Var::Free { .. } => break,
            }
        }
        ty.clone()
    }

    /// The type with all bound variables replaced.
    pub(crate) fn deep(&self, ty: &Ty) -> Ty {
        let ty = self.shallow(ty);
        ty.map_children(|child| self.deep(child))
    }

    /// Whether the type is a variable that must be an integer.
    pub(crate) fn is_int_var(&self, ty: &Ty) -> bool {
        matches!(self.shallow(ty), Ty::Var(id) if matches!(self.vars[id as usize], Var::Free { is_int: true, .. }))
    }

    /// Demands that the type is an integer; `false` if it cannot be.
    pub(crate) fn require_int(&mut self, ty: &Ty) -> bool {
        match self.shallow(ty) {
            Ty::Int(_) | Ty::Error | Ty::Never => true,
            Ty::Var(id) => {
                if let Var::Free { is_int, .. } = &mut self.vars[id as usize] {
                    *is_int = true;
                }
                true
            }
            _ => false,
        }
    }

    /// Makes both types equal; `false` if they cannot be.
    pub(crate) fn unify(&mut self, left: &Ty, right: &Ty) -> bool {
        let (left, right) = (self.shallow(left), self.shallow(right));
        match (&left, &right) {
            (Ty::Error | Ty::Never, _) | (_, Ty::Error | Ty::Never) => true,
            (Ty::Var(a), Ty::Var(b)) if a == b => true,
            (Ty::Var(id), other) | (other, Ty::Var(id)) => self.bind(*id, other),
            (Ty::Vector(a), Ty::Vector(b)) => self.unify(a, b),
            (Ty::Ref(m, a), Ty::Ref(n, b)) => m == n && self.unify(a, b),
            (Ty::Data(a, left), Ty::Data(b, right)) => a == b && self.unify_all(left, right),
            (Ty::Tuple(left), Ty::Tuple(right)) => self.unify_all(left, right),
            (Ty::Fun(left, a), Ty::Fun(right, b)) => self.unify_all(left, right) && self.unify(a, b),
            _ => left == right,
        }
    }

    fn unify_all(&mut self, left: &[Ty], right: &[Ty]) -> bool {
        left.len() == right.len() && left.iter().zip(right).all(|(a, b)| self.unify(a, b))
    }

    fn bind(&mut self, id: u32, ty: &Ty) -> bool {
        let Var::Free { is_int, .. } = self.vars[id as usize] else { return false };
        if is_int && !self.require_int(ty) {
            return false;
        }
        if self.deep(ty).any(&mut |part| *part == Ty::Var(id)) {
            return false;
        }
        self.vars[id as usize] = Var::Bound(ty.clone());
        true
    }

    /// The final type: integers left open become u64. A variable about which nothing is known is given to `unknown`.
    pub(crate) fn finish(&mut self, ty: &Ty, unknown: &mut dyn FnMut(Span)) -> Ty {
        match self.shallow(ty) {
            Ty::Var(id) => {
                let Var::Free { is_int, span } = self.vars[id as usize] else { return Ty::Error };
                let resolved = if is_int {
                    Ty::u64()
                } else {
                    unknown(span);
                    Ty::Error
                };
                self.vars[id as usize] = Var::Bound(resolved.clone());
                resolved
            }
            other => other.map_children(|child| self.finish(child, unknown)),
        }
    }
}
