//! What may be written at a place.

use std::collections::BTreeMap;

use crate::diagnostics::{FileId, Symbol};
use crate::name::{FunKind, Member, TypeHead};
use crate::typing::{FunId, ModId, Ty};

use super::Analysis;
use super::index::{Definition, Slot, SlotKind};
use super::query::SymbolKind;
use super::walk::is_visible;
use super::walk_exp::{BUILTINS, home_of, takes};

/// Words of the language that completion offers.
pub const KEYWORDS: &[&str] = &[
    "abort", "acquires", "as", "break", "const", "continue", "copy", "else", "entry", "enum", "false", "for", "friend",
    "fun", "has", "if", "inline", "let", "loop", "macro", "match", "module", "move", "mut", "native", "phantom",
    "public", "return", "spec", "struct", "true", "use", "while",
];

/// Types of the language.
const TYPES: &[&str] = &["address", "bool", "signer", "u128", "u16", "u256", "u32", "u64", "u8", "vector"];

/// An offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is inserted.
    pub label: String,
    /// What it is; `None` for words of the language.
    pub kind: Option<SymbolKind>,
    /// Its type or signature.
    pub detail: Option<String>,
    /// What it stands for.
    pub definition: Option<Definition>,
    /// How near it is: smaller comes first.
    pub rank: u8,
}

/// What stands around the cursor, by the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind `.`
    Dot,
    /// Behind `::`
    Colons,
    /// Behind `{` or `,` directly inside the braces of a pack or pattern that begin here.
    Field,
    /// Anywhere else.
    Name,
}

impl Analysis {
    pub(super) fn complete(&self, file: FileId, byte: u32, place: Place) -> Vec<Completion> {
        let touching = |slot: &&Slot| slot.span.file == file && slot.span.start <= byte && byte <= slot.span.end;
        let slots = self.index.slots.iter().filter(touching);
        let slot = slots.min_by_key(|slot| slot.span.end - slot.span.start).map(|slot| &slot.kind);
        match (place, slot) {
            (Place::Dot, Some(SlotKind::Member(ty, owner))) => self.members_of(ty, *owner, file, byte),
            (Place::Dot, _) | (Place::Colons, None) => Vec::new(),
            (_, Some(SlotKind::ModuleMember(module))) => self.module_members(*module, file, byte),
            (_, Some(SlotKind::AddressModule(address))) => {
                let modules = self.globals.module_ids.iter().filter(|(ident, _)| ident.address == *address);
                modules.map(|(_, id)| self.offer(Definition::Module(*id), 0)).collect()
            }
            (_, Some(SlotKind::Variant(data))) => {
                let variants = self.globals.datatype(*data).variants();
                (0..variants.len()).map(|position| self.offer(Definition::Variant(*data, position), 0)).collect()
            }
            (_, Some(SlotKind::AnyAddress)) => self.addresses(file, byte),
            (Place::Field, Some(SlotKind::Fields(data, variant, given))) => {
                let fields = self.globals.datatype(*data).fields_of(*variant);
                let missing = fields.iter().enumerate().filter(|(_, field)| !given.contains(&field.name.value));
                missing.map(|(position, _)| self.offer(Definition::Field(*data, *variant, position), 0)).collect()
            }
            _ => self.names(file, byte),
        }
    }

    fn offer(&self, definition: Definition, rank: u8) -> Completion {
        let described = self.describe(definition);
        let name = self.name(definition);
        let detail = match definition {
            Definition::Data(_) => described.container,
            _ => Some(described.code),
        };
        let is_macro = self.kind(definition) == SymbolKind::Macro;
        Completion {
            label: if is_macro { format!("{name}!") } else { name.to_string() },
            kind: Some(self.kind(definition)),
            detail,
            definition: Some(definition),
            rank,
        }
    }

    /// The module around a byte.
    #[must_use]
    pub fn module_at(&self, file: FileId, byte: u32) -> Option<ModId> {
        let around = (0u32..).map(ModId).zip(&self.globals.modules).filter(|(_, module)| {
            let span = module.span;
            span.file == file && span.start <= byte && (byte <= span.end || module.name.span.end <= byte)
        });
        // Of several in one file the last that begins before the cursor.
        around.max_by_key(|(_, module)| module.span.start).map(|(id, _)| id)
    }

    fn members_of(&self, ty: &Ty, owner: FunId, file: FileId, byte: u32) -> Vec<Completion> {
        let globals = &self.globals;
        let home = self.module_at(file, byte).unwrap_or_else(|| globals.function(owner).module);
        let mut offers = Vec::new();
        let holder = ty.pointee();
        if let Ty::Data(data, args) = holder
            && globals.datatype(*data).module == home
        {
            for (position, field) in globals.datatype(*data).fields().iter().enumerate() {
                let mut offer = self.offer(Definition::Field(*data, None, position), 0);
                offer.detail = Some(self.show(&field.ty.subst(args), owner));
                if let Some(number) = offer.label.strip_prefix("pos") {
                    offer.label = number.to_owned();
                }
                offers.push(offer);
            }
        }
        let Some(head) = TypeHead::of(holder) else { return offers };
        let aliases = &globals.module(home).aliases.methods;
        for ((of, name), function) in aliases {
            if *of == head {
                let mut offer = self.offer(Definition::Function(*function), 1);
                offer.label = name.to_string();
                offers.push(offer);
            }
        }
        if let Some(module) = home_of(globals, head) {
            for ((of, name), function) in &globals.module(module).open_methods {
                if *of == head {
                    let mut offer = self.offer(Definition::Function(*function), 1);
                    offer.label = name.to_string();
                    offers.push(offer);
                }
            }
            for function in &globals.module(module).functions {
                let is_test = globals.function(*function).attributes.test.is_some();
                if takes(globals, *function, head) && is_visible(globals, *function, home) && !is_test {
                    offers.push(self.offer(Definition::Function(*function), 1));
                }
            }
        }
        offers
    }

