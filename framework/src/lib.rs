//! Carries the chain's own Move modules, their natives and genesis.
