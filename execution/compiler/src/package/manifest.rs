//! Reads `Move.toml`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::edition;
use crate::diagnostics::{Diagnostic, Diagnostics, FileId, Span, Symbol, codes, is_near};
use crate::expand::ast::Edition;
use crate::limits::MANIFEST_BYTES_MAX;
use crate::parse::ast::Address;
use crate::parse::literal;

/// What `Move.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `name`
    pub name: String,
    /// `version`
    pub version: Option<String>,
    /// `edition`
    pub edition: Edition,
    /// `upgrade_policy`
    pub upgrade_policy: UpgradePolicy,
    /// `published-at`
    pub published_at: Option<Address>,
    /// `license`
    pub license: Option<String>,
    /// `authors`
    pub authors: Vec<String>,
    /// `flavor`
    pub flavor: Option<String>,
    /// Whether it is one of Sui's newer manifests, which name neither addresses nor the libraries of the tool: the
    /// package's name is that of its address.
    pub is_plain: bool,
    /// `[addresses]`
    pub addresses: BTreeMap<Symbol, NamedAddress>,
    /// `[dev-addresses]`
    pub dev_addresses: BTreeMap<Symbol, NamedAddress>,
    /// `[dependencies]`
    pub dependencies: BTreeMap<String, Dependency>,
    /// `[dev-dependencies]`
    pub dev_dependencies: BTreeMap<String, Dependency>,
}

/// What an upgrade may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpgradePolicy {
    /// Upgrades keep signatures and layouts.
    #[default]
    Compatible,
    /// No upgrades.
    Immutable,
}

/// The value of a named address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedAddress {
    /// The value; `None` for `_`.
    pub value: Option<Address>,
    /// Where it is written.
    pub span: Span,
}

/// Where a dependency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Where to find it.
    pub location: Location,
    /// Values given to its named addresses by `addr_subst`.
    pub addresses: BTreeMap<Symbol, NamedAddress>,
    /// Where it is written.
    pub span: Span,
}

/// Where to find a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder, relative to the manifest's own.
    Local(PathBuf),
    /// A repository, which only an embedded package of the same name can stand for.
    Git(String),
    /// Nothing that can be read: an embedded package of the same name must stand for it.
    Named,
}

const TOP_KEYS: &[&str] = &[
    "package",
    "addresses",
    "dev-addresses",
    "dependencies",
    "dev-dependencies",
    "build",
    "environments",
    "dep-replacements",
];

const PACKAGE_KEYS: &[&str] = &[
    "name",
    "version",
    "edition",
    "upgrade_policy",
    "published-at",
    "license",
    "authors",
    "flavor",
    "description",
    "homepage",
    "repository",
    "documentation",
];

const DEPENDENCY_KEYS: &[&str] = &[
    "local",
    "git",
    "rev",
    "subdir",
    "addr_subst",
    "aptos",
    "address",
    "override",
    "version",
    "digest",
    "rename-from",
];

type Table<'i> = DeTable<'i>;
type Value<'i> = Spanned<DeValue<'i>>;

/// Reads the manifest `text`. Problems are reported; what cannot be read keeps its default.
pub fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Manifest {
    let mut reader = Reader { file, diagnostics };
    if text.len() > MANIFEST_BYTES_MAX {
        reader.malformed(0..0, format!("the manifest is larger than {MANIFEST_BYTES_MAX} bytes"));
        return Manifest::default();
    }
    match DeTable::parse(text) {
        Ok(table) => reader.manifest(table.get_ref()),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            reader.malformed(span, format!("not valid TOML: {}", error.message()));
            Manifest::default()
        }
    }
}

