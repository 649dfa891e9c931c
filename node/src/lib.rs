//! Runs a Noema node: consensus, execution, storage, REST API.
