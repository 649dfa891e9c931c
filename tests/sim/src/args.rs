//! The command line of `noema-sim`.

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run many seeds.
    Campaign {
        /// The first; from the clock if none is given.
        start: Option<u64>,
        /// How many.
        seeds: u64,
        /// On so many threads; on all cores if none is given.
        threads: Option<usize>,
    },
    /// Run one seed.
    One {
        /// Which.
        seed: u64,
        /// Whether to show every event.
        trace: bool,
    },
    /// Measure latency with wide-area delays.
    Latency {
        /// Committee sizes.
        validators: Vec<u16>,
    },
    /// Plant faults and see each caught.
    Mutants {
        /// Seeds that may be tried for each.
        seeds: u64,
        /// Only these; all if empty.
        only: Vec<String>,
    },
    /// Say how it is used.
    Help,
}

/// How it is used.
pub const USAGE: &str = "\
usage: noema-sim [--seeds N] [--start SEED] [--threads N]   run N seeds (2000)
       noema-sim --seed SEED [--trace]                      run one seed, and show its events
       noema-sim latency [--validators 10,50,100]           latency with wide-area delays
       noema-sim mutants [--seeds N] [NAME ...]             planted faults (needs --features mutants)";

/// Reads the arguments after the program's name.
///
/// # Errors
/// What is wrong with them.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter().peekable();
    let mode = arguments.next_if(|first| matches!(first.as_str(), "latency" | "mutants"));
    let (mut seeds, mut start, mut threads, mut seed, mut trace) = (2_000, None, None, None, false);
    let (mut validators, mut only) = (vec![10, 50, 100], Vec::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\nhint: {USAGE}"));
        match argument.as_str() {
            "--seeds" => seeds = number(&value()?)?,
            "--start" => start = Some(number(&value()?)?),
            "--seed" => seed = Some(number(&value()?)?),
            "--threads" => threads = Some(usize::try_from(number(&value()?)?).map_err(|error| error.to_string())?),
            "--trace" => trace = true,
            "--validators" => {
                let sizes = value()?;
                let size = |text: &str| u16::try_from(number(text)?).map_err(|error| error.to_string());
                validators = sizes.split(',').map(size).collect::<Result<_, _>>()?;
            }
            "--help" | "-h" => return Ok(Command::Help),
            name if mode.as_deref() == Some("mutants") && !name.starts_with('-') => only.push(argument),
            _ => return Err(format!("unknown argument `{argument}`\nhint: {USAGE}")),
        }
    }
    Ok(match (mode.as_deref(), seed) {
        (Some("latency"), _) => Command::Latency { validators },
        (Some(_), _) => Command::Mutants { seeds, only },
        (None, Some(seed)) => Command::One { seed, trace },
        (None, None) => Command::Campaign { start, seeds, threads },
    })
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parsed(""), Ok(Command::Campaign { start: None, seeds: 2_000, threads: None }));
        let campaign = Command::Campaign { start: Some(7), seeds: 20_000, threads: Some(1) };
        assert_eq!(parsed("--seeds 20_000 --start 7 --threads 1"), Ok(campaign));
        assert_eq!(parsed("--seed 9 --trace"), Ok(Command::One { seed: 9, trace: true }));
        assert_eq!(parsed("latency --validators 4,10"), Ok(Command::Latency { validators: vec![4, 10] }));
        assert_eq!(parsed("mutants a b"), Ok(Command::Mutants { seeds: 2_000, only: vec!["a".into(), "b".into()] }));
    }

    #[test]
    fn wrong_arguments_are_named() {
        assert!(parsed("--seeds").unwrap_err().contains("--seeds needs a value"));
        assert!(parsed("--seeds x").unwrap_err().contains("`x` is not a number"));
        assert!(parsed("--sneeds 1").unwrap_err().contains("--sneeds"));
    }
}
