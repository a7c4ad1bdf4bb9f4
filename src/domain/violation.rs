//! Violations: the faults of a body, each with its JSON pointer.

use std::fmt;

use super::ids::Element;

/// The words between what was expected and what was sent. Every detail puts the latter after them, so that
/// [`without_values`] leaves it out.
const FOUND: &str = ", found ";

/// The part of a detail that says what was expected. It has nothing of what was sent, and may be logged.
pub fn without_values(detail: &str) -> &str {
    detail.split_once(FOUND).map_or(detail, |(expected, _)| expected)
}

/// A fault of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The RFC 6901 pointer into the body.
    pub pointer: String,
    /// What was expected and, after `, found `, what was sent.
    pub detail: String,
}

/// The most violations that are listed. A body of 1 MiB can have millions, for example records that all lack mandatory
/// attributes.
pub const MOST_LISTED: usize = 1000;

/// The faults of a body. Validation does not stop at the first violation, but it does once there are more than are listed:
/// see [`is_full`](Self::is_full).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Violations {
    list: Vec<Violation>,
    count: usize,
    concerns_metadata: bool,
    unlearned: Vec<(Element, String)>,
}

impl Violations {
    /// A single violation.
    pub fn at(place: &Place<'_>, detail: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(place, detail);
        violations
    }

    /// Adds a violation.
    pub fn add(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        self.count += 1;
        if self.list.len() < MOST_LISTED {
            self.list.push(Violation { pointer: place.to_string(), detail: detail.into() });
        }
    }

    /// Adds a violation that newer metadata (extension schemas, business attributes) may resolve.
    pub fn add_about_metadata(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        self.concerns_metadata = true;
        self.add(place, detail);
    }

    /// Adds a violation about an extension without a schema, for which an open schema can be created.
    pub fn add_unlearned(&mut self, place: &Place<'_>, element: Element, name: &str, detail: impl Into<String>) {
        self.unlearned.push((element, name.to_owned()));
        self.add_about_metadata(place, detail);
    }

    /// The extensions that lack a schema, if there are no other violations.
    pub fn unlearned(&self) -> &[(Element, String)] {
        if self.unlearned.len() == self.count { &self.unlearned } else { &[] }
    }

    /// Adds all violations of another list.
    pub fn append(&mut self, other: Self) {
        let room = MOST_LISTED.saturating_sub(self.list.len());
        self.list.extend(other.list.into_iter().take(room));
        self.count += other.count;
        self.unlearned.extend(other.unlearned);
        self.concerns_metadata |= other.concerns_metadata;
    }

    /// Adds violations that newer metadata may resolve.
    pub fn append_about_metadata(&mut self, other: Self) {
        self.concerns_metadata |= !other.is_empty();
        self.append(other);
    }

    /// Returns whether newer metadata may resolve some of the violations.
    pub const fn concerns_metadata(&self) -> bool {
        self.concerns_metadata
    }

    /// Returns whether there are more violations than are listed. Every loop that looks for violations ends then, because
    /// finding all of them can take much longer than reading the body.
    pub const fn is_full(&self) -> bool {
        self.count > MOST_LISTED
    }

    /// The number of violations that were found.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there are no violations.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The violations in the order in which they were found, at most [`MOST_LISTED`].
    pub fn into_list(self) -> Vec<Violation> {
        self.list
    }

    /// Returns `value` if there are no violations, and the violations otherwise.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// A place in a body. It is kept as steps, and written out only for a violation.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The body as a whole.
    Body,
    /// A member of an object.
    Member(&'a Place<'a>, &'a str),
    /// An item of an array, from 0.
    Item(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    /// The place of the member `name` of this object.
    #[must_use]
    pub const fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    /// The place of the item `at` of this array.
    #[must_use]
    pub const fn item(&'a self, at: usize) -> Self {
        Self::Item(self, at)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Body => Ok(()),
            Place::Member(parent, name) => write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1")),
            Place::Item(parent, at) => write!(f, "{parent}/{at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::business_attribute::BusinessAttributeDefinition;
    use crate::domain::clock::{Clock, ManualClock};
    use crate::domain::context::Context;
    use crate::domain::extension::{Change, Schema, SchemaDefinition, SchemaId};
    use crate::domain::json::{Json, read_object, read_records};
    use crate::domain::metadata::Metadata;
    use crate::domain::service::StartService;
    use crate::domain::time::Timestamp;

    /// The number of bad parts of each body.
    const PARTS: usize = 20_000;

    fn parts(part: impl Fn(usize) -> String) -> String {
        (0..PARTS).map(part).collect::<Vec<_>>().join(",")
    }

    fn schema(kind: &str) -> Schema {
        let attribute = |at| format!(r#"{{"name":"a{at}","type":"integer","mandatory":true}}"#);
        let attributes = (0..50).map(attribute).collect::<Vec<_>>().join(",");
        let body = format!(r#"{{"name":"Wide","type":"{kind}","attributes":[{attributes}]}}"#);
        let definition = SchemaDefinition::read(&read_object(body.as_bytes()).unwrap()).unwrap();
        Schema::new(SchemaId(1), Element::Task, definition)
    }

    fn replaced(kind: &str, body: &str) -> Violations {
        Change::replace(&schema(kind), &read_records(body.as_bytes()).unwrap()).unwrap_err()
    }

    #[test]
    fn no_loop_looks_for_many_more_violations_than_are_listed() {
        let members = format!("{{{}}}", parts(|at| format!(r#""k{at}":1"#)));
        let object = read_object(members.as_bytes()).unwrap();
        let (metadata, clock) = (Metadata::default(), ManualClock::new(Timestamp::from_millis(0)));
        let context = Context { now: clock.now(), metadata: &metadata, fill_defaults: true };
        let fields = format!(r#"{{"values":[{{"name":"v"}}],"cv_attributes":[{}]}}"#, parts(|_| "1".to_owned()));
        let values = format!(r#"{{"values":[{}]}}"#, vec![&*members; 40].join(","));
        let attributes =
            format!(r#"{{"name":"X","type":"single-valued","attributes":[{}]}}"#, vec![&*members; 40].join(","));
        for (loops, found) in [
            ("members of an event", StartService::read(&object, context).unwrap_err()),
            ("attributes of records", replaced("multi-valued", &format!("[{}]", parts(|_| "{}".to_owned())))),
            ("records", replaced("multi-valued", &format!("[{}]", parts(|_| "1".to_owned())))),
            ("members of a record", replaced("single-valued", &members)),
            ("members of a patch", Change::merge(&schema("single-valued"), &Json::Object(object.clone())).unwrap_err()),
            ("fields", BusinessAttributeDefinition::read("x", &read_object(fields.as_bytes()).unwrap()).unwrap_err()),
            ("values", BusinessAttributeDefinition::read("x", &read_object(values.as_bytes()).unwrap()).unwrap_err()),
            ("attributes", SchemaDefinition::read(&read_object(attributes.as_bytes()).unwrap()).unwrap_err()),
        ] {
            assert!(found.is_full(), "{loops}");
            assert!(found.len() <= 2 * (MOST_LISTED + 1), "{loops}: {}", found.len());
            assert_eq!(found.into_list().len(), MOST_LISTED, "{loops}");
        }
    }
}
