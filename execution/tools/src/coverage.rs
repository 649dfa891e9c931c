//! Lines, branches and functions executed.
//!
//! Instructions carry the span of the source that they come from. A line is covered when an instruction that starts on
//! it ran; a branch is one way out of a condition or a `match`. Tests, `#[test_only]` code and dependencies do not count.
//! Bodies of `inline` and `macro` functions count where they are written, however often they are expanded.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::Bytecode;
use noema_compiler::diagnostics::{Diagnostics, FileId, Span};
use noema_compiler::package::LoadedProgram;
use noema_compiler::parse::ast::{Attribute, Definition, Member, Module};
use noema_compiler::{CompiledProgram, CompiledUnit};

use crate::positions::Positions;
use crate::recorder::{CodeIndex, Counts};

/// What a run of tests executed of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By path.
    pub files: BTreeMap<String, FileCoverage>,
    /// By name, `0x1::coin`.
    pub modules: BTreeMap<String, ModuleCoverage>,
}

/// What was executed of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileCoverage {
    /// How often each line that has code ran.
    pub lines: BTreeMap<usize, u64>,
    /// Choices by where they are written.
    pub choices: BTreeMap<Span, Choice>,
    /// Functions by where they are declared.
    pub functions: BTreeMap<Span, FunctionCoverage>,
}

/// A condition or a `match`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Its line.
    pub line: usize,
    /// How often it was reached.
    pub reached: u64,
    /// How often it went each way: true and false, or the match of a pattern.
    pub ways: Vec<u64>,
}

/// A function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionCoverage {
    /// `0x1::coin`
    pub module: String,
    /// `coin::withdraw`
    pub name: String,
    /// First line.
    pub line: usize,
    /// Last line that has code.
    pub last_line: usize,
    /// How often it was called.
    pub calls: u64,
}

/// A module's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModuleCoverage {
    /// Lines with code.
    pub lines: Share,
    /// Ways out of choices.
    pub branches: Share,
    /// Functions.
    pub functions: Share,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Executed.
    pub hit: usize,
    /// All.
    pub all: usize,
}

impl Share {
    fn count(&mut self, is_hit: bool) {
        self.all += 1;
        self.hit += usize::from(is_hit);
    }

    fn add(&mut self, other: Self) {
        self.hit += other.hit;
        self.all += other.all;
    }
}

impl ModuleCoverage {
    fn add(&mut self, other: Self) {
        self.lines.add(other.lines);
        self.branches.add(other.branches);
        self.functions.add(other.functions);
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing to cover is covered.
        let permille = (self.hit * 1000).checked_div(self.all).unwrap_or(1000);
        write!(f, "{:>3}.{}% {:>5}/{:<5}", permille / 10, permille % 10, self.hit, self.all)
    }
}

impl Coverage {
    /// The figures of what `counts` counted.
    pub(crate) fn new(loaded: &LoadedProgram, program: &CompiledProgram, index: &CodeIndex, counts: &Counts) -> Self {
        let tests = TestCode::find(loaded);
        let mut builder = Builder {
            positions: Positions::new(&program.files),
            own_files: &loaded.root().sources,
            program,
            index,
            counts,
            tests,
            coverage: Self::default(),
        };
        for unit in program.modules.iter().filter(|unit| unit.is_target) {
            builder.module(unit);
        }
        builder.coverage.sum_modules()
    }

    /// Figures of modules from those of files: a line belongs to the module whose function stands on it.
    fn sum_modules(mut self) -> Self {
        for file in self.files.values() {
            let mut figures = ModuleCoverage::default();
            for (position, function) in file.functions.values().enumerate() {
                figures.functions.count(function.calls > 0);
                for (_, count) in file.lines.range(function.line..=function.last_line) {
                    figures.lines.count(*count > 0);
                }
                let lines = function.line..=function.last_line;
                for choice in file.choices.values().filter(|choice| lines.contains(&choice.line)) {
                    choice.ways.iter().for_each(|way| figures.branches.count(*way > 0));
                }
                let next = file.functions.values().nth(position + 1);
                if next.is_none_or(|next| next.module != function.module) {
                    let sum = self.modules.entry(function.module.clone()).or_default();
                    sum.add(std::mem::take(&mut figures));
                }
            }
        }
        self
    }

