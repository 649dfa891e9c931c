//! The execution thread: ordered blocks are executed one after the other and kept until they are certified.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use noema_dag::ConsensusState;
use noema_types::{CertifiedCheckpoint, Checkpoint, Height};
use parking_lot::{Condvar, Mutex};

use crate::certifier::CertifierEvent;
use crate::driver::Event;
use crate::inbox::Inbox;
use crate::status::Shared;
use crate::{Application, ExecutedBlock, OrderedBlock};

/// An ordered block and the state of consensus after it.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) block: OrderedBlock,
    pub(crate) state: ConsensusState,
    pub(crate) ordered_at: Instant,
}

/// A block that is in the ledger.
#[derive(Debug)]
pub(crate) struct CertifiedSlice {
    pub(crate) slice: Arc<Slice>,
    pub(crate) certified: CertifiedCheckpoint,
    pub(crate) executed: ExecutedBlock,
}

#[expect(clippy::large_enum_variant, reason = "values that live shortly and are moved once or twice")]
#[derive(Debug)]
enum Order {
    Certify(CertifiedCheckpoint),
    /// A quorum contradicts: all that is not certified is executed again.
    Repeat {
        own: Checkpoint,
        certified: CertifiedCheckpoint,
    },
    /// Everything that is not certified is dropped.
    Reset,
}

#[derive(Debug, Default)]
struct Queue {
    /// Ordered and not certified.
    slices: VecDeque<Arc<Slice>>,
    /// Results of the first of them.
    results: VecDeque<ExecutedBlock>,
    bytes: usize,
    orders: VecDeque<Order>,
    /// Raised when results become void.
    generation: u64,
    stopped: bool,
}

/// The queue of the execution thread.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[expect(clippy::large_enum_variant, reason = "values that live shortly and are moved once or twice")]
enum Work {
    Order(Order),
    Execute(Arc<Slice>, u64),
    Stop,
}

impl Execution {
    /// Adds the next block. Says how many wait for execution, and their bytes with those that are executed.
    pub(crate) fn push(&self, slice: Slice) -> (usize, usize) {
        let mut queue = self.queue.lock();
        queue.bytes += bytes_of(&slice);
        queue.slices.push_back(Arc::new(slice));
        self.ready.notify_one();
        (queue.slices.len() - queue.results.len(), queue.bytes)
    }

    /// The oldest block that is executed is certified.
    pub(crate) fn certify(&self, certified: CertifiedCheckpoint) {
        self.order(Order::Certify(certified));
    }

    /// Executes everything that is not certified again. Results of an older generation than the one returned are void.
    pub(crate) fn repeat(&self, own: Checkpoint, certified: CertifiedCheckpoint) -> u64 {
        let mut queue = self.queue.lock();
        queue.generation += 1;
        queue.orders.push_back(Order::Repeat { own, certified });
        self.ready.notify_one();
        queue.generation
    }

    /// Drops everything that is not certified. Results of an older generation than the one returned are void.
    pub(crate) fn reset(&self) -> u64 {
        let mut queue = self.queue.lock();
        queue.generation += 1;
        queue.slices.clear();
        queue.results.clear();
        queue.bytes = 0;
        queue.orders.push_back(Order::Reset);
        self.ready.notify_one();
        queue.generation
    }

    pub(crate) fn stop(&self) {
        self.queue.lock().stopped = true;
        self.ready.notify_one();
    }

    fn order(&self, order: Order) {
        self.queue.lock().orders.push_back(order);
        self.ready.notify_one();
    }

    fn next(&self) -> Work {
        let mut queue = self.queue.lock();
        loop {
            if queue.stopped {
                return Work::Stop;
            }
            if let Some(order) = queue.orders.pop_front() {
                return Work::Order(order);
            }
            if let Some(slice) = queue.slices.get(queue.results.len()) {
                return Work::Execute(slice.clone(), queue.generation);
            }
            self.ready.wait(&mut queue);
        }
    }
}

fn bytes_of(slice: &Slice) -> usize {
    slice.block.transactions.iter().map(bytes::Bytes::len).sum()
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct ExecutionThread {
    pub(crate) execution: Arc<Execution>,
    pub(crate) application: Arc<dyn Application>,
    pub(crate) certifier: Arc<Inbox<CertifierEvent>>,
    pub(crate) driver: Arc<Inbox<Event>>,
    pub(crate) shared: Arc<Shared>,
}

impl ExecutionThread {
    /// Works until told to stop, or until the application halts.
    pub(crate) fn run(self) {
        loop {
            let result = match self.execution.next() {
                Work::Stop => return,
                Work::Order(Order::Certify(certified)) => self.certify(certified),
                Work::Order(Order::Repeat { own, certified }) => self.repeat(&own, &certified),
                Work::Order(Order::Reset) => {
                    let done = self.application.roll_back(false);
                    self.driver.push(Event::Idle);
                    done
                }
                Work::Execute(slice, generation) => self.execute(slice, generation),
            };
            if let Err(halt) = result {
                self.shared.halt(&halt.to_string());
                return;
            }
        }
    }

    fn execute(&self, slice: Arc<Slice>, generation: u64) -> Result<(), crate::Halt> {
        if self.shared.is_halted() {
            return Err(crate::Halt("halted".to_owned()));
        }
        let executed = self.application.execute(&slice.block)?;
        let mut queue = self.execution.queue.lock();
        if queue.generation == generation {
            queue.results.push_back(executed.clone());
            drop(queue);
            self.shared.metrics.executed.set(i64::try_from(slice.block.height.0).unwrap_or(i64::MAX));
            self.certifier.push(CertifierEvent::Executed { generation, slice, executed });
        }
        Ok(())
    }

    fn certify(&self, certified: CertifiedCheckpoint) -> Result<(), crate::Halt> {
        let height = certified.data().height;
        if self.front().is_none_or(|front| front != height) {
            return Ok(());
        }
        self.application.certify(&certified)?;
        let mut queue = self.execution.queue.lock();
        // A reset while the block was being written: it is in the ledger all the same, and found there.
        let (Some(slice), Some(executed)) = (queue.slices.pop_front(), queue.results.pop_front()) else {
            return Ok(());
        };
        queue.bytes -= bytes_of(&slice);
        drop(queue);
        self.shared.metrics.certify_seconds.observe(slice.ordered_at.elapsed().as_secs_f64());
        self.driver.push(Event::Certified(Box::new(CertifiedSlice { slice, certified, executed })));
        Ok(())
    }

    /// Height of the oldest block that is executed and not certified.
    fn front(&self) -> Option<Height> {
        let queue = self.execution.queue.lock();
        queue.results.front().and(queue.slices.front()).map(|slice| slice.block.height)
    }

    fn repeat(&self, own: &Checkpoint, certified: &CertifiedCheckpoint) -> Result<(), crate::Halt> {
        self.application.diverged(own, certified);
        self.execution.queue.lock().results.clear();
        self.application.roll_back(true)
    }
}