struct Reader<'a> {
    file: FileId,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn span(&self, range: Range<usize>) -> Span {
        let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        Span::new(self.file, at(range.start), at(range.end))
    }

    fn malformed(&mut self, range: Range<usize>, message: impl Into<String>) {
        let span = self.span(range);
        self.diagnostics.push(Diagnostic::new(codes::MANIFEST_MALFORMED, span, message));
    }

    fn warn_unknown(&mut self, table: &Table<'_>, known: &[&str], place: &str) {
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let span = self.span(key.span());
            let mut diagnostic =
                Diagnostic::new(codes::UNKNOWN_MANIFEST_KEY, span, format!("unknown key `{name}` {place} is ignored"));
            if let Some(near) = known.iter().find(|known| is_near(name, known)) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).suggest(span, *near);
            }
            self.diagnostics.push(diagnostic);
        }
    }

    fn manifest(&mut self, table: &Table<'_>) -> Manifest {
        self.warn_unknown(table, TOP_KEYS, "in Move.toml");
        let mut manifest = Manifest::default();
        match self.table(table, "package") {
            Some(package) => self.package(package, &mut manifest),
            None if table.get("package").is_none() => self.malformed(0..0, "the section [package] is missing"),
            None => {}
        }
        manifest.addresses = self.addresses(table, "addresses");
        manifest.is_plain = table.get("addresses").is_none()
            && (manifest.edition == Edition::E2024 || table.get("dependencies").is_none());
        manifest.dev_addresses = self.addresses(table, "dev-addresses");
        manifest.dependencies = self.dependencies(table, "dependencies");
        manifest.dev_dependencies = self.dependencies(table, "dev-dependencies");
        manifest
    }

    fn package(&mut self, table: &Table<'_>, manifest: &mut Manifest) {
        self.warn_unknown(table, PACKAGE_KEYS, "in [package]");
        match self.string(table, "name") {
            Some((name, range)) if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') => {
                self.malformed(range, "a package's name is not empty, has no slash and does not begin with a dot");
            }
            Some((name, _)) => manifest.name = name,
            None if table.get("name").is_none() => self.malformed(0..0, "[package] needs a `name`"),
            None => {}
        }
        manifest.version = self.string(table, "version").map(|(text, _)| text);
        manifest.license = self.string(table, "license").map(|(text, _)| text);
        manifest.flavor = self.string(table, "flavor").map(|(text, _)| text);
        manifest.authors = self.strings(table, "authors");
        if let Some((name, range)) = self.string(table, "edition") {
            match edition(&name) {
                Some(edition) => manifest.edition = edition,
                None => self.malformed(range, format!("unknown edition `{name}`; known are legacy and 2024")),
            }
        }
        if let Some((name, range)) = self.string(table, "upgrade_policy") {
            match name.as_str() {
                "compatible" => manifest.upgrade_policy = UpgradePolicy::Compatible,
                "immutable" => manifest.upgrade_policy = UpgradePolicy::Immutable,
                _ => self
                    .malformed(range, format!("unknown upgrade policy `{name}`; known are compatible and immutable")),
            }
        }
        if let Some((text, range)) = self.string(table, "published-at") {
            manifest.published_at = self.address(&text, range);
        }
    }

    // -------------------------------------------------------------------------------------------- addresses

    fn addresses(&mut self, table: &Table<'_>, section: &str) -> BTreeMap<Symbol, NamedAddress> {
        self.table(table, section).map(|table| self.named_addresses(table)).unwrap_or_default()
    }

    fn named_addresses(&mut self, table: &Table<'_>) -> BTreeMap<Symbol, NamedAddress> {
        let mut addresses = BTreeMap::new();
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            if !is_identifier(name) {
                self.malformed(key.span(), format!("`{name}` cannot name an address"));
                continue;
            }
            let Some(text) = value.get_ref().as_str() else {
                self.malformed(value.span(), "an address is a string such as \"0x1\", or \"_\" for one given later");
                continue;
            };
            let span = self.span(value.span());
            if text == "_" {
                addresses.insert(Symbol::from(name), NamedAddress { value: None, span });
            } else if let Some(value) = self.address(text, value.span()) {
                let value = Some(value);
                addresses.insert(Symbol::from(name), NamedAddress { value, span });
            }
        }
        addresses
    }

    fn address(&mut self, text: &str, range: Range<usize>) -> Option<Address> {
        let address = parse_address(text);
        if address.is_none() {
            let span = self.span(range);
            self.diagnostics.push(
                Diagnostic::new(codes::BAD_ADDRESS, span, format!("`{text}` is not an address"))
                    .help("write `0x` and up to 64 hex digits"),
            );
        }
        address
    }

    // -------------------------------------------------------------------------------------------- dependencies

    fn dependencies(&mut self, table: &Table<'_>, section: &str) -> BTreeMap<String, Dependency> {
        let mut dependencies = BTreeMap::new();
        let Some(table) = self.table(table, section) else {
            return dependencies;
        };
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let span = self.span(key.span());
            let dependency = match value.get_ref() {
                DeValue::Table(table) => self.dependency(name, table, span),
                DeValue::String(_) => Dependency { location: Location::Named, addresses: BTreeMap::new(), span },
                _ => {
                    self.malformed(value.span(), "a dependency looks like `{ local = \"../other\" }`");
                    continue;
                }
            };
            dependencies.insert(name.to_owned(), dependency);
        }
        dependencies
    }

    fn dependency(&mut self, name: &str, table: &Table<'_>, span: Span) -> Dependency {
        self.warn_unknown(table, DEPENDENCY_KEYS, &format!("of dependency `{name}`"));
        let local = self.string(table, "local");
        let git = self.string(table, "git");
        let location = match (local, git) {
            (Some((path, _)), None) => Location::Local(PathBuf::from(path)),
            (None, Some((url, _))) => Location::Git(url),
            (Some((_, range)), Some(_)) => {
                self.malformed(range, "a dependency is either `local` or `git`");
                Location::Named
            }
            (None, None) => Location::Named,
        };
        let addresses = self.table(table, "addr_subst").map(|table| self.named_addresses(table)).unwrap_or_default();
        Dependency { location, addresses, span }
    }

    // -------------------------------------------------------------------------------------------- values

    fn table<'t, 'i>(&mut self, table: &'t Table<'i>, key: &str) -> Option<&'t Table<'i>> {
        let value = table.get(key)?;
        if let DeValue::Table(inner) = value.get_ref() {
            return Some(inner);
        }
        self.malformed(value.span(), format!("`{key}` must be a section"));
        None
    }

    fn string(&mut self, table: &Table<'_>, key: &str) -> Option<(String, Range<usize>)> {
        let value = table.get(key)?;
        self.text(value, key).map(|text| (text, value.span()))
    }

    fn text(&mut self, value: &Value<'_>, key: &str) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.malformed(value.span(), format!("`{key}` must be a string"));
        }
        text
    }

    fn strings(&mut self, table: &Table<'_>, key: &str) -> Vec<String> {
        let Some(value) = table.get(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(values) => values.iter().filter_map(|value| self.text(value, key)).collect(),
            _ => {
                self.malformed(value.span(), format!("`{key}` must be a list of strings"));
                Vec::new()
            }
        }
    }
}

/// `0x1`, or the bare hex digits of a full address.
pub(super) fn parse_address(text: &str) -> Option<Address> {
    let with_prefix = match text.strip_prefix("0x") {
        Some(_) => text.to_owned(),
        None if text.len() == 2 * Address::LENGTH => format!("0x{text}"),
        None => return None,
    };
    if with_prefix.len() > 2 + 2 * Address::LENGTH || with_prefix.contains('_') {
        return None;
    }
    literal::address(&with_prefix).ok()
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name != "_"
}
