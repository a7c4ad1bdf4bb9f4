//! A typed reader of JSON objects. Every member is taken once, and all violations are collected.

use std::ops::RangeInclusive;

use super::field::LongOrString;
use super::ids::is_decimal;
use super::json::{Json, Members};
use super::time::{self, MOMENT, Timestamp};
use super::violation::{MOST_LISTED, Place, Violations};

/// The most characters of a long-or-string value, and of most texts (docs/api.md §1).
pub const MAX_TEXT: usize = 255;

/// The integers of 64 bits, for the violation of an integer that does not fit.
pub const LONGS: &str = "an integer from -9223372036854775808 to 9223372036854775807";

/// How violations name 64-bit integers: to a sender of something else, and to a sender of an integer that does not fit.
const LONG: (&str, &str) = ("a 64-bit integer", LONGS);

/// The same for 32-bit integers.
const INT: (&str, &str) = ("a 32-bit integer", "an integer from -2147483648 to 2147483647");

/// A reader of the members of one object. `null` counts as absent.
pub struct ObjectReader<'a, 'j> {
    members: &'a [(std::borrow::Cow<'j, str>, Json<'j>)],
    taken: Vec<bool>,
    place: Place<'a>,
    /// The violations found so far.
    pub violations: Violations,
}

impl<'a, 'j> ObjectReader<'a, 'j> {
    /// A reader of the object at `place`.
    pub fn new(members: &'a Members<'j>, place: Place<'a>) -> Self {
        Self { members, taken: vec![false; members.len()], place, violations: Violations::default() }
    }

    /// Takes the member `name`, whatever its type. `None` if it is absent or `null`.
    pub fn take(&mut self, name: &str) -> Option<&'a Json<'j>> {
        let at = self.members.iter().position(|(member, _)| member == name)?;
        self.taken[at] = true;
        Some(&self.members[at].1).filter(|value| **value != Json::Null)
    }

    /// The members that have not been taken.
    pub fn rest(&self) -> impl Iterator<Item = (&'a str, &'a Json<'j>)> {
        let untaken = |(member, _): &(&'a (_, _), &bool)| *member;
        self.members.iter().zip(&self.taken).filter(|(_, taken)| !**taken).map(move |pair| {
            let (name, value) = untaken(&pair);
            (name.as_ref(), value)
        })
    }

    /// Adds a violation for every member that has not been taken.
    pub fn refuse_rest(&mut self) {
        let unknown: Vec<_> = self.rest().take(MOST_LISTED + 1).map(|(name, _)| name).collect();
        for name in unknown {
            if self.violations.is_full() {
                break;
            }
            self.add_violation(name, "unknown field");
        }
    }

    /// Adds a violation at the member `name`.
    pub fn add_violation(&mut self, name: &str, detail: impl Into<String>) {
        self.violations.add(&self.place.member(name), detail);
    }

    /// Adds a violation at the member `name` that newer metadata may resolve.
    pub fn add_metadata_violation(&mut self, name: &str, detail: impl Into<String>) {
        self.violations.add_about_metadata(&self.place.member(name), detail);
    }

    /// Takes a text with a length in characters. A JSON integer counts as its digits.
    pub fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        let text = match self.take(name)? {
            Json::String(text) => text.as_ref(),
            Json::Number(digits) if is_integer(digits) => digits,
            other => return self.expected(name, "a string or an integer", other),
        };
        self.of_length(name, text, &length)
    }

    /// Takes a text that must be a JSON string.
    pub fn string(&mut self, name: &str, length: RangeInclusive<usize>) -> Option<String> {
        match self.take(name)? {
            Json::String(text) => self.of_length(name, text, &length),
            other => self.expected(name, "a string", other),
        }
    }

    /// Takes a 64-bit integer, or a text of 1 to 255 characters.
    pub fn long_or_string(&mut self, name: &str) -> Option<LongOrString> {
        match self.take(name)? {
            Json::String(text) => self.of_length(name, text, &(1..=MAX_TEXT)).map(LongOrString::String),
            Json::Number(digits) if is_integer(digits) => self.parsed_long(name, digits).map(LongOrString::Long),
            other => self.expected(name, "a 64-bit integer or a string", other),
        }
    }

    /// Takes a 64-bit integer. A number with a zero fraction and a decimal string count as integers.
    pub fn long(&mut self, name: &str) -> Option<i64> {
        self.integer(name, LONG)
    }

    /// Takes a 64-bit integer that must be written as one.
    pub fn plain_long(&mut self, name: &str) -> Option<i64> {
        match self.take(name)? {
            Json::Number(digits) if is_integer(digits) => self.parsed_long(name, digits),
            other => self.expected(name, LONG.0, other),
        }
    }

    /// Takes a 32-bit integer, like [`Self::long`].
    pub fn int(&mut self, name: &str) -> Option<i32> {
        self.integer(name, INT)
    }

