//! Makes a program that shows a difference smaller, as long as it still shows one.

use noema_bytecode::{Bytecode, CodeUnit};

use crate::builder;
use crate::generate::Program;

/// Tries of the whole shrinking, at most.
const TRIES_MAX: usize = 3_000;

/// The smallest program found for which `shows` still holds. `shows` must refuse programs that do not verify.
#[must_use]
pub fn shrink(program: &Program, shows: impl Fn(&Program) -> bool) -> Program {
    let mut best = program.clone();
    let mut tries = 0;
    let mut accept = |best: &mut Program, candidate: Program| {
        tries += 1;
        if tries > TRIES_MAX || !shows(&candidate) {
            return false;
        }
        *best = candidate;
        true
    };
    loop {
        let mut has_shrunk = false;
        for call in (0..best.calls.len()).rev() {
            let mut candidate = best.clone();
            candidate.calls.remove(call);
            has_shrunk |= accept(&mut best, candidate);
        }
        for (module, function) in bodies(&best) {
            let mut candidate = best.clone();
            let unit = unit_mut(&mut candidate, module, function);
            if unit.code.len() <= 2 {
                continue;
            }
            *unit = CodeUnit {
                locals: unit.locals,
                code: vec![Bytecode::LdU64(0), Bytecode::Abort],
                jump_tables: Vec::new(),
            };
            set_acquires(&mut candidate);
            has_shrunk |= accept(&mut best, candidate);
        }
        for (module, function) in bodies(&best) {
            let mut width = unit_mut(&mut best, module, function).code.len() / 2;
            while width > 0 {
                let mut start = 0;
                while start + width <= unit_mut(&mut best, module, function).code.len() {
                    let mut candidate = best.clone();
                    remove(unit_mut(&mut candidate, module, function), start, width);
                    set_acquires(&mut candidate);
                    if accept(&mut best, candidate) {
                        has_shrunk = true;
                    } else {
                        start += width.div_ceil(2);
                    }
                }
                width /= 2;
            }
        }
        if !has_shrunk {
            return best;
        }
    }
}

fn set_acquires(program: &mut Program) {
    for module in &mut program.modules {
        let lists = builder::acquires(module);
        for (def, list) in module.function_defs.iter_mut().zip(lists) {
            def.acquires = list;
        }
    }
}

fn bodies(program: &Program) -> Vec<(usize, usize)> {
    let modules = program.modules.iter().enumerate();
    modules.flat_map(|(at, module)| (0..module.function_defs.len()).map(move |function| (at, function))).collect()
}

fn unit_mut(program: &mut Program, module: usize, function: usize) -> &mut CodeUnit {
    program.modules[module].function_defs[function].code.as_mut().expect("generated functions have bodies")
}

/// Removes instructions; jumps over them are shortened, jumps into them go to what follows.
fn remove(unit: &mut CodeUnit, start: usize, width: usize) {
    let moved = |target: &mut u16| {
        let at = usize::from(*target);
        if at >= start + width {
            *target -= width as u16;
        } else if at > start {
            *target = start as u16;
        }
    };
    unit.code.drain(start..start + width);
    for instruction in &mut unit.code {
        if let Bytecode::BrTrue(target) | Bytecode::BrFalse(target) | Bytecode::Branch(target) = instruction {
            moved(target);
        }
    }
    unit.jump_tables.iter_mut().flat_map(|table| &mut table.targets).for_each(moved);
}
