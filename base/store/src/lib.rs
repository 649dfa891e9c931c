//! Keeps bytes on disk: ordered reads and atomic batches behind one trait.