    /// All modules together.
    #[must_use]
    pub fn total(&self) -> ModuleCoverage {
        let mut total = ModuleCoverage::default();
        self.modules.values().for_each(|figures| total.add(*figures));
        total
    }

    /// A line for each module, and their sum.
    #[must_use]
    pub fn table(&self) -> String {
        let width = self.modules.keys().map(String::len).chain([6]).max().unwrap_or(6);
        let mut out = format!("{:<width$}  {:<18} {:<18} functions\n", "module", "lines", "branches");
        let total = self.total();
        let rows = self.modules.iter().map(|(name, figures)| (name.as_str(), figures)).chain([("total", &total)]);
        for (name, figures) in rows {
            let row = format!("{name:<width$}  {} {} {}", figures.lines, figures.branches, figures.functions);
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }

    /// The tracefile that `genhtml` and coverage services read.
    #[must_use]
    pub fn lcov(&self) -> String {
        self.files.iter().map(|(path, file)| file.lcov(path)).collect()
    }
}

impl FileCoverage {
    fn lcov(&self, path: &str) -> String {
        let mut out = format!("TN:\nSF:{path}\n");
        for function in self.functions.values() {
            out.push_str(&format!("FN:{},{}\n", function.line, function.name));
        }
        for function in self.functions.values() {
            out.push_str(&format!("FNDA:{},{}\n", function.calls, function.name));
        }
        let called = self.functions.values().filter(|function| function.calls > 0).count();
        out.push_str(&format!("FNF:{}\nFNH:{called}\n", self.functions.len()));
        let mut ways = Share::default();
        for (block, choice) in self.choices.values().enumerate() {
            for (way, count) in choice.ways.iter().enumerate() {
                // A dash says that the condition itself was never reached.
                let taken = if choice.reached == 0 { "-".to_owned() } else { count.to_string() };
                out.push_str(&format!("BRDA:{},{block},{way},{taken}\n", choice.line));
                ways.count(*count > 0);
            }
        }
        out.push_str(&format!("BRF:{}\nBRH:{}\n", ways.all, ways.hit));
        for (line, count) in &self.lines {
            out.push_str(&format!("DA:{line},{count}\n"));
        }
        let hit = self.lines.values().filter(|count| **count > 0).count();
        out.push_str(&format!("LF:{}\nLH:{hit}\nend_of_record\n", self.lines.len()));
        out
    }
}

struct Builder<'a> {
    positions: Positions<'a>,
    own_files: &'a [FileId],
    program: &'a CompiledProgram,
    index: &'a CodeIndex,
    counts: &'a Counts,
    tests: TestCode,
    coverage: Coverage,
}

