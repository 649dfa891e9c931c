//! The table of diagnostic codes.
//!
//! A code never changes its meaning. Codes are grouped by pass: E01 syntax, E02 packages, E03 modules and attributes,
//! E04 names, E05 types and abilities, E06 borrows and locals, E07 constants and code generation, E09 not compiled yet,
//! E99 faults of the compiler itself; W the same for warnings.

use std::fmt;

use super::Severity;

/// The stable name of a kind of diagnostic, such as `E0101`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Error for codes that begin with `E`, warning otherwise.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.0.starts_with('E') { Severity::Error } else { Severity::Warning }
    }

    /// One sentence on what the code means.
    #[must_use]
    pub fn summary(self) -> &'static str {
        self.entry().map_or("", |entry| entry.summary)
    }

    /// The code of which this one is a special case, if it is one.
    #[must_use]
    pub fn general(self) -> Option<Self> {
        self.entry().and_then(|entry| entry.general)
    }

    /// The code called `name`, in any case of letters.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.iter().map(|entry| entry.code).find(|code| code.0.eq_ignore_ascii_case(name))
    }

    fn entry(self) -> Option<&'static Entry> {
        TABLE.iter().find(|entry| entry.code == self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// One sentence on what it means.
    pub summary: &'static str,
    /// The code of which it is a special case.
    pub general: Option<Code>,
}

macro_rules! codes {
    ($($name:ident $code:literal $(of $general:ident)? $summary:literal;)*) => {
        $(
            #[doc = $summary]
            pub const $name: Code = Code($code);
        )*

        /// Every code, in the order of the passes.
        pub const TABLE: &[Entry] = &[$(
            Entry { code: $name, summary: $summary, general: codes!(@general $($general)?) }
        ),*];
    };
    (@general) => { None };
    (@general $general:ident) => { Some($general) };
}

