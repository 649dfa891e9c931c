//! Signs, verifies, aggregates and hashes behind one face.
