//! `noema model tokenize`: token ids and pieces, there and back, without loss.

use noema_models::{LoadedModel, Special, Tokenizer};
use serde_json::json;

use crate::args::TokenizeArgs;
use crate::home::Home;
use crate::output::{CliError, CliResult, Output};

/// Runs the command.
pub(crate) fn run(output: Output, args: &TokenizeArgs) -> CliResult {
    let path = super::find(&Home::find()?, Some(&args.model))?;
    let LoadedModel { tokenizer, manifest, root, .. } = super::read(&path)?;
    let ids = match &args.text {
        None => args.ids.clone(),
        Some(text) => {
            let special = if args.plain { Special::Text } else { Special::Parse };
            tokenizer.encode(text, special).map_err(CliError::verdict)?
        }
    };
    if let Some(wrong) = ids.iter().find(|&&id| id >= manifest.vocab) {
        return Err(CliError::fault(format!("token {wrong} is not in the vocabulary of {}", manifest.vocab))
            .hint(format!("ids of this model go from 0 to {}", manifest.vocab.saturating_sub(1))));
    }
    let bytes = bytes_of(&tokenizer, &ids);
    if args.text.as_ref().is_some_and(|text| text.as_bytes() != bytes) {
        output.note("note: this model's tokenizer does not keep every byte of this text");
    }
    let text = String::from_utf8_lossy(&bytes);
    let special = |id: u32| tokenizer.is_special(id);
    output.result(
        || {
            let numbers: Vec<_> = ids.iter().map(u32::to_string).collect();
            let pieces: Vec<_> = ids.iter().map(|&id| quoted(tokenizer.token_bytes(id))).collect();
            format!("ids     {}\npieces  {}\ntext    {}", numbers.join(","), pieces.join(" "), quoted(&bytes))
        },
        || {
            let piece = |&id: &u32| {
                let bytes = tokenizer.token_bytes(id);
                json!({ "id": id, "text": String::from_utf8_lossy(bytes), "hex": hex::encode(bytes), "special": special(id) })
            };
            json!({
                "model": root,
                "ids": ids,
                "pieces": ids.iter().map(piece).collect::<Vec<_>>(),
                "text": text,
                "hex": hex::encode(&bytes),
            })
        },
    );
    Ok(())
}

/// The bytes that tokens stand for, special ones included: what [`Tokenizer::encode`] took apart.
fn bytes_of(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|&id| tokenizer.token_bytes(id)).copied().collect()
}

/// Bytes for people: a string literal, of bytes where they are no UTF-8.
fn quoted(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("b\"{}\"", bytes.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use noema_models::synthetic;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_text_is_shown_as_bytes() {
        assert_eq!(quoted("a\n\"\u{20ac}".as_bytes()), r#""a\n\"€""#);
        assert_eq!(quoted(b"\xe2\x82"), r#"b"\xe2\x82""#);
    }

    proptest! {
        #[test]
        fn bytes_survive(text in "(\\PC|\\s|<\\|start\\|>|<\\|end\\|>|the){0,60}", parse in any::<bool>()) {
            let tokenizer = Tokenizer::new(synthetic::tokenizer_data(), None).expect("sound");
            let special = if parse { Special::Parse } else { Special::Text };
            let ids = tokenizer.encode(&text, special).expect("encodes");
            prop_assert_eq!(bytes_of(&tokenizer, &ids), text.as_bytes());
        }
    }
}
