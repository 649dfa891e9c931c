//! `noema infer`: one job on this machine, without a chain.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use noema_engine::{Pool, PoolConfig, Resources};
use noema_inference_api::limits::{BASIS_POINTS, GRAMMAR_BYTES_MAX, PROMPT_BYTES_MAX};
use noema_inference_api::{Answer, Drawing, Engine, Grammar, Job, JobClass, JobId, JobKind, NUMERICS_VERSION, Options};
use noema_models::{LoadedModel, load};
use noema_node::{Turn, chat_prompt};
use serde_json::{Value, json};

use crate::args::{AskedArgs, DrawArgs, GrammarArgs, InferArgs};
use crate::home::Home;
use crate::machine;
use crate::model::find;
use crate::output::{CliError, CliResult, Context, Output};

/// Micro-nats in a nat.
const MICRO: u64 = 1_000_000;

/// Runs the command.
pub(crate) fn run(output: Output, args: &InferArgs) -> CliResult {
    if output.json && args.stream {
        return Err(CliError::fault("--json prints one document, --stream prints pieces").hint("leave out one of them"));
    }
    let grammar = grammar(&args.grammar)?;
    let turns = turns(args)?;
    if let Some(prompt) = args.prompt.as_ref().filter(|prompt| prompt.len() > PROMPT_BYTES_MAX) {
        return Err(CliError::verdict(format!("the prompt has {} bytes, more than {PROMPT_BYTES_MAX}", prompt.len())));
    }
    let compute = machine::compute(&args.compute)?;
    let path = find(&Home::find()?, args.model.as_deref())?;
    let spinner = output.spinner("loading the model");
    let model =
        load(&path, None).map_err(|error| CliError::verdict(format!("cannot use {}: {error}", path.display())))?;
    let kernel = compute.arithmetic().kernel();
    let prompt = match turns {
        Some(turns) => chat(&turns, &model)?,
        None => args.prompt.clone().unwrap_or_default(),
    };
    let job = job(args, grammar, prompt, model.root)?;
    let device = machine::device(&args.compute)?;
    let place = device.as_ref().map_or_else(|| kernel.name().to_owned(), |device| device.name().to_owned());
    let resources = Resources { device, ..Resources::default() };
    let pool = Pool::start_with(vec![model], &PoolConfig { compute }, resources).map_err(CliError::fault)?;
    spinner.set_message("thinking");
    let start = Instant::now();
    let id = pool.submit(&job, JobClass::Simulation).map_err(CliError::fault)?;
    let is_streamed = !output.json && job.kind == JobKind::Generate && (args.stream || std::io::stdout().is_terminal());
    let answer = if is_streamed { stream(&pool, id, &spinner)? } else { pool.wait(id).map_err(CliError::fault)? };
    let micros = start.elapsed().as_micros();
    spinner.finish_and_clear();
    let result = shown(args, &answer)?;
    show(output, &Shown { is_streamed, ..result }, &place, &job, &answer, micros);
    Ok(())
}

/// Prints pieces of the answer as they come. Whoever closes the pipe ends the job.
fn stream(pool: &Pool, id: JobId, spinner: &ProgressBar) -> CliResult<Answer> {
    let mut stdout = std::io::stdout().lock();
    let mut is_open = true;
    let answer = pool.watch(id, &mut |piece| {
        spinner.finish_and_clear();
        is_open = stdout.write_all(piece.as_bytes()).and_then(|()| stdout.flush()).is_ok();
        is_open
    });
    if !is_open {
        pool.cancel(id);
    }
    answer.map_err(CliError::fault)
}

/// The conversation, if there is to be one.
fn turns(args: &InferArgs) -> CliResult<Option<Vec<Turn>>> {
    if !args.chat && args.system.is_none() {
        return Ok(None);
    }
    let system = args.system.iter().map(|text| Turn { role: "system", content: text.clone() });
    let mut turns: Vec<Turn> = system.collect();
    match &args.prompt {
        Some(prompt) => turns.push(Turn { role: "user", content: prompt.clone() }),
        None => turns.extend(conversation(std::io::stdin().lock())?),
    }
    Ok(Some(turns))
}

