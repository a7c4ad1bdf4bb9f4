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
    /// What was expected and, after [`FOUND`], what was sent.
    pub detail: String,
}

/// The maximum number of violations that are kept. A body of 1 MiB can have millions, for example records that all lack
/// mandatory attributes.
const KEPT: usize = 1000;

/// All faults of a body. Validation does not stop at the first violation. Those after the first thousand are only counted.
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
        if self.list.len() < KEPT {
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
        let room = KEPT.saturating_sub(self.list.len());
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

    /// The number of violations.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there are no violations.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first thousand violations in the order in which they were found.
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
