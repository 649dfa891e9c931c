//! Carries the Move standard library: sources, tests and natives.
