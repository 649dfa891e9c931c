//! A language for small DAGs, for tests here and in the crates above.
//!
//! ```text
//! DAG {
//!   r1: { * },
//!   r2: { *, C -> [*, -D1], D },                  C's block is not built on D's; D's is on all
//!   r3: { A -> [A2, B2, C2], A' -> [*], B, -D },  A equivocates; C and D have no block
//!   r4..6: { *, B -> [*, A3'] @1500 {x, y:20} },  three rounds alike
//! }
//! ```
//!
//! Authors are letters: `A` to `Z`, then `AA` and on. `B2` is B's block of round 2, `B2'` another one, `B2''` a third;
//! round 0 is genesis. In a round, `*` stands for all authors without an entry of their own (also those that `-D`
//! leaves out), each building on `[*]`. In a list, `*` stands for all blocks of the round before, one per author, that
//! with the fewest primes where there are several; `-D1` takes one out, and a block that is named replaces its author's.
//! The author's own last block always is an ancestor, and the first, unless it is taken out; of several it is the one
//! with the author's primes, else with the fewest. No list is `[*]`. Nothing checks that a quorum is built on.
//!
//! `@` gives the time in milliseconds; without it, it is 100 per round after the state's. Braces name batches: the first
//! mention makes the batch, in that block's round and of its author, with as many transactions as said, else one.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;
use noema_types::{
    Address, Author, BlsPublicKey, CommitIndex, Committee, Ed25519PublicKey, Ed25519Signature, Epoch, Hash, Round,
    Stake, TimestampMs, ValidatorInfo,
};

use crate::{
    Batch, BatchDigest, BatchRef, BlockHeader, BlockRef, BlockV1, CommitDigest, ConsensusState, Dag, VerifiedBlock,
};

/// Rounds that one text describes, at most.
const ROUNDS_MAX: u64 = 10_000;

/// A text that is not a DAG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct DslError {
    /// Where, from 1.
    pub line: usize,
    /// Where in it, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// What a text describes.
#[derive(Debug, Clone)]
pub struct Built {
    /// All of the blocks.
    pub dag: Dag,
    /// The blocks in an order in which ancestors come first.
    pub blocks: Vec<VerifiedBlock>,
    /// Names of the blocks, genesis included.
    pub names: BTreeMap<String, BlockRef>,
    /// The batches that blocks name.
    pub batches: BTreeMap<BatchDigest, Arc<Batch>>,
    /// Names of the batches.
    pub batch_names: BTreeMap<String, BatchDigest>,
}

/// A committee of epoch 1 with these stakes and made-up keys.
///
/// # Panics
/// When the stakes make no committee.
#[must_use]
pub fn committee(stakes: &[u64]) -> Arc<Committee> {
    let key = |place: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(place as u64 + 1).to_le_bytes());
        key
    };
    let validators = stakes.iter().enumerate().map(|(place, stake)| {
        let mut checkpoint_key = [0; 48];
        checkpoint_key[..32].copy_from_slice(&key(place));
        ValidatorInfo {
            address: Address(key(place)),
            stake: Stake(*stake),
            consensus_key: Ed25519PublicKey(key(place)),
            network_key: Ed25519PublicKey(key(place)),
            checkpoint_key: BlsPublicKey(checkpoint_key),
            network_address: format!("127.0.0.1:{}", 10_000 + place),
        }
    });
    Arc::new(Committee::new(Epoch(1), validators.collect()).expect("stakes that make a committee"))
}

/// The start of a made-up chain with this committee, at 1,000,000 ms.
#[must_use]
pub fn start(committee: &Committee) -> ConsensusState {
    let chain = Hash([1; 32]);
    let (index, digest, time) = (CommitIndex(0), CommitDigest(chain), TimestampMs(1_000_000));
    ConsensusState::epoch_start(chain, committee.epoch(), chain, index, digest, time, committee.size())
}

