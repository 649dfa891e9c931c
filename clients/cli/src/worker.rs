//! `noema worker`: this machine as one that answers for others.

mod list;
mod run;
mod top;

use noema_models::{Compute, Device, ModelError, load};
use noema_numerics::{Kernel, NumericsError, Report};
use noema_types::Hash;
use serde_json::{Value, json};

use crate::args::WorkerCommand;
use crate::home::Home;
use crate::machine::cores;
use crate::model::{find, fixed_digest};
use crate::output::{CliError, CliResult, Output};

/// Threads of the second run of everything that is spread over threads, at least.
const THREADS_MIN: usize = 2;

/// One test: what was computed, where, and whether every bit is right.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    /// A kernel or a device.
    place: String,
    threads: usize,
    what: String,
    /// What came out, if anything did.
    digest: String,
    /// Why it is wrong, if it is.
    wrong: Option<String>,
}

/// Runs the command.
pub(crate) fn run(output: Output, command: &WorkerCommand) -> CliResult {
    match command {
        WorkerCommand::Run(args) => run::run(output, args),
        WorkerCommand::Key { key } => run::key(output, key),
        WorkerCommand::List { node } => list::run(output, node),
        WorkerCommand::Top { node, once } => top::run(output, node, *once),
        WorkerCommand::Selftest { models, devices } => selftest(output, models, devices),
    }
}

fn selftest(output: Output, models: &[String], devices: &[String]) -> CliResult {
    let home = Home::find()?;
    let paths = models.iter().map(|model| find(&home, Some(model))).collect::<CliResult<Vec<_>>>()?;
    let threads = cores().max(THREADS_MIN);
    let (mut checks, mut missing) = (Vec::new(), Vec::new());
    let spinner = output.spinner("testing");
    for kernel in Kernel::ALL {
        spinner.set_message(format!("testing {kernel}"));
        match kernel.check_available() {
            Err(why) => missing.push((kernel, why.to_string())),
            Ok(()) => {
                checks.extend(arithmetic(kernel, noema_numerics::self_test(kernel)));
                for threads in [1, threads] {
                    let digest = Compute::with_threads(kernel, threads).and_then(|c| noema_models::self_test(&c));
                    checks.push(model_code(kernel, threads, digest));
                }
            }
        }
    }
    for name in devices {
        spinner.set_message(format!("testing {name}"));
        checks.extend(device(name));
    }
    for path in paths {
        let loaded =
            load(&path, None).map_err(|error| CliError::verdict(format!("cannot use {}: {error}", path.display())))?;
        spinner.set_message(format!("testing {}", loaded.manifest.name));
        let mut runs = Vec::new();
        for kernel in Kernel::available() {
            for threads in [1, threads] {
                let digest = Compute::with_threads(kernel, threads).and_then(|c| fixed_digest(&loaded, &c));
                runs.push((kernel, threads, digest));
            }
        }
        checks.extend(given_model(&format!("{} {}", loaded.manifest.name, loaded.root), runs));
    }
    spinner.finish_and_clear();
    output.result(|| text(&checks, &missing), || document(&checks, &missing));
    verdict(&checks)
}

/// Every operation of the arithmetic. The first wrong one ends the test of a kernel.
fn arithmetic(kernel: Kernel, report: Result<Report, NumericsError>) -> Vec<Check> {
    let place = kernel.name().to_owned();
    let check = |what: &str, digest: String, wrong| Check {
        place: place.clone(),
        threads: 1,
        what: what.to_owned(),
        digest,
        wrong,
    };
    match report {
        Ok(report) => report.checks.into_iter().map(|found| check(found.operation, found.digest, None)).collect(),
        Err(NumericsError::Golden { operation, expected, got, .. }) => {
            vec![check(operation, got, Some(format!("expected {expected}")))]
        }
        Err(error) => vec![check("arithmetic", String::new(), Some(error.to_string()))],
    }
}

fn model_code(kernel: Kernel, threads: usize, digest: Result<Hash, ModelError>) -> Check {
    let (digest, wrong) = match digest {
        Ok(digest) => (digest.to_string(), None),
        Err(ModelError::Golden { expected, got, .. }) => (got.to_string(), Some(format!("expected {expected}"))),
        Err(error) => (String::new(), Some(error.to_string())),
    };
    Check { place: kernel.name().to_owned(), threads, what: "model code".to_owned(), digest, wrong }
}

/// Every kernel of a device, then the model code of the families that it has kernels for.
fn device(name: &str) -> Vec<Check> {
    let check = |what: &str, digest: String, wrong| Check {
        place: name.to_owned(),
        threads: 1,
        what: what.to_owned(),
        digest,
        wrong,
    };
    let device = match Device::named(name) {
        Ok(device) => device,
        Err(error) => return vec![check("kernels", String::new(), Some(error.to_string()))],
    };
    let mut checks = vec![check(&format!("kernels of {}", device.name()), String::new(), None)];
    match noema_models::self_tests_on(&device) {
        Ok(families) => checks.extend(families.iter().map(|(family, hash)| check(family, hash.to_string(), None))),
        Err(ModelError::Golden { family, expected, got }) => {
            checks.push(check(family, got.to_string(), Some(format!("expected {expected}"))));
        }
        Err(error) => checks.push(check("model code", String::new(), Some(error.to_string()))),
    }
    checks
}

