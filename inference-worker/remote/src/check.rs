//! What an answer must be before it is believed to be one.

use noema_inference_api::{Answer, AnswerError, Job, JobKind};

use crate::limits::{EMBEDDING_MAX, IMAGE_BYTES_MAX, REFUSED_BYTES_MAX, TOKEN_BYTES_MAX};

/// Whether an answer is of the kind that was asked for and within its bounds. It may still be wrong: audits find that.
pub(crate) fn fits(job: &Job, answer: &Answer) -> Result<(), String> {
    let is_fitting = match (&job.kind, answer) {
        (_, Answer::Refused(error)) => refused(error) <= REFUSED_BYTES_MAX,
        (JobKind::Generate, Answer::Generated(generated)) => {
            generated.new_tokens <= job.options.max_new_tokens
                && generated.text.len() <= generated.new_tokens as usize * TOKEN_BYTES_MAX
        }
        (JobKind::Choose(choices), Answer::Chosen { index, .. }) => (*index as usize) < choices.len(),
        (JobKind::Score(_), Answer::Scored { .. }) => true,
        (JobKind::Embed, Answer::Embedded { values, .. }) => values.len() <= EMBEDDING_MAX,
        (JobKind::Draw(_), Answer::Drawn { png, .. }) => png.len() <= IMAGE_BYTES_MAX,
        _ => return Err(format!("asked for {}, got {}", asked(&job.kind), got(answer))),
    };
    if is_fitting { Ok(()) } else { Err(format!("an answer to {} is out of bounds", asked(&job.kind))) }
}

fn refused(error: &AnswerError) -> usize {
    match error {
        AnswerError::Grammar(text)
        | AnswerError::Unsupported { what: text }
        | AnswerError::Limit { what: text, .. } => text.len(),
        AnswerError::ContextExceeded { .. } | AnswerError::Numeric | AnswerError::EmptyPrompt => 0,
    }
}

fn asked(kind: &JobKind) -> &'static str {
    match kind {
        JobKind::Generate => "a continuation",
        JobKind::Choose(_) => "a choice",
        JobKind::Score(_) => "a score",
        JobKind::Embed => "an embedding",
        JobKind::Draw(_) => "an image",
    }
}

fn got(answer: &Answer) -> &'static str {
    match answer {
        Answer::Generated(_) => "a continuation",
        Answer::Chosen { .. } => "a choice",
        Answer::Refused(_) => "a refusal",
        Answer::Scored { .. } => "a score",
        Answer::Embedded { .. } => "an embedding",
        Answer::Drawn { .. } => "an image",
    }
}

#[cfg(test)]
mod tests {
    use noema_inference_api::{Generated, Options, Stop};
    use noema_types::Hash;

    use super::*;

    fn job(kind: JobKind) -> Job {
        let options = Options { max_new_tokens: 2, ..Options::default() };
        Job { numerics: 1, model: Hash::ZERO, kind, prompt: "a".to_owned(), options }
    }

    fn text(length: usize, new_tokens: u32) -> Answer {
        Answer::Generated(Generated { text: "x".repeat(length), prompt_tokens: 1, new_tokens, stop: Stop::Length })
    }

    #[test]
    fn kind_and_bounds_count() {
        let generate = job(JobKind::Generate);
        assert_eq!(fits(&generate, &text(2 * TOKEN_BYTES_MAX, 2)), Ok(()));
        assert!(fits(&generate, &text(2 * TOKEN_BYTES_MAX + 1, 2)).is_err());
        assert!(fits(&generate, &text(1, 3)).is_err());
        assert!(fits(&generate, &text(1, 0)).is_err());
        let chosen = |index| Answer::Chosen { index, prompt_tokens: 1, choice_tokens: 1 };
        let choose = job(JobKind::Choose(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(fits(&choose, &chosen(1)), Ok(()));
        assert!(fits(&choose, &chosen(2)).is_err());
        assert_eq!(fits(&generate, &chosen(0)), Err("asked for a continuation, got a choice".to_owned()));
        let long = AnswerError::Grammar("x".repeat(REFUSED_BYTES_MAX + 1));
        assert!(fits(&choose, &Answer::Refused(long)).is_err());
        let drawn = Answer::Drawn { png: Vec::new(), prompt_tokens: 1 };
        assert!(fits(&job(JobKind::Embed), &drawn).is_err());
    }
}
