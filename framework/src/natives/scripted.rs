//! Natives of `0x1::inference` in unit tests: answers come from a script that the test wrote.
//!
//! The script is a queue in a table of its own, so it lives and dies with the test's state. A question without script
//! fails with a message that says what to call.

use noema_execution_api::{
    NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, StatusCode, TableKey, Value,
};
use noema_types::{Address, Hash, TypeTag};

use super::inference::{Question, chosen, embedded, generated};

/// Key of the number of answers scripted so far.
const SCRIPTED: &[u8] = b"scripted";
/// Key of the number of answers used so far, which is the number of questions.
const USED: &[u8] = b"used";

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "inference",
        &[
            ("generate_internal", generate),
            ("choose_internal", choose),
            ("score_internal", choose),
            ("embed_internal", embed),
            ("script_answer", script_answer),
            ("prompts_asked", prompts_asked),
            ("units_used", units_used),
        ],
    );
}

/// What one question gets.
struct Scripted {
    status: u8,
    text: Vec<u8>,
    index: u64,
    prompt_tokens: u64,
    new_tokens: u64,
}

/// `native fun script_answer(status: u8, text: vector<u8>, index: u64, prompt_tokens: u64, new_tokens: u64);`
fn script_answer(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let fields = vec![vec![args.u8()?], args.bytes()?, words(&[args.u64()?, args.u64()?, args.u64()?])];
    let number = advance(context, SCRIPTED)?;
    store(context, &key("answer", number), fields)?;
    Ok(Vec::new())
}

/// `native fun prompts_asked(): vector<vector<u8>>;`
fn prompts_asked(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let mut prompts = Vec::new();
    for number in 0..count(context, USED)? {
        prompts.extend(load(context, &key("prompt", number))?.unwrap_or_default());
    }
    Ok(vec![Value::Vector(prompts)])
}

/// `native fun units_used(): u64;`
fn units_used(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    Ok(vec![Value::U64(context.inference_use().units)])
}

fn generate(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let answer = next(context, &Question::take(&mut args)?)?;
    let text = String::from_utf8(answer.text).map_err(|_| NativeError::invariant("a scripted text is not UTF-8"))?;
    Ok(generated(answer.status, text, answer.prompt_tokens, answer.new_tokens))
}

fn choose(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let answer = next(context, &Question::take(&mut args)?)?;
    Ok(chosen(answer.status, answer.index, answer.prompt_tokens, answer.new_tokens))
}

fn embed(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let answer = next(context, &Question::take(&mut args)?)?;
    Ok(embedded(answer.status, answer.text, answer.prompt_tokens))
}

/// Takes the next scripted answer and notes the prompt.
fn next(context: &mut NativeContext<'_>, question: &Question) -> NativeResult<Scripted> {
    let number = advance(context, USED)?;
    store(context, &key("prompt", number), vec![question.prompt.clone()])?;
    let missing = || NativeError::Status {
        code: StatusCode::MISSING_DATA,
        message: format!(
            "question {number} of this test has no scripted answer: {:?}; call \
             inference::script_text_for_test, or its like for other kinds of questions, first",
            String::from_utf8_lossy(&question.prompt)
        ),
    };
    let fields = load(context, &key("answer", number))?.ok_or_else(missing)?;
    decode(&fields).ok_or_else(|| NativeError::invariant("a script is malformed"))
}

fn decode(fields: &[Value]) -> Option<Scripted> {
    let [status, text, numbers] = fields else { return None };
    let numbers = numbers.as_bytes()?;
    let word = |at: usize| Some(u64::from_le_bytes(numbers.get(8 * at..8 * at + 8)?.try_into().ok()?));
    Some(Scripted {
        status: *status.as_bytes()?.first()?,
        text: text.as_bytes()?.to_vec(),
        index: word(0)?,
        prompt_tokens: word(1)?,
        new_tokens: word(2)?,
    })
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn key(kind: &str, number: u64) -> Vec<u8> {
    format!("{kind} {number}").into_bytes()
}

fn handle() -> Address {
    Address(Hash::sha3(&[b"NOEMA::TestScript"]).0)
}

fn store(context: &mut NativeContext<'_>, key: &[u8], fields: Vec<Vec<u8>>) -> NativeResult<()> {
    let value_type = TypeTag::Vector(Box::new(TypeTag::Vector(Box::new(TypeTag::U8))));
    let item = TableKey { handle: handle(), key, value_type: &value_type };
    let value = Value::Vector(fields.into_iter().map(Value::Bytes).collect());
    match context.table_insert(item, value)? {
        true => Ok(()),
        false => Err(NativeError::invariant("a script is written once")),
    }
}

fn load(context: &mut NativeContext<'_>, key: &[u8]) -> NativeResult<Option<Vec<Value>>> {
    let value_type = TypeTag::Vector(Box::new(TypeTag::Vector(Box::new(TypeTag::U8))));
    let item = TableKey { handle: handle(), key, value_type: &value_type };
    let Some(reference) = context.table_borrow(item, false)? else { return Ok(None) };
    Ok(context.read(&reference)?.as_vector().map(<[Value]>::to_vec))
}

fn count(context: &mut NativeContext<'_>, key: &[u8]) -> NativeResult<u64> {
    let item = TableKey { handle: handle(), key, value_type: &TypeTag::U64 };
    let Some(reference) = context.table_borrow(item, false)? else { return Ok(0) };
    Ok(context.read(&reference)?.as_u64().unwrap_or_default())
}

/// The count so far, one more afterwards.
fn advance(context: &mut NativeContext<'_>, key: &[u8]) -> NativeResult<u64> {
    let before = count(context, key)?;
    let item = TableKey { handle: handle(), key, value_type: &TypeTag::U64 };
    context.table_remove(item)?;
    context.table_insert(item, Value::U64(before + 1))?;
    Ok(before)
}