    /// Takes an object, which `read` reads.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut ObjectReader<'_, 'j>) -> T) -> Option<T> {
        match self.take(name)? {
            Json::Object(members) => {
                let place = self.place.member(name);
                let mut reader = ObjectReader::new(members, place);
                let value = read(&mut reader);
                let found = reader.violations;
                self.violations.append(found);
                Some(value)
            }
            other => self.expected(name, "an object", other),
        }
    }

    /// Returns whether the member is present and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, value)| member == name && *value != Json::Null)
    }

    /// Takes a number of seconds, 0 or more.
    pub fn seconds(&mut self, name: &str) -> Option<i64> {
        let seconds: i64 = self.integer(name, LONG)?;
        if seconds < 0 {
            self.add_violation(name, format!("expected 0 or more, found {seconds}"));
            return None;
        }
        Some(seconds)
    }

    /// Takes a number of seconds within limits.
    pub fn seconds_within(&mut self, name: &str, limits: RangeInclusive<i64>) -> Option<i64> {
        let seconds: i64 = self.integer(name, LONG)?;
        if limits.contains(&seconds) {
            return Some(seconds);
        }
        let (least, most) = limits.into_inner();
        self.add_violation(name, format!("expected {least} to {most}, found {seconds}"));
        None
    }

    /// Takes a timestamp.
    pub fn timestamp(&mut self, name: &str) -> Option<Timestamp> {
        match self.take(name)? {
            Json::String(text) => {
                let moment = Timestamp::parse(text);
                if moment.is_none() {
                    self.add_violation(name, format!("expected {MOMENT}, found {}", time::found(text)));
                }
                moment
            }
            other => self.expected(name, MOMENT, other),
        }
    }

    /// Takes an integer, also if it is written as a double or as text: many clients send every number as a double, or
    /// every identifier as text.
    fn integer<T: TryFrom<i64>>(&mut self, name: &str, (kind, range): (&str, &str)) -> Option<T> {
        let value = self.take(name)?;
        let (integer, is_integral) = match value {
            Json::Number(number) => (whole(number), is_integer(number)),
            Json::String(text) if is_decimal(text) => (text.parse().ok(), true),
            _ => (None, false),
        };
        let what = if is_integral || integer.is_some() { range } else { kind };
        match integer.and_then(|integer| T::try_from(integer).ok()) {
            None => self.expected(name, what, value),
            integer => integer,
        }
    }

    fn parsed_long(&mut self, name: &str, digits: &str) -> Option<i64> {
        let parsed = digits.parse().ok();
        if parsed.is_none() {
            self.add_violation(name, format!("expected {LONGS}, found {}", Json::Number(digits).found()));
        }
        parsed
    }

    fn of_length(&mut self, name: &str, text: &str, length: &RangeInclusive<usize>) -> Option<String> {
        match length_violation(text, length) {
            None => Some(text.to_owned()),
            Some(detail) => {
                self.add_violation(name, detail);
                None
            }
        }
    }

    /// Adds a violation that names the expected and the found type.
    pub fn expected<T>(&mut self, name: &str, what: &str, found: &Json<'_>) -> Option<T> {
        self.add_violation(name, format!("expected {what}, found {}", found.found()));
        None
    }
}

/// The violation of a text's length in Unicode scalar values, if there is one.
pub fn length_violation(text: &str, length: &RangeInclusive<usize>) -> Option<String> {
    // A text has at least as many bytes as characters, so most texts need no counting.
    if text.len() <= *length.end() && text.len() >= *length.start() && (*length.start() <= 1) {
        return None;
    }
    let count = text.chars().count();
    if count > *length.end() {
        Some(format!("expected at most {} characters, found {count}", length.end()))
    } else if count < *length.start() {
        Some(format!("expected at least {} characters, found {count}", length.start()))
    } else {
        None
    }
}

/// Returns whether a JSON number is written as an integer.
pub fn is_integer(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// The 64-bit integer that a JSON number equals, such as 10 for `10.0` and 12000000 for `1.2E7`. `None` if it has a
/// fraction, or does not fit.
fn whole(number: &str) -> Option<i64> {
    if is_integer(number) {
        return number.parse().ok();
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (units, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{units}{fraction}");
    let significant = digits.trim_end_matches('0');
    if matches!(significant, "" | "-") {
        return Some(0);
    }
    let exponent: i64 = exponent.parse().ok()?;
    let point = i64::try_from(fraction.len()).ok()?;
    let zeros = exponent - point + i64::try_from(digits.len() - significant.len()).ok()?;
    let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros < 20)?;
    format!("{significant}{}", "0".repeat(zeros)).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::whole;

    #[test]
    fn a_number_with_a_zero_fraction_is_an_integer() {
        for (number, expected) in [
            ("10.0", 10),
            ("-24.00", -24),
            ("1.2345678E7", 12_345_678),
            ("95e0", 95),
            ("1e+3", 1000),
            ("120e-1", 12),
            ("0.0", 0),
            ("-0", 0),
            ("0e400", 0),
            ("9223372036854775807.0", i64::MAX),
            ("-9.223372036854775808e18", i64::MIN),
        ] {
            assert_eq!(whole(number), Some(expected), "{number}");
        }
        for number in ["10.5", "1e-1", "125e-1", "9223372036854775808.0", "1e19", "1e400", "-1.00000000000000000001"] {
            assert_eq!(whole(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn an_integer_is_itself_however_it_is_written(integer: i64, exponent in 0_usize..18, zeros in 0_usize..30) {
            let digits = integer.unsigned_abs().to_string();
            let digits = format!("{}{digits}", "0".repeat(18));
            let (units, fraction) = digits.split_at(digits.len() - exponent);
            let units = units.trim_start_matches('0');
            let units = if units.is_empty() { "0" } else { units };
            let sign = if integer < 0 { "-" } else { "" };
            let zeros = "0".repeat(zeros);
            let number = format!("{sign}{units}.{fraction}0{zeros}e{exponent}");
            prop_assert_eq!(whole(&number), Some(integer), "{}", number);
        }
    }
}