/// A block with a made-up signature; blocks that differ in `variant` only are equivocations.
#[must_use]
pub fn block(
    state: &ConsensusState,
    (round, author, variant): (Round, Author, u8),
    ancestors: Vec<BlockRef>,
    batches: Vec<BatchRef>,
    timestamp: TimestampMs,
) -> VerifiedBlock {
    let mut signature = Ed25519Signature([0; 64]);
    signature.0[0] = variant;
    let header = BlockHeader {
        chain: state.chain,
        epoch: state.epoch,
        round,
        author,
        ancestors,
        batches,
        timestamp,
        commit_votes: Vec::new(),
    };
    VerifiedBlock::new_trusted(BlockV1 { header, signature, inline: Vec::new() })
}

/// Name of an author: a letter, or more.
#[must_use]
pub fn author_name(author: Author) -> String {
    let (high, low) = (author.0 / 26, author.0 % 26);
    let letter = char::from(b'A' + u8::try_from(low).expect("a remainder by 26"));
    let before = high.checked_sub(1).map_or(String::new(), |high| author_name(Author(high)));
    format!("{before}{letter}")
}

/// Builds what a text describes, on top of the state's genesis.
///
/// # Errors
/// [`DslError`] says where the text is wrong.
pub fn build(text: &str, committee: &Arc<Committee>, state: &ConsensusState) -> Result<Built, DslError> {
    let dag = Dag::new(Arc::clone(committee), state);
    let names = dag.genesis().iter().map(|genesis| (name(*genesis, 0), *genesis)).collect();
    let built = Built { dag, blocks: Vec::new(), names, batches: BTreeMap::new(), batch_names: BTreeMap::new() };
    let tokens = tokens(text)?.into_iter().peekable();
    let mut builder = Builder { tokens, committee, state, built, variants: BTreeMap::new(), round: Round(0) };
    for author in committee.authors() {
        builder.variants.insert((Round(0), author, 0), builder.built.dag.genesis()[usize::from(author.0)]);
    }
    builder.dag()?;
    Ok(builder.built)
}

fn name(reference: BlockRef, variant: u8) -> String {
    format!("{}{}{}", author_name(reference.author), reference.round, "'".repeat(usize::from(variant)))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    column: usize,
    text: String,
}

fn tokens(text: &str) -> Result<Vec<Token>, DslError> {
    let mut tokens = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let characters: Vec<char> = content.split("//").next().unwrap_or_default().chars().collect();
        let mut at = 0;
        while at < characters.len() {
            let start = at;
            let word = |character: &char| character.is_ascii_alphanumeric() || *character == '\'';
            match characters[at] {
                character if character.is_whitespace() => {
                    at += 1;
                    continue;
                }
                character if word(&character) => {
                    at += characters[at..].iter().take_while(|character| word(character)).count();
                }
                '-' if characters.get(at + 1) == Some(&'>') => at += 2,
                '.' if characters.get(at + 1) == Some(&'.') => at += 2,
                '{' | '}' | '[' | ']' | ',' | ':' | '*' | '-' | '@' => at += 1,
                character => {
                    let message = format!("`{character}` means nothing here");
                    return Err(DslError { line: line + 1, column: at + 1, message });
                }
            }
            let text = characters[start..at].iter().collect();
            tokens.push(Token { line: line + 1, column: start + 1, text });
        }
    }
    Ok(tokens)
}

struct Builder<'a> {
    tokens: Peekable<IntoIter<Token>>,
    committee: &'a Arc<Committee>,
    state: &'a ConsensusState,
    built: Built,
    /// Blocks by round, author and primes.
    variants: BTreeMap<(Round, Author, u8), BlockRef>,
    round: Round,
}

/// One entry of a round.
#[derive(Clone)]
struct Entry {
    author: Author,
    variant: u8,
    ancestors: Vec<Ancestor>,
    timestamp: Option<u64>,
    batches: Vec<(String, u32)>,
}

#[derive(Clone)]
enum Ancestor {
    All,
    Block(Token),
    Without(Token),
}

/// The entries of a round, and whom `*` leaves out.
struct Rounds {
    entries: Vec<Entry>,
    all: bool,
    without: BTreeSet<Author>,
}

