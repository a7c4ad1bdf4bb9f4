//! Values of attributes: their types, and the form in which they are stored.

use serde::{Deserialize, Serialize};

use crate::domain::json::{Json, write_string};
use crate::domain::reader::{LONGS, is_integer, length_violation};
use crate::domain::time::{MOMENT, Timestamp, found, has_year_zero, is_date};

/// The type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributeType {
    /// A string of limited length.
    String,
    /// `true` or `false`.
    Boolean,
    /// A 64-bit integer.
    Integer,
    /// A number.
    Float,
    /// A date, `YYYY-MM-DD`.
    Date,
    /// A timestamp, stored and returned in the form of all timestamps.
    Datetime,
    /// Any JSON value.
    Json,
}

impl AttributeType {
    /// The name of the type.
    pub fn word(self) -> &'static str {
        TYPES.into_iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

pub(super) const TYPES: [(&str, AttributeType); 7] = [
    ("string", AttributeType::String),
    ("boolean", AttributeType::Boolean),
    ("integer", AttributeType::Integer),
    ("float", AttributeType::Float),
    ("date", AttributeType::Date),
    ("datetime", AttributeType::Datetime),
    ("json", AttributeType::Json),
];

/// Writes a value in the form in which it is stored. The error names what was expected and found.
pub(super) fn write_value(
    kind: AttributeType,
    length: Option<u32>,
    value: &Json<'_>,
    out: &mut String,
) -> Result<(), String> {
    let expected = |what: &str| Err(format!("expected {what}, found {}", value.found()));
    match (kind, value) {
        (AttributeType::String, Json::String(text)) => {
            let most = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
            if let Some(violation) = length_violation(text, &(0..=most)) {
                return Err(violation);
            }
            write_string(out, text);
        }
        (AttributeType::String, _) => return expected("a string"),
        (AttributeType::Boolean, Json::Bool(_)) | (AttributeType::Json, _) => value.write(out),
        (AttributeType::Boolean, _) => return expected("`true` or `false`"),
        (AttributeType::Integer, Json::Number(digits)) if is_integer(digits) => match digits.parse::<i64>() {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => return expected(LONGS),
        },
        (AttributeType::Integer, _) => return expected("an integer"),
        (AttributeType::Float, Json::Number(number)) => out.push_str(number),
        (AttributeType::Float, _) => return expected("a number"),
        (AttributeType::Date, Json::String(text)) if is_date(text) => {
            if has_year_zero(text) {
                return Err("expected a date from 0001-01-01 on: SQL has no year 0".to_owned());
            }
            write_string(out, text);
        }
        (AttributeType::Date, _) => return expected("a date such as 2026-02-05"),
        (AttributeType::Datetime, Json::String(text)) => match Timestamp::parse(text) {
            Some(moment) if has_year_zero(&moment.to_string()) => {
                let expected = "expected a date and time from 0001-01-01T00:00:00.000Z on: SQL has no year 0";
                return Err(format!("{expected}, found {moment} in UTC"));
            }
            Some(moment) => write_string(out, &moment.to_string()),
            None => return Err(format!("expected {MOMENT}, found {}", found(text))),
        },
        (AttributeType::Datetime, _) => return expected(MOMENT),
    }
    Ok(())
}
