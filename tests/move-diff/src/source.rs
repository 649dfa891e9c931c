//! Generates source text of pure functions, for the compilers.
//!
//! A module `c::m` of the dialect that both compilers take: a few functions over integers, booleans, vectors and a
//! struct, with locals that change inside expressions, loops, branches, early returns, references and casts; `run()`
//! calls them and returns one number. Text is generated with types, so nearly all of it compiles; what one compiler
//! refuses the other must refuse too.

use std::fmt::Write as _;

use crate::dice::Dice;

const WIDTHS: [&str; 6] = ["u8", "u16", "u32", "u64", "u128", "u256"];

/// The text of a seed.
#[must_use]
pub fn program(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut text = String::from("module c::m {\npublic struct P has copy, drop { a: u64, b: u8, v: vector<u64> }\n");
    text.push_str("fun bump(x: &mut u64): u64 { *x = (*x + 1) % 1000; *x }\n");
    text.push_str("fun pick(c: bool, x: &mut u64, y: &mut u64): &mut u64 { if (c) x else y }\n");
    let count = dice.between(1, 4) as usize;
    for at in 0..count {
        let mut writer = Writer { dice: &mut dice, functions: at, locals: Vec::new(), depth: 0, loops: 0, next: 0 };
        let body = writer.body();
        let _ = writeln!(
            text,
            "fun f{at}(a: u64, b: u8, c: bool): u64 {{\n    let mut p = P {{ a: a, b: b, v: vector[a, 1, 2] }};\n{body}}}"
        );
    }
    let calls: Vec<String> = (0..count)
        .map(|at| format!("(f{at}({}, {}, {}) % 65521)", dice.below(50), dice.below(9), dice.percent(50)))
        .collect();
    let _ = writeln!(text, "public fun run(): u64 {{ {} }}\n}}", calls.join(" * 7 + "));
    text
}

struct Writer<'a> {
    dice: &'a mut Dice,
    /// Functions that may be called: those before this one.
    functions: usize,
    /// Names and types of locals that hold values.
    locals: Vec<(String, &'static str)>,
    depth: u32,
    loops: u32,
    next: u32,
}

