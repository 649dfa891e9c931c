//! Times as people type them: seconds since 1970, or `2026-12-01T09:30:00Z`.

/// Microseconds since 1970.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time; write seconds since 1970, or for example 2026-12-01T09:30:00Z");
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => parse_utc(text).ok_or_else(wrong)?,
    };
    seconds.checked_mul(1_000_000).ok_or_else(wrong)
}

/// Seconds since 1970 as UTC.
pub(crate) fn format_time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil date of a day count, in years that begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

fn parse_utc(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, form)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let march_year = if month <= 2 { year - 1 } else { year };
    let month_index = (month + 9) % 12;
    let days =
        365 * march_year + march_year / 4 - march_year / 100 + march_year / 400 + (153 * month_index + 2) / 5 + day
            - 1
            - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    // A day that the month does not have would come back as another.
    (format_time(seconds) == text).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-12-01T09:30:00Z", 1_796_117_400),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(parse_time(text), Ok(seconds * 1_000_000), "{text}");
            assert_eq!(format_time(seconds), text);
        }
        assert_eq!(parse_time("1700000000"), Ok(1_700_000_000_000_000));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "-1",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-12-01 09:30:00Z",
            "1969-12-31T00:00:00Z",
            "99999999999999999",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_has_one_text(seconds in 0u64..253_402_300_800) {
            prop_assert_eq!(parse_time(&format_time(seconds)), Ok(seconds * 1_000_000));
        }

        #[test]
        fn random_text_never_panics(text in ".{0,30}") {
            let _ = parse_time(&text);
        }
    }
}
