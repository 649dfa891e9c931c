//! Payloads as JSON, with arguments decoded through the function's own types.

use noema_bytecode::CompiledModule;
use noema_types::{
    EntryFunction, Executable, ExtendedPayload, MultisigPayload, Script, TransactionArgument, TransactionPayload,
};
use serde_json::{Value, json};

use super::abi::parameter_tags;
use super::{Renderer, hex_json};

/// A transaction's payload.
pub(super) fn payload_json(renderer: &Renderer<'_>, payload: &TransactionPayload) -> Value {
    match payload {
        TransactionPayload::Script(script) => script_json(script),
        TransactionPayload::ModuleBundle(never) => match *never {},
        TransactionPayload::EntryFunction(call) => entry_json(renderer, call),
        TransactionPayload::Multisig(multisig) => json!({
            "type": "multisig_payload",
            "multisig_address": multisig.multisig_address,
            "transaction_payload": multisig.transaction_payload.as_ref().map(|inner| match inner {
                MultisigPayload::EntryFunction(call) => entry_json(renderer, call),
            }),
        }),
        TransactionPayload::Payload(ExtendedPayload::V1 { executable, .. }) => match executable {
            Executable::Script(script) => script_json(script),
            Executable::EntryFunction(call) => entry_json(renderer, call),
            Executable::Empty => json!({
                "type": "multisig_payload",
                "multisig_address": payload.multisig_address(),
                "transaction_payload": null,
            }),
        },
    }
}

fn entry_json(renderer: &Renderer<'_>, call: &EntryFunction) -> Value {
    json!({
        "type": "entry_function_payload",
        "function": format!("{}::{}", call.module, call.function),
        "type_arguments": call.type_args.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "arguments": arguments_json(renderer, call),
    })
}

/// Decoded arguments; raw bytes where the function or a type is not there any more or the bytes do not fit it.
fn arguments_json(renderer: &Renderer<'_>, call: &EntryFunction) -> Vec<Value> {
    let module = renderer.module(&call.module);
    let tags =
        module.as_ref().and_then(|module: &CompiledModule| parameter_tags(module, &call.function, &call.type_args));
    let arguments = call.args.iter().enumerate();
    arguments
        .map(|(position, bytes)| {
            let tag = tags.as_ref().and_then(|tags| tags.get(position));
            tag.and_then(|tag| renderer.value(tag, bytes)).unwrap_or_else(|| hex_json(bytes))
        })
        .collect()
}

fn script_json(script: &Script) -> Value {
    json!({
        "type": "script_payload",
        "code": { "bytecode": hex_json(&script.code) },
        "type_arguments": script.type_args.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "arguments": script.args.iter().map(argument_json).collect::<Vec<_>>(),
    })
}

fn argument_json(argument: &TransactionArgument) -> Value {
    match argument {
        TransactionArgument::U8(number) => json!(number),
        TransactionArgument::U16(number) => json!(number),
        TransactionArgument::U32(number) => json!(number),
        TransactionArgument::U64(number) => json!(number.to_string()),
        TransactionArgument::U128(number) => json!(number.to_string()),
        TransactionArgument::U256(number) => json!(number.to_string()),
        TransactionArgument::Address(address) => json!(address),
        TransactionArgument::Bool(value) => json!(value),
        TransactionArgument::U8Vector(bytes) | TransactionArgument::Serialized(bytes) => hex_json(bytes),
    }
}