codes! {
    UNEXPECTED_TOKEN "E0101" "The source does not follow the grammar at this place.";
    UNKNOWN_CHARACTER "E0102" "A character that has no meaning outside of comments and strings.";
    UNCLOSED_DELIMITER "E0103" "A brace, bracket, parenthesis, string or comment is opened and never closed.";
    BAD_NUMBER "E0104" "A number is malformed or larger than u256 can hold.";
    BAD_STRING "E0105" "A string holds an unknown escape, or a hex string holds something else than pairs of hex digits.";
    BIDI_CONTROL "E0106" "Characters that change the direction of text can hide what code does and are refused.";
    NESTING_TOO_DEEP "E0107" "Expressions, types or blocks are nested deeper than the compiler's limit.";
    MISSING_SEMICOLON "E0108" "A statement must end with `;` before the next one begins.";
    AMBIGUOUS_CAST "E0109" "`as` behind a binary operator could apply to either operand; parentheses say which.";
    BAD_ASSIGN_TARGET "E0110" "The left side of `=` must be a place, a tuple of places or an unpacked struct.";
    BAD_MODIFIER "E0111" "A modifier is repeated, contradicts another one or cannot stand before this item.";
    RESERVED_WORD "E0112" "A reserved word cannot be used as a name; back quotes allow it.";
    FILE_TOO_LARGE "E0113" "A source file is larger than the compiler's limit.";
    NOT_UTF8 "E0114" "A source file is not valid UTF-8.";
    MISSING_BODY "E0115" of UNEXPECTED_TOKEN "A function that is not `native` ends with `;`.";
    ARROW_RESULT "E0116" of UNEXPECTED_TOKEN "The result type of a function follows `->`.";
    DOUBLE_BORROW "E0117" of UNEXPECTED_TOKEN "`&&` stands where a single `&` borrows.";
    PATH_TOO_LONG "E0118" of UNEXPECTED_TOKEN "A path has more than four parts.";
    MISPLACED_REST "E0119" of UNEXPECTED_TOKEN "`..` stands where a value is needed.";
    REPEATED_REST "E0120" of UNEXPECTED_TOKEN "A pattern holds `..` twice.";
    OUTSIDE_MODULE "E0121" of UNEXPECTED_TOKEN "A member stands outside of every module.";
    MISSPELT_WORD "E0122" of UNEXPECTED_TOKEN "A word that is nearly a keyword, or a keyword of another language, stands where an item begins.";
    GLOB_USE "E0123" of UNEXPECTED_TOKEN "A `use` ends with `*`.";
    MISSING_PARENTHESES "E0124" of UNEXPECTED_TOKEN "A condition stands without parentheses.";
    UNCLOSED_COMMENT "E0125" of UNCLOSED_DELIMITER "A block comment is never closed.";
    UNCLOSED_STRING "E0126" of UNCLOSED_DELIMITER "A string is never closed.";
    UNCLOSED_QUOTES "E0127" of UNCLOSED_DELIMITER "A name in back quotes is never closed.";
    NUMBER_TOO_LARGE "E0128" of BAD_NUMBER "A number is larger than u256 can hold.";
    UNKNOWN_SUFFIX "E0129" of BAD_NUMBER "A number ends in letters that name no integer type.";
    UNKNOWN_ESCAPE "E0130" of BAD_STRING "A string holds an escape that means nothing.";
    ODD_HEX "E0131" of BAD_STRING "A hex string holds an odd number of digits.";
    REPEATED_MODIFIER "E0132" of BAD_MODIFIER "A modifier is written twice.";
    NATIVE_WITH_BODY "E0133" of BAD_MODIFIER "A `native` function has a body.";
    INLINE_AND_MACRO "E0134" of BAD_MODIFIER "A function is both `inline` and `macro`.";
    REPEATED_ABILITY "E0135" of BAD_MODIFIER "An ability is listed twice.";
    MISPLACED_MODIFIER "E0136" of BAD_MODIFIER "A modifier stands before an item that cannot have it.";
    DOC_COMMENT_UNUSED "W0101" "A doc comment stands before nothing that it could document.";

    MANIFEST_MALFORMED "E0201" "Move.toml is not valid TOML or a field has the wrong type.";
    MANIFEST_MISSING "E0202" "The folder, or the folder of a dependency, has no Move.toml.";
    DEPENDENCY_UNAVAILABLE "E0203" "A dependency is neither in a local folder nor embedded in the compiler.";
    DEPENDENCY_CYCLE "E0204" "Packages depend on each other in a circle.";
    ADDRESS_CONFLICT "E0205" "A named address is given two different values.";
    ADDRESS_UNASSIGNED "E0206" "A named address has no value.";
    BAD_ADDRESS "E0207" "An address is not `0x` and up to 64 hex digits.";
    SOURCE_UNREADABLE "E0208" "A source file or folder cannot be read.";
    DUPLICATE_PACKAGE "E0209" "Two different packages of one name are in the program.";
    UNKNOWN_MANIFEST_KEY "W0201" "Move.toml holds a key that the compiler does not know.";

    DUPLICATE_MODULE "E0301" "Two modules have the same address and name.";
    MODULE_WITHOUT_ADDRESS "E0302" "A module needs an address: `module 0x1::name`.";
    BAD_ATTRIBUTE "E0303" "A known attribute is malformed or stands before an item it does not apply to.";
    BAD_TEST "E0304" "A test function has parameters that its `#[test(..)]` does not give, or is not a plain function.";
    BAD_SCRIPT "E0305" "A script must have exactly one function and nothing but uses and constants beside it.";
    MIXED_FRIENDS "E0306" "`friend` and `public(package)` do not mix in one module.";
    DUPLICATE_ATTRIBUTE "E0307" "An attribute is given twice.";
    MISPLACED_ATTRIBUTE "E0308" of BAD_ATTRIBUTE "An attribute stands before an item it does not apply to.";
    GENERIC_TEST "E0309" of BAD_TEST "A test function has type parameters or is expanded at its calls.";
    TEST_SIGNER_MISSING "E0310" of BAD_TEST "A parameter of a test is given no value.";
    TEST_PARAMETER_TYPE "E0311" of BAD_TEST "A parameter of a test is no signer.";
    TEST_SIGNER_UNKNOWN "E0312" of BAD_TEST "A `#[test(..)]` names a parameter that the function has not.";
    TEST_SIGNER_TWICE "E0313" of BAD_TEST "A `#[test(..)]` gives a parameter twice.";
    UNKNOWN_ATTRIBUTE "W0301" "The compiler does not know this attribute and ignores it.";
    UNLOCATED_ABORT_CODE "W0302" "An expected abort code without a location matches an abort of any module.";

    UNBOUND_NAME "E0401" "No local, constant, function or type of this name is in scope.";
    UNBOUND_MODULE "E0402" "No module of this name is in scope or in the program.";
    UNBOUND_MEMBER "E0403" "The module has no such member.";
    DUPLICATE_NAME "E0404" "Two things of one scope have the same name.";
    NOT_VISIBLE "E0405" "A member of another module is private to that module.";
    BAD_NAME "E0406" "A name does not follow the language's rules for names of its kind.";
    WRONG_KIND "E0407" "A name stands for something else than what is needed here.";
    UNBOUND_LABEL "E0408" "No loop or block around this place has the label.";
    UNBOUND_FIELD "E0409" "The type has no such field.";
    UNBOUND_METHOD "E0410" "The type has no such method.";
    UNBOUND_FUNCTION "E0411" of UNBOUND_NAME "No function of this name is in scope.";
    UNBOUND_TYPE "E0412" of UNBOUND_NAME "No type of this name is in scope.";
    UNBOUND_STRUCT "E0413" of UNBOUND_NAME "No struct or variant of this name is in scope.";
    ASSERT_WITHOUT_MARK "E0414" of UNBOUND_NAME "`assert` is called like a function.";
    UNBOUND_VARIANT "E0415" of UNBOUND_MEMBER "An enum has no variant of this name.";
    MISSING_MODULE "E0416" of UNBOUND_MODULE "No module of this address and name is in the program.";
    UNBOUND_MACRO "E0417" of UNBOUND_NAME "No macro of this name is in scope.";
    DUPLICATE_FIELD "E0418" of DUPLICATE_NAME "Two fields of a struct or variant have the same name.";
    DUPLICATE_VARIANT "E0419" of DUPLICATE_NAME "Two variants of an enum have the same name.";
    DUPLICATE_TYPE_PARAMETER "E0420" of DUPLICATE_NAME "Two type parameters have the same name.";
    DUPLICATE_PARAMETER "E0421" of DUPLICATE_NAME "Two parameters of a function have the same name.";
    DUPLICATE_USE "E0422" of DUPLICATE_NAME "Two uses bring the same name into scope.";
    USE_OF_OWN_NAME "E0423" of DUPLICATE_NAME "A `use` brings in a name that the module declares itself.";
    DUPLICATE_BINDING "E0424" of DUPLICATE_NAME "A pattern binds a name twice.";
    UNEVEN_ALTERNATIVES "E0425" of UNBOUND_NAME "The alternatives of a pattern bind different names.";
    PRIVATE_CONSTANT "E0426" of NOT_VISIBLE "A constant of another module is used.";
    TYPE_NAME "E0427" of BAD_NAME "The name of a struct or enum does not start with A to Z.";
    CONSTANT_NAME "E0428" of BAD_NAME "The name of a constant does not start with A to Z.";
    FUNCTION_NAME "E0429" of BAD_NAME "The name of a function starts with `_`.";
    TYPE_AS_VALUE "E0430" of WRONG_KIND "A type stands where a value is needed.";
    NOT_A_TYPE "E0431" of WRONG_KIND "Something else than a type stands where a type is needed.";
    NOT_A_FUNCTION "E0432" of WRONG_KIND "Something that is no function is called.";
    LOCAL_AS_FUNCTION "E0433" of WRONG_KIND "A local is called like a function.";
    MACRO_WITHOUT_MARK "E0434" of WRONG_KIND "A macro is called without `!`.";
    MARK_WITHOUT_MACRO "E0435" of WRONG_KIND "A function that is no macro is called with `!`.";
    ENUM_WITHOUT_VARIANT "E0436" of WRONG_KIND "An enum is built or taken apart without naming a variant.";
    NOT_A_VARIANT "E0437" of WRONG_KIND "`is` names something else than a variant.";
    MODULE_AS_MEMBER "E0438" of WRONG_KIND "A module stands where one of its members is needed.";
    NOT_A_STRUCT "E0439" of WRONG_KIND "Something else than a struct is built or taken apart.";
    NO_FIELDS "E0440" of UNBOUND_FIELD "A field of a type that has none is used.";
    NO_SHARED_FIELD "E0441" of UNBOUND_FIELD "No variant of an enum has the field.";
    UNUSED_LOCAL "W0401" "A local or parameter is never used.";
    UNUSED_PARAMETER "W0402" of UNUSED_LOCAL "A parameter is never used.";
    UNUSED_USE "W0403" "A name that a `use` brings into scope is never used.";
    UNUSED_FUNCTION "W0404" "A private function is never called.";
    UNUSED_CONSTANT "W0405" "A constant is never used.";
    UNUSED_STRUCT "W0406" "A struct is never mentioned.";
    UNUSED_MUT "W0407" "A local is declared with `mut` and never changed.";

    TYPE_MISMATCH "E0501" "An expression has another type than the place it stands in wants.";
    CANNOT_INFER "E0502" "A type could not be inferred and must be written.";
    ARGUMENT_COUNT "E0503" "A call, pattern or tuple has too many or too few parts.";
    TYPE_ARGUMENT_COUNT "E0504" "A generic type or function has too many or too few type arguments.";
    MISSING_ABILITY "E0505" "A type lacks an ability that this use needs.";
    BAD_TYPE "E0506" "References, tuples and function types cannot stand everywhere.";
    RECURSIVE_TYPE "E0507" "A type contains itself.";
    PHANTOM_MISUSE "E0508" "A phantom type parameter is used where only ordinary ones may be.";
    BAD_OPERAND "E0509" "An operator does not work on values of this type.";
    NUMBER_OUT_OF_RANGE "E0510" "A number does not fit its type.";
    BAD_PLACE "E0511" "The expression is not a place that can be borrowed or assigned.";
    BAD_FIELDS "E0512" "Fields are missing, repeated or unknown.";
    PRIVATE_FIELDS "E0513" "Values are built, taken apart and looked into only inside the module of their type.";
    BAD_STORAGE_ACCESS "E0514" "Global storage is reached only for structs of the module itself.";
    BAD_JUMP "E0515" "A break or continue has no loop around it, or cannot carry a value.";
    BAD_ACQUIRES "E0516" "A written acquires list must name exactly what the function acquires.";
    BAD_ENTRY "E0517" "A function cannot have this modifier.";
    NOT_EXHAUSTIVE "E0519" "The arms of a match leave values out.";
    IMMUTABLE_LOCAL "E0518" "Edition 2024 assigns and mutably borrows only locals declared with mut.";

    SHARED_FIELD_MISSING "E0520" "A field is reached without `match`, and not every variant of the enum has it.";
    SHARED_FIELD_TYPES "E0521" "A field is reached without `match`, and the variants of the enum give it different types.";

    FIELD_ABILITY "E0591" of MISSING_ABILITY "A field's type lacks an ability that the abilities of its struct ask for.";
    ARGUMENT_TYPE "E0531" of TYPE_MISMATCH "An argument has another type than the parameter it is for.";
    RECEIVER_TYPE "E0532" of TYPE_MISMATCH "The receiver of a method call has another type than the method's first parameter.";
    FIELD_TYPE "E0533" of TYPE_MISMATCH "The value given to a field has another type than the field.";
    RESULT_TYPE "E0534" of TYPE_MISMATCH "A function returns a value of another type than it declares.";
    CONDITION_TYPE "E0535" of TYPE_MISMATCH "A condition or guard is not a bool.";
    BRANCH_TYPES "E0536" of TYPE_MISMATCH "The branches of an `if` or the arms of a `match` have different types.";
    OPERAND_TYPE "E0537" of TYPE_MISMATCH "An operand has another type than its operator wants.";
    SHIFT_AMOUNT_TYPE "E0538" of TYPE_MISMATCH "The number of bits to shift by is a u8.";
    LET_TYPE "E0539" of TYPE_MISMATCH "The value of a `let` has another type than the one written.";
    ASSIGNED_TYPE "E0540" of TYPE_MISMATCH "A value is assigned to a place of another type.";
    ANNOTATED_TYPE "E0541" of TYPE_MISMATCH "An expression `(e: T)` is not of type `T`.";
    ABORT_CODE_TYPE "E0542" of TYPE_MISMATCH "An abort code is a u64, or an `#[error]` constant.";
    ELEMENT_TYPE "E0543" of TYPE_MISMATCH "The elements of a vector literal have different types.";
    INDEX_TYPE "E0544" of TYPE_MISMATCH "The index of a vector is a u64.";
    LOOP_BODY_TYPE "E0545" of TYPE_MISMATCH "The body of a loop has a value, which nothing takes.";
    CONSTANT_TYPE "E0546" of TYPE_MISMATCH "A constant's value is not of the type written.";
    PATTERN_TYPE "E0547" of TYPE_MISMATCH "A pattern matches values of another type than the one it is compared with.";
    LAMBDA_TYPE "E0548" of TYPE_MISMATCH "A lambda returns a value of another type than its parameter declares.";
    BREAK_TYPE "E0549" of TYPE_MISMATCH "The values with which a loop or block is left have different types.";
    STORAGE_ARGUMENT_TYPE "E0550" of TYPE_MISMATCH "An argument of a storage operation has the wrong type.";
    OPERANDS_DIFFER "E0551" of TYPE_MISMATCH "The operands of an arithmetic operator have different types.";
    COMPARED_TYPES "E0552" of TYPE_MISMATCH "Values of different types are compared.";
    IF_WITHOUT_ELSE "E0553" of TYPE_MISMATCH "The branch of an `if` without `else` has a value.";
    FOR_BOUNDS "E0554" of TYPE_MISMATCH "The bounds of a `for` are no integers of one type.";
    RECEIVER_BY_VALUE "E0555" of TYPE_MISMATCH "A method that takes its receiver by value is called on a reference.";
    LAMBDA_PARAMETER_TYPE "E0556" of TYPE_MISMATCH "A parameter of a lambda is written with another type than it is given.";
    UNPACKED_TYPE "E0557" of TYPE_MISMATCH "A pattern names another struct or enum than the value has.";
    TUPLE_LENGTH "E0558" of ARGUMENT_COUNT "A tuple pattern takes more or fewer values than there are.";
    LAMBDA_ARGUMENTS "E0559" of ARGUMENT_COUNT "A lambda takes more or fewer arguments than it is given.";
    CALL_ARGUMENTS "E0560" of ARGUMENT_COUNT "A call has too many or too few arguments.";
    DEREFERENCED_VALUE "E0561" of BAD_OPERAND "`*` is applied to something that is no reference.";
    INTEGERS_ONLY "E0562" of BAD_OPERAND "An operator on integers is applied to something else.";
    CAST_TARGET "E0563" of BAD_OPERAND "`as` is used with a type that is no integer.";
    NOT_INDEXABLE "E0564" of BAD_OPERAND "Something that is no vector is indexed.";
    NO_INDEX_FUNCTION "E0565" of BAD_OPERAND "A struct without index functions is indexed.";
    TUPLES_COMPARED "E0566" of BAD_OPERAND "Tuples are compared.";
    REFERENCE_TO_REFERENCE "E0567" of BAD_TYPE "A reference would point to a reference.";
    NESTED_TUPLE "E0568" of BAD_TYPE "A tuple stands inside a tuple.";
    TUPLE_IN_LOCAL "E0569" of BAD_TYPE "A tuple is stored in one local.";
    REFERENCE_IN_FIELD "E0570" of BAD_TYPE "A field would hold a reference or a tuple.";
    TYPE_ARGUMENT_KIND "E0571" of BAD_TYPE "A type argument is a reference, tuple or function type.";
    REFERENCE_IN_VECTOR "E0572" of BAD_TYPE "A vector would hold references.";
    MOVE_OUT_OF_PLACE "E0573" of BAD_PLACE "`move` is applied to something else than a local.";
    IMMUTABLE_REFERENCE "E0574" of BAD_PLACE "Something is changed through a `&` reference.";
    FOR_VARIABLE_CHANGED "E0575" of BAD_PLACE "The variable of a `for` is changed.";
    REFUTABLE_PATTERN "E0576" of BAD_PLACE "A pattern that may not match stands in a `let`.";
    VALUE_ASSIGNED "E0577" of BAD_PLACE "A value that lies nowhere is assigned to.";
    UNKNOWN_FIELD "E0578" of BAD_FIELDS "A struct has no field of this name.";
    MISSING_FIELDS "E0579" of BAD_FIELDS "Fields are left out.";
    FIELD_TWICE "E0580" of BAD_FIELDS "A field is given twice.";
    NAMED_FIELDS "E0581" of BAD_FIELDS "A struct with named fields is built with parentheses.";
    EMPTY_ENUM "E0582" of BAD_FIELDS "An enum has no variants.";
    JUMP_OUTSIDE_LOOP "E0583" of BAD_JUMP "A `break` or `continue` has no loop around it.";
    JUMP_OUT_OF_LAMBDA "E0584" of BAD_JUMP "A `break` or `continue` would leave a lambda or macro.";
    BREAK_VALUE "E0585" of BAD_JUMP "A `break` out of `while` or `for` carries a value.";
    CONTINUE_BLOCK "E0586" of BAD_JUMP "A `continue` names the label of a block.";
    ACQUIRES_MISSING "E0587" of BAD_ACQUIRES "A written acquires list leaves a struct out.";
    ACQUIRES_EXTRA "E0588" of BAD_ACQUIRES "A written acquires list names a struct that the function does not acquire.";
    ENUM_WITH_KEY "E0589" of MISSING_ABILITY "An enum is declared with `key`.";
    EXPANDED_IN_ITSELF "E0590" of BAD_ENTRY "An inline function or macro is recursive.";

    UNASSIGNED_LOCAL "E0601" "A local is read where it may not have a value yet.";
    USE_AFTER_MOVE "E0602" "A local is used after its value was moved out.";
    UNUSED_VALUE "E0603" "A value without drop must be consumed on every path.";
    BORROW_CONFLICT "E0604" "A value is moved, changed or borrowed while a reference to it is still in use.";
    ASSIGNED_WHILE_BORROWED "E0605" of BORROW_CONFLICT "A local is assigned while a reference to its old value is still in use.";
    MOVED_WHILE_BORROWED "E0606" of BORROW_CONFLICT "A local is moved out while a reference to it is still in use.";
    READ_WHILE_BORROWED "E0607" of BORROW_CONFLICT "A value is read while a `&mut` reference into it is still in use.";
    CHANGED_WHILE_BORROWED "E0608" of BORROW_CONFLICT "A value is changed through one reference while another into it is still in use.";
    BORROWED_TWICE "E0609" of BORROW_CONFLICT "A value is borrowed while another reference to it that does not allow it is still in use.";
    ARGUMENT_BORROWED "E0610" of BORROW_CONFLICT "A `&mut` argument is still borrowed by another argument or a reference that is used later.";
    RETURNED_LOCAL "E0611" of BORROW_CONFLICT "A returned reference points to a local or into global storage.";
    RETURNED_TWICE "E0612" of BORROW_CONFLICT "A returned `&mut` reference is still borrowed by another result.";
    GLOBAL_BORROWED "E0613" of BORROW_CONFLICT "Global storage of a type is used while a reference into it is still in use.";
    UNUSED_ASSIGNMENT "W0601" "A value is assigned and never read.";
    UNREACHABLE_CODE "W0602" "Code that can never run.";

    NOT_CONSTANT "E0701" "A constant's value must be computable by the compiler.";
    CONSTANT_FAILS "E0702" "Computing a constant fails.";
    CONSTANT_CYCLE "E0703" "Constants depend on each other in a circle.";
    TOO_LARGE "E0704" "A function or module exceeds a limit of the binary format.";
    MODULE_CYCLE "E0705" "Modules depend on each other in a circle.";
    BAD_FRIEND "E0706" "A module cannot be a friend of this one.";
    REJECTED "E0707" "The verifier rejects the compiled code for a reason that lies in the source.";
    CONSTANT_OF_TYPE "E0708" of NOT_CONSTANT "A constant has a type that constants cannot have.";
    OWN_DEPENDENCY_AS_FRIEND "E0709" of BAD_FRIEND "A module depends on one of its friends.";

    ENDLESS_INSTANTIATION "E0710" of REJECTED "Functions call each other with ever larger type arguments.";

    NOT_COMPILED_YET "E0901" "The language has this feature, but this compiler does not translate it yet.";

    COMPILER_BUG "E9901" "The compiler produced code that does not verify: a fault of the compiler, please report it.";
}
