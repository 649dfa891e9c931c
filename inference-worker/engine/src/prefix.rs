//! Finds what earlier sequences have read: pages of keys and values by the tokens they stand for.
//!
//! A page of 64 positions is named by a hash over the model, all tokens before it and its own. What is found is a copy
//! of what reading those tokens again would give, bit by bit: a cache that is full, empty or just evicted never
//! changes an answer.

use std::collections::BTreeMap;

use noema_models::KvCache;
use noema_numerics::limits::BLOCK;
use noema_types::Hash;

/// Pages of many sequences, least recently used forgotten first.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    pages: BTreeMap<Hash, Page>,
    /// Names by last use. A page is always newer than those that follow it in a sequence: what goes is an end.
    by_age: BTreeMap<u64, Hash>,
    age: u64,
    bytes: usize,
    bytes_max: usize,
    pub(crate) evictions: u64,
}

#[derive(Debug)]
struct Page {
    /// Everything up to the page's end; pages before it are shared with their own entries.
    cache: KvCache,
    bytes: usize,
    age: u64,
}

/// Names of the full pages of some tokens, in order.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    model: Hash,
    names: Vec<Hash>,
}

impl Chain {
    pub(crate) fn new(model: Hash, tokens: &[u32]) -> Self {
        let mut chain = Self { model, names: Vec::new() };
        chain.extend(tokens);
        chain
    }

    /// Names the pages that these tokens, all from the start, fill by now.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        for page in tokens.chunks_exact(BLOCK).skip(self.names.len()) {
            let previous = self.names.last().unwrap_or(&self.model);
            let bytes: Vec<u8> = page.iter().flat_map(|token| token.to_le_bytes()).collect();
            let name = Hash::sha3(&[b"NOEMA::PrefixPage", &previous.0, &bytes]);
            self.names.push(name);
        }
    }
}

impl PrefixCache {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { pages: BTreeMap::new(), by_age: BTreeMap::new(), age: 0, bytes: 0, bytes_max, evictions: 0 }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The longest known start that is longer than `known` positions and shorter than `below`.
    pub(crate) fn find(&mut self, chain: &Chain, known: usize, below: usize) -> Option<KvCache> {
        let usable = chain.names.len().min(below.saturating_sub(1) / BLOCK);
        let found = chain.names[..usable].iter().take_while(|name| self.pages.contains_key(name)).count();
        if found * BLOCK <= known {
            return None;
        }
        self.touch(&chain.names[..found]);
        self.pages.get(&chain.names[found - 1]).map(|page| page.cache.fork())
    }

    /// Keeps the full pages of a cache whose tokens the chain names.
    pub(crate) fn keep(&mut self, chain: &Chain, cache: &KvCache) {
        if self.bytes_max == 0 {
            return;
        }
        let full = chain.names.len().min(cache.len() / BLOCK);
        for (index, name) in chain.names[..full].iter().enumerate() {
            if self.pages.contains_key(name) {
                continue;
            }
            let mut start = cache.fork();
            start.truncate((index + 1) * BLOCK);
            let bytes = start.shape().page_bytes();
            self.age += 1;
            self.bytes += bytes;
            self.by_age.insert(self.age, *name);
            self.pages.insert(*name, Page { cache: start, bytes, age: self.age });
        }
        self.touch(&chain.names[..full]);
        while self.bytes > self.bytes_max {
            let Some((_, name)) = self.by_age.pop_first() else { break };
            let page = self.pages.remove(&name).expect("every age names a page");
            self.bytes -= page.bytes;
            self.evictions += 1;
        }
    }

    fn touch(&mut self, names: &[Hash]) {
        for name in names.iter().rev() {
            let Some(page) = self.pages.get_mut(name) else { continue };
            self.age += 1;
            self.by_age.remove(&page.age);
            self.by_age.insert(self.age, *name);
            page.age = self.age;
        }
    }
}

#[cfg(test)]
mod tests {
    use noema_models::{Compute, LoadedModel, Step, Want, load_bytes, synthetic};
    use noema_numerics::Kernel;

    use super::*;
    use crate::sequence::causal;

    fn read(model: &LoadedModel, tokens: &[u32]) -> KvCache {
        let mut cache = causal(model).new_cache();
        let compute = Compute::single(Kernel::best()).expect("an available kernel");
        let mut steps = [Step { tokens, cache: &mut cache, want: Want::Nothing }];
        causal(model).forward(&compute, &mut steps).remove(0).expect("finite");
        cache
    }

    #[test]
    fn common_starts_are_found_and_ends_go_first() {
        let model = load_bytes(&synthetic::tiny_llama(1), None).expect("loads");
        let one: Vec<u32> = (0..200).map(|i| i % 250).collect();
        let two: Vec<u32> = one[..130].iter().copied().chain([7; 70]).collect();
        let (chain_one, chain_two) = (Chain::new(model.root, &one), Chain::new(model.root, &two));
        let cache = read(&model, &one);
        let page = cache.shape().page_bytes();
        let mut prefix = PrefixCache::new(3 * page);
        assert!(prefix.find(&chain_one, 0, 200).is_none());
        prefix.keep(&chain_one, &cache);
        assert_eq!(prefix.bytes(), 3 * page);
        assert_eq!(prefix.find(&chain_two, 0, 200).map(|cache| cache.len()), Some(128));
        assert_eq!(prefix.find(&chain_one, 0, 200).map(|cache| cache.len()), Some(192));
        // The last token must be read again for its logits, and nothing is found that is known.
        assert_eq!(prefix.find(&chain_one, 0, 128).map(|cache| cache.len()), Some(64));
        assert!(prefix.find(&chain_one, 192, 200).is_none());
        assert!(prefix.find(&Chain::new(Hash::ZERO, &one), 0, 200).is_none(), "another model");
        prefix.keep(&chain_two, &read(&model, &two));
        assert_eq!((prefix.bytes(), prefix.evictions), (3 * page, 1));
        assert_eq!(prefix.find(&chain_two, 0, 200).map(|cache| cache.len()), Some(192));
        assert_eq!(prefix.find(&chain_one, 0, 200).map(|cache| cache.len()), Some(128));
    }
}
