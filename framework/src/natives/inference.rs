//! Natives of `0x1::inference`: the budget, and questions to models.
//!
//! A question becomes a [`Job`], the job's content hash is looked up, and an unknown answer suspends the transaction.
//! The answer is decoded here, so that contracts see the model's text and token counts and nothing of the engine.

use noema_execution_api::{NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, StateError, Value};
use noema_inference_api::{Answer, AnswerError, Job, JobKind, Options, plain_for_any, similarity_bps};
use noema_types::{Address, Hash};

use super::byte_vectors;

/// Statuses of a question, as `0x1::inference` numbers them.
pub(super) mod status {
    pub(crate) const ANSWERED: u8 = 0;
    pub(crate) const CONTEXT_EXCEEDED: u8 = 1;
    pub(crate) const NUMERIC: u8 = 2;
    pub(crate) const EMPTY: u8 = 3;
    pub(crate) const NOT_UTF8: u8 = 4;
    pub(crate) const OTHER_KIND: u8 = 5;
}

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "inference",
        &[
            ("generate_internal", generate),
            ("choose_internal", choose),
            ("score_internal", score),
            ("embed_internal", embed),
        ],
    );
}

/// Adds what does not depend on where answers come from.
pub(super) fn add_accounting_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "inference",
        &[
            ("reserve_internal", reserve),
            ("settle", settle),
            ("derive_seed", derive_seed),
            ("similarity_internal", similarity),
            ("plain_internal", plain),
        ],
    );
}

/// `native fun reserve_internal(bound: u64, units_max: u64, calls_max: u64): bool;`
fn reserve(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (bound, units_max, calls_max) = (args.u64()?, args.u64()?, args.u64()?);
    let price = context.schedule().inference_unit;
    let used = context.inference_use();
    let units = used.units.saturating_add(bound);
    if u64::from(used.calls) >= calls_max || units > units_max {
        return Ok(vec![Value::Bool(false)]);
    }
    used.calls += 1;
    used.units = units;
    context.charge(price.times(bound))?;
    Ok(vec![Value::Bool(true)])
}

/// `native fun settle(bound: u64, used: u64);`
fn settle(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (bound, used) = (args.u64()?, args.u64()?);
    let unused = bound.checked_sub(used).ok_or_else(|| NativeError::invariant("a call used more than its bound"))?;
    let price = context.schedule().inference_unit;
    let total = context.inference_use();
    total.units =
        total.units.checked_sub(unused).ok_or_else(|| NativeError::invariant("a call settles what it reserved"))?;
    context.refund(price.times(unused));
    Ok(Vec::new())
}

/// `native fun derive_seed(): u64;`
fn derive_seed(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let call = context.inference_use().calls.to_le_bytes();
    let hash = Hash::sha3(&[b"NOEMA::InferenceSeed", &context.transaction().hash.0, &call]);
    let (first, _) = hash.0.split_first_chunk::<8>().expect("a hash has 32 bytes");
    Ok(vec![Value::U64(u64::from_le_bytes(*first))])
}

/// `native fun similarity_internal(a: vector<u8>, b: vector<u8>): u64;`
fn similarity(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (a, b) = (args.bytes()?, args.bytes()?);
    context.charge_bytes(a.len() + b.len())?;
    let signed = |bytes: Vec<u8>| bytes.into_iter().map(u8::cast_signed).collect::<Vec<_>>();
    let cosine = similarity_bps(&signed(a), &signed(b));
    Ok(vec![Value::U64(cosine.ok_or_else(|| NativeError::invariant("embeddings of one width"))?.into())])
}

/// `native fun plain_internal(text: vector<u8>): vector<u8>;`
fn plain(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let text = String::from_utf8(args.bytes()?).map_err(|_| NativeError::invariant("a String is not UTF-8"))?;
    context.charge_bytes(text.len())?;
    let plain = plain_for_any(&text);
    context.charge_bytes(plain.len())?;
    Ok(vec![Value::Bytes(plain.into_bytes())])
}

