//! Lowered code, shared by all sessions that see the same modules.
//!
//! A [`World`] is what follows from one content of every module it has met: layouts and lowered functions. It only
//! grows. A session may run in a world when each module that its functions can reach (the *closure* of the module that
//! it enters by) has the content in the state that it has in the world; that is asked once per session and module.
//! Otherwise it takes another world. So code never meets a layout or a callee of another version.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use noema_types::{ModuleId, StateKey, TypeTag};

use super::code::Function;
use super::layout::{Layout, LayoutCache, layout_of};
use super::lower::lower;
use super::mem::Pool;
use crate::error::Result;
use crate::limits::{WORLD_FUNCTIONS_MAX, WORLDS_MAX};
use crate::loader::{Callee, Loader};
use crate::types::TypeArgs;

/// Where modules are in the state, and their content; `None` where there is no such module.
type Closure = Arc<Vec<(StateKey, Option<Bytes>)>>;

/// Identity, position of the definition, type arguments.
type InstanceKey = (ModuleId, u16, Vec<TypeTag>);

/// Code and layouts for one content of the modules.
#[derive(Debug)]
pub(crate) struct World {
    modules: Mutex<BTreeMap<ModuleId, Option<Bytes>>>,
    closures: Mutex<BTreeMap<ModuleId, Closure>>,
    layouts: Mutex<BTreeMap<TypeTag, Arc<Layout>>>,
    pub(super) functions: Pool<Function>,
    instances: Mutex<BTreeMap<InstanceKey, usize>>,
}

/// The worlds of a machine, the most recently made last.
#[derive(Debug, Default)]
pub(crate) struct Worlds {
    all: Mutex<Vec<Arc<World>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worlds {
    /// A world in which the functions that can be reached from `roots` may run.
    pub(crate) fn find(&self, loader: &mut Loader<'_>, roots: &[ModuleId]) -> Result<Arc<World>> {
        let all: Vec<_> = lock(&self.all).iter().rev().cloned().collect();
        for world in all {
            if !world.is_full() && world.admits(loader, roots)? {
                return Ok(world);
            }
        }
        let world = Arc::new(World::new());
        world.admits(loader, roots)?;
        let mut all = lock(&self.all);
        all.retain(|world| !world.is_full());
        if all.len() >= WORLDS_MAX {
            all.remove(0);
        }
        all.push(Arc::clone(&world));
        Ok(world)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            modules: Mutex::default(),
            closures: Mutex::default(),
            layouts: Mutex::default(),
            functions: Pool::new(),
            instances: Mutex::default(),
        }
    }

    fn is_full(&self) -> bool {
        self.functions.len() >= WORLD_FUNCTIONS_MAX
    }

    /// Whether everything that can be reached from `roots` has the content that it has here. What is new here is taken
    /// in.
    pub(crate) fn admits(&self, loader: &mut Loader<'_>, roots: &[ModuleId]) -> Result<bool> {
        for root in roots {
            let known = lock(&self.closures).get(root).cloned();
            let fits = match known {
                Some(closure) => closure_is_current(loader, &closure)?,
                None => self.take_in(loader, root)?,
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds the closure of a module and takes it in, unless the content of a module of it is another one here.
    fn take_in(&self, loader: &mut Loader<'_>, root: &ModuleId) -> Result<bool> {
        let mut found: BTreeMap<ModuleId, Option<Bytes>> = BTreeMap::new();
        let mut pending = vec![root.clone()];
        while let Some(id) = pending.pop() {
            if found.contains_key(&id) {
                continue;
            }
            let bytes = loader.module_bytes(&id)?;
            // A module that cannot be loaded has no dependencies that would ever run.
            if let Some(bytes) = &bytes
                && let Ok(loaded) = loader.load(&id, bytes.clone())
            {
                pending.extend(loaded.module.immediate_dependencies());
            }
            found.insert(id, bytes);
        }
        let mut modules = lock(&self.modules);
        if found.iter().any(|(id, bytes)| modules.get(id).is_some_and(|known| known != bytes)) {
            return Ok(false);
        }
        let closure = found.iter().map(|(id, bytes)| (StateKey::Module(id.clone()), bytes.clone())).collect();
        modules.extend(found.iter().map(|(id, bytes)| (id.clone(), bytes.clone())));
        lock(&self.closures).insert(root.clone(), Arc::new(closure));
        Ok(true)
    }

    /// The function that a call means, lowered now if it was not before.
    pub(super) fn function(
        &self,
        loader: &mut Loader<'_>,
        callee: Callee,
        type_args: &Arc<TypeArgs>,
    ) -> Result<&Function> {
        let id = loader.module(callee.module).id.clone();
        let key = (id, callee.function, type_args.tags.clone());
        let known = lock(&self.instances).get(&key).copied();
        if let Some(function) = known.and_then(|at| self.functions.get(at)) {
            return Ok(function);
        }
        let lowered = lower(loader, self, callee, type_args)?;
        let mut instances = lock(&self.instances);
        // Another thread may have been faster.
        if let Some(function) = instances.get(&key).and_then(|at| self.functions.get(*at)) {
            return Ok(function);
        }
        instances.insert(key, self.functions.len());
        Ok(self.functions.add(lowered))
    }

    /// Layout of a closed type.
    pub(super) fn layout(&self, loader: &mut Loader<'_>, tag: &TypeTag) -> Result<Arc<Layout>> {
        layout_of(loader, self, tag)
    }
}

impl LayoutCache for World {
    fn known(&self, tag: &TypeTag) -> Option<Arc<Layout>> {
        lock(&self.layouts).get(tag).cloned()
    }

    fn keep(&self, tag: &TypeTag, layout: &Arc<Layout>) {
        lock(&self.layouts).insert(tag.clone(), Arc::clone(layout));
    }
}

fn closure_is_current(loader: &Loader<'_>, closure: &Closure) -> Result<bool> {
    for (key, expected) in closure.iter() {
        let found = loader.module_bytes_at(key)?;
        let same = match (&found, expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => crate::cache::is_same(found, expected),
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}
