//! Admits transactions, orders them per account and cuts batches.
