/// Canonical abort codes: a category in the third byte, a module's own reason in the two lower bytes.
///
/// `error::not_found(7)` is `0x60007`. Clients map the category to an HTTP-like class and look the reason up in the
/// error map of the module that aborted.
module std::error {
    /// The caller passed a value that can never work.
    const INVALID_ARGUMENT: u64 = 0x1;
    /// An input lies outside the range that the current state allows.
    const OUT_OF_RANGE: u64 = 0x2;
    /// The system is in a state that forbids the operation.
    const INVALID_STATE: u64 = 0x3;
    /// The caller did not prove who it is.
    const UNAUTHENTICATED: u64 = 0x4;
    /// The caller is known, but may not do this.
    const PERMISSION_DENIED: u64 = 0x5;
    /// Something named by the caller does not exist.
    const NOT_FOUND: u64 = 0x6;
    /// The operation lost against a concurrent one.
    const ABORTED: u64 = 0x7;
    /// Something to be created exists already.
    const ALREADY_EXISTS: u64 = 0x8;
    /// A limit or budget is used up.
    const RESOURCE_EXHAUSTED: u64 = 0x9;
    /// The operation was cancelled.
    const CANCELLED: u64 = 0xA;
    /// An invariant of the module is broken.
    const INTERNAL: u64 = 0xB;
    /// The feature does not exist yet.
    const NOT_IMPLEMENTED: u64 = 0xC;
    /// The service cannot answer now.
    const UNAVAILABLE: u64 = 0xD;

    /// Joins a category and a reason.
    public fun canonical(category: u64, reason: u64): u64 {
        (category << 16) + reason
    }

    public fun invalid_argument(reason: u64): u64 { canonical(INVALID_ARGUMENT, reason) }

    public fun out_of_range(reason: u64): u64 { canonical(OUT_OF_RANGE, reason) }

    public fun invalid_state(reason: u64): u64 { canonical(INVALID_STATE, reason) }

    public fun unauthenticated(reason: u64): u64 { canonical(UNAUTHENTICATED, reason) }

    public fun permission_denied(reason: u64): u64 { canonical(PERMISSION_DENIED, reason) }

    public fun not_found(reason: u64): u64 { canonical(NOT_FOUND, reason) }

    public fun aborted(reason: u64): u64 { canonical(ABORTED, reason) }

    public fun already_exists(reason: u64): u64 { canonical(ALREADY_EXISTS, reason) }

    public fun resource_exhausted(reason: u64): u64 { canonical(RESOURCE_EXHAUSTED, reason) }

    public fun cancelled(reason: u64): u64 { canonical(CANCELLED, reason) }

    public fun internal(reason: u64): u64 { canonical(INTERNAL, reason) }

    public fun not_implemented(reason: u64): u64 { canonical(NOT_IMPLEMENTED, reason) }

    public fun unavailable(reason: u64): u64 { canonical(UNAVAILABLE, reason) }
}
