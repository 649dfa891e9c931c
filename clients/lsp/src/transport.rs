//! Frames of JSON on a stream.
//!
//! A frame is a head of `Name: value` lines, an empty line and as many bytes as `Content-Length` says. What is no frame is
//! skipped up to the next line that says a length; a frame that holds no message is handed over as [`Incoming::Garbage`].

use std::io::{self, BufRead, Read, Write};

use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

use crate::limits::{HEADER_LINE_BYTES_MAX, MESSAGE_BYTES_MAX};

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    /// A frame without a message, and the answer it deserves.
    Garbage(Value),
}

/// What goes out.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(Message),
    Raw(Value),
}

/// The next frame; `None` at the end of the stream.
pub(crate) fn read(input: &mut impl BufRead) -> io::Result<Option<Incoming>> {
    let Some(length) = read_head(input)? else { return Ok(None) };
    if length > MESSAGE_BYTES_MAX {
        io::copy(&mut input.take(length as u64), &mut io::sink())?;
        let message = format!("a message has {length} bytes, the limit is {MESSAGE_BYTES_MAX}");
        return Ok(Some(Incoming::Garbage(error(&Value::Null, ErrorCode::InvalidRequest, &message))));
    }
    let mut bytes = vec![0; length];
    if let Err(failure) = input.read_exact(&mut bytes) {
        return if failure.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(failure) };
    }
    Ok(Some(parse(&bytes)))
}

fn parse(bytes: &[u8]) -> Incoming {
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(failure) => {
            return Incoming::Garbage(error(&Value::Null, ErrorCode::ParseError, &format!("no JSON: {failure}")));
        }
    };
    let id = value.get("id").filter(|id| id.is_number() || id.is_string()).cloned().unwrap_or(Value::Null);
    match serde_json::from_value(value) {
        Ok(message) => Incoming::Message(message),
        Err(_) => {
            Incoming::Garbage(error(&id, ErrorCode::InvalidRequest, "neither request, response nor notification"))
        }
    }
}

fn error(id: &Value, code: ErrorCode, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": message } })
}

/// The length that the next head gives; lines that belong to no head are skipped.
fn read_head(input: &mut impl BufRead) -> io::Result<Option<usize>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(HEADER_LINE_BYTES_MAX).unwrap_or(u64::MAX);
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            if let Some(length) = length {
                return Ok(Some(length));
            }
            continue;
        }
        if let Some((name, value)) = text.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
}

/// Writes a frame.
pub(crate) fn write(output: &mut impl Write, outgoing: &Outgoing) -> io::Result<()> {
    match outgoing {
        Outgoing::Message(message) => message.write(output),
        Outgoing::Raw(value) => {
            let text = value.to_string();
            write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
            output.flush()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut input = io::BufReader::new(bytes);
        let mut found = Vec::new();
        while let Some(next) = read(&mut input).unwrap() {
            found.push(match next {
                Incoming::Message(Message::Notification(notification)) => notification.method,
                Incoming::Message(other) => format!("{other:?}"),
                Incoming::Garbage(answer) => answer["error"]["code"].to_string(),
            });
        }
        found
    }

    fn frame(text: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{text}", text.len())
    }

    #[test]
    fn goes_on_behind_garbage() {
        let good = frame(r#"{"jsonrpc":"2.0","method":"hello"}"#);
        let broken = [
            "noise\r\n\r\n".to_owned(),
            frame("{oops"),
            frame("[1]"),
            frame(r#"{"id":7}"#),
            "Content-Length: x\r\n\r\n".into(),
        ];
        let text: String = broken.iter().map(|part| format!("{part}{good}")).collect();
        assert_eq!(all(text.as_bytes()), ["hello", "-32700", "hello", "-32600", "hello", "-32600", "hello", "hello"]);
    }

    #[test]
    fn skips_what_is_too_large() {
        let huge = " ".repeat(MESSAGE_BYTES_MAX + 1);
        let text = frame(&huge) + &frame(r#"{"method":"hello"}"#);
        assert_eq!(all(text.as_bytes()), ["-32600", "hello"]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes: Vec<u8>, length in 0usize..64) {
            all(&bytes);
            all(&[format!("Content-Length: {length}\r\n\r\n").as_bytes(), &bytes].concat());
        }
    }
}
