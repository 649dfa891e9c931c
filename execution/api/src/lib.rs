//! Defines the seams of execution: state views, virtual machines, natives, gas, outcomes.
