//! Queues between threads, bounded where what fills them comes from outside.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A queue with one reader.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new() }
    }

    /// Adds an item, whatever waits already: for what the own threads make, which is bounded elsewhere.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.state.lock();
        if !state.closed {
            state.items.push_back((item, 0));
            self.filled.notify_one();
        }
    }

    /// Adds an item unless as many wait as may.
    pub(crate) fn offer(&self, item: T, items_max: usize) -> bool {
        let mut state = self.state.lock();
        let taken = !state.closed && state.items.len() < items_max;
        if taken {
            state.items.push_back((item, 0));
            self.filled.notify_one();
        }
        taken
    }

    /// Adds an item of a size, once there is room; drops it when the reader is gone.
    pub(crate) fn push_waiting(&self, item: T, bytes: usize, items_max: usize, bytes_max: usize) {
        let mut state = self.state.lock();
        while !state.closed && (state.items.len() >= items_max || (state.bytes > 0 && state.bytes + bytes > bytes_max))
        {
            self.drained.wait(&mut state);
        }
        if !state.closed {
            state.bytes += bytes;
            state.items.push_back((item, bytes));
            self.filled.notify_one();
        }
    }

    /// Waits until the deadline for items and takes up to a number of them.
    pub(crate) fn take(&self, max: usize, deadline: Instant, into: &mut Vec<T>) {
        let mut state = self.state.lock();
        while state.items.is_empty() && !state.closed {
            if self.filled.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        let count = state.items.len().min(max);
        let mut freed = 0;
        into.extend(state.items.drain(..count).map(|(item, bytes)| {
            freed += bytes;
            item
        }));
        state.bytes -= freed;
        if count > 0 {
            self.drained.notify_all();
        }
    }

    /// As [`Inbox::take`] of one.
    pub(crate) fn next(&self, timeout: Duration) -> Option<T> {
        let mut one = Vec::with_capacity(1);
        self.take(1, Instant::now() + timeout, &mut one);
        one.pop()
    }

    /// Nothing is taken any more; who waits goes on.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.items.clear();
        state.bytes = 0;
        self.filled.notify_all();
        self.drained.notify_all();
    }
}
