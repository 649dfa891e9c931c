//! Files, modules, scripts and their members, and how parsing goes on behind an error in one.

use super::ast::{
    AddressBlock, Attribute, Constant, Definition, Enum, Field, Fields, Friend, Member, Module, ModuleName, Name,
    Script, Spanned, Struct, Symbol, Use, UseItem, Variant, Visibility,
};
use super::cursor::{Parsed, Parser, Reported};
use super::functions::Modifiers;
use super::paths::Generics;
use super::token::TokenKind;
use crate::diagnostics::{Diagnostic, Span, codes, is_near};

/// Words that begin a member, for "did you mean".
const MEMBER_WORDS: &[&str] =
    &["fun", "struct", "enum", "const", "use", "friend", "public", "entry", "native", "inline", "macro", "spec"];

/// Words that begin a definition.
const DEFINITION_WORDS: &[&str] = &["module", "script", "address"];

/// Words of other languages and what they are called here.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    ("fn", "fun"),
    ("func", "fun"),
    ("function", "fun"),
    ("def", "fun"),
    ("pub", "public"),
    ("class", "struct"),
    ("import", "use"),
    ("mod", "module"),
    ("contract", "module"),
    ("static", "const"),
];

impl Parser<'_> {
    // -------------------------------------------------------------------------------------------- files

    /// Everything in the file.
    pub(super) fn definitions(&mut self) -> Vec<Definition> {
        let mut definitions = Vec::new();
        while self.kind() != TokenKind::End && !self.gave_up() {
            let position = self.position;
            match self.definition() {
                Ok(definition) => definitions.push(definition),
                Err(Reported) => self.recover_definition(position),
            }
        }
        self.report_unclaimed_rests();
        definitions
    }

    fn definition(&mut self) -> Parsed<Definition> {
        let docs = self.take_docs();
        let attributes = self.attributes()?;
        let docs = self.take_docs().or(docs);
        match self.word_at(0) {
            "module" => self.module(docs, attributes).map(Definition::Module),
            "script" if self.kind_at(1) == TokenKind::LBrace => self.script(attributes).map(Definition::Script),
            "address" => self.address_block(attributes).map(Definition::Address),
            "spec" => self.spec_module(attributes).map(Definition::Module),
            word if MEMBER_WORDS.contains(&word) => {
                let span = self.span();
                let diagnostic =
                    Diagnostic::new(codes::OUTSIDE_MODULE, span, format!("`{word}` outside of any module"))
                        .label("a module, script or address block is expected here")
                        .help("is there a `}` too many before this?");
                self.report(diagnostic);
                Err(Reported)
            }
            word => Err(self.unexpected_word(word, DEFINITION_WORDS, "a module, script or address block")),
        }
    }

    /// Reports the next word where an item should begin, with the word that was likely meant.
    fn unexpected_word(&mut self, word: &str, words: &[&'static str], expected: &str) -> Reported {
        let foreign = FOREIGN_WORDS.iter().find(|(foreign, _)| *foreign == word).map(|(_, here)| *here);
        let meant = foreign
            .filter(|meant| words.contains(meant))
            .or_else(|| words.iter().copied().find(|meant| is_near(word, meant)));
        let Some(meant) = meant else {
            return self.unexpected(expected, "");
        };
        let span = self.span();
        let diagnostic = Diagnostic::new(codes::MISSPELT_WORD, span, format!("expected {expected}, found `{word}`"))
            .label(format!("did you mean `{meant}`?"))
            .help(format!("write `{meant}`"))
            .suggest(span, meant);
        self.report(diagnostic);
        Reported
    }

    /// Skips to the next definition.
    fn recover_definition(&mut self, start: usize) {
        if self.position == start {
            self.advance();
        }
        loop {
            match self.kind() {
                TokenKind::End => return,
                _ if matches!(self.word_at(0), "module" | "script") && self.on_new_line() => return,
                TokenKind::Hash if self.on_new_line() && self.attributes_before_module(0) => return,
                _ => {
                    self.advance();
                }
            }
        }
    }

    /// `true` if attributes and then `module` or `script {` stand `ahead`.
    fn attributes_before_module(&self, mut ahead: usize) -> bool {
        while self.kind_at(ahead) == TokenKind::Hash {
            match self.behind_partner(self.position + ahead + 1) {
                Some(index) => ahead = index - self.position,
                None => return false,
            }
        }
        self.word_at(ahead) == "module"
            || (self.word_at(ahead) == "script" && self.kind_at(ahead + 1) == TokenKind::LBrace)
    }

    // -------------------------------------------------------------------------------------------- modules

    /// `module a::m { .. }`, `module a::m;`, `module m { .. }`
    fn module(&mut self, docs: Option<Symbol>, attributes: Vec<Attribute>) -> Parsed<Module> {
        let start = attributes.first().map_or_else(|| self.span(), |first| first.span);
        self.expect_word("module", "here")?;
        let address = if self.kind_at(1) == TokenKind::ColonColon {
            let address = self.leading_address("an address")?;
            self.advance();
            Some(address)
        } else {
            None
        };
        let name = self.name("a module name")?;
        let mut module = Module {
            docs,
            attributes,
            address,
            name,
            is_label: false,
            is_spec: false,
            members: Vec::new(),
            span: start,
        };
        match self.kind() {
            TokenKind::Semicolon => {
                self.advance();
                module.is_label = true;
                module.members = self.members(None);
            }
            _ => {
                let opener = self.expect(TokenKind::LBrace, "or `;` after the module's name")?;
                module.members = self.members(Some(opener));
            }
        }
        module.span = self.span_from(start);
        Ok(module)
    }

    /// `spec a::m { .. }` or `spec module a::m { .. }` outside of modules, skipped.
    fn spec_module(&mut self, attributes: Vec<Attribute>) -> Parsed<Module> {
        let start = self.advance().span;
        self.eat_word("module");
        let name = self.module_name()?;
        if self.kind() != TokenKind::LBrace {
            return Err(self.unexpected("`{`", "after the module's name"));
        }
        self.skip_balanced()?;
        Ok(Module {
            docs: None,
            attributes,
            address: Some(name.address),
            name: name.name,
            is_label: false,
            is_spec: true,
            members: Vec::new(),
            span: self.span_from(start),
        })
    }

    fn address_block(&mut self, attributes: Vec<Attribute>) -> Parsed<AddressBlock> {
        let start = self.advance().span;
        let address = self.leading_address("an address")?;
        let opener = self.expect(TokenKind::LBrace, "after the address")?;
        let mut modules = Vec::new();
        while !self.eat(TokenKind::RBrace) {
            if self.kind() == TokenKind::End {
                self.unclosed(opener);
                break;
            }
            let docs = self.take_docs();
            let attributes = self.attributes()?;
            let docs = self.take_docs().or(docs);
            if !self.at_word("module") {
                return Err(self.unexpected("a module", "inside the address block"));
            }
            modules.push(self.module(docs, attributes)?);
        }
        Ok(AddressBlock { attributes, address, modules, span: self.span_from(start) })
    }

    fn script(&mut self, attributes: Vec<Attribute>) -> Parsed<Script> {
        let start = self.advance().span;
        let opener = self.expect(TokenKind::LBrace, "after `script`")?;
        let members = self.members(Some(opener));
        Ok(Script { attributes, members, span: self.span_from(start) })
    }

    // -------------------------------------------------------------------------------------------- members

    /// Members up to the closing brace, or for `module a::m;` up to the next module or the end of the file.
    fn members(&mut self, opener: Option<Span>) -> Vec<Member> {
        let mut members = Vec::new();
        while !self.gave_up() {
            match (self.kind(), opener) {
                (TokenKind::RBrace, Some(_)) => {
                    self.advance();
                    break;
                }
                (TokenKind::End, None) => break,
                (TokenKind::End, Some(opener)) => {
                    self.unclosed(opener);
                    break;
                }
                (_, None) if self.attributes_before_module(0) => break,
                (_, Some(opener)) if self.at_word("module") && self.on_new_line() => {
                    self.unclosed(opener);
                    break;
                }
                _ => {}
            }
            let position = self.position;
            match self.member() {
                Ok(member) => members.push(member),
                Err(Reported) => self.recover_member(position, opener.is_some()),
            }
        }
        members
    }

    fn member(&mut self) -> Parsed<Member> {
        let docs = self.take_docs();
        let start = self.span();
        let attributes = self.attributes()?;
        let docs = self.take_docs().or(docs);
        if self.at_word("spec") {
            self.skip_spec()?;
            return Ok(Member::Spec(self.span_from(start)));
        }
        let modifiers = self.modifiers()?;
        match self.word_at(0) {
            "fun" => {
                let function = self.function(docs, attributes, &modifiers, start)?;
                Ok(Member::Function(Box::new(function)))
            }
            "struct" => {
                self.refuse_modifiers(&modifiers, "struct", true);
                self.structure(docs, attributes, &modifiers, start).map(Member::Struct)
            }
            "enum" => {
                self.refuse_modifiers(&modifiers, "enum", false);
                self.enumeration(docs, attributes, &modifiers, start).map(Member::Enum)
            }
            "const" => {
                self.refuse_modifiers(&modifiers, "constant", false);
                self.constant(docs, attributes, &modifiers, start).map(Member::Constant)
            }
            "use" => {
                self.refuse_modifiers(&modifiers, "use", false);
                let visibility = modifiers.visibility();
                self.use_declaration(attributes, docs, visibility).map(Member::Use)
            }
            "friend" => {
                self.advance();
                let module = self.path(Generics::None, "a module")?;
                self.expect(TokenKind::Semicolon, "after the friend")?;
                Ok(Member::Friend(Friend { attributes, module, span: self.span_from(start) }))
            }
            word => Err(self.unexpected_word(word, MEMBER_WORDS, "a function, struct, constant or other member")),
        }
    }

    /// Reports modifiers that only functions have.
    fn refuse_modifiers(&mut self, modifiers: &Modifiers, what: &str, native_allowed: bool) {
        let native = modifiers.native.filter(|_| !native_allowed);
        for (span, word) in
            [(modifiers.entry, "entry"), (modifiers.inline, "inline"), (modifiers.macros, "macro"), (native, "native")]
        {
            if let Some(span) = span {
                let diagnostic =
                    Diagnostic::new(codes::MISPLACED_MODIFIER, span, format!("a {what} cannot be `{word}`"))
                        .help(format!("delete `{word}`"))
                        .suggest(span, "");
                self.report(diagnostic);
            }
        }
    }

    /// Goes on behind a failed member: walks over it bracket by bracket to where the next one may begin.
    fn recover_member(&mut self, start: usize, in_braces: bool) {
        let failed = self.position.max(start + 1);
        self.position = start;
        loop {
            let behind = self.position >= failed;
            match self.kind() {
                TokenKind::End => return,
                TokenKind::RBrace if behind && in_braces => return,
                TokenKind::Hash if behind && self.on_new_line() => return,
                TokenKind::Ident if behind && self.on_new_line() => {
                    let word = self.word_at(0);
                    if MEMBER_WORDS.contains(&word) || DEFINITION_WORDS.contains(&word) {
                        return;
                    }
                }
                _ => {}
            }
            let ends_member = matches!(self.kind(), TokenKind::LBrace | TokenKind::Semicolon);
            match self.behind_partner(self.position) {
                Some(index) => self.position = index,
                None => {
                    self.advance();
                }
            }
            if ends_member && self.position >= failed && !self.at_word("has") {
                return;
            }
        }
    }

    /// `spec f { .. }`, `spec module { .. }`, `spec fun f(): T;`, `spec schema S<T> { .. }`.
    fn skip_spec(&mut self) -> Parsed<()> {
        self.advance();
        loop {
            match self.kind() {
                TokenKind::LBrace => return self.skip_balanced(),
                TokenKind::LParen | TokenKind::LBracket => self.skip_balanced()?,
                TokenKind::Semicolon => {
                    self.advance();
                    return Ok(());
                }
                TokenKind::End | TokenKind::RBrace => return Err(self.unexpected("`{`", "after `spec`")),
                _ => {
                    self.advance();
                }
            }
        }
    }

    // -------------------------------------------------------------------------------------------- data types

    fn structure(
        &mut self,
        docs: Option<Symbol>,
        attributes: Vec<Attribute>,
        modifiers: &Modifiers,
        start: Span,
    ) -> Parsed<Struct> {
        self.advance();
        let name = self.name("a struct name")?;
        let type_params = self.type_params()?;
        let mut abilities = self.has()?;
        let fields = match (modifiers.native, self.kind()) {
            (Some(native), TokenKind::Semicolon) => {
                self.advance();
                Fields::Native(native)
            }
            (None, TokenKind::LParen) => {
                let fields = self.positional_fields()?;
                abilities.extend(self.has()?);
                // The Sui dialect leaves it out.
                if !self.eat(TokenKind::Semicolon) && !self.on_new_line() && self.kind() != TokenKind::RBrace {
                    self.expect(TokenKind::Semicolon, "after a struct with positional fields")?;
                }
                fields
            }
            (None, TokenKind::Semicolon) => {
                self.advance();
                Fields::Named(Vec::new())
            }
            _ => {
                let fields = self.named_fields()?;
                self.trailing_has(&mut abilities)?;
                fields
            }
        };
        Ok(Struct {
            docs,
            attributes,
            visibility: modifiers.visibility(),
            name,
            type_params,
            abilities,
            fields,
            span: self.span_from(start),
        })
    }

    fn has(&mut self) -> Parsed<Vec<Spanned<super::ast::Ability>>> {
        match self.eat_word("has") {
            Some(_) => self.abilities(TokenKind::Comma),
            None => Ok(Vec::new()),
        }
    }

    /// `} has copy, drop;`
    fn trailing_has(&mut self, abilities: &mut Vec<Spanned<super::ast::Ability>>) -> Parsed<()> {
        if self.at_word("has") {
            abilities.extend(self.has()?);
            self.expect(TokenKind::Semicolon, "after the abilities")?;
        }
        Ok(())
    }

    fn positional_fields(&mut self) -> Parsed<Fields> {
        let opener = self.advance().span;
        let types = self.comma_list(TokenKind::RParen, opener, "at the end of the fields", |parser| {
            parser.take_docs();
            parser.ty()
        })?;
        Ok(Fields::Positional(types))
    }

    fn named_fields(&mut self) -> Parsed<Fields> {
        let opener = self.expect(TokenKind::LBrace, "before the fields")?;
        let fields = self.comma_list(TokenKind::RBrace, opener, "or `,` after a field", |parser| {
            let docs = parser.take_docs();
            let name = parser.name("a field")?;
            parser.expect(TokenKind::Colon, "after the field's name")?;
            Ok(Field { docs, name, ty: parser.ty()? })
        })?;
        Ok(Fields::Named(fields))
    }

    fn enumeration(
        &mut self,
        docs: Option<Symbol>,
        attributes: Vec<Attribute>,
        modifiers: &Modifiers,
        start: Span,
    ) -> Parsed<Enum> {
        self.advance();
        let name = self.name("an enum name")?;
        let type_params = self.type_params()?;
        let mut abilities = self.has()?;
        let opener = self.expect(TokenKind::LBrace, "before the variants")?;
        let mut variants = Vec::new();
        while !self.eat(TokenKind::RBrace) {
            if self.kind() == TokenKind::End {
                return Err(self.unclosed(opener));
            }
            variants.push(self.variant()?);
            // A variant with braces needs no comma.
            if !self.eat(TokenKind::Comma) && self.kind_behind(1) != TokenKind::RBrace {
                self.close(TokenKind::RBrace, opener, "or `,` after a variant")?;
                break;
            }
        }
        self.trailing_has(&mut abilities)?;
        Ok(Enum {
            docs,
            attributes,
            visibility: modifiers.visibility(),
            name,
            type_params,
            abilities,
            variants,
            span: self.span_from(start),
        })
    }

    fn variant(&mut self) -> Parsed<Variant> {
        let docs = self.take_docs();
        let start = self.span();
        let attributes = self.attributes()?;
        let docs = self.take_docs().or(docs);
        let name = self.name("a variant")?;
        let fields = match self.kind() {
            TokenKind::LBrace => self.named_fields()?,
            TokenKind::LParen => self.positional_fields()?,
            _ => Fields::None,
        };
        Ok(Variant { docs, attributes, name, fields, span: self.span_from(start) })
    }

    fn constant(
        &mut self,
        docs: Option<Symbol>,
        attributes: Vec<Attribute>,
        modifiers: &Modifiers,
        start: Span,
    ) -> Parsed<Constant> {
        self.advance();
        let name = self.name("a constant name")?;
        self.expect(TokenKind::Colon, "and a type after the constant's name")?;
        let ty = self.ty()?;
        self.expect(TokenKind::Equal, "after the constant's type")?;
        let value = self.exp()?;
        if self.kind() == TokenKind::Semicolon {
            self.advance();
        } else {
            let place = self.previous_span();
            let diagnostic = Diagnostic::new(codes::MISSING_SEMICOLON, place, "missing `;` after this constant")
                .label("add `;` behind this")
                .suggest(place.after(), ";");
            self.report(diagnostic);
            if !self.on_new_line() {
                return Err(Reported);
            }
        }
        Ok(Constant {
            docs,
            attributes,
            visibility: modifiers.visibility(),
            name,
            ty,
            value,
            span: self.span_from(start),
        })
    }

    // -------------------------------------------------------------------------------------------- uses

    /// `use ..;`; `use` is next.
    pub(super) fn use_declaration(
        &mut self,
        attributes: Vec<Attribute>,
        docs: Option<Symbol>,
        visibility: Visibility,
    ) -> Parsed<Use> {
        let start = self.advance().span;
        let mut items = Vec::new();
        if self.at_word("fun") {
            self.advance();
            items.push(self.use_function()?);
        } else {
            let address = self.leading_address("an address")?;
            self.expect(TokenKind::ColonColon, "after the address")?;
            if self.kind() == TokenKind::LBrace {
                let opener = self.advance().span;
                let lists = self.comma_list(TokenKind::RBrace, opener, "at the end of the modules", |parser| {
                    parser.use_module(&address)
                })?;
                items.extend(lists.into_iter().flatten());
            } else {
                items = self.use_module(&address)?;
            }
        }
        self.expect(TokenKind::Semicolon, "after the use")?;
        Ok(Use { docs, attributes, visibility, items, span: self.span_from(start) })
    }

    /// `a::m::f as T.g`
    fn use_function(&mut self) -> Parsed<UseItem> {
        let function = self.path(Generics::None, "a function")?;
        self.expect_word("as", "after the function")?;
        let receiver = self.path(Generics::None, "a type")?;
        self.expect(TokenKind::Dot, "between type and method")?;
        let method = self.name("a method name")?;
        Ok(UseItem::Method { function, receiver, method })
    }

    /// `m`, `m as n`, `m::x`, `m::{Self, x as y}` behind `address::`.
    fn use_module(&mut self, address: &Spanned<super::ast::AddressSpecifier>) -> Parsed<Vec<UseItem>> {
        let name = self.name("a module name")?;
        let module = ModuleName { span: address.span.to(name.span), address: address.clone(), name };
        if !self.eat(TokenKind::ColonColon) {
            let alias = self.alias()?;
            return Ok(vec![UseItem::Module { module, alias }]);
        }
        if self.kind() == TokenKind::LBrace {
            let opener = self.advance().span;
            return self.comma_list(TokenKind::RBrace, opener, "at the end of the members", |parser| {
                parser.use_member(&module)
            });
        }
        if self.kind() == TokenKind::Star {
            let diagnostic =
                Diagnostic::new(codes::GLOB_USE, self.span(), "a use names every member it brings into scope")
                    .label("no `*` here")
                    .help(format!(
                        "write `use {}::{{a, b}}`, or use the module and write `{}::a`",
                        module.name.value, module.name.value
                    ));
            self.report(diagnostic);
            return Err(Reported);
        }
        Ok(vec![self.use_member(&module)?])
    }

    fn use_member(&mut self, module: &ModuleName) -> Parsed<UseItem> {
        let member = self.name("a member")?;
        let alias = self.alias()?;
        let module = module.clone();
        if member.value == "Self" {
            return Ok(UseItem::Module { module, alias });
        }
        Ok(UseItem::Member { module, member, alias })
    }

    fn alias(&mut self) -> Parsed<Option<Name>> {
        match self.eat_word("as") {
            Some(_) => self.name("an alias").map(Some),
            None => Ok(None),
        }
    }
}
