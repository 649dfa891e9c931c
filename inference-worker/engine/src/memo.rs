//! Remembers answers, the oldest forgotten first.

use std::collections::{BTreeMap, VecDeque};

use noema_inference_api::{Answer, JobId};

use crate::limits::{MEMO_ANSWERS_MAX, MEMO_BYTES_MAX, MEMO_FRESH_ANSWERS};

/// Answers by job, bounded in count and bytes.
#[derive(Debug, Default)]
pub struct Memo {
    answers: BTreeMap<JobId, Answer>,
    order: VecDeque<JobId>,
    bytes: usize,
}

/// Bytes an answer is counted with.
fn weight(answer: &Answer) -> usize {
    let text = match answer {
        Answer::Generated(generated) => generated.text.len(),
        Answer::Embedded { values, .. } => values.len(),
        Answer::Drawn { png, .. } => png.len(),
        Answer::Chosen { .. } | Answer::Scored { .. } | Answer::Refused(_) => 0,
    };
    text + size_of::<Answer>() + size_of::<JobId>()
}

impl Memo {
    /// The answer to a job, if it is remembered.
    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// Remembers an answer; what had to be forgotten for it.
    pub fn insert(&mut self, id: JobId, answer: Answer) -> Vec<(JobId, Answer)> {
        let added = weight(&answer);
        match self.answers.insert(id, answer) {
            // An answer is a function of its job: the old one is the same.
            Some(_) => return Vec::new(),
            None => self.order.push_back(id),
        }
        self.bytes += added;
        let mut forgotten = Vec::new();
        while self.is_over() {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(answer) = self.answers.remove(&oldest) {
                self.bytes -= weight(&answer);
                forgotten.push((oldest, answer));
            }
        }
        forgotten
    }

    fn is_over(&self) -> bool {
        let is_large = self.answers.len() > MEMO_ANSWERS_MAX || self.bytes > MEMO_BYTES_MAX;
        is_large && self.order.len() > MEMO_FRESH_ANSWERS
    }
}

#[cfg(test)]
mod tests {
    use noema_inference_api::{Generated, Stop};
    use noema_types::Hash;

    use super::*;

    fn id(number: u64) -> JobId {
        JobId(Hash::sha3(&[&number.to_le_bytes()]))
    }

    fn answer(bytes: usize) -> Answer {
        let text = "x".repeat(bytes);
        Answer::Generated(Generated { text, prompt_tokens: 1, new_tokens: 1, stop: Stop::Length })
    }

    #[test]
    fn the_oldest_goes_first_and_the_bound_holds() {
        let mut memo = Memo::default();
        let size = MEMO_BYTES_MAX / 2_000;
        let mut forgotten = Vec::new();
        for number in 0..3_000 {
            forgotten.extend(memo.insert(id(number), answer(size)));
        }
        assert_eq!(forgotten.first(), Some(&(id(0), answer(size))));
        assert_eq!(forgotten.len() + memo.answers.len(), 3_000);
        assert!(memo.bytes <= MEMO_BYTES_MAX);
        assert!(memo.get(id(0)).is_none());
        assert!(memo.get(id(2_999)).is_some());
    }

    #[test]
    fn fresh_answers_stay_even_when_they_are_huge() {
        let mut memo = Memo::default();
        for number in 0..3 {
            memo.insert(id(number), answer(MEMO_BYTES_MAX));
        }
        assert!((0..3).all(|number| memo.get(id(number)).is_some()));
    }
}