impl Builder<'_> {
    fn module(&mut self, unit: &CompiledUnit) {
        let id = unit.module.self_id();
        for (position, def) in unit.module.function_defs.iter().enumerate() {
            let (Some(code), Some(map)) = (&def.code, unit.source_map.functions.get(position)) else { continue };
            if self.tests.contains(map.span) || !self.own_files.contains(&map.span.file) {
                continue;
            }
            let counter = |offset| self.index.counter(&id, position, offset);
            let count = |offset| counter(offset).map_or(0, |counter| self.counts.instructions[counter]);
            let line = self.positions.line(map.span.file, map.span.start);
            let whole = self.tests.wholes.get(&map.span).copied().unwrap_or(map.span);
            let mut function = FunctionCoverage {
                module: unit.ident.to_string(),
                name: format!("{}::{}", unit.ident.name, map.name),
                line,
                last_line: line,
                calls: count(0),
            };
            let (mut lines, mut choices) = (Vec::new(), Vec::new());
            for (offset, (instruction, span)) in code.code.iter().zip(&map.code).enumerate() {
                if !self.own_files.contains(&span.file) {
                    continue;
                }
                let line = self.positions.line(span.file, span.start);
                if span.file == whole.file && span.start >= whole.start && span.end <= whole.end {
                    function.last_line = function.last_line.max(line);
                }
                lines.push((span.file, line, count(offset)));
                if let Some(targets) = targets(instruction, offset, &code.jump_tables, self.program.files.text(*span)) {
                    let taken = |target: &u16| {
                        counter(offset).and_then(|from| self.counts.taken.get(&(from, *target))).copied().unwrap_or(0)
                    };
                    choices.push((*span, line, count(offset), targets.iter().map(taken).collect::<Vec<_>>()));
                }
            }
            for (file, line, count) in lines {
                let known = self.file(file).lines.entry(line).or_default();
                *known = (*known).max(count);
            }
            for (span, line, reached, ways) in choices {
                let choice = self.file(span.file).choices.entry(span).or_default();
                choice.line = line;
                choice.reached += reached;
                choice.ways.resize(choice.ways.len().max(ways.len()), 0);
                choice.ways.iter_mut().zip(ways).for_each(|(sum, way)| *sum += way);
            }
            self.file(map.span.file).functions.insert(map.span, function);
        }
    }

    fn file(&mut self, file: FileId) -> &mut FileCoverage {
        let path = self.program.files.path(file).to_owned();
        self.coverage.files.entry(path).or_default()
    }
}

/// Where a choice can go: when its condition is true and when not.
///
/// The pattern of a match arm has one way, its match: where it goes otherwise is the next arm's test, and behind the last
/// arm comes nothing that can run. It is compiled to a switch whose match comes directly behind it.
fn targets(
    instruction: &Bytecode,
    offset: usize,
    tables: &[noema_bytecode::VariantJumpTable],
    source: &str,
) -> Option<Vec<u16>> {
    let next = u16::try_from(offset + 1).ok()?;
    match instruction {
        Bytecode::BrTrue(target) => Some(vec![*target, next]),
        Bytecode::BrFalse(target) => Some(vec![next, *target]),
        Bytecode::VariantSwitch(at) => {
            let targets: BTreeSet<u16> = tables.get(usize::from(at.0))?.targets.iter().copied().collect();
            let is_test = source.split_whitespace().any(|word| word == "is");
            let is_pattern = targets.contains(&next) && !is_test;
            Some(if is_pattern { vec![next] } else { targets.into_iter().collect() })
        }
        _ => None,
    }
}

/// Where tests and what is only there for them are written.
#[derive(Debug, Default)]
struct TestCode {
    spans: Vec<Span>,
    /// Whole functions by the span of their heads.
    wholes: BTreeMap<Span, Span>,
}

impl TestCode {
    fn find(loaded: &LoadedProgram) -> Self {
        let mut found = Self::default();
        let mut unused = Diagnostics::new();
        let root = &loaded.root().name;
        for package in loaded.parse(&mut unused).into_iter().filter(|package| package.name == *root) {
            for definition in package.units.iter().flat_map(|unit| &unit.definitions) {
                match definition {
                    Definition::Module(module) => found.module(module),
                    Definition::Address(block) if is_for_tests(&block.attributes) => found.spans.push(block.span),
                    Definition::Address(block) => block.modules.iter().for_each(|module| found.module(module)),
                    Definition::Script(_) => {}
                }
            }
        }
        found
    }

    fn module(&mut self, module: &Module) {
        if is_for_tests(&module.attributes) {
            self.spans.push(module.span);
            return;
        }
        for member in &module.members {
            let Member::Function(function) = member else { continue };
            self.wholes.insert(function.signature_span, function.span);
            if is_for_tests(&function.attributes) {
                self.spans.push(function.span);
            }
        }
    }

    fn contains(&self, span: Span) -> bool {
        self.spans.iter().any(|whole| whole.file == span.file && whole.start <= span.start && span.end <= whole.end)
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| matches!(attribute.name.value.as_str(), "test" | "test_only"))
}
