//! The parser's position, its errors and the bound on nesting.

use std::collections::BTreeMap;

use super::ast::{Name, Spanned, Symbol};
use super::lexer::{DocComment, Lexed};
use super::token::{RESERVED, Token, TokenKind};
use crate::diagnostics::{Code, Diagnostic, Diagnostics, FileId, Span, codes};
use crate::limits::{NESTING_MAX, SYNTAX_ERRORS_MAX};

/// How far back the beginning of a line is looked for.
const LINE_BYTES_SEARCHED: usize = 4096;

/// Parsing failed here and the error is already reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

pub(super) type Parsed<T> = Result<T, Reported>;

pub(super) struct Parser<'a> {
    file: FileId,
    text: &'a str,
    tokens: Vec<Token>,
    docs: BTreeMap<usize, DocComment>,
    /// For every opening bracket the index of the closing one.
    partners: BTreeMap<usize, usize>,
    pub(super) position: usize,
    /// Nesting of the construct being parsed.
    depth: u32,
    /// Deepest nesting reached by the operand being parsed, chains included; see [`Parser::chain_link`].
    peak: u32,
    errors: usize,
    /// The `as` that casts all of the parentheses it closes: `(a + b as u64)`.
    pub(super) whole_cast: Option<usize>,
    /// `..` in packs and calls that no assignment has claimed yet, by where the path before it starts.
    pub(super) unclaimed_rests: BTreeMap<u32, Spanned<usize>>,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl<'a> Parser<'a> {
    pub(super) fn new(file: FileId, text: &'a str, lexed: Lexed, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            file,
            text,
            partners: partners(&lexed.tokens),
            tokens: lexed.tokens,
            docs: lexed.docs,
            position: 0,
            depth: 0,
            peak: 0,
            errors: 0,
            whole_cast: None,
            unclaimed_rests: BTreeMap::new(),
            diagnostics,
        }
    }

    // -------------------------------------------------------------------------------------------- tokens

    /// The token `ahead` of the next one; the end of the file repeats.
    pub(super) fn token(&self, ahead: usize) -> Token {
        let index = (self.position + ahead).min(self.tokens.len().saturating_sub(1));
        self.tokens.get(index).copied().unwrap_or(Token { kind: TokenKind::End, span: Span::new(self.file, 0, 0) })
    }

    pub(super) fn kind(&self) -> TokenKind {
        self.token(0).kind
    }

    pub(super) fn kind_at(&self, ahead: usize) -> TokenKind {
        self.token(ahead).kind
    }

    pub(super) fn span(&self) -> Span {
        self.token(0).span
    }

    /// The span of the token before the next one.
    pub(super) fn previous_span(&self) -> Span {
        match self.position.checked_sub(1) {
            Some(index) => self.tokens.get(index).map_or_else(|| self.span(), |token| token.span),
            None => Span::new(self.file, 0, 0),
        }
    }

    /// From `start` to the end of the last token taken.
    pub(super) fn span_from(&self, start: Span) -> Span {
        let end = self.previous_span();
        if end.end < start.start { start } else { start.to(end) }
    }

    pub(super) fn text_of(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The text of the token `ahead` if it is a name or keyword.
    pub(super) fn word_at(&self, ahead: usize) -> &'a str {
        let token = self.token(ahead);
        match token.kind {
            TokenKind::Ident => self.text_of(token.span),
            _ => "",
        }
    }

    /// Whether the token at a position is the word.
    pub(super) fn is_word(&self, position: usize, word: &str) -> bool {
        self.tokens
            .get(position)
            .is_some_and(|token| token.kind == TokenKind::Ident && self.text_of(token.span) == word)
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        self.word_at(0) == word
    }

    /// The next token, which is passed.
    pub(super) fn advance(&mut self) -> Token {
        let token = self.token(0);
        if token.kind != TokenKind::End {
            self.position += 1;
        }
        token
    }

    /// Passes the next token if it is `kind`.
    pub(super) fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Passes the next token if it is the keyword `word`.
    pub(super) fn eat_word(&mut self, word: &str) -> Option<Span> {
        if self.at_word(word) { Some(self.advance().span) } else { None }
    }

    pub(super) fn expect(&mut self, kind: TokenKind, context: &str) -> Parsed<Span> {
        if self.kind() == kind {
            return Ok(self.advance().span);
        }
        Err(self.unexpected(kind.describe(), context))
    }

    pub(super) fn expect_word(&mut self, word: &str, context: &str) -> Parsed<Span> {
        match self.eat_word(word) {
            Some(span) => Ok(span),
            None => Err(self.unexpected(&format!("`{word}`"), context)),
        }
    }

    /// `true` if the two tokens from `ahead` on touch each other.
    pub(super) fn touching(&self, ahead: usize) -> bool {
        self.token(ahead).span.end == self.token(ahead + 1).span.start
    }

    /// Whether nothing stands between the token at a position and the next one.
    pub(super) fn touches_next(&self, position: usize) -> bool {
        match (self.tokens.get(position), self.tokens.get(position + 1)) {
            (Some(token), Some(next)) => token.span.end == next.span.start,
            _ => false,
        }
    }

    /// `true` if a line ends between the previous token and the next one.
    pub(super) fn on_new_line(&self) -> bool {
        let between = self.previous_span().end as usize..self.span().start as usize;
        self.text.get(between).is_some_and(|text| text.contains('\n'))
    }

    /// The kind of the token `behind` before the next one.
    pub(super) fn kind_behind(&self, behind: usize) -> TokenKind {
        self.position
            .checked_sub(behind)
            .and_then(|index| self.tokens.get(index))
            .map_or(TokenKind::End, |token| token.kind)
    }

    // -------------------------------------------------------------------------------------------- names

    /// `true` if the token `ahead` can name something.
    pub(super) fn is_name_at(&self, ahead: usize) -> bool {
        match self.kind_at(ahead) {
            TokenKind::QuotedIdent => true,
            TokenKind::Ident => !RESERVED.contains(&self.word_at(ahead)),
            _ => false,
        }
    }

    pub(super) fn name(&mut self, what: &str) -> Parsed<Name> {
        let token = self.token(0);
        if self.is_name_at(0) {
            self.advance();
            return Ok(Name::new(self.name_text(token), token.span));
        }
        if token.kind == TokenKind::Ident {
            let word = self.text_of(token.span);
            self.report(
                Diagnostic::new(
                    codes::RESERVED_WORD,
                    token.span,
                    format!("`{word}` is a reserved word and cannot be {what}"),
                )
                .label("reserved")
                .help(format!("choose another name, or write it in back quotes: `` `{word}` ``"))
                .suggest(token.span, format!("`{word}`")),
            );
            return Err(Reported);
        }
        Err(self.unexpected(what, ""))
    }

    /// The text of a name token, without back quotes.
    pub(super) fn name_text(&self, token: Token) -> Symbol {
        Symbol::from(self.text_of(token.span).trim_matches('`'))
    }

    // -------------------------------------------------------------------------------------------- errors

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if diagnostic.is_error() {
            self.errors += 1;
            if self.kind() == TokenKind::Unknown || self.kind_behind(1) == TokenKind::Unknown {
                // The lexer has said it better.
                return;
            }
        }
        if self.errors <= SYNTAX_ERRORS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }

    /// `true` once so many errors came that going on helps nobody.
    pub(super) fn gave_up(&self) -> bool {
        self.errors > SYNTAX_ERRORS_MAX
    }

    pub(super) fn error_count(&self) -> usize {
        self.errors
    }

    /// Forgets errors of grammar that was tried and not taken.
    pub(super) fn restore_error_count(&mut self, errors: usize) {
        self.errors = errors;
    }

    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Reported {
        self.report(Diagnostic::new(code, span, message));
        Reported
    }

    /// The next token as messages call it.
    pub(super) fn describe_next(&self) -> String {
        let token = self.token(0);
        match token.kind {
            TokenKind::Ident | TokenKind::Number | TokenKind::Label => format!("`{}`", self.text_of(token.span)),
            kind => kind.describe().to_owned(),
        }
    }

    pub(super) fn unexpected(&mut self, expected: &str, context: &str) -> Reported {
        let found = self.describe_next();
        let message = if context.is_empty() {
            format!("expected {expected}, found {found}")
        } else {
            format!("expected {expected} {context}, found {found}")
        };
        let diagnostic =
            Diagnostic::new(codes::UNEXPECTED_TOKEN, self.span(), message).label(format!("expected {expected}"));
        self.report(diagnostic);
        Reported
    }

    /// The closing partner of `opener`; names the opener if something else stands here.
    pub(super) fn close(&mut self, kind: TokenKind, opener: Span, context: &str) -> Parsed<Span> {
        if self.kind() == kind {
            return Ok(self.advance().span);
        }
        if self.kind() == TokenKind::End {
            return Err(self.unclosed(opener));
        }
        let found = self.describe_next();
        let expected = kind.describe();
        let diagnostic = Diagnostic::new(
            codes::UNEXPECTED_TOKEN,
            self.span(),
            format!("expected {expected} {context}, found {found}"),
        )
        .label(format!("expected {expected}"))
        .secondary(opener, "to close this");
        self.report(diagnostic);
        Err(Reported)
    }

    pub(super) fn unclosed(&mut self, opener: Span) -> Reported {
        let text = self.text_of(opener);
        let mut diagnostic =
            Diagnostic::new(codes::UNCLOSED_DELIMITER, opener, format!("this `{text}` is never closed"))
                .label("opened here");
        if let Some((inner, closer)) = self.badly_indented(opener) {
            diagnostic = diagnostic
                .secondary(inner, "is the `}` of this one missing?")
                .secondary(closer, "by its indentation this closes something further out");
        } else if self.kind() != TokenKind::End {
            diagnostic =
                diagnostic.secondary(self.span(), format!("{} comes before it is closed", self.describe_next()));
        }
        self.report(diagnostic);
        Reported
    }

    /// The innermost `{` behind `opener` whose `}` is indented less than the line that opened it: the likely place of
    /// a forgotten brace.
    fn badly_indented(&self, opener: Span) -> Option<(Span, Span)> {
        let first = self.tokens.partition_point(|token| token.span.start <= opener.start);
        let mut found = None;
        for (index, partner) in self.partners.range(first..) {
            let (Some(open), Some(close)) = (self.tokens.get(*index), self.tokens.get(*partner)) else {
                continue;
            };
            let Some(close_indent) = self.indent_before(close.span) else { continue };
            if open.kind == TokenKind::LBrace
                && self.line_indent(open.span).is_some_and(|open_indent| close_indent < open_indent)
            {
                found = Some((open.span, close.span));
            }
        }
        found
    }

    /// Where the line of `span` begins; `None` on lines longer than people write.
    fn line_start(&self, span: Span) -> Option<usize> {
        let start = span.start as usize;
        let earliest = start.saturating_sub(LINE_BYTES_SEARCHED);
        let before = self.text.as_bytes().get(earliest..start)?;
        match before.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => Some(earliest + newline + 1),
            None => (earliest == 0).then_some(0),
        }
    }

    /// How far the line of `span` is indented.
    fn line_indent(&self, span: Span) -> Option<usize> {
        let line = self.text.as_bytes().get(self.line_start(span)?..)?;
        Some(line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count())
    }

    /// The indentation before `span` if nothing else stands before it on its line.
    fn indent_before(&self, span: Span) -> Option<usize> {
        let indent = self.line_indent(span)?;
        (self.line_start(span)? + indent == span.start as usize).then_some(indent)
    }

    // -------------------------------------------------------------------------------------------- nesting

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        self.peak = self.peak.max(self.depth);
        let result = if self.depth > NESTING_MAX { Err(self.too_deep()) } else { parse(self) };
        self.depth -= 1;
        result
    }

    /// Begins a chain (`a + b + c`, `a.b.c`), which nests to the left without recursion here. Returns what
    /// [`Parser::chain_end`] wants.
    pub(super) fn chain_begin(&mut self) -> u32 {
        std::mem::replace(&mut self.peak, self.depth)
    }

    /// What has been parsed since [`Parser::chain_begin`] becomes the child of a new node.
    pub(super) fn chain_link(&mut self) -> Parsed<()> {
        self.peak += 1;
        if self.peak > NESTING_MAX {
            return Err(self.too_deep());
        }
        Ok(())
    }

    /// Parses the right operand of a chain's newest node.
    pub(super) fn chain_operand<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let left = std::mem::replace(&mut self.peak, self.depth);
        let result = self.nested(parse);
        self.peak = self.peak.max(left);
        result
    }

    pub(super) fn chain_end(&mut self, before: u32) {
        self.peak = self.peak.max(before);
    }

    fn too_deep(&mut self) -> Reported {
        let diagnostic =
            Diagnostic::new(codes::NESTING_TOO_DEEP, self.span(), format!("nested deeper than {NESTING_MAX} levels"))
                .help("name a part of it with `let`, or move it into a function");
        self.report(diagnostic);
        Reported
    }

    // -------------------------------------------------------------------------------------------- lists

    /// Elements separated by commas up to `end`, a trailing comma allowed. The opener is already passed.
    pub(super) fn comma_list<T>(
        &mut self,
        end: TokenKind,
        opener: Span,
        context: &str,
        mut element: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut elements = Vec::new();
        while self.kind() != end {
            if self.kind() == TokenKind::End {
                return Err(self.unclosed(opener));
            }
            elements.push(element(self)?);
            if !self.eat(TokenKind::Comma) {
                break;
            }
        }
        self.close(end, opener, context)?;
        Ok(elements)
    }

    // -------------------------------------------------------------------------------------------- docs

    /// The doc comment before the next token, once.
    pub(super) fn take_docs(&mut self) -> Option<Symbol> {
        self.docs.remove(&self.position).map(|docs| docs.text)
    }

    pub(super) fn report_unused_docs(&mut self) {
        // Behind a syntax error much is skipped: its comments are no news.
        let docs = std::mem::take(&mut self.docs);
        if self.errors > 0 {
            return;
        }
        for docs in docs.into_values() {
            let diagnostic =
                Diagnostic::new(codes::DOC_COMMENT_UNUSED, docs.span, "this doc comment documents nothing")
                    .label("nothing that can be documented follows")
                    .help("write `//` for a plain comment");
            self.report(diagnostic);
        }
    }

    // -------------------------------------------------------------------------------------------- skipping

    /// The index behind the bracket that closes the one at `index`, if both exist.
    pub(super) fn behind_partner(&self, index: usize) -> Option<usize> {
        self.partners.get(&index).map(|partner| partner + 1)
    }

    /// Passes a `{ .. }`, `( .. )` or `[ .. ]` with everything inside.
    pub(super) fn skip_balanced(&mut self) -> Parsed<()> {
        let opener = self.span();
        let Some(behind) = self.behind_partner(self.position) else {
            return Err(self.unclosed(opener));
        };
        let inside: Vec<usize> = self.docs.range(self.position..behind).map(|(index, _)| *index).collect();
        for index in inside {
            self.docs.remove(&index);
        }
        self.position = behind;
        Ok(())
    }
}

/// Pairs brackets. A closing bracket passes over unclosed ones of other kinds, so one lost bracket spoils little.
fn partners(tokens: &[Token]) -> BTreeMap<usize, usize> {
    let mut partners = BTreeMap::new();
    let mut open: [Vec<usize>; 3] = Default::default();
    for (index, token) in tokens.iter().enumerate() {
        let (kind, opens) = match token.kind {
            TokenKind::LBrace => (0, true),
            TokenKind::LParen => (1, true),
            TokenKind::LBracket => (2, true),
            TokenKind::RBrace => (0, false),
            TokenKind::RParen => (1, false),
            TokenKind::RBracket => (2, false),
            _ => continue,
        };
        if opens {
            open[kind].push(index);
            continue;
        }
        let Some(partner) = open[kind].pop() else { continue };
        partners.insert(partner, index);
        for stack in &mut open {
            let kept = stack.partition_point(|opener| *opener < partner);
            stack.truncate(kept);
        }
    }
    partners
}
