//! Turns an answer's bytes into text: stop strings, whole characters, pieces for those who watch.

/// Bytes of an answer as they come.
#[derive(Debug, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    stops: Vec<Vec<u8>>,
    /// Bytes that pieces were made of.
    released: usize,
}

impl Text {
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).map(|stop| stop.clone().into_bytes()).collect();
        Self { bytes: Vec::new(), stops, released: 0 }
    }

    /// Adds a token's bytes; says whether a stop string is complete now, and cuts the text before the first such.
    pub(crate) fn push(&mut self, token: &[u8]) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(token);
        let text = &self.bytes;
        let first = self.stops.iter().filter_map(|stop| {
            let from = (start + 1).saturating_sub(stop.len());
            text[from..].windows(stop.len()).position(|window| window == stop).map(|at| from + at)
        });
        match first.min() {
            Some(at) => {
                self.bytes.truncate(at);
                true
            }
            None => false,
        }
    }

    /// Whole characters that nothing can take back any more and that no piece held yet. All pieces together are the
    /// start of the answer's text.
    pub(crate) fn piece(&mut self) -> Option<String> {
        let open = &self.bytes[self.released..];
        let held = self.stops.iter().map(|stop| begun(&self.bytes, stop)).max().unwrap_or(0);
        let ready = &open[..open.len().saturating_sub(held)];
        let ready = &ready[..ready.len() - unfinished(ready)];
        if ready.is_empty() {
            return None;
        }
        let piece = String::from_utf8_lossy(ready).into_owned();
        self.released += ready.len();
        Some(piece)
    }

    /// The text: an unfinished character at the end is dropped, anything else that is not UTF-8 becomes U+FFFD.
    pub(crate) fn finish(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.bytes.len() - unfinished(&self.bytes)]).into_owned()
    }
}

/// Length of the longest end of `bytes` that `stop` begins with, `stop` itself excluded.
fn begun(bytes: &[u8], stop: &[u8]) -> usize {
    let longest = bytes.len().min(stop.len() - 1);
    (1..=longest).rev().find(|&length| bytes.ends_with(&stop[..length])).unwrap_or(0)
}

/// Bytes of an unfinished character at the end.
fn unfinished(bytes: &[u8]) -> usize {
    let is_unfinished = |length: &usize| {
        let tail = &bytes[bytes.len() - length..];
        std::str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).rev().find(is_unfinished).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unfinished_characters_at_the_end_are_dropped() {
        let cases: [(&[u8], &str); 6] = [
            (b"abc", "abc"),
            (b"ab\xe2\x82", "ab"),
            ("ab\u{20ac}".as_bytes(), "ab\u{20ac}"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"a\xffb\xf0\x9f\x98", "a\u{fffd}b"),
            (b"", ""),
        ];
        for (bytes, expected) in cases {
            let mut text = Text::default();
            text.push(bytes);
            assert_eq!(text.finish(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_a_stop_string_may_begin_in_is_held_back() {
        let mut text = Text::new(&["abc".to_owned()]);
        assert!(!text.push(b"xa"));
        assert_eq!(text.piece().as_deref(), Some("x"));
        assert!(!text.push(b"b"));
        assert_eq!(text.piece(), None);
        assert!(!text.push(b"d"));
        assert_eq!(text.piece().as_deref(), Some("abd"));
        assert!(text.push(b"yabcz"));
        assert_eq!(text.piece().as_deref(), Some("y"));
        assert_eq!(text.finish(), "xabdy");
    }

    proptest! {
        /// Bytes of few kinds, so that stop strings and broken characters are met often.
        #[test]
        fn pieces_are_the_start_of_the_text_and_stops_do_not_depend_on_tokens(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b'a'), Just(b'b'), Just(0xe2u8), Just(0x82), Just(0xac), Just(0xf0), Just(0xff)
            ], 0..40),
            cuts in proptest::collection::vec(1usize..5, 0..40),
            stops in proptest::collection::vec("[ab\u{20ac}]{0,4}", 0..3),
        ) {
            let mut text = Text::new(&stops);
            let (mut pieces, mut rest, mut cuts) = (String::new(), bytes.as_slice(), cuts.into_iter());
            let mut is_stopped = false;
            while !rest.is_empty() && !is_stopped {
                let (token, left) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                rest = left;
                is_stopped = text.push(token);
                pieces.extend(text.piece());
            }
            let whole = text.finish();
            prop_assert!(whole.starts_with(&pieces), "{pieces:?} of {whole:?}");
            for stop in stops.iter().filter(|stop| !stop.is_empty()) {
                prop_assert!(!text.bytes.windows(stop.len()).any(|window| window == stop.as_bytes()));
            }
            let meets = |stop: &String| !stop.is_empty() && bytes.windows(stop.len()).any(|w| w == stop.as_bytes());
            prop_assert_eq!(is_stopped, stops.iter().any(meets));
        }
    }
}
