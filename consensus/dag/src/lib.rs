//! Orders transactions into commits as a pure state machine.
