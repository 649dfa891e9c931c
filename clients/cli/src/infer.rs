//! `noema infer`: one job on this machine, without a chain.

use std::time::Instant;

use noema_engine::{Pool, PoolConfig};
use noema_inference_api::limits::BASIS_POINTS;
use noema_inference_api::{Answer, Engine, Job, JobClass, JobKind, NUMERICS_VERSION, Options};
use noema_models::{Compute, load};
use noema_numerics::Kernel;
use serde_json::json;

use crate::args::InferArgs;
use crate::home::Home;
use crate::model::find;
use crate::output::{CliError, CliResult, Output};

/// Runs the command.
pub(crate) fn run(output: Output, args: &InferArgs) -> CliResult {
    let path = find(&Home::find()?, args.model.as_deref())?;
    let spinner = output.spinner("loading the model");
    let model =
        load(&path, None).map_err(|error| CliError::verdict(format!("cannot use {}: {error}", path.display())))?;
    let kernel = match &args.kernel {
        Some(name) => name.parse().map_err(|error: noema_numerics::NumericsError| CliError::fault(error))?,
        None => Kernel::best(),
    };
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let compute = Compute::with_threads(kernel, threads).map_err(CliError::fault)?;
    let job = job(args, model.root)?;
    let pool = Pool::start(vec![model], &PoolConfig { compute }).map_err(CliError::fault)?;
    spinner.set_message("thinking");
    let start = Instant::now();
    let id = pool.submit(&job, JobClass::Simulation).map_err(CliError::fault)?;
    let answer = pool.wait(id).map_err(CliError::fault)?;
    let elapsed = start.elapsed();
    spinner.finish_and_clear();
    show(output, args, kernel, &job, &answer, elapsed.as_micros())
}

fn job(args: &InferArgs, model: noema_types::Hash) -> CliResult<Job> {
    let kind = if args.choice.is_empty() { JobKind::Generate } else { JobKind::Choose(args.choice.clone()) };
    let is_choice = kind != JobKind::Generate;
    let options = Options {
        max_new_tokens: if is_choice { 0 } else { args.max_new_tokens },
        temperature_bps: basis_points("temperature", &args.temperature)?,
        top_p_bps: basis_points("top-p", &args.top_p)?,
        top_k: args.top_k,
        seed: args.seed,
        stop: args.stop.clone(),
        ..Options::default()
    };
    let job = Job { numerics: NUMERICS_VERSION, model, kind, prompt: args.prompt.clone(), options };
    job.check().map_err(CliError::verdict)?;
    Ok(job)
}

/// A decimal with at most four digits after the point, in ten-thousandths: no float reaches a job.
fn basis_points(what: &str, text: &str) -> CliResult<u32> {
    let wrong = || CliError::fault(format!("{what} `{text}` is no decimal with at most four digits after the point"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{part:0<4}").parse().map_err(|_| wrong())?;
    whole.checked_mul(BASIS_POINTS).and_then(|whole| whole.checked_add(part)).ok_or_else(wrong)
}

fn show(output: Output, args: &InferArgs, kernel: Kernel, job: &Job, answer: &Answer, micros: u128) -> CliResult {
    let (text, tokens) = match answer {
        Answer::Generated(generated) => (generated.text.clone(), generated.prompt_tokens + generated.new_tokens),
        Answer::Chosen { index, prompt_tokens, choice_tokens } => {
            (args.choice.get(*index as usize).cloned().unwrap_or_default(), prompt_tokens + choice_tokens)
        }
        Answer::Refused(error) => return Err(CliError::verdict(format!("the model refuses: {error}"))),
        other => return Err(CliError::fault(format!("the answer is of another kind: {other:?}"))),
    };
    let new_tokens = if let Answer::Generated(generated) = answer { generated.new_tokens } else { 0 };
    // Tenths of tokens per second, in integers.
    let tenths = u128::from(tokens) * 10_000_000 / micros.max(1);
    let rate = format!("{}.{}", tenths / 10, tenths % 10);
    output.result(
        || {
            format!(
                "{text}\n\nkernel  {}\ntokens  {tokens} ({new_tokens} new) in {} ms: {rate} tokens/s\njob     {}\ndigest  {}",
                kernel.name(),
                micros / 1_000,
                job.id(),
                answer.digest(),
            )
        },
        || {
            json!({
                "text": text,
                "kernel": kernel.name(),
                "tokens": tokens,
                "new_tokens": new_tokens,
                "time_us": micros.to_string(),
                "tokens_per_second": rate,
                "job": job.id().0,
                "digest": answer.digest(),
                "answer": answer,
            })
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::basis_points;

    #[test]
    fn decimals_become_basis_points() {
        let cases = [("0", 0), ("1", 10_000), ("0.7", 7_000), ("0.95", 9_500), ("1.0001", 10_001), ("10", 100_000)];
        for (text, expected) in cases {
            assert_eq!(basis_points("x", text).ok(), Some(expected), "{text}");
        }
        for text in ["", ".", "-1", "0.00001", "1e3", "99999999", "0.-1"] {
            assert!(basis_points("x", text).is_err(), "{text}");
        }
    }
}
