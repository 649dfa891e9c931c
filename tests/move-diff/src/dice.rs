//! The one source of chance of a program: ChaCha8 from the seed, and draws from it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws numbers. Equal seeds draw equal numbers, on every machine.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(end);
        u64::try_from(product >> 64).expect("the upper half of 128 bits")
    }

    /// A number of the range, both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// An index into something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "nothing to pick from");
        &items[self.index(items.len())]
    }

    /// Bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number of so many bits that is often at or near an end, a power of two, or small.
    pub fn interesting(&mut self, bits: u32) -> [u8; 32] {
        let mut value = [0u8; 32];
        let bytes = bits as usize / 8;
        match self.below(8) {
            0 => {}
            1 | 2 => value[0] = self.below(10) as u8,
            3 => value[..bytes].fill(0xff),
            4 => {
                value[..bytes].fill(0xff);
                value[0] -= self.below(4) as u8;
            }
            5 => {
                let bit = self.index(bits as usize);
                value[bit / 8] = 1 << (bit % 8);
            }
            6 => value[..bytes.div_ceil(2)].copy_from_slice(&self.bytes(bytes.div_ceil(2))),
            _ => value[..bytes].copy_from_slice(&self.bytes(bytes)),
        }
        value
    }
}
