//! Values of literal tokens.

use super::ast::{Address, IntType, U256};

/// Why a number token has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// Not digits, underscores and a suffix.
    Malformed,
    /// Larger than u256 can hold.
    TooLarge,
    /// The letters behind the digits are no integer type.
    UnknownSuffix,
}

/// Value and suffix of `1_000u8`, `0xFF_FF`.
pub fn number(text: &str) -> Result<(U256, Option<IntType>), NumberError> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|character: char| !(character.is_digit(radix) || character == '_')).unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    if !digits.contains(|character: char| character != '_') {
        return Err(NumberError::Malformed);
    }
    let suffix = match suffix {
        "" => None,
        _ if radix == 10 && !suffix.starts_with(['u', 'i']) => return Err(NumberError::Malformed),
        _ => Some(IntType::parse(suffix).ok_or(NumberError::UnknownSuffix)?),
    };
    let digits = digits.replace('_', "");
    let value = U256::from_str_radix(&digits, u64::from(radix)).map_err(|_| NumberError::TooLarge)?;
    Ok((value, suffix))
}

/// The address a number stands for.
pub fn address(text: &str) -> Result<Address, NumberError> {
    match number(text)? {
        (value, None) => Ok(Address(value.to_be_bytes())),
        (_, Some(_)) => Err(NumberError::UnknownSuffix),
    }
}

/// A piece of a string that means nothing; byte range within the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringError {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// The bytes of a string's content, escapes resolved.
pub fn escaped(content: &str) -> Result<Vec<u8>, StringError> {
    let mut bytes = Vec::with_capacity(content.len());
    let mut characters = content.char_indices();
    while let Some((start, character)) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let byte = match characters.next() {
            Some((_, 'n')) => b'\n',
            Some((_, 'r')) => b'\r',
            Some((_, 't')) => b'\t',
            Some((_, '\\')) => b'\\',
            Some((_, '0')) => 0,
            Some((_, '"')) => b'"',
            Some((at, 'x')) => {
                let digits = content.get(at + 1..at + 3);
                let Some(byte) = digits.and_then(hex_byte) else {
                    return Err(StringError { start, end: at + 1, message: "`\\x` needs two hex digits" });
                };
                characters.next();
                characters.next();
                byte
            }
            Some((at, other)) => {
                return Err(StringError { start, end: at + other.len_utf8(), message: "unknown escape" });
            }
            None => {
                return Err(StringError { start, end: content.len(), message: "unknown escape" });
            }
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

/// The bytes that pairs of hex digits stand for.
pub fn hex(content: &str) -> Result<Vec<u8>, StringError> {
    if let Some((start, bad)) = content.char_indices().find(|(_, character)| !character.is_ascii_hexdigit()) {
        return Err(StringError { start, end: start + bad.len_utf8(), message: "not a hex digit" });
    }
    if !content.len().is_multiple_of(2) {
        return Err(StringError { start: 0, end: content.len(), message: "an odd number of hex digits" });
    }
    Ok((0..content.len()).step_by(2).filter_map(|start| hex_byte(&content[start..start + 2])).collect())
}

fn hex_byte(digits: &str) -> Option<u8> {
    if digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("1_000"), Ok((U256::from(1000), None)));
        assert_eq!(number("0xFF_FFu64"), Ok((U256::from(0xffff), Some(IntType::U64))));
        assert_eq!(number("7i64"), Ok((U256::from(7), Some(IntType::Signed(64)))));
        assert_eq!(number("12ab"), Err(NumberError::Malformed));
        assert_eq!(number("0x"), Err(NumberError::Malformed));
        assert_eq!(number("1u9"), Err(NumberError::UnknownSuffix));
        assert_eq!(number(&format!("0x{}", "f".repeat(64))), Ok((U256::MAX, None)));
        assert_eq!(number(&format!("0x1{}", "0".repeat(64))), Err(NumberError::TooLarge));
    }

    #[test]
    fn strings() {
        assert_eq!(escaped("a\\n\\x41\\\"ä").unwrap(), "a\nA\"ä".as_bytes());
        assert_eq!(escaped("a\\q").unwrap_err().start, 1);
        assert!(escaped("\\x4").is_err());
        assert!(escaped("\\xä").is_err());
        assert_eq!(hex("0aF0").unwrap(), [0x0a, 0xf0]);
        assert!(hex("0aF").is_err());
        assert!(hex("zz").is_err());
    }
}
