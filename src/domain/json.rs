//! A strict JSON parser for request bodies (docs/api.md §1, Bodies). It makes one pass, reports the position of an
//! error, and keeps numbers as written.
//!
//! It refuses input that is ambiguous or cannot be stored: duplicate names, NUL characters, deep nesting, and numbers
//! beyond the range of a double.

use std::borrow::Cow;
use std::collections::HashSet;

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

/// The most levels of nested objects and arrays.
pub const MAX_DEPTH: usize = 32;

/// The most characters of a number.
const MAX_NUMBER_LENGTH: usize = 400;

/// The most members of an object that are compared one by one to find duplicates. Larger objects use a set.
const FEW_MEMBERS: usize = 16;

/// A JSON value. Numbers, and strings without escapes, are borrowed from the body.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written, within the range of a double.
    Number(&'a str),
    /// A string without NUL.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// The members of an object in the order of the body.
    Object(Members<'a>),
}

/// The members of an object. Names are unique.
pub type Members<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// A syntax error and its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What was expected, and what was found instead.
    pub problem: String,
}

/// Parses a body that must be an object.
pub fn read_object(body: &[u8]) -> Result<Members<'_>, JsonError> {
    read(body, |reader, peek| match peek {
        Peek::Object => reader.object(1),
        _ => Err(Fault { at: reader.jiter.current_index(), problem: expected("a JSON object") }),
    })
}

/// Parses a body that must be an object or an array.
pub fn read_records(body: &[u8]) -> Result<Json<'_>, JsonError> {
    read(body, |reader, peek| match peek {
        Peek::Object | Peek::Array => reader.value(peek, 1),
        _ => Err(Fault { at: reader.jiter.current_index(), problem: expected("a JSON object or array") }),
    })
}

fn read<'a, T>(body: &'a [u8], read: impl FnOnce(&mut Reader<'a>, Peek) -> Result<T, Fault>) -> Result<T, JsonError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| error_at(body, error.valid_up_to(), "expected UTF-8, found other bytes".into()))?;
    let mut reader = Reader { text, jiter: Jiter::new(body) };
    let value = reader.peek().and_then(|peek| read(&mut reader, peek));
    value
        .and_then(|value| reader.jiter.finish().map(|()| value).map_err(|error| Fault::from(&error)))
        .map_err(|fault| error_at(body, fault.at, fault.problem.describe(&text[fault.at.min(text.len())..])))
}

impl Json<'_> {
    /// Describes the value for a violation: `a string`, `an array`, or the number itself.
    pub fn found(&self) -> String {
        match self {
            Json::Null => "null".into(),
            Json::Bool(value) => value.to_string(),
            Json::Number(text) if text.len() <= 40 => (*text).into(),
            Json::Number(_) => "a long number".into(),
            Json::String(_) => "a string".into(),
            Json::Array(_) => "an array".into(),
            Json::Object(_) => "an object".into(),
        }
    }

    /// Writes the value in canonical form: without white space, and with members ordered by name. Numbers stay as
    /// written.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::String(text) => write_string(out, text),
            Json::Array(items) => write_all(out, ('[', ']'), items, |out, item| item.write(out)),
            Json::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                write_all(out, ('{', '}'), sorted, |out, (name, value)| {
                    write_string(out, name);
                    out.push(':');
                    value.write(out);
                });
            }
        }
    }
}

/// Writes a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

/// Writes items between brackets, separated by commas.
pub fn write_all<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}

/// A syntax error at a byte of the body, not yet put into words.
struct Fault {
    at: usize,
    problem: Problem,
}

