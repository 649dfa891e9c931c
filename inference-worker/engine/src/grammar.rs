//! Says which tokens a grammar allows next, by the crate `llguidance`.
//!
//! A mask is a function of grammar, vocabulary and the answer's tokens: every job has a matcher of its own, and the
//! reasons for a refusal are fixed texts. Work and memory are bounded by [`crate::limits`]; what exceeds them, and what
//! panics, is the job's [`AnswerError::Grammar`] and nobody else's concern.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use noema_inference_api::{AnswerError, Grammar};
use noema_models::LoadedModel;

use crate::limits::{
    GRAMMAR_COMPILE_FUEL, GRAMMAR_DEPTH_MAX, GRAMMAR_LEXER_STATES, GRAMMAR_NODES_MAX, GRAMMAR_ROW_ITEMS,
    GRAMMAR_TOKEN_BYTES_MAX, GRAMMAR_TOKEN_FUEL, GRAMMAR_TOKEN_ITEMS,
};

/// What all grammars over one model's vocabulary share.
pub(crate) struct Vocabulary {
    factory: ParserFactory,
    tokens: u32,
}

/// The state of one answer.
pub(crate) struct Constraint {
    matcher: Matcher,
    tokens: u32,
}

fn refused(why: &str) -> AnswerError {
    AnswerError::Grammar(why.to_owned())
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraint").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Prepares a model's tokens; fails for a model without an end token.
    pub(crate) fn new(model: &LoadedModel) -> Result<Self, AnswerError> {
        let (tokens, ends) = (model.manifest.vocab, &model.manifest.special.eos);
        let Some(end) = ends.first() else { return Err(refused("the model has no end token")) };
        let words: Vec<Vec<u8>> = (0..tokens).map(|id| word(model, id)).collect();
        let build = || {
            let trie = TokTrie::from(&TokRxInfo::new(tokens, *end), &words).with_eos_tokens(ends);
            let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
            ParserFactory::new(&env, InferenceCapabilities::default(), &[])
        };
        let Ok(Ok(mut factory)) = catch_unwind(AssertUnwindSafe(build)) else {
            return Err(refused("the model's vocabulary does not take any"));
        };
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_items_in_row: GRAMMAR_ROW_ITEMS,
            initial_lexer_fuel: GRAMMAR_COMPILE_FUEL,
            step_lexer_fuel: GRAMMAR_TOKEN_FUEL,
            step_max_items: GRAMMAR_TOKEN_ITEMS,
            max_lexer_states: GRAMMAR_LEXER_STATES,
            max_grammar_size: GRAMMAR_NODES_MAX,
            precompute_large_lexemes: false,
            verbose_errors: false,
        };
        Ok(Self { factory, tokens })
    }

    /// Compiles a grammar.
    pub(crate) fn compile(&self, grammar: &Grammar) -> Result<Constraint, AnswerError> {
        let (Grammar::JsonSchema(text) | Grammar::Regex(text) | Grammar::Lark(text)) = grammar;
        if depth(text) > GRAMMAR_DEPTH_MAX {
            return Err(refused("its brackets are nested too deep"));
        }
        let compile = || {
            let grammar = match grammar {
                Grammar::JsonSchema(text) => TopLevelGrammar::from_json_schema(schema(text)?),
                Grammar::Regex(text) => TopLevelGrammar::from_regex(text),
                Grammar::Lark(text) => TopLevelGrammar::from_lark(text.clone()),
            };
            let parser = self.factory.create_parser(grammar);
            let matcher = Matcher::new(Ok(parser.map_err(|_| refused("it does not compile, or is too large"))?));
            if matcher.is_error() { Err(refused("it cannot be started")) } else { Ok(matcher) }
        };
        let compiled = catch_unwind(AssertUnwindSafe(compile));
        let matcher = compiled.unwrap_or_else(|_| Err(refused("it does not compile")))?;
        Ok(Constraint { matcher, tokens: self.tokens })
    }
}

impl Constraint {
    /// Tokens that may come next, ascending; never none.
    pub(crate) fn allowed(&mut self) -> Result<Vec<u32>, AnswerError> {
        let mask = catch_unwind(AssertUnwindSafe(|| self.matcher.compute_mask_or_eos()));
        let Ok(Ok(mask)) = mask else { return Err(refused("it needs too much work for one token")) };
        let allowed: Vec<u32> = (0..self.tokens).filter(|&token| mask.is_allowed(token)).collect();
        if allowed.is_empty() { Err(refused("no token of the model continues it")) } else { Ok(allowed) }
    }

    /// Adds an allowed token; says whether nothing but the end can follow.
    pub(crate) fn push(&mut self, token: u32) -> Result<bool, AnswerError> {
        let pushed = catch_unwind(AssertUnwindSafe(|| self.matcher.consume_token(token)));
        match pushed {
            Ok(Ok(())) => Ok(self.matcher.is_stopped()),
            _ => Err(refused("it needs too much work for one token")),
        }
    }
}

/// A schema whose JSON has no room for whitespace between its parts, unless the schema itself says otherwise: a model
/// cannot spend its tokens on spaces.
fn schema(text: &str) -> Result<serde_json::Value, AnswerError> {
    let mut schema: serde_json::Value = serde_json::from_str(text).map_err(|_| refused("it is no JSON"))?;
    if let Some(object) = schema.as_object_mut() {
        object.entry("x-guidance").or_insert_with(|| serde_json::json!({ "whitespace_flexible": false }));
    }
    Ok(schema)
}

/// A token as the library wants it: special ones after a mark, and nothing for those that no text holds.
fn word(model: &LoadedModel, id: u32) -> Vec<u8> {
    let bytes = model.tokenizer.token_bytes(id);
    if bytes.len() > GRAMMAR_TOKEN_BYTES_MAX {
        return Vec::new();
    }
    if model.tokenizer.is_special(id) {
        return [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat();
    }
    // The mark is no byte of UTF-8.
    if bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) { Vec::new() } else { bytes.to_vec() }
}

/// Brackets open at once, at most, whether quoted or not.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}