/// A question as the Move side passes it, before it is known to be a job.
pub(super) struct Question {
    numerics: u32,
    model: Vec<u8>,
    pub(super) prompt: Vec<u8>,
}

impl Question {
    pub(super) fn take(args: &mut NativeArgs) -> NativeResult<Self> {
        Ok(Self { numerics: args.u32()?, model: args.bytes()?, prompt: args.bytes()? })
    }

    /// The job, or the status that says why there is none.
    fn job(self, kind: JobKind, options: Options) -> NativeResult<Result<Job, u8>> {
        let model = <[u8; Hash::LENGTH]>::try_from(self.model)
            .map_err(|model| NativeError::invariant(format!("a model's root has 32 bytes, got {}", model.len())))?;
        let Ok(prompt) = String::from_utf8(self.prompt) else { return Ok(Err(status::NOT_UTF8)) };
        let job = Job { numerics: self.numerics, model: Hash(model), kind, prompt, options };
        Ok(match job.check() {
            Ok(()) => Ok(job),
            Err(error) => Err(refusal(&error)?),
        })
    }
}

/// `native fun generate_internal(...): (u8, vector<u8>, u64, u64);`
fn generate(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let question = Question::take(&mut args)?;
    context.charge_bytes(question.prompt.len())?;
    let [max_new_tokens, temperature_bps, top_p_bps, top_k] = [args.u64()?, args.u64()?, args.u64()?, args.u64()?];
    let seed = args.u64()?;
    let stop = texts(args.vector()?)?;
    let options = Options {
        max_new_tokens: narrow(max_new_tokens)?,
        temperature_bps: narrow(temperature_bps)?,
        top_p_bps: narrow(top_p_bps)?,
        top_k: narrow(top_k)?,
        seed,
        stop,
        ..Options::default()
    };
    let job = match question.job(JobKind::Generate, options)? {
        Ok(job) => job,
        Err(status) => return Ok(generated(status, String::new(), 0, 0)),
    };
    match ask(context, &job)? {
        Answer::Generated(answer) => {
            context.charge_bytes(answer.text.len())?;
            let (prompt_tokens, new_tokens) = (answer.prompt_tokens.into(), answer.new_tokens.into());
            Ok(generated(status::ANSWERED, answer.text, prompt_tokens, new_tokens))
        }
        Answer::Refused(error) => Ok(generated(refusal(&error)?, String::new(), 0, 0)),
        other => Err(wrong_kind(&job, &other)),
    }
}

/// `native fun choose_internal(...): (u8, u64, u64, u64);`
fn choose(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let question = Question::take(&mut args)?;
    let choices = texts(args.vector()?)?;
    context.charge_bytes(question.prompt.len() + choices.iter().map(String::len).sum::<usize>())?;
    // Options say how to draw; a choice draws nothing. Equal questions must be equal jobs, so they are fixed.
    let options = Options { max_new_tokens: 0, ..Options::default() };
    let job = match question.job(JobKind::Choose(choices), options)? {
        Ok(job) => job,
        Err(status) => return Ok(chosen(status, 0, 0, 0)),
    };
    match ask(context, &job)? {
        Answer::Chosen { index, prompt_tokens, choice_tokens } => {
            Ok(chosen(status::ANSWERED, index.into(), prompt_tokens.into(), choice_tokens.into()))
        }
        Answer::Refused(error) => Ok(chosen(refusal(&error)?, 0, 0, 0)),
        other => Err(wrong_kind(&job, &other)),
    }
}

