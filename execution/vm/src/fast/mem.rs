//! Memory of the fast interpreter, and the only unsafe code of the crate.
//!
//! # What is guaranteed, and by whom
//! A [`Ptr`] is an address in one of three kinds of memory: the [`Stack`] (frames), a block of the [`Arena`] (vectors,
//! boxes, global values), never anything else. The accessors here do no bounds checks: that an access stays inside its
//! slot or block holds because
//! 1. only modules that passed every pass of the verifier are lowered, so operands have the types that the lowering
//!    works with, and references neither dangle nor alias a mutation;
//! 2. the lowering gives each operand a slot inside the frame, and a call checks that the callee's frame is inside the
//!    stack (`Stack::fits`);
//! 3. element addresses are computed after a comparison of the index with the length.
//!
//! What keeps the machine itself sound:
//! - The stack is one allocation, zeroed, never moved or grown; pointers into frames stay valid for the session.
//! - A block never moves. A vector that grows gets another block, which its one owner's slot then names; the verifier
//!   guarantees that no reference to an element lives across a push.
//! - No `&` or `&mut` into either is ever made but for slices of bytes that end before the next store; every access goes
//!   through raw pointers that come from the allocations.
//! - Everything is plain words: there is nothing to drop, and every bit pattern may be loaded.
//! - All memory is initialised (allocated zeroed), so that any load is defined.

#![allow(unsafe_code, reason = "the machine's memory is words behind raw pointers; see the module's documentation")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::{NonNull, with_exposed_provenance_mut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use noema_types::U256;

const _: () = assert!(cfg!(target_endian = "little"), "a u8 in a word and a u8 in bytes must be read alike");
const _: () = assert!(size_of::<usize>() == 8, "a reference is one word");

/// Bytes of a word.
pub(super) const WORD: usize = 8;
/// Bytes of the first chunk of an arena, which is kept between sessions.
const FIRST_CHUNK: usize = 64 * 1024;
/// Bytes of the largest chunk that several blocks share.
const LARGEST_CHUNK: usize = 4 * 1024 * 1024;
/// Classes of block sizes: powers of two from 32 bytes.
const CLASSES: usize = 40;
const SMALLEST_BLOCK: usize = 32;
/// Memories that a thread keeps for its next sessions.
const POOLED: usize = 4;

/// An address in the machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ptr(*mut u8);

macro_rules! accessors {
    ($($load:ident $store:ident $type:ty;)*) => {$(
        #[inline(always)]
        pub(super) fn $load(self) -> $type {
            // SAFETY: the module's invariants: the address is inside live, initialised memory of the machine.
            unsafe { self.0.cast::<$type>().read_unaligned() }
        }

        #[inline(always)]
        pub(super) fn $store(self, value: $type) {
            // SAFETY: as above; no Rust reference into the memory is alive.
            unsafe { self.0.cast::<$type>().write_unaligned(value) }
        }
    )*};
}

impl Ptr {
    /// As the word that references and owners of blocks are.
    #[inline(always)]
    pub(super) fn word(self) -> u64 {
        self.0.expose_provenance() as u64
    }

    #[inline(always)]
    pub(super) fn from_word(word: u64) -> Self {
        Self(with_exposed_provenance_mut(word as usize))
    }

    #[inline(always)]
    pub(super) fn is_null(self) -> bool {
        self.0.is_null()
    }

    #[inline(always)]
    pub(super) fn offset(self, bytes: usize) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The address of a slot of the frame that starts here.
    #[inline(always)]
    pub(super) fn slot(self, slot: u16) -> Self {
        self.offset(usize::from(slot) * WORD)
    }

    #[inline(always)]
    pub(super) fn words(self, words: usize) -> Self {
        self.offset(words * WORD)
    }

    accessors! {
        u8 set_u8 u8;
        u16 set_u16 u16;
        u32 set_u32 u32;
        u64 set_u64 u64;
        u128 set_u128 u128;
        limbs set_limbs [u64; 4];
        array set_array [u8; 32];
    }

    /// The word in a slot of the frame that starts here.
    #[inline(always)]
    pub(super) fn get(self, slot: u16) -> u64 {
        self.slot(slot).u64()
    }

    #[inline(always)]
    pub(super) fn set(self, slot: u16, word: u64) {
        self.slot(slot).set_u64(word);
    }

    /// The address that a slot of the frame holds.
    #[inline(always)]
    pub(super) fn at(self, slot: u16) -> Self {
        Self::from_word(self.get(slot))
    }

    #[inline(always)]
    pub(super) fn u256(self) -> U256 {
        U256::from_limbs(self.limbs())
    }

    #[inline(always)]
    pub(super) fn set_u256(self, value: U256) {
        self.set_limbs(value.into_limbs());
    }

