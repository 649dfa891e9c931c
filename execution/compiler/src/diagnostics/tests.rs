use super::*;

fn sample() -> (Files, Diagnostics) {
    let mut files = Files::new();
    let file = files.add("sources/a.move", "module 0x1::m {\n    fun f() { ä = 1 }\n}\n");
    let mut diagnostics = Diagnostics::new();
    diagnostics.push(
        Diagnostic::new(codes::MISSING_SEMICOLON, Span::new(file, 20, 23), "second")
            .label("this")
            .secondary(Span::new(file, 0, 6), "opened here")
            .note("a note")
            .help("a help")
            .suggest(Span::new(file, 23, 23), ";"),
    );
    diagnostics.push(Diagnostic::new(codes::BAD_NUMBER, Span::new(file, 0, 6), "first"));
    diagnostics.push(Diagnostic::without_place(codes::MANIFEST_MISSING, "no Move.toml in x"));
    (files, diagnostics)
}

#[test]
fn codes_are_unique_and_explained() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in codes::TABLE {
        let code = entry.code;
        assert!(seen.insert(code.as_str()), "{code} twice");
        assert!(entry.summary.ends_with('.'), "{code}");
        assert_eq!(Code::parse(&code.as_str().to_lowercase()), Some(code));
        assert_eq!(code.summary(), entry.summary);
        assert!(code.general().is_none_or(|general| general.severity() == code.severity()), "{code}");
    }
    assert_eq!(Code::parse("E9998"), None);
}

#[test]
fn order_is_that_of_the_source() {
    let (_, diagnostics) = sample();
    let messages: Vec<_> = diagnostics.sorted().iter().map(|one| one.message.clone()).collect();
    assert_eq!(messages, ["no Move.toml in x", "first", "second"]);
}

#[test]
fn rendering() {
    let (files, diagnostics) = sample();
    insta::assert_snapshot!(diagnostics.render(&files, false));
    assert!(diagnostics.render(&files, true).contains("\u{1b}["));
}

#[test]
fn json() {
    let (files, diagnostics) = sample();
    let json = diagnostics.to_json(&files);
    assert_eq!(json[2]["code"], "E0108");
    assert_eq!(json[2]["primary"]["line"], 2);
    assert_eq!(json[2]["primary"]["column"], 5);
    assert_eq!(json[2]["suggestion"]["replacement"], ";");
    assert_eq!(json[0]["primary"], serde_json::Value::Null);
}

#[test]
fn columns_count_characters() {
    let (files, _) = sample();
    let byte = files.get(FileId(0)).unwrap().text.find('=').unwrap();
    assert_eq!(files.line_column(FileId(0), u32::try_from(byte).unwrap()), (2, 17));
    assert_eq!(files.line_column(FileId(9), 3), (1, 1));
}

#[test]
fn spans_outside_the_file_do_not_panic() {
    let (files, _) = sample();
    let mut diagnostics = Diagnostics::new();
    diagnostics.push(Diagnostic::new(codes::BAD_NUMBER, Span::new(FileId(0), 500, 900), "x"));
    diagnostics.push(Diagnostic::new(codes::BAD_NUMBER, Span::new(FileId(7), 1, 2), "x"));
    assert!(!diagnostics.render(&files, false).is_empty());
}
