//! The day that a chat template may ask for.
//!
//! A template's `strftime_now` reads no clock: equal requests must give equal jobs on any day. It shows the day that the
//! request names (`noema.date`), or the first of January 2026 when it names none.

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    year: u32,
    month: u32,
    day: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Default for Date {
    fn default() -> Self {
        Self { year: 2026, month: 1, day: 1 }
    }
}

const fn month_days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Date {
    /// Reads `YYYY-MM-DD`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length| {
            let digits =
                parts.next().filter(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse::<u32>().ok()
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        let whole = parts.next().is_none() && (1..=12).contains(&month);
        (whole && (1..=month_days(year, month)).contains(&day)).then_some(Self { year, month, day })
    }

    fn day_of_year(self) -> u32 {
        (1..self.month).map(|month| month_days(self.year, month)).sum::<u32>() + self.day
    }

    /// Sakamoto's rule; 0 is Sunday.
    fn weekday(self) -> usize {
        const SHIFT: [u32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        // 400 years are whole weeks: adding them keeps years near 0 above it.
        let year = self.year + 400 - u32::from(self.month < 3);
        ((year + year / 4 - year / 100 + year / 400 + SHIFT[self.month as usize - 1] + self.day) % 7) as usize
    }

    /// Writes the day, at midnight, as `strftime` would; `None` for a form it does not know.
    pub(crate) fn format(self, form: &str) -> Option<String> {
        let mut out = String::new();
        let mut characters = form.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            let mut code = characters.next()?;
            let bare = code == '-';
            if bare {
                code = characters.next()?;
            }
            let month = MONTHS[self.month as usize - 1];
            let number = |value: u32, width: usize| {
                if bare { value.to_string() } else { format!("{value:0width$}") }
            };
            match code {
                'Y' => out.push_str(&number(self.year, 4)),
                'y' => out.push_str(&number(self.year % 100, 2)),
                'm' => out.push_str(&number(self.month, 2)),
                'd' => out.push_str(&number(self.day, 2)),
                'j' => out.push_str(&number(self.day_of_year(), 3)),
                'H' | 'M' | 'S' => out.push_str(&number(0, 2)),
                'B' => out.push_str(month),
                'b' | 'h' => out.push_str(&month[..3]),
                'A' => out.push_str(DAYS[self.weekday()]),
                'a' => out.push_str(&DAYS[self.weekday()][..3]),
                '%' => out.push('%'),
                _ => return None,
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_strftime_writes_them() {
        let date = Date::parse("2024-02-29").expect("a leap day");
        assert_eq!(
            date.format("%d %b %Y, %A %j %-d %H:%M %%").as_deref(),
            Some("29 Feb 2024, Thursday 060 29 00:00 %")
        );
        assert_eq!(Date::default().format("%a %B %y").as_deref(), Some("Thu January 26"));
        assert_eq!(date.format("%Q"), None);
        assert_eq!(date.format("%"), None);
        for wrong in ["2023-02-29", "2024-13-01", "2024-00-01", "2024-1-1", "2024-01-01-", "+024-01-01", ""] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }
}