enum Problem {
    /// Something else was expected.
    Expected(&'static str),
    /// The input is not allowed.
    Refused(String),
}

const fn expected(what: &'static str) -> Problem {
    Problem::Expected(what)
}

impl Problem {
    fn describe(self, rest: &str) -> String {
        match (self, rest.chars().next()) {
            (Self::Refused(problem), _) => problem,
            (Self::Expected(what), None) => format!("expected {what}, found the end of the body"),
            (Self::Expected(what), Some(found)) => {
                let found = if found.is_control() { found.escape_default().to_string() } else { found.to_string() };
                format!("expected {what}, found `{found}`")
            }
        }
    }
}

impl From<&JiterError> for Fault {
    fn from(error: &JiterError) -> Self {
        use JsonErrorType as E;
        let JiterErrorType::JsonError(kind) = &error.error_type else {
            return Self { at: error.index, problem: expected("another type of value") };
        };
        let problem = match kind {
            E::EofWhileParsingString => expected("`\"` at the end of the string"),
            E::EofWhileParsingList | E::ExpectedListCommaOrEnd => expected("`,` or `]`"),
            E::EofWhileParsingObject | E::ExpectedObjectCommaOrEnd => expected("`,` or `}`"),
            E::EofWhileParsingValue | E::ExpectedSomeValue | E::ExpectedSomeIdent => {
                expected("a value (strings need double quotes)")
            }
            E::ExpectedColon => expected("`:`"),
            E::InvalidEscape => expected("a JSON escape such as `\\n` or `\\u00e9`"),
            E::InvalidNumber => expected("a number without leading zeros, or a string in double quotes"),
            E::NumberOutOfRange => Problem::Refused("the number is out of range".into()),
            E::ControlCharacterWhileParsingString => expected("control characters to be escaped"),
            E::KeyMustBeAString => expected("a name in double quotes"),
            E::TrailingComma => expected("another item after the comma"),
            E::TrailingCharacters => expected("nothing after the object"),
            E::InvalidUnicodeCodePoint | E::LoneLeadingSurrogateInHexEscape | E::UnexpectedEndOfHexEscape => {
                Problem::Refused("the escape is half of a surrogate pair".into())
            }
            other => Problem::Refused(other.to_string()),
        };
        Self { at: error.index, problem }
    }
}

fn error_at(body: &[u8], at: usize, problem: String) -> JsonError {
    let before = &body[..at.min(body.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let is_newline = |byte: &&u8| **byte == b'\n';
    JsonError {
        line: before.iter().filter(is_newline).count() + 1,
        column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
        problem,
    }
}

struct Reader<'a> {
    text: &'a str,
    jiter: Jiter<'a>,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Result<Peek, Fault> {
        self.jiter.peek().map_err(|error| Fault::from(&error))
    }

    fn value(&mut self, peek: Peek, depth: usize) -> Result<Json<'a>, Fault> {
        let start = self.jiter.current_index();
        let fault = |error| Fault::from(&error);
        match peek {
            Peek::Null => self.jiter.known_null().map(|()| Json::Null).map_err(fault),
            Peek::True | Peek::False => self.jiter.known_bool(peek).map(Json::Bool).map_err(fault),
            Peek::String => {
                self.jiter.known_bytes().map_err(fault)?;
                self.string(start + 1, self.jiter.current_index() - 1).map(Json::String)
            }
            Peek::Array => self.array(depth).map(Json::Array),
            Peek::Object => self.object(depth).map(Json::Object),
            _ if peek.is_num() => {
                self.jiter.known_number_bytes(peek).map_err(fault)?;
                self.number(start).map(Json::Number)
            }
            _ => Err(Fault { at: start, problem: expected("a value (strings need double quotes)") }),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Json<'a>>, Fault> {
        self.check_depth(depth)?;
        let mut items = Vec::new();
        let mut next = self.jiter.known_array();
        while let Some(peek) = next.map_err(|error| Fault::from(&error))? {
            items.push(self.value(peek, depth + 1)?);
            next = self.jiter.array_step();
        }
        Ok(items)
    }

    fn object(&mut self, depth: usize) -> Result<Members<'a>, Fault> {
        self.check_depth(depth)?;
        let mut members = Members::new();
        let mut seen = HashSet::new();
        let mut name = self.jiter.next_object_bytes();
        while let Some(bytes) = name.map_err(|error| Fault::from(&error))? {
            let start = bytes.as_ptr().addr() - self.text.as_ptr().addr();
            let end = start + bytes.len();
            let name_text = self.string(start, end)?;
            if is_repeated(&members, &mut seen, name_text.clone()) {
                let problem =
                    Problem::Refused(format!("expected each name once in an object, found {name_text:?} again"));
                return Err(Fault { at: start - 1, problem });
            }
            let peek = self.peek()?;
            let value = self.value(peek, depth + 1)?;
            members.push((name_text, value));
            name = self.jiter.next_key_bytes();
        }
        Ok(members)
    }

