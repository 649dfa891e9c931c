//! Modules do not use each other in a circle, and neither do friends.
//!
//! Many rules hold module by module only because calls never come back: exact `acquires` lists, finite instances, data
//! that does not contain itself. A friend must not be among what the module uses, directly or not, since friends are
//! there to use the module. Chains of use are at most so long, so that loading a module never takes unbounded work.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::CompiledModule;
use noema_execution_api::StatusCode;
use noema_types::ModuleId;

use crate::{Limits, ModuleSource, Result, VerifyError};

pub(crate) fn check(module: &CompiledModule, source: &dyn ModuleSource, limits: &Limits) -> Result {
    let own = module.self_id();
    let used_by = |one: &CompiledModule| one.immediate_dependencies().collect::<Vec<_>>();
    let friends_of = |one: &CompiledModule| one.immediate_friends().collect::<Vec<_>>();
    let used = Walk { own: &own, source, depth_max: limits.dependency_depth, next: &used_by }
        .run(module)
        .map_err(|stop| stop.describe(module, StatusCode::CYCLIC_MODULE_DEPENDENCY, "uses"))?;
    let friends = Walk { own: &own, source, depth_max: usize::MAX, next: &friends_of }
        .run(module)
        .map_err(|stop| stop.describe(module, StatusCode::CYCLIC_MODULE_FRIENDSHIP, "is a friend of"))?;
    if let Some(both) = used.intersection(&friends).next() {
        let status = StatusCode::INVALID_FRIEND_DECL_WITH_MODULES_IN_DEPENDENCIES;
        let message = format!("{}::{} is used here and a friend", both.address.to_short_hex(), both.name.as_str());
        return Err(VerifyError::in_module(module, status, message));
    }
    Ok(())
}

enum Stop {
    Cycle,
    TooDeep(usize),
}

impl Stop {
    fn describe(self, module: &CompiledModule, of_cycle: StatusCode, verb: &str) -> VerifyError {
        match self {
            Self::Cycle => VerifyError::in_module(module, of_cycle, format!("the module {verb} itself in a circle")),
            Self::TooDeep(max) => {
                let message = format!("a chain of modules that use each other is longer than {max}");
                VerifyError::in_module(module, StatusCode::MAX_DEPENDENCY_DEPTH_REACHED, message)
            }
        }
    }
}

struct Walk<'a> {
    own: &'a ModuleId,
    source: &'a dyn ModuleSource,
    depth_max: usize,
    next: &'a dyn Fn(&CompiledModule) -> Vec<ModuleId>,
}

impl Walk<'_> {
    /// All modules reached. Modules that do not exist lead nowhere: missing dependencies are linking's to report, and a
    /// friend may not exist yet.
    fn run(&self, module: &CompiledModule) -> std::result::Result<BTreeSet<ModuleId>, Stop> {
        let mut depth: BTreeMap<ModuleId, usize> = BTreeMap::new();
        // A frame: the modules that follow, how many are done, the module itself and the longest chain below it.
        let mut path = vec![Frame { id: None, next: (self.next)(module), done: 0, below: 0 }];
        let mut on_path = BTreeSet::new();
        while let Some(frame) = path.last_mut() {
            let Some(id) = frame.next.get(frame.done).cloned() else {
                let Frame { id, below, .. } = path.pop().expect("the loop condition saw it");
                if let Some(id) = id {
                    on_path.remove(&id);
                    depth.insert(id, below);
                }
                if let Some(above) = path.last_mut() {
                    above.below = above.below.max(below + 1);
                    if above.below > self.depth_max {
                        return Err(Stop::TooDeep(self.depth_max));
                    }
                }
                continue;
            };
            frame.done += 1;
            if id == *self.own || on_path.contains(&id) {
                return Err(Stop::Cycle);
            }
            if let Some(known) = depth.get(&id) {
                frame.below = frame.below.max(known + 1);
                if frame.below > self.depth_max {
                    return Err(Stop::TooDeep(self.depth_max));
                }
                continue;
            }
            let next = self.source.module(&id).map_or_else(Vec::new, |found| (self.next)(&found));
            on_path.insert(id.clone());
            path.push(Frame { id: Some(id), next, done: 0, below: 0 });
        }
        Ok(depth.into_keys().collect())
    }
}

struct Frame {
    /// `None` for the module that is checked.
    id: Option<ModuleId>,
    next: Vec<ModuleId>,
    done: usize,
    below: usize,
}
