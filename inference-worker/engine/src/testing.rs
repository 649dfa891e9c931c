//! The golden vectors again, while the machine serves: memory and processors go bad, devices more often.

use std::time::{Duration, Instant};

use noema_models::{Compute, CudaError, Device, ModelError};

/// Least time to wait for a test.
const PAUSE: Duration = Duration::from_millis(10);

/// What the test of a machine found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Every bit is right.
    Right,
    /// The device is wrong or does not answer; the processor is right.
    Device(String),
    /// The processor computes wrongly: nothing here can be trusted.
    Processor(String),
}

/// Tests the machine on a timer.
#[derive(Debug)]
pub(crate) struct Tester {
    device: Option<Device>,
    every: Duration,
    last: Instant,
}

impl Tester {
    /// The machine has just been tested.
    pub(crate) fn new(device: Option<Device>, every: Duration) -> Self {
        Self { device, every, last: Instant::now() }
    }

    /// The device is not used any more.
    pub(crate) fn forget_device(&mut self) {
        self.device = None;
    }

    /// Time until the next test.
    pub(crate) fn next(&self) -> Duration {
        self.every.saturating_sub(self.last.elapsed()).max(PAUSE)
    }

    /// Tests, if it is time.
    pub(crate) fn look(&mut self, compute: &Compute) -> Option<Finding> {
        if self.last.elapsed() < self.every {
            return None;
        }
        let finding = self.test(compute);
        self.last = Instant::now();
        Some(finding)
    }

    fn test(&self, compute: &Compute) -> Finding {
        let arithmetic = noema_numerics::self_test(compute.arithmetic().kernel());
        let right = arithmetic.map_err(ModelError::from).and_then(|_| noema_models::self_test(compute));
        if let Err(error) = right {
            return Finding::Processor(error.to_string());
        }
        let Some(device) = &self.device else { return Finding::Right };
        let recheck = device.recheck().map_err(|error: CudaError| error.to_string());
        let right = recheck.and_then(|()| noema_models::self_tests_on(device).map_err(|error| error.to_string()));
        right.map_or_else(Finding::Device, |_| Finding::Right)
    }
}
