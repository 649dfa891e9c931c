//! `noema move new`: a package that compiles and tests as it is.

use std::path::Path;

use noema_types::Identifier;
use serde_json::json;

use crate::output::{CliError, CliResult, Context, Output};

/// Makes the package.
pub(super) fn run(output: Output, name: &str) -> CliResult {
    if !Identifier::is_valid(name) {
        return Err(
            CliError::fault(format!("`{name}` is no package name")).hint("use a letter, then letters, digits or `_`")
        );
    }
    let dir = Path::new(name);
    if dir.exists() {
        return Err(CliError::fault(format!("{} exists already", dir.display())));
    }
    let module = name.to_lowercase();
    let files = [
        ("Move.toml", manifest(name, &module)),
        (&format!("sources/{module}.move"), source(&module)),
        (&format!("tests/{module}_tests.move"), tests(&module)),
        (".gitignore", "build/\n".to_owned()),
    ];
    for (path, text) in &files {
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&path, text).context(format!("cannot write {}", path.display()))?;
    }
    let next = format!("noema move test -p {name} --named-addresses {module}=0x42");
    output.result(
        || format!("made package {name}\ntry     {next}"),
        || json!({ "package": name, "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>() }),
    );
    Ok(())
}

fn manifest(name: &str, module: &str) -> String {
    format!(
        "[package]
name = \"{name}\"
version = \"0.1.0\"
upgrade_policy = \"compatible\"

[addresses]
{module} = \"_\"

[dependencies]
AptosFramework = {{ local = \"embedded\" }}
"
    )
}

fn source(module: &str) -> String {
    format!(
        "/// A counter that its owner raises.
module {module}::{module} {{
    use std::signer;

    /// There is no counter under the account.
    const ENO_COUNTER: u64 = 1;

    struct Counter has key {{ value: u64 }}

    public entry fun create(owner: &signer) {{
        move_to(owner, Counter {{ value: 0 }});
    }}

    public entry fun increment(owner: &signer) acquires Counter {{
        let address = signer::address_of(owner);
        assert!(exists<Counter>(address), ENO_COUNTER);
        let counter = borrow_global_mut<Counter>(address);
        counter.value = counter.value + 1;
    }}

    #[view]
    public fun value(owner: address): u64 acquires Counter {{
        borrow_global<Counter>(owner).value
    }}
}}
"
    )
}

fn tests(module: &str) -> String {
    format!(
        "#[test_only]
module {module}::{module}_tests {{
    use {module}::{module};

    #[test(owner = @0xA)]
    fun counts(owner: &signer) {{
        {module}::create(owner);
        {module}::increment(owner);
        {module}::increment(owner);
        assert!({module}::value(@0xA) == 2, 0);
    }}

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 1, location = {module}::{module})]
    fun refuses_without_counter(owner: &signer) {{
        {module}::increment(owner);
    }}
}}
"
    )
}