    /// Copies words to here; the two may overlap.
    #[inline(always)]
    pub(super) fn copy_words(self, from: Self, words: usize) {
        self.copy_bytes(from, words * WORD);
    }

    #[inline(always)]
    pub(super) fn copy_bytes(self, from: Self, bytes: usize) {
        // SAFETY: the module's invariants: both ranges are inside memory of the machine.
        unsafe { std::ptr::copy(from.0, self.0, bytes) }
    }

    #[inline]
    pub(super) fn zero_words(self, words: usize) {
        // SAFETY: the module's invariants.
        unsafe { std::ptr::write_bytes(self.0, 0, words * WORD) }
    }

    /// Swaps two ranges that are equal or disjoint.
    #[inline]
    pub(super) fn swap_bytes(self, other: Self, bytes: usize) {
        if self != other {
            // SAFETY: the module's invariants; elements of one vector do not overlap.
            unsafe { std::ptr::swap_nonoverlapping(self.0, other.0, bytes) }
        }
    }

    /// Writes bytes here.
    #[inline]
    pub(super) fn set_bytes(self, bytes: &[u8]) {
        // SAFETY: the module's invariants; the source is not the machine's memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0, bytes.len()) }
    }

    /// The bytes from here on, for as long as nothing is stored.
    #[inline]
    pub(super) fn bytes<'m>(self, length: usize) -> &'m [u8] {
        if length == 0 {
            return &[];
        }
        // SAFETY: the module's invariants; callers use the slice up before the next store.
        unsafe { std::slice::from_raw_parts(self.0, length) }
    }
}

/// One zeroed allocation.
#[derive(Debug)]
struct Chunk {
    start: NonNull<u8>,
    layout: Layout,
}

impl Chunk {
    fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes, 16).expect("chunks are far smaller than the address space");
        assert!(bytes > 0, "chunks are not empty");
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        Self { start, layout }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and freed once, here.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// Frames: one region that never moves.
#[derive(Debug)]
pub(super) struct Stack {
    chunk: Chunk,
}

impl Stack {
    fn new(words: usize) -> Self {
        Self { chunk: Chunk::new(words * WORD) }
    }

    /// Where the first frame starts.
    pub(super) fn base(&self) -> Ptr {
        Ptr(self.chunk.start.as_ptr())
    }

    /// One past the last word.
    pub(super) fn end(&self) -> u64 {
        self.base().word() + self.chunk.layout.size() as u64
    }
}

/// Blocks for what outgrows slots. Freed blocks are used again; everything goes at the end of the session.
#[derive(Debug)]
pub(super) struct Arena {
    first: Chunk,
    more: Vec<Chunk>,
    next: *mut u8,
    left: usize,
    /// Freed blocks by class, linked through their first words.
    free: [*mut u8; CLASSES],
}

impl Arena {
    fn new() -> Self {
        let first = Chunk::new(FIRST_CHUNK);
        let next = first.start.as_ptr();
        Self { first, more: Vec::new(), next, left: FIRST_CHUNK, free: [std::ptr::null_mut(); CLASSES] }
    }

    fn reset(&mut self) {
        self.more.clear();
        self.next = self.first.start.as_ptr();
        self.left = FIRST_CHUNK;
        self.free = [std::ptr::null_mut(); CLASSES];
    }

    #[inline]
    fn class(bytes: usize) -> usize {
        (bytes.max(SMALLEST_BLOCK).next_power_of_two() / SMALLEST_BLOCK).trailing_zeros() as usize
    }

    /// Bytes that a block asked for with `bytes` really has.
    #[inline]
    pub(super) fn rounded(bytes: usize) -> usize {
        SMALLEST_BLOCK << Self::class(bytes)
    }

    /// A block of at least `bytes`; what it holds is unspecified but initialised.
    pub(super) fn allocate(&mut self, bytes: usize) -> Ptr {
        let class = Self::class(bytes);
        let block = self.free[class];
        if !block.is_null() {
            self.free[class] = Ptr(Ptr(block).u64_as_pointer()).0;
            return Ptr(block);
        }
        let size = SMALLEST_BLOCK << class;
        if size > self.left {
            self.grow(size);
        }
        let block = self.next;
        self.next = self.next.wrapping_add(size);
        self.left -= size;
        Ptr(block)
    }

    #[cold]
    fn grow(&mut self, size: usize) {
        let shared = (FIRST_CHUNK << (self.more.len() + 1).min(6)).min(LARGEST_CHUNK);
        let bytes = size.max(shared);
        let chunk = Chunk::new(bytes);
        self.next = chunk.start.as_ptr();
        self.left = bytes;
        self.more.push(chunk);
    }

