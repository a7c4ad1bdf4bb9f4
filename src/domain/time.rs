//! Timestamps of the API: RFC 3339 on input, UTC with milliseconds on output (docs/api.md §1, Time).

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// An hour in milliseconds.
pub const HOUR: i64 = 60 * 60 * 1000;

/// A day in milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// A moment in whole milliseconds, in the years 0000 to 9999 of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Truncates to milliseconds. A leap second becomes the first second of the next minute.
    pub fn cut(moment: DateTime<Utc>) -> Self {
        Self::from_millis(moment.timestamp_millis())
    }

    /// The moment `millis` milliseconds after the Unix epoch, clamped to the range of chrono.
    pub const fn from_millis(millis: i64) -> Self {
        match DateTime::from_timestamp_millis(millis) {
            Some(moment) => Self(moment),
            None if millis < 0 => Self(DateTime::<Utc>::MIN_UTC),
            None => Self(DateTime::<Utc>::MAX_UTC),
        }
    }

    /// Parses RFC 3339 with any offset, and variants that clients send and that are just as unambiguous: a time without
    /// seconds or their fraction, an offset such as `+0000` or `+00`, and a zone name in brackets at the end
    /// (`Z[UTC]`). `None` if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of_any_year(text).filter(|moment| (0..=9999).contains(&moment.0.year()))
    }

    /// Parses a text whose moment may, because of its offset, lie in the year before 0000 or after 9999.
    fn of_any_year(text: &str) -> Option<Self> {
        // The parser also accepts a Unicode minus sign.
        if !text.is_ascii() {
            return None;
        }
        let moment =
            DateTime::parse_from_rfc3339(text).ok().or_else(|| DateTime::parse_from_rfc3339(&completed(text)?).ok())?;
        Some(Self::cut(moment.to_utc()))
    }

    /// The milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The moment this many milliseconds earlier.
    #[must_use]
    pub const fn minus(self, millis: i64) -> Self {
        Self::from_millis(self.millis().saturating_sub(millis))
    }

    /// The start of its day in UTC.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        self.minus(self.millis().rem_euclid(DAY))
    }

    /// The same moment as a type of chrono.
    pub const fn to_datetime(self) -> DateTime<Utc> {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A moment, as violations name it.
pub const MOMENT: &str = "a date and time with an offset, such as 2026-02-05T09:11:00.000Z";

/// Describes a text that is not a moment, for a violation.
pub fn found(text: &str) -> String {
    fault(text).map_or_else(|| "a different string".to_owned(), |fault| format!("one {fault}"))
}

/// The fault of a text that is almost a moment.
pub fn fault(text: &str) -> Option<&'static str> {
    let local = text.split('[').next().unwrap_or_default();
    if Timestamp::parse(&format!("{local}Z")).is_some() {
        return Some("whose offset is missing");
    }
    Timestamp::of_any_year(text).map(|_| "outside the years 0000 to 9999 in UTC")
}

/// Completes an ASCII text to RFC 3339: adds missing seconds, missing minutes of the offset, or the colon before these,
/// and removes a zone name at the end.
fn completed(text: &str) -> Option<String> {
    let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    let text = match text.split_once('[') {
        None => text,
        Some((text, zone)) => {
            zone.strip_suffix(']').filter(|name| !name.is_empty() && name.bytes().all(is_zone)).map(|_| text)?
        }
    };
    let clock = text.get("2026-02-05T".len()..)?;
    let (clock, offset) = clock.split_at(clock.find(['Z', 'z', '+', '-'])?);
    let date = text.get(.."2026-02-05T".len())?;
    let seconds = if clock.len() == "09:11".len() { ":00" } else { "" };
    let offset = match offset.len() {
        3 => format!("{offset}:00"),
        5 => format!("{}:{}", &offset[..3], &offset[3..]),
        _ => offset.to_owned(),
    };
    Some(format!("{date}{clock}{seconds}{offset}"))
}

/// The milliseconds from start to end; 0 if the end is earlier, which happens if the clocks of senders differ.
pub fn duration_millis(started: Timestamp, ended: Timestamp) -> i64 {
    (ended.millis() - started.millis()).max(0)
}

