/// Shows values while unit tests run. On a chain these functions charge gas and do nothing else.
module std::debug {
    /// Shows a value with its type, as `aptos_std::string_utils::debug_string` writes it.
    public fun print<T>(x: &T) {
        print_value<T>(x)
    }

    /// Shows where the program is. The stack is the runner's to add; a line marks the place in the output.
    public fun print_stack_trace() {
        print_stack()
    }

    native fun print_value<T>(x: &T);

    native fun print_stack();
}
