//! Imports, stores and evaluates open models in the normative arithmetic.