    fn module_members(&self, module: ModId, file: FileId, byte: u32) -> Vec<Completion> {
        let globals = &self.globals;
        let home = self.module_at(file, byte).unwrap_or(module);
        let visible = globals.module(module).members.values().filter(|member| match member {
            Member::Data(_) => true,
            Member::Const(_) => module == home,
            Member::Fun(id) => is_visible(globals, *id, home) && globals.function(*id).attributes.test.is_none(),
        });
        let twins = globals.macro_twins.values().map(|twin| Member::Fun(*twin)).filter(|twin| match twin {
            Member::Fun(id) => globals.function(*id).module == module && is_visible(globals, *id, home),
            _ => false,
        });
        visible.copied().chain(twins).map(|member| self.offer(member.into(), 0)).collect()
    }

    fn addresses(&self, file: FileId, byte: u32) -> Vec<Completion> {
        let Some(module) = self.module_at(file, byte) else { return Vec::new() };
        let known = self.globals.module(module).addresses.iter();
        known
            .map(|(name, value)| Completion {
                label: name.to_string(),
                kind: Some(SymbolKind::Address),
                detail: Some(value.to_short_hex()),
                definition: None,
                rank: 4,
            })
            .collect()
    }

    /// Everything that one bare word can mean.
    fn names(&self, file: FileId, byte: u32) -> Vec<Completion> {
        let mut offers: BTreeMap<Symbol, Completion> = BTreeMap::new();
        // Inner names hide outer ones of the same name.
        let mut add = |name: &Symbol, offer: Completion| {
            offers.entry(name.clone()).or_insert(offer);
        };
        let mut locals: Vec<(u32, Definition)> = (0u32..)
            .zip(&self.index.locals)
            .filter(|(_, local)| {
                let visible = local.visible;
                visible.file == file && visible.start <= byte && byte <= visible.end
            })
            .filter(|(_, local)| local.kind != super::index::LocalKind::Label)
            .map(|(id, local)| (local.name.span.start, Definition::Local(id)))
            .collect();
        locals.sort();
        for (_, local) in locals.into_iter().rev() {
            add(&self.name(local), self.offer(local, 0));
        }
        if let Some(module) = self.module_at(file, byte) {
            self.module_names(module, file, byte, &mut add);
        }
        for (name, signature, _) in BUILTINS {
            let label = if *name == "assert" { "assert!" } else { name };
            let offer = Completion {
                label: label.to_owned(),
                kind: Some(SymbolKind::Builtin),
                detail: Some((*signature).to_owned()),
                definition: Some(Definition::Builtin(name)),
                rank: 3,
            };
            add(&Symbol::from(*name), offer);
        }
        for word in KEYWORDS.iter().chain(TYPES) {
            let label = (*word).to_owned();
            add(&Symbol::from(*word), Completion { label, kind: None, detail: None, definition: None, rank: 5 });
        }
        for offer in self.addresses(file, byte) {
            add(&Symbol::from(offer.label.as_str()), offer);
        }
        offers.into_values().collect()
    }

    fn module_names(&self, module: ModId, file: FileId, byte: u32, add: &mut dyn FnMut(&Symbol, Completion)) {
        let globals = &self.globals;
        let info = globals.module(module);
        let around = |span: &crate::diagnostics::Span| span.file == file && span.start <= byte && byte <= span.end;
        for (_, name, definition) in self.index.block_uses.iter().filter(|(rest, ..)| around(rest)) {
            let mut offer = self.offer(*definition, 2);
            offer.label =
                if self.kind(*definition) == SymbolKind::Macro { format!("{name}!") } else { name.to_string() };
            add(name, offer);
        }
        if let Some((_, owner)) = self.index.bodies.iter().find(|(span, _)| around(span)) {
            for (position, param) in (0u16..).zip(&globals.function(*owner).type_params) {
                add(&param.name.value, self.offer(Definition::FunTypeParam(*owner, position), 1));
            }
        }
        for (name, member) in &info.members {
            let is_test = matches!(member, Member::Fun(id) if globals.function(*id).attributes.test.is_some());
            if !is_test {
                add(name, self.offer((*member).into(), 1));
            }
            if let Member::Fun(id) = member
                && let Some(twin) = globals.macro_twins.get(id)
            {
                add(&format!("{name}!").into(), self.offer(Definition::Function(*twin), 1));
            }
        }
        for (name, member) in &info.aliases.members {
            let mut offer = self.offer((*member).into(), 2);
            let is_macro = matches!(member, Member::Fun(id) if globals.function(*id).kind == FunKind::Macro);
            offer.label = if is_macro { format!("{name}!") } else { name.to_string() };
            add(name, offer);
        }
        let always =
            ["vector", "option"].into_iter().filter_map(|name| Some((name.into(), globals.system_module(name)?)));
        let imported = info.aliases.modules.iter().map(|(name, id)| (name.clone(), *id));
        for (name, id) in imported.chain(always) {
            let mut offer = self.offer(Definition::Module(id), 2);
            offer.label = name.to_string();
            add(&name, offer);
        }
    }
}