/// Returns whether `text` is a valid calendar date of the form `YYYY-MM-DD`.
pub fn is_date(text: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shape) && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether a day or moment, as this module writes it, lies in the year 0.
pub fn has_year_zero(text: &str) -> bool {
    text.starts_with("0000")
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, TimeDelta, TimeZone};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        Timestamp::parse(text).map(|moment| moment.to_string())
    }

    #[test]
    fn any_offset_and_fraction_is_read_and_milliseconds_of_utc_are_written() {
        assert_eq!(read("2026-02-05T10:11:00+01:00").as_deref(), Some("2026-02-05T09:11:00.000Z"));
        assert_eq!(read("2026-02-05T09:11:00.1Z").as_deref(), Some("2026-02-05T09:11:00.100Z"));
        assert_eq!(read("2026-02-05T09:11:00.999999999Z").as_deref(), Some("2026-02-05T09:11:00.999Z"));
        assert_eq!(read("1969-12-31T23:59:59.9999Z").as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(read("2016-12-31T23:59:60Z").as_deref(), Some("2017-01-01T00:00:00.000Z"));
    }

    #[test]
    fn what_clients_write_in_place_of_rfc_3339_is_read_if_it_is_unambiguous() {
        for text in [
            "2026-02-05T09:11:00Z",
            "2026-02-05T09:11Z",
            "2026-02-05T09:11:00+0000",
            "2026-02-05T09:11:00.000-0000",
            "2026-02-05T10:11:00.000+01",
            "2026-02-05T09:11:00Z[UTC]",
            "2026-02-05T10:11+01:00[Europe/Berlin]",
            "2026-02-05T05:41:00.0004-0330[America/St_Johns]",
            "2026-02-05T09:11:00+00:00[Etc/GMT+0]",
        ] {
            assert_eq!(read(text).as_deref(), Some("2026-02-05T09:11:00.000Z"), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_moment_of_four_digit_years_is_refused() {
        for text in [
            "",
            "2026-02-05",
            "2026-02-05Z",
            "2026-02-30T00:00:00Z",
            "5",
            "2026-02-05T09Z",
            "2026-02-05T09:11:00Z[",
            "2026-02-05T09:11:00Z[]",
            "2026-02-05T09:11:00Z[UTC]]",
            "2026-02-05T09:11:00+2500",
            "2026-02-05T09:11:00+000",
            "2026-02-05T09:11:00+000000",
            "2026-02-05T09:11:0Z",
        ] {
            assert_eq!(read(text), None, "{text:?}");
            assert_eq!(found(text), "a different string", "{text:?}");
        }
        for text in ["2026-02-05T09:11:00", "2026-02-05T09:11", "2026-02-05 09:11:00.5", "2026-02-05T09:11:00[UTC]"] {
            assert_eq!((read(text), &*found(text)), (None, "one whose offset is missing"), "{text:?}");
        }
        for text in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "9999-12-31T23:59-00:01[Etc/GMT+0]"] {
            assert_eq!((read(text), &*found(text)), (None, "one outside the years 0000 to 9999 in UTC"), "{text:?}");
        }
        assert_eq!(read("2026-02-05T09:11:00−05:00"), None);
    }

    #[test]
    fn a_date_is_ten_characters_of_the_calendar() {
        assert!(is_date("2024-02-29"));
        for text in ["2026-02-29", "2026-2-9", "+026-02-09", "2026-02-09Z", "2026/02/09", "2026-02-0९"] {
            assert!(!is_date(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_cuts_to_the_millisecond_and_writing_reads_back(
            nanos in -62_135_596_800_000_000_000_i128..253_402_300_799_000_000_000_i128,
            offset_minutes in -1439_i32..=1439,
        ) {
            let millis = i64::try_from(nanos.div_euclid(1_000_000)).unwrap();
            let subsecond = i64::try_from(nanos.rem_euclid(1_000_000)).unwrap();
            let moment = DateTime::from_timestamp_millis(millis).unwrap() + TimeDelta::nanoseconds(subsecond);
            let offset = FixedOffset::east_opt(offset_minutes * 60).unwrap();
            let local = offset.from_utc_datetime(&moment.naive_utc());
            prop_assume!((0..=9999).contains(&local.year()));
            let read = Timestamp::parse(&local.to_rfc3339()).unwrap();
            prop_assert_eq!(read.millis(), millis);
            prop_assert_eq!(Timestamp::parse(&read.to_string()), Some(read));
            prop_assert_eq!(read.to_string().len(), "YYYY-MM-DDTHH:mm:ss.SSSZ".len());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
            let _ = is_date(&text);
        }
    }
}