/// A given model has no frozen digest: the plain kernel on one thread, which comes first, is the truth.
fn given_model(name: &str, runs: Vec<(Kernel, usize, Result<Hash, ModelError>)>) -> Vec<Check> {
    let truth = runs.first().and_then(|(_, _, digest)| digest.as_ref().ok().copied());
    let check = |(kernel, threads, digest): (Kernel, usize, Result<Hash, ModelError>)| {
        let (digest, wrong) = match digest {
            Ok(digest) if Some(digest) == truth => (digest.to_string(), None),
            Ok(digest) => {
                let expected =
                    truth.map_or_else(|| "an answer on the plain kernel".to_owned(), |hash| hash.to_string());
                (digest.to_string(), Some(format!("expected {expected}")))
            }
            Err(error) => (String::new(), Some(error.to_string())),
        };
        Check { place: kernel.name().to_owned(), threads, what: name.to_owned(), digest, wrong }
    };
    runs.into_iter().map(check).collect()
}

/// Fails closed: whatever is not right, and nothing tested at all, is no.
fn verdict(checks: &[Check]) -> CliResult {
    let wrong: Vec<_> = checks.iter().filter(|check| check.wrong.is_some()).collect();
    let message = match wrong.as_slice() {
        [] if checks.is_empty() => "nothing was tested".to_owned(),
        [] => return Ok(()),
        [first, ..] => format!(
            "{} of {} tests failed, the first: {} on {} with {} threads",
            wrong.len(),
            checks.len(),
            first.what,
            first.place,
            first.threads
        ),
    };
    Err(CliError::verdict(format!("{message}; this machine must not serve"))
        .hint("its answers would differ from everyone else's: check the build's flags, then the hardware"))
}

fn text(checks: &[Check], missing: &[(Kernel, String)]) -> String {
    let mut lines: Vec<String> = checks
        .iter()
        .map(|check| {
            let Check { place, threads, what, digest, wrong } = check;
            let outcome = wrong.as_ref().map_or_else(|| "ok".to_owned(), |why| format!("FAILED, {why}"));
            format!("{place:<7} {threads:>2}  {what:<12} {digest:<66} {outcome}")
        })
        .collect();
    lines.extend(missing.iter().map(|(kernel, why)| format!("{:<7}     not on this machine: {why}", kernel.name())));
    lines.join("\n")
}

fn document(checks: &[Check], missing: &[(Kernel, String)]) -> Value {
    let check = |check: &Check| {
        json!({
            "kernel": check.place,
            "threads": check.threads,
            "what": check.what,
            "digest": check.digest,
            "ok": check.wrong.is_none(),
            "error": check.wrong,
        })
    };
    let absent = |(kernel, why): &(Kernel, String)| json!({ "kernel": kernel.name(), "why": why });
    json!({
        "ok": verdict(checks).is_ok(),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
        "not_on_this_machine": missing.iter().map(absent).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: Hash = Hash([1; 32]);
    const WRONG: Hash = Hash([2; 32]);

    #[test]
    fn one_wrong_operation_forbids_serving() {
        let right = arithmetic(Kernel::Scalar, noema_numerics::self_test(Kernel::Scalar));
        assert!(right.len() > 5 && verdict(&right).is_ok());
        let lie =
            NumericsError::Golden { kernel: Kernel::Avx2, operation: "exp", expected: "00", got: "01".to_owned() };
        let mut checks = right;
        checks.extend(arithmetic(Kernel::Avx2, Err(lie)));
        let error = verdict(&checks).expect_err("a bit differs");
        assert!(error.is_verdict && error.message.contains("exp on avx2"), "{error:?}");
        assert!(error.message.ends_with("this machine must not serve"), "{error:?}");
        assert!(text(&checks, &[]).contains("FAILED, expected 00"));
        assert_eq!(document(&checks, &[])["ok"], false);
    }

    #[test]
    fn the_model_code_and_given_models_count_too() {
        let golden = ModelError::Golden { family: "llama", expected: "0x01", got: WRONG };
        assert!(verdict(&[model_code(Kernel::Scalar, 1, Ok(RIGHT))]).is_ok());
        assert!(verdict(&[model_code(Kernel::Scalar, 1, Err(golden))]).is_err());
        let run = |second| vec![(Kernel::Scalar, 1, Ok(RIGHT)), (Kernel::Avx2, 2, second)];
        assert!(verdict(&given_model("m", run(Ok(RIGHT)))).is_ok());
        assert!(verdict(&given_model("m", run(Ok(WRONG)))).is_err());
        assert!(verdict(&given_model("m", run(Err(ModelError::EmptyStep)))).is_err());
        assert!(
            verdict(&given_model(
                "m",
                vec![(Kernel::Scalar, 1, Err(ModelError::EmptyStep)), (Kernel::Avx2, 1, Ok(RIGHT))]
            ))
            .is_err()
        );
        assert!(verdict(&[]).is_err());
    }
}
