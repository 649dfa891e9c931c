//! Runs verified Move bytecode, metered per basic block.