impl Writer<'_> {
    fn body(&mut self) -> String {
        self.locals = vec![("a".to_owned(), "u64!"), ("b".to_owned(), "u8!"), ("c".to_owned(), "bool!")];
        let mut text = String::new();
        for _ in 0..self.dice.between(2, 7) {
            let statement = self.statement();
            let _ = writeln!(text, "    {statement}");
        }
        let result = self.expression("u64", 3);
        let _ = writeln!(text, "    {result}");
        text
    }

    fn block(&mut self) -> String {
        let known = self.locals.len();
        self.depth += 1;
        let count = self.dice.between(1, 3);
        let statements: Vec<String> = (0..count).map(|_| self.statement()).collect();
        self.depth -= 1;
        self.locals.truncate(known);
        format!("{{ {} }}", statements.join(" "))
    }

    fn statement(&mut self) -> String {
        let is_shallow = self.depth < 3;
        match self.dice.below(12) {
            0..3 => {
                let ty = if self.dice.percent(50) { "u64" } else { *self.dice.pick(&WIDTHS) };
                let value = self.expression(ty, 2);
                let name = format!("x{}", self.next);
                self.next += 1;
                self.locals.push((name.clone(), ty));
                format!("let mut {name}: {ty} = {value};")
            }
            3 | 4 => {
                let Some((name, ty)) = self.assignable() else { return self.place() };
                let value = self.expression(ty, 2);
                format!("{name} = {value};")
            }
            5 => self.place(),
            6 if is_shallow => {
                let condition = self.expression("bool", 2);
                let then = self.block();
                if self.dice.percent(50) {
                    return format!("if ({condition}) {then};");
                }
                let other = self.block();
                format!("if ({condition}) {then} else {other};")
            }
            7 if is_shallow && self.loops < 2 => {
                let name = format!("i{}", self.next);
                self.next += 1;
                self.loops += 1;
                let rounds = self.dice.between(1, 4);
                let known = self.locals.len();
                let body = self.block();
                self.locals.truncate(known);
                self.loops -= 1;
                format!("let mut {name} = 0u8; while ({name} < {rounds}) {{ {name} = {name} + 1; {body}; }};")
            }
            8 => {
                let condition = self.expression("bool", 1);
                let result = self.expression("u64", 1);
                format!("if ({condition} && !c) return {result};")
            }
            9 if self.loops > 0 => {
                let condition = self.expression("bool", 1);
                format!("if ({condition}) {};", self.dice.pick(&["break", "continue"]))
            }
            10 => {
                let condition = self.expression("bool", 1);
                format!("assert!({condition} || true, {});", self.dice.below(9))
            }
            _ => {
                let value = self.expression("u64", 1);
                format!("p.v.push_back({value});")
            }
        }
    }

    /// A write through a place.
    fn place(&mut self) -> String {
        let value = self.expression("u64", 2);
        match self.dice.below(4) {
            0 => format!("p.a = {value};"),
            1 => format!("*&mut p.v[{}] = {value};", self.dice.below(3)),
            2 => format!("{{ let r = &mut p.a; *r = (*r % 100) + ({value} % 100); }};"),
            _ => {
                let other = self.expression("u8", 1);
                format!("{{ let q = &mut p; q.b = {other}; q.a = {value}; }};")
            }
        }
    }

    fn assignable(&mut self) -> Option<(String, &'static str)> {
        let all: Vec<_> = self.locals.iter().filter(|(_, ty)| !ty.ends_with('!')).cloned().collect();
        if all.is_empty() { None } else { Some(self.dice.pick(&all).clone()) }
    }

    fn local(&mut self, ty: &str) -> Option<String> {
        let all: Vec<_> = self.locals.iter().filter(|(_, known)| known.trim_end_matches('!') == ty).collect();
        if all.is_empty() { None } else { Some(self.dice.pick(&all).0.clone()) }
    }

    fn literal(&mut self, ty: &str) -> String {
        let value = match self.dice.below(6) {
            0 => 0,
            1 => 255,
            _ => self.dice.between(1, 40),
        };
        format!("{value}{ty}")
    }

    fn expression(&mut self, ty: &'static str, fuel: u32) -> String {
        if ty == "bool" {
            return self.condition(fuel);
        }
        if fuel == 0 {
            return self.local(ty).filter(|_| self.dice.percent(70)).unwrap_or_else(|| self.literal(ty));
        }
        let below = fuel - 1;
        match self.dice.below(16) {
            0..5 => {
                let (left, right) = (self.expression(ty, below), self.expression(ty, below));
                let operator = *self.dice.pick(&["+", "*", "&", "|", "^", "-", "/", "%"]);
                match operator {
                    "/" | "%" => format!("({left} {operator} ({right} | 1))"),
                    "-" => format!("(({left} | 64) - ({right} & 63))"),
                    "+" | "*" => format!("(({left} & 15) {operator} ({right} & 7))"),
                    _ => format!("({left} {operator} {right})"),
                }
            }
            5 => {
                let left = self.expression(ty, below);
                let bits: u64 = ty[1..].parse().expect("an integer type");
                let amount = self.dice.below(bits + 1);
                format!("({left} {} {amount}u8)", self.dice.pick(&["<<", ">>"]))
            }
            6 => {
                let from = *self.dice.pick(&WIDTHS);
                let value = self.expression(from, below);
                if self.dice.percent(80) { format!("(({value} & 127) as {ty})") } else { format!("({value} as {ty})") }
            }
            // A local changes while its old value waits on the stack.
            7 | 8 => {
                let Some((name, of)) = self.assignable() else { return self.expression(ty, below) };
                let value = self.expression(of, below);
                if of == ty && self.dice.percent(60) {
                    return format!("(({name} & 31) ^ {{ {name} = {value}; {name} }})");
                }
                let result = self.expression(ty, below);
                format!("{{ {name} = {value}; {result} }}")
            }
            9 => {
                let condition = self.expression("bool", below);
                let (one, other) = (self.expression(ty, below), self.expression(ty, below));
                format!("(if ({condition}) {one} else {other})")
            }
            10 if ty == "u64" => {
                let pure: Vec<_> = self.locals.iter().filter(|(_, of)| *of == "u64").cloned().collect();
                match pure.first() {
                    Some((name, _)) if self.dice.percent(70) => format!("({name} % 7 + bump(&mut {name}))"),
                    _ => "(p.a % 9 + bump(&mut p.a))".to_owned(),
                }
            }
            11 if ty == "u64" => format!("p.v[{}]", self.dice.below(3)),
            12 if ty == "u64" => format!("({} + {{ p.a = {}; p.a }})", "p.a % 50", self.dice.below(90)),
            13 if ty == "u64" && self.functions > 0 => {
                let at = self.dice.index(self.functions);
                let (a, b) = (self.expression("u64", 0), self.expression("u8", 0));
                format!("(f{at}({a} % 100, {b} % 10, {}) % 1000)", self.dice.percent(50))
            }
            14 if ty == "u64" => "{ let q = copy p; p.a = 3; q.a % 77 + p.v.length() + (q.b as u64) }".to_owned(),
            15 if ty == "u8" => "p.b".to_owned(),
            _ => self.expression(ty, 0),
        }
    }

    fn condition(&mut self, fuel: u32) -> String {
        if fuel == 0 {
            return if self.dice.percent(60) { "c".to_owned() } else { self.dice.percent(50).to_string() };
        }
        let below = fuel - 1;
        match self.dice.below(8) {
            0..4 => {
                let ty = *self.dice.pick(&WIDTHS);
                let (left, right) = (self.expression(ty, below), self.expression(ty, below));
                format!("({left} {} {right})", self.dice.pick(&["<", ">", "<=", ">=", "==", "!="]))
            }
            4 | 5 => {
                let (left, right) = (self.condition(below), self.condition(below));
                format!("({left} {} {right})", self.dice.pick(&["&&", "||"]))
            }
            6 => format!("!{}", self.condition(below)),
            _ => "(&p == &copy p)".to_owned(),
        }
    }
}
