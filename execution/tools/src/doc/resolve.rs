//! What names stand for, and where that is written.

use std::collections::{BTreeMap, BTreeSet};

use noema_compiler::diagnostics::Symbol;
use noema_compiler::expand::ast::{ExpandedModule, ExpandedUseKind, ModuleIdent};
use noema_compiler::parse::ast::{Function, FunctionKind};
use noema_types::Address;

use super::file_of;

/// Members that have an anchor, by module.
#[derive(Debug)]
pub(super) struct Known {
    members: BTreeMap<ModuleIdent, BTreeSet<Symbol>>,
}

impl Known {
    pub(super) fn new(modules: &[&ExpandedModule]) -> Self {
        let members = modules.iter().map(|module| {
            let structs = module.structs.iter().map(|data| &data.item.name);
            let enums = module.enums.iter().map(|data| &data.item.name);
            let functions = module.functions.iter().filter(|one| !one.attributes.test_only);
            let functions = functions.map(|function| title(&function.item));
            let constants = module.constants.iter().map(|constant| &constant.item.name);
            let names = structs.chain(enums).chain(constants).map(|name| name.value.clone());
            (module.ident.clone(), names.chain(functions).collect())
        });
        Self { members: members.collect() }
    }

    /// Link to a member, or to a module's page.
    fn link(&self, module: &ModuleIdent, member: Option<&str>) -> Option<String> {
        let members = self.members.get(module)?;
        match member {
            None => Some(file_of(module)),
            Some(member) => {
                members.iter().any(|name| name == member).then(|| format!("{}#{}", file_of(module), anchor(member)))
            }
        }
    }
}

/// What a function is called by: a macro may stand beside another function of its name.
pub(super) fn title(function: &Function) -> Symbol {
    match function.kind {
        FunctionKind::Macro => format!("{}!", function.name.value).into(),
        _ => function.name.value.clone(),
    }
}

/// The anchor of a member on its page.
pub(super) fn anchor(member: &str) -> String {
    format!("member-{member}")
}

/// Names as they are understood inside a module.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    module: &'a ExpandedModule,
    known: &'a Known,
    modules: BTreeMap<&'a str, &'a ModuleIdent>,
    members: BTreeMap<&'a str, (&'a ModuleIdent, &'a str)>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(module: &'a ExpandedModule, known: &'a Known) -> Self {
        let (mut modules, mut members) = (BTreeMap::new(), BTreeMap::new());
        modules.insert(module.ident.name.as_str(), &module.ident);
        for used in &module.uses {
            match &used.kind {
                ExpandedUseKind::Module { module, name } => {
                    modules.insert(name.value.as_str(), module);
                }
                ExpandedUseKind::Member { module, member, name } => {
                    members.insert(name.value.as_str(), (module, member.value.as_str()));
                }
                ExpandedUseKind::Method { .. } => {}
            }
        }
        Self { module, known, modules, members }
    }

    /// Where a path leads, if it has a page: `Coin`, `coin::Coin`, `0x1::coin::Coin`, `coin`.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split("::").collect();
        match segments.as_slice() {
            [name] => {
                let own = self.known.link(&self.module.ident, Some(name));
                let used = || self.members.get(name).and_then(|(module, member)| self.known.link(module, Some(member)));
                let standard = || (*name == "Option").then(|| self.standard("option", name)).flatten();
                own.or_else(used).or_else(standard)
            }
            [module, member] => {
                let by_alias = self.modules.get(module).and_then(|ident| self.known.link(ident, Some(member)));
                by_alias.or_else(|| self.ident(module, member).and_then(|ident| self.known.link(&ident, None)))
            }
            [address, module, member] => self.known.link(&self.ident(address, module)?, Some(member)),
            _ => None,
        }
    }

    /// A module mentioned by its name alone, in prose.
    pub(super) fn module_link(&self, name: &str) -> Option<String> {
        let by_alias = self.modules.get(name).and_then(|ident| self.known.link(ident, None));
        by_alias.or_else(|| {
            let mut found = self.known.members.keys().filter(|ident| ident.name == name);
            let only = found.next().filter(|_| found.next().is_none());
            only.and_then(|ident| self.known.link(ident, None))
        })
    }

    fn standard(&self, module: &str, member: &str) -> Option<String> {
        self.known.link(&ModuleIdent { address: Address::ONE, name: module.into() }, Some(member))
    }

    fn ident(&self, address: &str, name: &str) -> Option<ModuleIdent> {
        let by_name = self.module.addresses.iter().find(|(known, _)| *known == address).map(|(_, address)| *address);
        Some(ModuleIdent { address: by_name.or_else(|| address.parse().ok())?, name: name.into() })
    }
}
