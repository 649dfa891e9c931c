//! Memory for weights: few large regions on huge pages, where the system has them.
//!
//! Products of few tokens are as fast as weights arrive. With pages of 4 KiB the processor stops fetching ahead at each
//! page's end: on huge pages the same core reads a third faster.
#![allow(unsafe_code, reason = "memory with an alignment and an advice of its own")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes of a huge page of x86-64 and of most AArch64 systems.
const HUGE: usize = 2 << 20;
/// Bytes of a cache line: where every buffer starts.
const LINE: usize = 64;

/// Hands out buffers of zeros that lie one after the other.
#[derive(Debug, Default)]
pub struct Arena {
    region: Option<Arc<Region>>,
    used: usize,
}

/// Bytes of an [`Arena`], owned by whoever holds them; the region lives as long as any of its buffers.
pub struct Buffer {
    region: Arc<Region>,
    at: usize,
    len: usize,
}

/// One allocation, zeroed.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a region is plain memory; who may touch which part of it is decided by the buffers, which do not overlap.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Arena {
    /// Room for `bytes` in all, every buffer rounded up to 64. What does not fit gets regions of its own.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { region: (bytes > 0).then(|| Arc::new(Region::new(bytes))), used: 0 }
    }

    /// Bytes that a buffer of `len` takes of the capacity.
    #[must_use]
    pub const fn rounded(len: usize) -> usize {
        len.next_multiple_of(LINE)
    }

    /// A buffer of `len` zeros.
    pub fn take(&mut self, len: usize) -> Buffer {
        let size = Self::rounded(len);
        match &self.region {
            Some(region) if region.layout.size() - self.used >= size => {
                let at = self.used;
                self.used += size;
                Buffer { region: Arc::clone(region), at, len }
            }
            _ => Buffer { region: Arc::new(Region::new(size.max(LINE))), at: 0, len },
        }
    }
}

impl Region {
    fn new(bytes: usize) -> Self {
        let huge = bytes >= HUGE;
        let (size, align) = if huge { (bytes.next_multiple_of(HUGE), HUGE) } else { (bytes, LINE) };
        let layout = Layout::from_size_align(size, align).expect("sizes are those of files that fit this machine");
        // SAFETY: the size is not zero.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        if huge {
            advise_huge(start, size);
        }
        // SAFETY: `size` bytes are there. They are written only after the advice, so that the pages come huge.
        unsafe { start.write_bytes(0, size) };
        Self { start, layout }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// Asks for huge pages. That the system has none is no fault.
#[cfg(target_os = "linux")]
fn advise_huge(start: NonNull<u8>, size: usize) {
    // SAFETY: the range is allocated, and the advice changes no content.
    unsafe { libc::madvise(start.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
const fn advise_huge(_start: NonNull<u8>, _size: usize) {}

impl Deref for Buffer {
    type Target = [i8];

    fn deref(&self) -> &[i8] {
        // SAFETY: the range is inside the region and initialised, and no other buffer overlaps it.
        unsafe { std::slice::from_raw_parts(self.region.start.as_ptr().add(self.at).cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [i8] {
        // SAFETY: as for `deref`, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.region.start.as_ptr().add(self.at).cast(), self.len) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_apart_and_outlive_the_arena() {
        let mut arena = Arena::with_capacity(3 * LINE);
        let (mut first, mut second, other) = (arena.take(65), arena.take(64), arena.take(1));
        drop(arena);
        first.fill(1);
        second.fill(2);
        assert!(first.iter().all(|&byte| byte == 1) && first.len() == 65);
        assert!(second.iter().all(|&byte| byte == 2) && second.len() == 64);
        assert_eq!(&*other, [0]);
        assert!(Arc::ptr_eq(&first.region, &second.region) && !Arc::ptr_eq(&first.region, &other.region));
    }

    #[test]
    fn large_regions_are_aligned() {
        let mut arena = Arena::with_capacity(HUGE + 1);
        let buffer = arena.take(HUGE + 1);
        assert_eq!(buffer.as_ptr().addr() % HUGE, 0);
        assert!(buffer.iter().all(|&byte| byte == 0));
        assert!(Arena::default().take(0).is_empty());
    }
}