/// Messages, one a line, the user's first; reads no more than a prompt may have.
fn conversation(input: impl Read) -> CliResult<Vec<Turn>> {
    let mut text = String::new();
    let mut input = input.take(PROMPT_BYTES_MAX as u64 + 1);
    input.read_to_string(&mut text).context("cannot read the conversation from stdin")?;
    if text.len() > PROMPT_BYTES_MAX {
        return Err(CliError::verdict(format!("the conversation has more than {PROMPT_BYTES_MAX} bytes")));
    }
    let roles = ["user", "assistant"].into_iter().cycle();
    let turns: Vec<Turn> =
        text.lines().zip(roles).map(|(line, role)| Turn { role, content: line.to_owned() }).collect();
    match turns.len() % 2 {
        1 => Ok(turns),
        _ => Err(CliError::fault("a conversation ends with a line of the user's")
            .hint("lines of stdin are messages: the user's first, then the assistant's and the user's in turn")),
    }
}

fn chat(turns: &[Turn], model: &LoadedModel) -> CliResult<String> {
    let manifest = &model.manifest;
    if manifest.chat_template.is_empty() {
        return Err(CliError::verdict(format!("the model {} has no chat template", manifest.name))
            .hint("without --chat and --system, the prompt is continued as it is"));
    }
    let special = model.tokenizer.special_texts(&manifest.special.eos);
    chat_prompt(&manifest.chat_template, &special, turns)
        .map_err(|why| CliError::verdict(format!("the model's chat template does not take this: {why}")))
}

fn job(args: &InferArgs, grammar: Option<Grammar>, prompt: String, model: noema_types::Hash) -> CliResult<Job> {
    let kind = kind(args)?;
    let options = Options {
        max_new_tokens: if kind == JobKind::Generate { args.max_new_tokens } else { 0 },
        temperature_bps: basis_points("temperature", &args.temperature)?,
        top_p_bps: basis_points("top-p", &args.top_p)?,
        top_k: args.top_k,
        seed: args.seed,
        stop: args.stop.clone(),
        repetition_penalty_bps: basis_points("repetition-penalty", &args.repetition_penalty)?,
        grammar,
    };
    let job = Job { numerics: NUMERICS_VERSION, model, kind, prompt, options };
    job.check().map_err(CliError::verdict)?;
    Ok(job)
}

fn kind(args: &InferArgs) -> CliResult<JobKind> {
    Ok(match &args.asked {
        AskedArgs { draw: Some(size), .. } => JobKind::Draw(drawing(size, &args.draw)?),
        AskedArgs { score: Some(text), .. } => JobKind::Score(text.clone()),
        AskedArgs { embed: true, .. } => JobKind::Embed,
        AskedArgs { choice, .. } if !choice.is_empty() => JobKind::Choose(choice.clone()),
        _ => JobKind::Generate,
    })
}

fn drawing(size: &str, args: &DrawArgs) -> CliResult<Drawing> {
    let sides = size.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let wrong = || CliError::fault(format!("`{size}` is no width and height")).hint("--draw 512x512");
    let (width, height) = sides.ok_or_else(wrong)?;
    let guidance_bps = basis_points("guidance", &args.guidance)?;
    Ok(Drawing { width, height, steps: args.steps, guidance_bps, negative_prompt: args.negative_prompt.clone() })
}

fn grammar(args: &GrammarArgs) -> CliResult<Option<Grammar>> {
    Ok(match args {
        GrammarArgs { schema: Some(file), .. } => Some(Grammar::JsonSchema(grammar_file(file)?)),
        GrammarArgs { lark: Some(file), .. } => Some(Grammar::Lark(grammar_file(file)?)),
        GrammarArgs { regex, .. } => regex.clone().map(Grammar::Regex),
    })
}

