//! Blocks and statements, and how parsing goes on behind an error in one.

use super::ast::{Block, Exp, ExpKind, Statement, StatementKind};
use super::cursor::{Parsed, Parser, Reported};
use super::token::TokenKind;
use crate::diagnostics::{Diagnostic, codes};

/// What became of one statement.
enum Outcome {
    Statement(Statement),
    Result(Exp),
    Nothing,
}

impl Parser<'_> {
    /// `{ .. }`. Errors inside are reported and skipped; fails only where there is no `{`.
    pub(super) fn block(&mut self) -> Parsed<Block> {
        let opener = self.expect(TokenKind::LBrace, "before the block")?;
        let mut block = Block { uses: Vec::new(), statements: Vec::new(), result: None, span: opener };
        loop {
            if self.eat(TokenKind::RBrace) {
                break;
            }
            if self.kind() == TokenKind::End || self.at_item_in_block() || self.gave_up() {
                self.unclosed(opener);
                break;
            }
            let position = self.position;
            match self.statement(&mut block) {
                Ok(Outcome::Statement(statement)) => block.statements.push(statement),
                Ok(Outcome::Result(exp)) => block.result = Some(Box::new(exp)),
                Ok(Outcome::Nothing) => {}
                Err(Reported) => {
                    self.recover_statement(position);
                    let span = self.span_from(opener);
                    block
                        .statements
                        .push(Statement { kind: StatementKind::Exp(Exp { kind: ExpKind::Error, span }), span });
                }
            }
        }
        block.span = self.span_from(opener);
        Ok(block)
    }

    fn statement(&mut self, block: &mut Block) -> Parsed<Outcome> {
        let start = self.span();
        match self.word_at(0) {
            "let" => return self.let_statement().map(Outcome::Statement),
            "use" => {
                let declaration = self.use_declaration(Vec::new(), None, super::ast::Visibility::Private)?;
                block.uses.push(declaration);
                return Ok(Outcome::Nothing);
            }
            "spec" => {
                self.advance();
                while !matches!(self.kind(), TokenKind::LBrace | TokenKind::End) {
                    self.advance();
                }
                self.skip_balanced()?;
                let kind = StatementKind::Spec;
                let span = self.span_from(start);
                self.eat(TokenKind::Semicolon);
                return Ok(Outcome::Statement(Statement { kind, span }));
            }
            _ => {}
        }
        if self.eat(TokenKind::Semicolon) {
            return Ok(Outcome::Nothing);
        }
        let exp = self.exp()?;
        let span = exp.span;
        match self.kind() {
            TokenKind::RBrace => return Ok(Outcome::Result(exp)),
            TokenKind::Semicolon => {
                self.advance();
            }
            _ => self.missing_semicolon()?,
        }
        Ok(Outcome::Statement(Statement { kind: StatementKind::Exp(exp), span }))
    }

    fn let_statement(&mut self) -> Parsed<Statement> {
        let start = self.advance().span;
        let pattern = self.pattern()?;
        let ty = if self.eat(TokenKind::Colon) { Some(self.ty()?) } else { None };
        let value = if self.eat(TokenKind::Equal) { Some(self.exp()?) } else { None };
        let span = self.span_from(start);
        if !self.eat(TokenKind::Semicolon) {
            self.missing_semicolon()?;
        }
        Ok(Statement { kind: StatementKind::Let { pattern, ty, value }, span })
    }

    /// Reports a missing `;` and goes on as if it were there, if that is the likely mistake.
    fn missing_semicolon(&mut self) -> Parsed<()> {
        if self.at_item_in_block() {
            // The block around is not closed, which is reported next.
            return Ok(());
        }
        let ends_in_block = self.kind_behind(1) == TokenKind::RBrace;
        let likely = self.starts_statement() && (self.on_new_line() || ends_in_block)
            || matches!(self.kind(), TokenKind::RBrace | TokenKind::End);
        if !likely {
            return Err(self.unexpected("`;`", "after the statement"));
        }
        let place = self.previous_span().after();
        let mut diagnostic =
            Diagnostic::new(codes::MISSING_SEMICOLON, self.previous_span(), "missing `;` after this statement")
                .label("add `;` behind this")
                .suggest(place, ";");
        diagnostic = if ends_in_block {
            diagnostic.note("a block that is not the last expression needs `;` too")
        } else {
            diagnostic
        };
        if self.kind() != TokenKind::RBrace {
            diagnostic = diagnostic.secondary(self.span(), "the next statement begins here");
        }
        self.report(diagnostic);
        Ok(())
    }

    fn starts_statement(&self) -> bool {
        self.is_name_at(0)
            || matches!(
                self.kind(),
                TokenKind::Number
                    | TokenKind::Label
                    | TokenKind::LBrace
                    | TokenKind::LParen
                    | TokenKind::At
                    | TokenKind::ByteString
                    | TokenKind::HexString
                    | TokenKind::String
            )
            || matches!(
                self.word_at(0),
                "let"
                    | "if"
                    | "while"
                    | "loop"
                    | "return"
                    | "break"
                    | "continue"
                    | "abort"
                    | "move"
                    | "copy"
                    | "true"
                    | "false"
                    | "use"
                    | "spec"
            )
    }

    /// `true` where an item begins, which no block can hold: a `}` was forgotten before.
    fn at_item_in_block(&self) -> bool {
        let named =
            matches!(self.word_at(0), "fun" | "const" | "struct" | "module") && self.kind_at(1) != TokenKind::Equal;
        named
            || self.at_word("public")
            || (self.at_word("native") && matches!(self.word_at(1), "fun" | "struct" | "public"))
            || (self.kind() == TokenKind::Hash && self.kind_at(1) == TokenKind::LBracket)
            || (self.at_word("entry") && self.word_at(1) == "fun")
            || (self.at_word("inline") && self.word_at(1) == "fun")
    }

    /// Goes on behind a failed statement that began at `start`: walks over it bracket by bracket to the first place at
    /// or behind the error where a statement may begin.
    fn recover_statement(&mut self, start: usize) {
        let failed = self.position.max(start + 1);
        self.position = start;
        loop {
            let behind = self.position >= failed;
            match self.kind() {
                TokenKind::Semicolon => {
                    self.advance();
                    if behind {
                        return;
                    }
                    continue;
                }
                TokenKind::RBrace if behind => return,
                TokenKind::End => return,
                _ if behind && self.at_item_in_block() => return,
                _ if behind && self.on_new_line() && self.starts_with_keyword() => return,
                _ => {}
            }
            match self.behind_partner(self.position) {
                Some(index) => self.position = index,
                None => {
                    self.advance();
                }
            }
        }
    }

    fn starts_with_keyword(&self) -> bool {
        matches!(self.word_at(0), "let" | "return" | "while" | "loop" | "if" | "abort")
    }
}
