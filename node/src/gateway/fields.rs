//! Typed access to a JSON request, with errors that name the field.

use serde_json::{Map, Value};

use super::error::{Fault, Outcome};

/// The fields of a JSON object; a field that is `null` is absent, one that nobody asks for is ignored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of a request.
    pub(crate) fn of(request: &'a Value) -> Outcome<Self> {
        request.as_object().map(Self).ok_or_else(|| Fault::invalid("the body must be a JSON object"))
    }

    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(self, name: &str, what: &str, read: impl Fn(&'a Value) -> Option<T>) -> Outcome<Option<T>> {
        let read = |value| read(value).ok_or_else(|| Fault::field(name, format!("must be {what}")));
        self.get(name).map(read).transpose()
    }

    pub(crate) fn text(self, name: &str) -> Outcome<Option<&'a str>> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(crate) fn flag(self, name: &str) -> Outcome<bool> {
        Ok(self.typed(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(crate) fn object(self, name: &str) -> Outcome<Option<Fields<'a>>> {
        Ok(self.typed(name, "an object", Value::as_object)?.map(Fields))
    }

    pub(crate) fn list(self, name: &str) -> Outcome<Option<&'a Vec<Value>>> {
        self.typed(name, "a list", Value::as_array)
    }

    pub(crate) fn count(self, name: &str) -> Outcome<Option<u32>> {
        self.typed(name, "a whole number", |value| value.as_u64().and_then(|number| u32::try_from(number).ok()))
    }

    /// A seed: negative ones count from the other end of the 64 bits.
    pub(crate) fn seed(self) -> Outcome<Option<u64>> {
        self.typed("seed", "a whole number of 64 bits", |value| {
            value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned))
        })
    }

    /// A decimal number in basis points, rounded to the nearest.
    ///
    /// The product of a double below 2^31 and 10,000 is off by less than 2^-8: a decimal of up to four places, which is
    /// what people write, always gives its own basis points. From here on only integers decide.
    pub(crate) fn basis_points(self, name: &str) -> Outcome<Option<u32>> {
        self.typed(name, "a number from 0 to 100", |value| {
            let number = value.as_f64().filter(|number| (0.0..=100.0).contains(number))?;
            Some((number * 10_000.0).round() as u32)
        })
    }

    /// Strings to stop at: one or a list.
    pub(crate) fn stops(self, name: &str) -> Outcome<Vec<String>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let wrong = || Fault::field(name, "must be a string or a list of strings, none of them empty");
        let texts: Vec<&Value> = match value {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(wrong);
        texts.into_iter().map(text).collect()
    }

    /// Refuses a field whose value is none of the harmless ones.
    pub(crate) fn only(self, name: &str, harmless: impl Fn(&Value) -> bool, why: &str) -> Outcome<()> {
        match self.get(name) {
            Some(value) if !harmless(value) => Err(Fault::unsupported(name, why)),
            _ => Ok(()),
        }
    }

    /// A field that must be there.
    pub(crate) fn required<T>(name: &str, value: Option<T>) -> Outcome<T> {
        value.ok_or_else(|| Fault::field(name, "field required"))
    }
}

/// Whether a list or an object holds nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
