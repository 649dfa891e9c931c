//! Reads primitive values from bytes, remembering where.

use noema_execution_api::StatusCode;

use crate::{ReadError, Version};

/// A position in (a part of) a binary.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Position of `bytes[0]` in the whole input.
    base: usize,
    /// The input's version.
    pub(crate) version: Version,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], base: usize, version: Version) -> Self {
        Self { bytes, position: 0, base, version }
    }

    /// Position in the whole input.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.remaining() == 0
    }

    pub(crate) fn error(&self, status: StatusCode, message: impl Into<String>) -> ReadError {
        ReadError::at(status, self.offset(), message)
    }

    pub(crate) fn malformed(&self, message: impl Into<String>) -> ReadError {
        self.error(StatusCode::MALFORMED, message)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let Some(taken) = self.bytes[self.position..].get(..count) else {
            return Err(self.malformed(format!("expected {count} more bytes, found {}", self.remaining())));
        };
        self.position += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take returns exactly N bytes"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    /// A minimal ULEB128 number, at most `max`.
    pub(crate) fn uleb(&mut self, what: &str, max: u64) -> Result<u64, ReadError> {
        let start = self.offset();
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if (low << shift) >> shift != low {
                break;
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                if shift > 0 && low == 0 {
                    break;
                }
                if value > max {
                    return Err(ReadError::at(
                        StatusCode::MALFORMED,
                        start,
                        format!("{what} is {value}, the format allows at most {max}"),
                    ));
                }
                return Ok(value);
            }
        }
        Err(ReadError::at(StatusCode::MALFORMED, start, format!("{what} is not a minimal ULEB128 number")))
    }

    /// A count that says how many entries of at least one byte follow.
    pub(crate) fn count(&mut self, what: &str, max: usize) -> Result<usize, ReadError> {
        let count = usize::try_from(self.uleb(what, max as u64)?).expect("below max");
        if count > self.remaining() {
            return Err(self.malformed(format!("{what} is {count}, but only {} bytes follow", self.remaining())));
        }
        Ok(count)
    }

    /// Bytes with their length in front.
    pub(crate) fn blob(&mut self, what: &str, max: usize) -> Result<&'a [u8], ReadError> {
        let length = self.count(what, max)?;
        self.take(length)
    }
}

/// Appends a minimal ULEB128 number.
pub(crate) fn write_uleb(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