/// `native fun score_internal(...): (u8, u64, u64, u64);`
fn score(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let question = Question::take(&mut args)?;
    let continuation = String::from_utf8(args.bytes()?);
    let continuation = continuation.map_err(|_| NativeError::invariant("a String is not UTF-8"))?;
    context.charge_bytes(question.prompt.len() + continuation.len())?;
    let options = Options { max_new_tokens: 0, ..Options::default() };
    let job = match question.job(JobKind::Score(continuation), options)? {
        Ok(job) => job,
        Err(status) => return Ok(chosen(status, 0, 0, 0)),
    };
    match ask(context, &job)? {
        Answer::Scored { micro_nats, prompt_tokens, tokens } => {
            // A probability of one may be rounded to more than one.
            let micro_nats = u64::try_from(micro_nats).unwrap_or(0);
            Ok(chosen(status::ANSWERED, micro_nats, prompt_tokens.into(), tokens.into()))
        }
        Answer::Refused(error) => Ok(chosen(refusal(&error)?, 0, 0, 0)),
        other => Err(wrong_kind(&job, &other)),
    }
}

/// `native fun embed_internal(...): (u8, vector<u8>, u64);`
fn embed(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let question = Question::take(&mut args)?;
    context.charge_bytes(question.prompt.len())?;
    let options = Options { max_new_tokens: 0, ..Options::default() };
    let job = match question.job(JobKind::Embed, options)? {
        Ok(job) => job,
        Err(status) => return Ok(embedded(status, Vec::new(), 0)),
    };
    match ask(context, &job)? {
        Answer::Embedded { values, prompt_tokens } => {
            context.charge_bytes(values.len())?;
            let bytes = values.into_iter().map(i8::cast_unsigned).collect();
            Ok(embedded(status::ANSWERED, bytes, prompt_tokens.into()))
        }
        Answer::Refused(error) => Ok(embedded(refusal(&error)?, Vec::new(), 0)),
        other => Err(wrong_kind(&job, &other)),
    }
}

fn ask(context: &mut NativeContext<'_>, job: &Job) -> NativeResult<Answer> {
    let id = job.id().0;
    let bytes = context.answer(id, || bcs::to_bytes(job).expect("a job always serialises"))?;
    bcs::from_bytes(&bytes).map_err(|error| fault(format!("answer to job {id} is malformed: {error}")))
}

/// An answer that is not one is this node's fault, never the transaction's.
fn fault(reason: String) -> NativeError {
    NativeError::Fault(StateError::Store { reason })
}

fn wrong_kind(job: &Job, answer: &Answer) -> NativeError {
    fault(format!("job {} of kind {:?} was answered by {answer:?}", job.id(), job.kind))
}

fn refusal(error: &AnswerError) -> NativeResult<u8> {
    Ok(match error {
        // The Move side has checked every limit but the context's.
        AnswerError::ContextExceeded { .. } | AnswerError::Limit { .. } => status::CONTEXT_EXCEEDED,
        AnswerError::Numeric => status::NUMERIC,
        AnswerError::EmptyPrompt => status::EMPTY,
        AnswerError::Unsupported { .. } => status::OTHER_KIND,
        // The chain's questions hold no grammar.
        AnswerError::Grammar(_) => {
            return Err(fault(format!("a question without a grammar is refused for its grammar: {error}")));
        }
    })
}

pub(super) fn generated(status: u8, text: String, prompt_tokens: u64, new_tokens: u64) -> Vec<Value> {
    vec![Value::U8(status), Value::Bytes(text.into_bytes()), Value::U64(prompt_tokens), Value::U64(new_tokens)]
}

pub(super) fn chosen(status: u8, index: u64, prompt_tokens: u64, choice_tokens: u64) -> Vec<Value> {
    vec![Value::U8(status), Value::U64(index), Value::U64(prompt_tokens), Value::U64(choice_tokens)]
}

pub(super) fn embedded(status: u8, embedding: Vec<u8>, tokens: u64) -> Vec<Value> {
    vec![Value::U8(status), Value::Bytes(embedding), Value::U64(tokens)]
}

fn texts(values: Vec<Value>) -> NativeResult<Vec<String>> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| NativeError::invariant("a String is not UTF-8"));
    byte_vectors(values)?.into_iter().map(text).collect()
}

fn narrow(number: u64) -> NativeResult<u32> {
    u32::try_from(number).map_err(|_| NativeError::invariant(format!("option {number} does not fit 32 bits")))
}