    /// Takes back a block that was asked for with a size of the same class.
    #[inline]
    pub(super) fn release(&mut self, block: Ptr, bytes: usize) {
        let class = Self::class(bytes);
        block.set_u64(Ptr(self.free[class]).word());
        self.free[class] = block.0;
    }
}

impl Ptr {
    fn u64_as_pointer(self) -> *mut u8 {
        Self::from_word(self.u64()).0
    }
}

/// Memory of one session.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) stack: Stack,
    pub(super) arena: Arena,
}

// SAFETY: the pointers inside are to allocations that the value itself owns.
unsafe impl Send for Memory {}

thread_local! {
    static POOL: RefCell<Vec<Memory>> = const { RefCell::new(Vec::new()) };
}

/// A [`Memory`] that goes back to its thread's pool.
#[derive(Debug)]
pub(super) struct Lease(Option<Memory>);

impl Lease {
    /// Memory with a stack of [`crate::limits::STACK_WORDS`].
    pub(super) fn new() -> Self {
        let pooled = POOL.with_borrow_mut(Vec::pop);
        Self(Some(
            pooled.unwrap_or_else(|| Memory { stack: Stack::new(crate::limits::STACK_WORDS), arena: Arena::new() }),
        ))
    }
}

impl std::ops::Deref for Lease {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        self.0.as_ref().expect("memory is there until the lease ends")
    }
}

impl std::ops::DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Memory {
        self.0.as_mut().expect("memory is there until the lease ends")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut memory) = self.0.take() else { return };
        memory.arena.reset();
        // A thread that is ending has no pool any more; then the memory just goes.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED {
                pool.push(memory);
            }
        });
    }
}

/// A position in code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ip<T>(*const T);

impl<T> Ip<T> {
    /// The start of code.
    pub(super) fn start(code: &[T]) -> Self {
        Self(code.as_ptr())
    }

    /// The instruction here; moves on to the next.
    #[inline(always)]
    pub(super) fn next<'c>(&mut self) -> &'c T {
        // SAFETY: the lowering ends every function with an instruction that leaves it, and resolves every jump to a
        // position in the code (`check` asserts both); functions live as long as their pool, which the machine borrows.
        let instruction = unsafe { &*self.0 };
        self.0 = self.0.wrapping_add(1);
        instruction
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, by: isize) {
        self.0 = self.0.wrapping_offset(by);
    }

    /// The position in `code`, which it is a position of.
    pub(super) fn position(self, code: &[T]) -> usize {
        (self.0.addr() - code.as_ptr().addr()) / size_of::<T>()
    }
}

/// Constants of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constants(*const u64);

impl Constants {
    pub(super) fn of(pool: &[u64]) -> Self {
        Self(pool.as_ptr())
    }

    #[inline(always)]
    pub(super) fn get(self, at: u16) -> u64 {
        // SAFETY: `check` asserts of every instruction that its constants are in the pool of its function.
        unsafe { *self.0.add(usize::from(at)) }
    }
}

/// What cannot happen in checked code.
#[inline(always)]
pub(super) fn never() -> ! {
    // SAFETY: `check` asserts that every jump leads to a block's charge.
    unsafe { std::hint::unreachable_unchecked() }
}

/// Values that stay where they are until the pool goes.
#[derive(Debug)]
pub(super) struct Pool<T> {
    items: Mutex<Vec<Box<T>>>,
}

impl<T> Pool<T> {
    pub(super) fn new() -> Self {
        Self { items: Mutex::new(Vec::new()) }
    }

    /// Keeps a value.
    pub(super) fn add(&self, value: T) -> &T {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.push(Box::new(value));
        let kept: *const T = &raw const **items.last().expect("just pushed");
        // SAFETY: boxes do not move when the list grows, and nothing is removed while the pool, borrowed here, lives.
        unsafe { &*kept }
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: *const T = &raw const **items.get(index)?;
        // SAFETY: as in `add`.
        Some(unsafe { &*kept })
    }

    pub(super) fn len(&self) -> usize {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A place that once names a value of a pool: filled on first use, read without a lock.
#[derive(Debug)]
pub(super) struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// The value, which is in `pool`.
    #[inline(always)]
    pub(super) fn get<'p>(&self, _pool: &'p Pool<T>) -> Option<&'p T> {
        let value = self.0.load(Ordering::Acquire);
        // SAFETY: null, or set by `set` to a value of the same pool, which keeps it while it is borrowed. A link lives
        // inside a value of the pool or beside it, so it cannot meet another one.
        unsafe { value.as_ref() }
    }

    /// Names a value of the pool. Two threads that link at once link to the same function.
    pub(super) fn set<'p>(&self, _pool: &'p Pool<T>, value: &'p T) {
        self.0.store(std::ptr::from_ref(value).cast_mut(), Ordering::Release);
    }
}
