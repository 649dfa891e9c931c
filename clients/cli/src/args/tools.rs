//! Arguments of the commands that look after Move packages.

use std::path::PathBuf;

use clap::Args;

use super::PackageArgs;

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) package: PackageArgs,
    /// Only tests whose name contains this.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Print gas, instructions and time of every test.
    #[arg(long)]
    pub(crate) gas: bool,
    /// Gas a test may use; ends those that never would.
    #[arg(long, default_value_t = 1_000_000_000)]
    pub(crate) gas_limit: u64,
    /// Tests that run at the same time; the machine's cores when absent.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Print which part of the lines, branches and functions ran.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Write the coverage as an lcov tracefile, for `genhtml` and others.
    #[arg(long, value_name = "FILE")]
    pub(crate) lcov: Option<PathBuf>,
    /// Write gas by call stack as folded stacks, for flame graphs, and print the most expensive functions.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// Interpreter; coverage and profiles always run the reference one.
    #[arg(long, env = "NOEMA_VM", default_value = "fast", value_parser = ["fast", "reference", "paranoid"])]
    pub(crate) vm: String,
}

#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// Files to format; all of the package's when absent.
    pub(crate) files: Vec<PathBuf>,
    /// Folder of the package.
    #[arg(short = 'p', long = "package-dir", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Change nothing; name the files that would change, with exit code 1 if there are any.
    #[arg(long)]
    pub(crate) check: bool,
    /// Format what comes on standard input to standard output.
    #[arg(long, conflicts_with_all = ["files", "check"])]
    pub(crate) stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DocArgs {
    #[command(flatten)]
    pub(crate) package: PackageArgs,
    /// Folder to write to; `doc` in the package's folder when absent.
    #[arg(short = 'o', long)]
    pub(crate) out: Option<PathBuf>,
    /// Pages for the modules of dependencies too.
    #[arg(long)]
    pub(crate) dependencies: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DisassembleArgs {
    /// The module's or script's binary.
    pub(crate) file: PathBuf,
    /// Its source map; looked for where `noema move build` writes it when absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) source_map: Option<PathBuf>,
    /// Leave the source out.
    #[arg(long, conflicts_with = "source_map")]
    pub(crate) bare: bool,
}