impl Builder<'_> {
    fn dag(&mut self) -> Result<(), DslError> {
        self.expect("DAG")?;
        self.expect("{")?;
        while !self.accept("}") {
            let token = self.next("a round as in `r1: { * }`")?;
            let first = number(&token, "r")?;
            let last = if self.accept("..") { number(&self.next("the last round")?, "")? } else { first };
            if first == 0 || last < first || last > ROUNDS_MAX || first <= self.round.0 {
                let message = format!("rounds {first} to {last} do not follow round {}", self.round);
                return Err(error(&token, message));
            }
            self.expect(":")?;
            let rounds = self.rounds()?;
            for round in first..=last {
                self.round = Round(round);
                self.make(&rounds)?;
            }
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        match self.tokens.next() {
            Some(token) => Err(error(&token, format!("`{}` comes after the end", token.text))),
            None => Ok(()),
        }
    }

    fn rounds(&mut self) -> Result<Rounds, DslError> {
        let mut rounds = Rounds { entries: Vec::new(), all: false, without: BTreeSet::new() };
        self.expect("{")?;
        while !self.accept("}") {
            if self.accept("*") {
                rounds.all = true;
            } else if self.accept("-") {
                let token = self.next("an author")?;
                rounds.without.insert(self.author(&token, &token.text)?);
            } else {
                let entry = self.entry()?;
                rounds.entries.push(entry);
            }
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(rounds)
    }

    fn entry(&mut self) -> Result<Entry, DslError> {
        let token = self.next("an author, `*` or `-`")?;
        let (letters, variant) = primes(&token)?;
        let author = self.author(&token, &letters)?;
        let mut entry = Entry { author, variant, ancestors: vec![Ancestor::All], timestamp: None, batches: Vec::new() };
        if self.accept("->") {
            entry.ancestors = self.ancestors()?;
        }
        if self.accept("@") {
            entry.timestamp = Some(number(&self.next("milliseconds")?, "")?);
        }
        if self.accept("{") {
            while !self.accept("}") {
                let batch = self.next("the name of a batch")?;
                let count = if self.accept(":") { number(&self.next("a count of transactions")?, "")? } else { 1 };
                let count = u32::try_from(count).ok().filter(|count| (1..=10_000).contains(count));
                let count = count.ok_or_else(|| error(&batch, "a batch has 1 to 10000 transactions".into()))?;
                entry.batches.push((batch.text, count));
                _ = self.accept(",");
            }
        }
        Ok(entry)
    }

    fn ancestors(&mut self) -> Result<Vec<Ancestor>, DslError> {
        let mut ancestors = Vec::new();
        self.expect("[")?;
        while !self.accept("]") {
            ancestors.push(if self.accept("*") {
                Ancestor::All
            } else if self.accept("-") {
                Ancestor::Without(self.next("a block")?)
            } else {
                Ancestor::Block(self.next("a block, `*` or `-`")?)
            });
            if !self.accept(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(ancestors)
    }

    fn make(&mut self, rounds: &Rounds) -> Result<(), DslError> {
        let mut entries = rounds.entries.clone();
        let named: BTreeSet<Author> = entries.iter().map(|entry| entry.author).collect();
        if rounds.all {
            for author in self.committee.authors() {
                if !named.contains(&author) && !rounds.without.contains(&author) {
                    let ancestors = vec![Ancestor::All];
                    entries.push(Entry { author, variant: 0, ancestors, timestamp: None, batches: Vec::new() });
                }
            }
        }
        entries.iter().try_for_each(|entry| self.make_block(entry))
    }

    fn make_block(&mut self, entry: &Entry) -> Result<(), DslError> {
        let place = (self.round, entry.author, entry.variant);
        let ancestors = self.resolve(entry)?;
        let batches = entry.batches.iter().map(|(name, count)| self.batch(entry.author, name, *count)).collect();
        let timestamp = entry.timestamp.unwrap_or(self.state.timestamp.0 + 100 * self.round.0);
        let block = block(self.state, place, ancestors, batches, TimestampMs(timestamp));
        let reference = block.reference();
        let name = name(reference, entry.variant);
        if self.variants.insert(place, reference).is_some() {
            return Err(DslError { line: 0, column: 0, message: format!("{name} is described twice") });
        }
        self.built.names.insert(name, reference);
        assert!(self.built.dag.insert(block.clone()), "a block of a new name is new");
        self.built.blocks.push(block);
        Ok(())
    }

    fn resolve(&self, entry: &Entry) -> Result<Vec<BlockRef>, DslError> {
        let mut chosen: BTreeMap<Author, BlockRef> = BTreeMap::new();
        let (mut named, mut without) = (BTreeSet::new(), BTreeSet::new());
        for ancestor in &entry.ancestors {
            match ancestor {
                Ancestor::All => {
                    let below = Round(self.round.0 - 1);
                    for author in self.committee.authors().filter(|author| !named.contains(author)) {
                        if let Some(block) = self.fewest_primes(below, author) {
                            chosen.insert(author, block);
                        }
                    }
                }
                Ancestor::Block(token) => {
                    let block = self.block_named(token)?;
                    if !named.insert(block.author) {
                        return Err(error(token, format!("two blocks of {} in one list", author_name(block.author))));
                    }
                    chosen.insert(block.author, block);
                }
                Ancestor::Without(token) => _ = without.insert(self.block_named(token)?),
            }
        }
        chosen.retain(|author, block| named.contains(author) || !without.contains(block));
        if !named.contains(&entry.author)
            && let Some(previous) = self.previous(entry, &without)
        {
            chosen.insert(entry.author, previous);
        }
        let own = chosen.remove(&entry.author);
        Ok(own.into_iter().chain(chosen.into_values()).collect())
    }

    fn fewest_primes(&self, round: Round, author: Author) -> Option<BlockRef> {
        self.variants.range((round, author, 0)..=(round, author, u8::MAX)).next().map(|(_, block)| *block)
    }

    /// The own last block that is not taken out.
    fn previous(&self, entry: &Entry, without: &BTreeSet<BlockRef>) -> Option<BlockRef> {
        (0..self.round.0).rev().map(Round).find_map(|round| {
            let same = self.variants.get(&(round, entry.author, entry.variant)).copied();
            same.or_else(|| self.fewest_primes(round, entry.author)).filter(|block| !without.contains(block))
        })
    }

    fn batch(&mut self, author: Author, name: &str, count: u32) -> BatchRef {
        if let Some(digest) = self.built.batch_names.get(name) {
            return self.built.batches[digest].reference();
        }
        let transactions = (0..count).map(|number| Bytes::from(format!("{name} {number}"))).collect();
        let batch = Batch { epoch: self.state.epoch, author, created: self.round, transactions };
        let reference = batch.reference();
        self.built.batch_names.insert(name.to_owned(), reference.digest);
        self.built.batches.insert(reference.digest, Arc::new(batch));
        reference
    }

    fn block_named(&self, token: &Token) -> Result<BlockRef, DslError> {
        let known = self.built.names.get(&token.text).filter(|block| block.round < self.round);
        known
            .copied()
            .ok_or_else(|| error(token, format!("there is no block `{}` below round {}", token.text, self.round)))
    }

    fn author(&self, token: &Token, letters: &str) -> Result<Author, DslError> {
        self.committee
            .authors()
            .find(|author| author_name(*author) == letters)
            .ok_or_else(|| error(token, format!("`{letters}` is none of the {} authors", self.committee.size())))
    }

    fn next(&mut self, wanted: &str) -> Result<Token, DslError> {
        let end = || DslError { line: 0, column: 0, message: format!("the text ends where {wanted} is wanted") };
        self.tokens.next().ok_or_else(end)
    }

    fn accept(&mut self, text: &str) -> bool {
        self.tokens.next_if(|token| token.text == text).is_some()
    }

    fn expect(&mut self, text: &str) -> Result<(), DslError> {
        let token = self.next(&format!("`{text}`"))?;
        if token.text == text {
            return Ok(());
        }
        Err(error(&token, format!("`{}` is where `{text}` is wanted", token.text)))
    }
}

fn primes(token: &Token) -> Result<(String, u8), DslError> {
    let letters = token.text.trim_end_matches('\'');
    let count = u8::try_from(token.text.len() - letters.len());
    Ok((letters.to_owned(), count.map_err(|_| error(token, "too many primes".into()))?))
}

fn number(token: &Token, before: &str) -> Result<u64, DslError> {
    let digits = token.text.strip_prefix(before);
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| error(token, format!("`{}` is where `{before}` and a number are wanted", token.text)))
}

fn error(token: &Token, message: String) -> DslError {
    DslError { line: token.line, column: token.column, message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Built, DslError> {
        let committee = committee(&[1; 4]);
        build(text, &committee, &start(&committee))
    }

    fn ancestors(built: &Built, of: &str) -> Vec<String> {
        let names: BTreeMap<BlockRef, &String> = built.names.iter().map(|(name, block)| (*block, name)).collect();
        let block = built.dag.get(&built.names[of]).unwrap();
        block.ancestors().iter().map(|ancestor| names[ancestor].clone()).collect()
    }

    #[test]
    fn the_language_says_what_its_documentation_says() {
        let text = "DAG {
            r1: { * },
            r2: { *, C -> [*, -D1], D },  // a comment
            r3: { A -> [A2, B2, C2], A' -> [*] @7, B {x, y:20}, -D },
            r4..6: { *, B -> [*, A3'], D -> [A3'] },
            r7: { A, A', B {x}, D -> [C6, -D6] },
        }";
        // Named three times, `A3'` is not of the round before in rounds 5 and 6, but may be an ancestor.
        let built = parse(text).unwrap();
        for (block, expected) in [
            ("A1", "A0 B0 C0 D0"),
            ("A2", "A1 B1 C1 D1"),
            ("C2", "C1 A1 B1"),
            ("D2", "D1 A1 B1 C1"),
            ("A3", "A2 B2 C2"),
            ("A3'", "A2 B2 C2 D2"),
            ("B4", "B3 A3'"),
            ("C4", "C2 A3 B3"),
            ("D4", "D2 A3'"),
            ("B5", "B4 A3' C4 D4"),
            ("A7'", "A6 B6 C6 D6"),
            ("D7", "D5 C6"),
        ] {
            assert_eq!(ancestors(&built, block).join(" "), expected, "{block}");
        }
        assert!(!built.names.contains_key("C3") && !built.names.contains_key("D3"));
        assert_ne!(built.names["A7"], built.names["A7'"]);
        assert_eq!(built.dag.get(&built.names["A3'"]).unwrap().header().timestamp, TimestampMs(7));
        assert_eq!(built.dag.get(&built.names["A5"]).unwrap().header().timestamp, TimestampMs(1_000_500));
        let batch = |name: &str| &built.batches[&built.batch_names[name]];
        assert_eq!((batch("x").created, batch("x").author, batch("y").transactions.len()), (Round(3), Author(1), 20));
        let named = |block: &str| built.dag.get(&built.names[block]).unwrap().header().batches.clone();
        assert_eq!(named("B7"), [named("B3")[0]]);
        assert_eq!(built.blocks.len(), built.dag.len());
    }

    #[test]
    fn errors_say_where_and_what() {
        for (text, line, column, part) in [
            ("DAG {\n r1: { * ,\n", 0, 0, "the text ends"),
            ("DAG { r1: { E } }", 1, 13, "none of the 4 authors"),
            ("DAG {\n r1: { A -> [B1] } }", 2, 14, "no block `B1` below round 1"),
            ("DAG { r1: { * }, r2: { A -> [B1, B0] } }", 1, 34, "two blocks of B"),
            ("DAG { r2: { * }, r1: { * } }", 1, 18, "do not follow round 2"),
            ("DAG { r1: { A, A } }", 0, 0, "A1 is described twice"),
            ("DAG { r1: { # } }", 1, 13, "`#` means nothing"),
            ("DAG { r1: { * } } more", 1, 19, "after the end"),
            ("DAG { r1 { * } }", 1, 10, "where `:` is wanted"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn author_names_go_beyond_the_alphabet() {
        assert_eq!([0, 25, 26, 51, 52].map(|author| author_name(Author(author))), ["A", "Z", "AA", "AZ", "BA"]);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(DAG|r1|r2|A|B1|C0'|[{}\\[\\],:*@ \n'-]|->|\\.\\.|[ -~]){0,40}") {
            _ = parse(&text);
            _ = parse(&format!("DAG {{ r1: {{ {text} }} }}"));
        }
    }
}
