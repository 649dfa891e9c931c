//! Keys and values of the positions a sequence has seen.
//!
//! A cache is a list of pages of 64 positions, all layers together. Pages are shared when a cache is forked and copied
//! when one side writes: sequences with a common prefix hold it once.

use std::sync::Arc;

use crate::cuda::Remote;
use noema_inference_api::ModelManifest;
use noema_numerics::KvBlock;
use noema_numerics::limits::BLOCK;

/// What a page depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Transformer layers.
    pub layers: usize,
    /// Key and value heads.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl CacheShape {
    /// The shape of a model's cache.
    #[must_use]
    pub fn of(manifest: &ModelManifest) -> Self {
        let [layers, heads, head_dim] = [manifest.layers, manifest.kv_heads, manifest.head_dim].map(|x| x as usize);
        Self { layers, heads, head_dim }
    }

    /// Bytes of a page of 64 positions.
    #[must_use]
    pub const fn page_bytes(&self) -> usize {
        self.page_values() * size_of::<f32>()
    }

    const fn block_values(&self) -> usize {
        self.head_dim * BLOCK
    }

    const fn page_values(&self) -> usize {
        self.layers * self.heads * 2 * self.block_values()
    }
}

/// The key-value cache of one sequence.
#[derive(Debug, Clone)]
pub struct KvCache {
    shape: CacheShape,
    pages: Vec<Arc<Vec<f32>>>,
    /// The pages, if they are on a device; then there are none here.
    remote: Option<Remote>,
    len: usize,
}

impl KvCache {
    /// An empty cache.
    #[must_use]
    pub const fn new(shape: CacheShape) -> Self {
        Self { shape, pages: Vec::new(), remote: None, len: 0 }
    }

    /// An empty cache on a device.
    pub(crate) const fn new_remote(shape: CacheShape, remote: Remote) -> Self {
        Self { shape, pages: Vec::new(), remote: Some(remote), len: 0 }
    }

    /// Whether a model on this machine's processors can use it.
    pub(crate) fn is_local(&self, shape: CacheShape) -> bool {
        self.shape == shape && self.remote.is_none()
    }

    /// The pages on a device, if that is where they are.
    pub(crate) const fn remote_mut(&mut self) -> Option<&mut Remote> {
        self.remote.as_mut()
    }

    /// Shape it was made for.
    #[must_use]
    pub const fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Positions it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A second cache with the same content; pages are shared until one side writes to them.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.pages.truncate(self.len.div_ceil(BLOCK));
        if let Some(remote) = &mut self.remote {
            remote.truncate(self.len.div_ceil(BLOCK));
        }
    }

    /// Bytes of its pages, shared ones included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.pages.len() + self.remote.as_ref().map_or(0, Remote::len)) * self.shape.page_bytes()
    }

    /// Makes room for `count` more positions, and every page they touch this cache's own.
    pub(crate) fn reserve(&mut self, count: usize) {
        let pages = (self.len + count).div_ceil(BLOCK);
        while self.pages.len() < pages {
            self.pages.push(Arc::new(vec![0.0; self.shape.page_values()]));
        }
        for page in &mut self.pages[self.len / BLOCK..pages] {
            Arc::make_mut(page);
        }
    }

    /// Declares `count` reserved and written positions part of the sequence.
    pub(crate) const fn advance(&mut self, count: usize) {
        self.len += count;
    }

    /// Writes keys and values of all heads at one position of one layer; [`KvCache::reserve`] came before.
    pub(crate) fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let shape = self.shape;
        let page = Arc::make_mut(&mut self.pages[position / BLOCK]);
        let at = position % BLOCK;
        let blocks = &mut page[layer * shape.heads * 2 * shape.block_values()..];
        let heads = blocks.chunks_exact_mut(2 * shape.block_values());
        let rows = keys.chunks_exact(shape.head_dim).zip(values.chunks_exact(shape.head_dim));
        for (block, (key, value)) in heads.zip(rows) {
            let (keys, values) = block.split_at_mut(shape.block_values());
            for (column, value) in keys.chunks_exact_mut(BLOCK).zip(key) {
                column[at] = *value;
            }
            values[at * shape.head_dim..][..shape.head_dim].copy_from_slice(value);
        }
    }

    /// All blocks of one layer and head.
    pub(crate) fn blocks(&self, layer: usize, head: usize) -> Vec<KvBlock<'_>> {
        let size = self.shape.block_values();
        let start = (layer * self.shape.heads + head) * 2 * size;
        let blocks = self.pages.iter().map(|page| page[start..start + 2 * size].split_at(size));
        blocks.map(|(keys, values)| KvBlock { keys, values }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape { layers: 2, heads: 3, head_dim: 4 };

    fn filled(count: usize) -> KvCache {
        let mut cache = KvCache::new(SHAPE);
        cache.reserve(count);
        for position in 0..count {
            for layer in 0..SHAPE.layers {
                let keys: Vec<f32> = (0..12).map(|i| (position * 100 + layer * 20 + i) as f32).collect();
                let values: Vec<f32> = keys.iter().map(|x| -x).collect();
                cache.write(layer, position, &keys, &values);
            }
        }
        cache.advance(count);
        cache
    }

    #[test]
    fn what_is_written_is_read() {
        let cache = filled(70);
        let blocks = cache.blocks(1, 2);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[1].keys[3 * BLOCK + 5], (69 * 100 + 20 + 11) as f32);
        assert_eq!(blocks[1].values[5 * 4 + 3], -((69 * 100 + 20 + 11) as f32));
    }

    #[test]
    fn forks_share_until_one_writes() {
        let cache = filled(70);
        let mut fork = cache.fork();
        fork.reserve(1);
        assert!(Arc::ptr_eq(&cache.pages[0], &fork.pages[0]));
        assert!(!Arc::ptr_eq(&cache.pages[1], &fork.pages[1]));
        fork.write(0, 70, &[7.0; 12], &[7.0; 12]);
        fork.advance(1);
        assert_eq!(cache.blocks(0, 0)[1].keys[6], 0.0);
        assert_eq!(fork.blocks(0, 0)[1].keys[6], 7.0);
        fork.truncate(64);
        assert_eq!((fork.len(), fork.bytes()), (64, SHAPE.page_bytes()));
    }
}