    /// The string whose contents are the bytes `start..end` of the body.
    fn string(&self, start: usize, end: usize) -> Result<Cow<'a, str>, Fault> {
        let raw = &self.text[start..end];
        if !raw.contains('\\') {
            return Ok(Cow::Borrowed(raw));
        }
        let quoted = &self.text.as_bytes()[start - 1..=end];
        let decoded = Jiter::new(quoted).next_str().map(str::to_owned).map_err(|error| {
            let fault = Fault::from(&error);
            Fault { at: start - 1 + fault.at, problem: fault.problem }
        })?;
        if decoded.contains('\0') {
            return Err(Fault { at: start - 1, problem: Problem::Refused("a string must not contain NUL".into()) });
        }
        Ok(Cow::Owned(decoded))
    }

    /// The number that ends at the current position and begins at `start`.
    fn number(&self, start: usize) -> Result<&'a str, Fault> {
        let text = &self.text[start..self.jiter.current_index()];
        if is_storable(text) {
            Ok(text)
        } else {
            Err(Fault { at: start, problem: Problem::Refused("the number is out of range".into()) })
        }
    }

    fn check_depth(&self, depth: usize) -> Result<(), Fault> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        let problem = Problem::Refused(format!("nested deeper than {MAX_DEPTH} levels"));
        Err(Fault { at: self.jiter.current_index(), problem })
    }
}

fn is_repeated<'a>(members: &Members<'a>, seen: &mut HashSet<Cow<'a, str>>, name: Cow<'a, str>) -> bool {
    if members.len() < FEW_MEMBERS {
        return members.iter().any(|(known, _)| *known == name);
    }
    if seen.is_empty() {
        seen.extend(members.iter().map(|(known, _)| known.clone()));
    }
    !seen.insert(name)
}

/// Returns whether a number is in the range of a double, and has few enough digits for PostgreSQL's `numeric`.
fn is_storable(text: &str) -> bool {
    let exponent = text.split_once(['e', 'E']).map_or("0", |(_, exponent)| exponent);
    let small_exponent = exponent.parse::<i32>().is_ok_and(|exponent| exponent.unsigned_abs() <= 400);
    text.len() <= MAX_NUMBER_LENGTH && small_exponent && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error_of(body: &str) -> String {
        read_object(body.as_bytes()).expect_err(body).to_string()
    }

    #[test]
    fn the_published_example_is_refused_at_the_place_that_is_not_json() {
        assert_eq!(
            error_of("{\n\"interaction_id\":0000CSS0FXZUP6UR}"),
            "line 2, column 19: expected a number without leading zeros, or a string in double quotes, found `0`"
        );
        assert_eq!(error_of(r#"{"price":25 000}"#), "line 1, column 13: expected `,` or `}`, found `0`");
    }

    #[test]
    fn what_could_not_be_stored_or_is_ambiguous_is_refused() {
        assert_eq!(
            error_of(r#"{"a":1,"a":2}"#),
            "line 1, column 8: expected each name once in an object, found \"a\" again"
        );
        assert_eq!(error_of(r#"{"é":"\u0000"}"#), "line 1, column 6: a string must not contain NUL");
        assert_eq!(error_of(r#"{"\u0000":1}"#), "line 1, column 2: a string must not contain NUL");
        assert_eq!(error_of(r#"{"a":1e999}"#), "line 1, column 6: the number is out of range");
        assert_eq!(error_of(r#"{"a":0e99999999999}"#), "line 1, column 6: the number is out of range");
        assert!(error_of(r#"{"a":"\ud800"}"#).contains("surrogate"));
        assert!(error_of("\u{feff}{}").starts_with("line 1, column 1: expected a JSON object"));
        assert!(error_of("[]").starts_with("line 1, column 1: expected a JSON object"));
        assert!(error_of("{} x").starts_with("line 1, column 4: expected nothing after the object"));
        assert!(read_object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn thirty_two_levels_are_read_and_thirty_three_refused() {
        let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(read_object(nested(32).as_bytes()).is_ok());
        assert!(error_of(&nested(33)).contains("nested deeper than 32 levels"));
    }

    #[test]
    fn duplicates_are_found_among_many_members() {
        let many: Vec<_> = (0..100).map(|at| format!("\"k{at}\":{at}")).collect();
        assert!(read_object(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        assert!(error_of(&format!("{{{},\"k7\":0}}", many.join(","))).contains("found \"k7\" again"));
    }

    /// Any JSON value whose numbers are integers, so that `serde_json` keeps them as written.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            "[^\0]{0,12}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::hash_map("[^\0]{0,6}", inner, 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_and_written_as_serde_json_does(value in any_json()) {
            let body = serde_json::json!({ "value": value }).to_string();
            let members = read_object(body.as_bytes()).unwrap();
            let mut written = String::new();
            members[0].1.write(&mut written);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
        }

        #[test]
        fn whatever_is_read_serde_json_reads_too(body in "[{}\\[\\]\"\\\\:,0-9eE.+\\-a-u \n]{0,24}") {
            let body = format!("{{\"a\":{body}}}");
            if read_object(body.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
            }
        }
    }
}
