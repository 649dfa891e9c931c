//! What the grammar takes, and how it groups.

use super::*;

/// An expression with every operation in parentheses.
fn show(exp: &Exp) -> String {
    match &exp.kind {
        ExpKind::Literal(Literal::Number { value, suffix: None }) => value.to_string(),
        ExpKind::Literal(Literal::Bool(value)) => value.to_string(),
        ExpKind::Path(path) => path.to_string(),
        ExpKind::Binary { op, left, right } => format!("({} {} {})", show(left), op.value.symbol(), show(right)),
        ExpKind::Cast { inner, ty } => match &ty.kind {
            TypeKind::Path(path) => format!("({} as {path})", show(inner)),
            other => panic!("{other:?}"),
        },
        ExpKind::Call { callee, args } => {
            let generic = if callee.segments.iter().any(|one| one.type_args.is_some()) { "<>" } else { "" };
            let args: Vec<String> = args.iter().map(show).collect();
            format!("{callee}{generic}({})", args.join(", "))
        }
        ExpKind::Index { base, indices } => format!("{}[{}]", show(base), show(&indices[0])),
        ExpKind::Field { base, field } => format!("{}.{}", show(base), field.value),
        ExpKind::MethodCall { receiver, method, .. } => format!("{}.{}()", show(receiver), method.value),
        ExpKind::Deref(inner) => format!("*{}", show(inner)),
        ExpKind::Unary { op, operand } => {
            let sign = if op.value == UnaryOp::Not { "!" } else { "-" };
            format!("{sign}{}", show(operand))
        }
        ExpKind::Borrow { mutable, inner } => format!("&{}{}", if *mutable { "mut " } else { "" }, show(inner)),
        ExpKind::If { condition, then, otherwise } => {
            let otherwise = otherwise.as_ref().map_or(String::new(), |one| format!(" else {}", show(one)));
            format!("[if {} {}{otherwise}]", show(condition), show(then))
        }
        ExpKind::Block { block, .. } => match &block.result {
            Some(result) => format!("{{{}}}", show(result)),
            None => "{}".to_owned(),
        },
        ExpKind::Tuple(elements) => format!("({})", elements.iter().map(show).collect::<Vec<_>>().join(", ")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn precedence() {
    for (text, tree) in [
        ("1 << 2 + 1", "(1 << (2 + 1))"),
        ("6 & 3 << 1", "(6 & (3 << 1))"),
        ("1 | 2 & 3", "(1 | (2 & 3))"),
        ("1 & 3 == 1", "((1 & 3) == 1)"),
        ("a == b == c", "((a == b) == c)"),
        ("a < b < c", "((a < b) < c)"),
        ("a || b && c", "(a || (b && c))"),
        ("a ^ b | c & d", "((a ^ b) | (c & d))"),
        ("a - b - c * d % e", "((a - b) - ((c * d) % e))"),
        ("a -1", "(a - 1)"),
        ("a >> 1 >= b", "((a >> 1) >= b)"),
        ("a > b", "(a > b)"),
        ("!a && b", "(!a && b)"),
        ("*a * *b", "(*a * *b)"),
        ("&mut a.b", "&mut a.b"),
        ("*v[0].x", "*v[0].x"),
        ("-a.b()", "-a.b()"),
    ] {
        assert_eq!(show(&expression(text)), tree, "{text}");
    }
}

#[test]
fn casts() {
    for (text, tree) in [
        ("x as u64 < y", "((x as u64) < y)"),
        ("v[i as u64]", "v[(i as u64)]"),
        ("i as u64 + 1", "((i as u64) + 1)"),
        ("(2 + a) as u64", "((2 + a) as u64)"),
        ("2 + (a as u64)", "(2 + (a as u64))"),
        ("*r as u8", "(*r as u8)"),
        ("x as u8 as u64", "((x as u8) as u64)"),
        ("x as u8 << 3", "((x as u8) << 3)"),
        // Behind a comparison only the operand can be meant.
        ("a < b as u64", "(a < (b as u64))"),
        ("a as u8 == b as u8", "((a as u8) == (b as u8))"),
        // Move 1: the whole of the parentheses is cast.
        ("(a + b * c as u64)", "((a + (b * c)) as u64)"),
        ("(a >> 32 as u64) + 1", "(((a >> 32) as u64) + 1)"),
        ("(a < b as u64)", "(a < (b as u64))"),
        ("(f<u8>(a) + 1 as u64)", "((f<>(a) + 1) as u64)"),
        ("(a && b > c as u64)", "(a && (b > (c as u64)))"),
        ("((a as u8) + b as u64)", "(((a as u8) + b) as u64)"),
    ] {
        assert_eq!(show(&expression(text)), tree, "{text}");
    }
    for text in ["2 + a as u64", "1 + 2 * c as u8", "a as u8 + b as u8", "(a as u8 + b as u8)"] {
        let module = format!("module 0x1::m {{ fun f() {{ {text} }} }}");
        assert_eq!(error_codes(&module), ["E0109"], "{text}");
    }
}

#[test]
fn generics_and_comparisons() {
    for (text, tree) in [
        ("f<u8>(x)", "f<>(x)"),
        ("f < u8 > (x)", "((f < u8) > x)"),
        ("a<b", "(a < b)"),
        ("a.b<c", "(a.b < c)"),
        ("f(a < b, c > d)", "f((a < b), (c > d))"),
        ("f(a<b, c>d)", "f((a < b), (c > d))"),
        ("f::<u8>(x)", "f<>(x)"),
        ("m::f<vector<vector<u8>>>(x)", "m::f<>(x)"),
        ("a<b && c<d", "((a < b) && (c < d))"),
    ] {
        assert_eq!(show(&expression(text)), tree, "{text}");
    }
}

#[test]
fn braced_branches_are_operands() {
    for (text, tree) in [
        ("if (c) { 1 } else { 2 } + 3", "([if c {1} else {2}] + 3)"),
        ("if (c) 1 else 2 + 3", "[if c 1 else (2 + 3)]"),
        ("x + if (c) { 1 } else { 2 } + 3", "((x + [if c {1} else {2}]) + 3)"),
        ("if (a) 1 else if (b) 2 else 3", "[if a 1 else [if b 2 else 3]]"),
        ("{ 1 } + 2", "({1} + 2)"),
        ("{ x }.f()", "{x}.f()"),
        ("(x)", "x"),
        ("(x, y)", "(x, y)"),
        ("()", "()"),
    ] {
        assert_eq!(show(&expression(text)), tree, "{text}");
    }
}

#[test]
fn a_block_is_not_called_by_the_next_line() {
    let unit = parse_well("module 0x1::m { fun f() { if (c) { 1 }; (x, y) = (y, x); { 1 }\n } }");
    assert_eq!(members(unit).len(), 1);
    assert_eq!(error_codes("module 0x1::m { fun f() { if (c) { }\n (x, y) = (y, x); } }"), ["E0108"]);
}

#[test]
fn missing_semicolons() {
    for text in [
        "while (c) { } 3",
        "if (c) { }\n let x = 1;",
        "let x = 1\n let y = 2;",
        "f()\n g()",
        "loop { break } x = 1;",
        "return\n let x = 1;",
    ] {
        let module = format!("module 0x1::m {{ fun f() {{ {text} }} }}");
        let expected: &[&str] = if text.starts_with("return") { &["E0101"] } else { &["E0108"] };
        assert_eq!(error_codes(&module), expected, "{text}");
    }
}

#[test]
fn reserved_and_contextual_words() {
    for word in
        ["self", "for", "type", "enum", "match", "mut", "in", "entry", "friend", "script", "is", "has", "package"]
    {
        let unit = parse_well(&format!(
            "module 0x1::m {{ fun {word}({word}: u64): u64 {{ let {word} = {word} + 1; {word} = 2; {word}({word}) }} }}"
        ));
        assert_eq!(members(unit).len(), 1, "{word}");
    }
    for word in super::super::token::RESERVED {
        let codes = error_codes(&format!("module 0x1::m {{ fun f({word}: u64) {{}} }}"));
        assert_eq!(codes, ["E0112"], "{word}");
    }
}

#[test]
fn labels_and_jumps() {
    match expression("'a: loop { break 'a 4 }").kind {
        ExpKind::Loop { label: Some(label), body } => {
            assert_eq!(label.value, "a");
            let ExpKind::Block { block, .. } = body.kind else { panic!() };
            let Some(result) = block.result else { panic!() };
            let ExpKind::Break { label: Some(target), value: Some(_) } = result.kind else { panic!() };
            assert_eq!(target.value, "a");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(expression("abort").kind, ExpKind::Abort(None)));
    assert!(matches!(expression("return ()").kind, ExpKind::Return { value: Some(_), .. }));
}

#[test]
fn assignments() {
    let ExpKind::Assign { target, .. } = expression("(a, S { x, y: _, .. }, T(.., z), *p, q.r) = e").kind else {
        panic!()
    };
    let AssignTargetKind::Tuple(targets) = target.kind else { panic!() };
    assert!(matches!(targets[0].kind, AssignTargetKind::Place(_)));
    let AssignTargetKind::Named { fields, rest: Some(_), .. } = &targets[1].kind else { panic!() };
    assert_eq!(fields.len(), 2);
    assert!(matches!(fields[1].1.kind, AssignTargetKind::Wildcard));
    let AssignTargetKind::Positional { fields, rest: Some(rest), .. } = &targets[2].kind else { panic!() };
    assert_eq!((fields.len(), rest.value), (1, 0));
    for text in ["f() = 1", "1 = 2", "a + b = c", "S { a, .. }", "T(..)", "(a, f()) = c", "f() += 1"] {
        let codes = error_codes(&format!("module 0x1::m {{ fun f() {{ {text} }} }}"));
        assert_eq!(codes.len(), 1, "{text}: {codes:?}");
    }
}

#[test]
fn literals() {
    let bytes = |text: &str| match expression(text).kind {
        ExpKind::Literal(Literal::Bytes(bytes) | Literal::Hex(bytes) | Literal::String(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(bytes("b\"a\\n\\x00\\\"\""), b"a\n\0\"");
    assert_eq!(bytes("x\"0aFf\""), [0x0a, 0xff]);
    assert_eq!(bytes("\"ä\""), "ä".as_bytes());
    let ExpKind::Literal(Literal::Number { value, suffix }) = expression("0xFF_FFu64").kind else { panic!() };
    assert_eq!((value, suffix), (U256::from(0xffff), Some(IntType::U64)));
    assert!(matches!(
        expression("@0x1").kind,
        ExpKind::Literal(Literal::Address(AddressSpecifier::Numeric(Address::ONE)))
    ));
    assert!(matches!(expression("@std").kind, ExpKind::Literal(Literal::Address(AddressSpecifier::Named(_)))));
    for text in ["x\"0aF\"", "x\"zz\"", "b\"\\q\"", "1u9", "12ab", "0x", "@0x1u8"] {
        let codes = error_codes(&format!("module 0x1::m {{ fun f() {{ {text} }} }}"));
        assert!(matches!(codes.as_slice(), ["E0104" | "E0105"]), "{text}: {codes:?}");
    }
}

#[test]
fn doc_comments() {
    let unit = parse_well(
        "/// One.\n/// Two.\nmodule 0x1::m {\n /** A\n  * B */\n #[view]\n fun f() {}\n #[view]\n /// Late.\n fun g() {}\n //// not\n fun h() {}\n}",
    );
    let Definition::Module(module) = &unit.definitions[0] else { panic!() };
    assert_eq!(module.docs.as_deref(), Some("One.\nTwo."));
    let docs: Vec<Option<String>> = members(unit)
        .into_iter()
        .map(|member| match member {
            Member::Function(function) => function.docs.map(|docs| docs.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(docs, [Some("A\nB".to_owned()), Some("Late.".to_owned()), None]);
    assert_eq!(error_codes("module 0x1::m { fun f() { /// lost\n 1 } }"), ["W0101"]);
}

#[test]
fn uses_are_flat() {
    let unit = parse_well(
        "module 0x1::m { use a::{m, n as k, p::{Self, x as y}, q::z}; use fun a::m::f as T.g; use a::m::Self; }",
    );
    let members = members(unit);
    let Member::Use(first) = &members[0] else { panic!() };
    let shown: Vec<String> = first
        .items
        .iter()
        .map(|item| match item {
            UseItem::Module { module, alias } => {
                format!("{}/{:?}", module.name.value, alias.as_ref().map(|one| &one.value))
            }
            UseItem::Member { module, member, alias } => {
                format!("{}::{}/{:?}", module.name.value, member.value, alias.as_ref().map(|one| &one.value))
            }
            UseItem::Method { .. } => "method".to_owned(),
        })
        .collect();
    assert_eq!(shown, ["m/None", "n/Some(\"k\")", "p/None", "p::x/Some(\"y\")", "q::z/None"]);
    assert!(matches!(&members[1], Member::Use(one) if matches!(one.items[0], UseItem::Method { .. })));
}

#[test]
fn label_modules_end_at_the_next_module() {
    let unit = parse_well("module 0x1::a;\nfun f() {}\n#[test_only]\nmodule 0x1::b;\nfun g() {}\nfun h() {}\n");
    let counts: Vec<usize> = unit
        .definitions
        .iter()
        .map(|definition| match definition {
            Definition::Module(module) => module.members.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [1, 2]);
}

#[test]
fn bidirectional_controls_are_refused_everywhere() {
    for text in [
        "module 0x1::m { // \u{202e} comment\n }",
        "module 0x1::m { const A: vector<u8> = b\"\u{2066}\"; }",
        "module 0x1::m { \u{202a} }",
    ] {
        assert_eq!(error_codes(text), ["E0106"], "{text}");
    }
}

#[test]
fn spans_cover_what_they_name() {
    let text = "module 0x1::m { fun f(): u64 { (1 + 2) * g(3).h } }";
    let (files, unit, _) = parse_text(text);
    let Member::Function(function) = &members(unit)[0] else { panic!() };
    assert_eq!(files.text(function.span), "fun f(): u64 { (1 + 2) * g(3).h }");
    assert_eq!(files.text(function.signature_span), "fun f(): u64");
    let FunctionBody::Block(block) = &function.body else { panic!() };
    let result = block.result.as_ref().unwrap();
    assert_eq!(files.text(result.span), "(1 + 2) * g(3).h");
}