/// Reads a grammar; a file longer than any grammar may be is refused unread.
fn grammar_file(file: &Path) -> CliResult<String> {
    let at = file.display();
    let length = std::fs::metadata(file).context(format!("cannot read {at}"))?.len();
    if length > GRAMMAR_BYTES_MAX as u64 {
        return Err(CliError::fault(format!("{at} has {length} bytes, a grammar at most {GRAMMAR_BYTES_MAX}")));
    }
    std::fs::read_to_string(file).context(format!("cannot read {at}"))
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

/// What of an answer is shown.
struct Shown {
    /// For people.
    text: String,
    /// Tokens read and drawn.
    tokens: u32,
    new_tokens: u32,
    is_streamed: bool,
}

fn shown(args: &InferArgs, answer: &Answer) -> CliResult<Shown> {
    let (text, tokens, new_tokens) = match answer {
        Answer::Generated(generated) => {
            (generated.text.clone(), generated.prompt_tokens + generated.new_tokens, generated.new_tokens)
        }
        Answer::Chosen { index, prompt_tokens, choice_tokens } => {
            let choice = args.asked.choice.get(*index as usize).cloned();
            (choice.unwrap_or_default(), prompt_tokens + choice_tokens, 0)
        }
        Answer::Scored { micro_nats, prompt_tokens, tokens } => {
            (format!("{} nats over {tokens} tokens", nats(*micro_nats)), prompt_tokens + tokens, 0)
        }
        Answer::Embedded { values, prompt_tokens } => {
            let values: Vec<_> = values.iter().map(i8::to_string).collect();
            (values.join(" "), *prompt_tokens, 0)
        }
        Answer::Drawn { png, prompt_tokens } => {
            let file = args.draw.output.as_deref().ok_or_else(|| CliError::fault("an image needs --output FILE"))?;
            std::fs::write(file, png).context(format!("cannot write {}", file.display()))?;
            (file.display().to_string(), *prompt_tokens, 0)
        }
        Answer::Refused(error) => return Err(CliError::verdict(format!("the model refuses: {error}"))),
    };
    Ok(Shown { text, tokens, new_tokens, is_streamed: false })
}

/// Micro-nats as a decimal number of nats, exact.
fn nats(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let micro = micro.unsigned_abs();
    format!("{sign}{}.{:06}", micro / MICRO, micro % MICRO)
}

fn show(output: Output, shown: &Shown, place: &str, job: &Job, answer: &Answer, micros: u128) {
    let Shown { text, tokens, new_tokens, is_streamed } = shown;
    // Tenths of tokens per second, in integers.
    let tenths = u128::from(*tokens) * 10_000_000 / micros.max(1);
    let rate = format!("{}.{}", tenths / 10, tenths % 10);
    output.result(
        || {
            format!(
                "{}\n\nkernel  {}\ntokens  {tokens} ({new_tokens} new) in {} ms: {rate} tokens/s\njob     {}\ndigest  {}",
                if *is_streamed { "" } else { text.as_str() },
                place,
                micros / 1_000,
                job.id(),
                answer.digest(),
            )
        },
        || {
            json!({
                "text": text,
                "nats": if let Answer::Scored { micro_nats, .. } = answer { json!(nats(*micro_nats)) } else { Value::Null },
                "kernel": place,
                "tokens": tokens,
                "new_tokens": new_tokens,
                "time_us": micros.to_string(),
                "tokens_per_second": rate,
                "job": job.id().0,
                "digest": answer.digest(),
                "answer": if let Answer::Drawn { .. } = answer { Value::Null } else { json!(answer) },
            })
        },
    );
}

#[cfg(test)]
mod tests {
    use super::{basis_points, conversation, nats};

    #[test]
    fn lines_are_messages_in_turn() {
        let Ok(turns) = conversation("a\nb\nc\n".as_bytes()) else { panic!("three lines") };
        let roles: Vec<_> = turns.iter().map(|turn| (turn.role, turn.content.as_str())).collect();
        assert_eq!(roles, [("user", "a"), ("assistant", "b"), ("user", "c")]);
        for text in ["", "a\nb", &"x".repeat(300_000)] {
            assert!(conversation(text.as_bytes()).is_err());
        }
    }

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

    #[test]
    fn nats_are_exact() {
        let cases = [(0, "0.000000"), (1, "0.000001"), (-1_500_000, "-1.500000"), (12_345_678, "12.345678")];
        for (micro, expected) in cases {
            assert_eq!(nats(micro), expected);
        }
        assert_eq!(nats(i64::MIN), "-9223372036854.775808");
    }
}
