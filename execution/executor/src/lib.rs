//! Executes ordered transactions: validation, Move, fees, inference, outputs.
