//! What is wrong with a body, every complaint with the JSON pointer of its place.

use std::fmt;

use super::ids::Element;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// RFC 6901 pointer into the body.
    pub pointer: String,
    /// What was expected and what was found.
    pub detail: String,
}

/// Everything that is wrong with a body: validation goes on after the first complaint.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Violations {
    list: Vec<Violation>,
    concerns_metadata: bool,
    unlearned: Vec<(Element, String)>,
}

impl Violations {
    /// A single complaint about a place in the body.
    pub fn at(place: &Place<'_>, detail: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(place, detail);
        violations
    }

    /// Adds a complaint.
    pub fn add(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        self.list.push(Violation { pointer: place.to_string(), detail: detail.into() });
    }

    /// Adds a complaint that newer metadata (extension schemas, business attributes) might settle.
    pub fn add_about_metadata(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        self.concerns_metadata = true;
        self.add(place, detail);
    }

    /// Adds a complaint about an extension that can be learned.
    pub fn add_unlearned(&mut self, place: &Place<'_>, element: Element, name: &str, detail: impl Into<String>) {
        self.unlearned.push((element, name.to_owned()));
        self.add_about_metadata(place, detail);
    }

    /// The extensions that can be learned, if nothing else is wrong.
    pub fn unlearned(&self) -> &[(Element, String)] {
        if self.unlearned.len() == self.list.len() { &self.unlearned } else { &[] }
    }

    /// Adds all complaints of another list.
    pub fn append(&mut self, other: Self) {
        self.list.extend(other.list);
        self.unlearned.extend(other.unlearned);
        self.concerns_metadata |= other.concerns_metadata;
    }

    /// Adds complaints that newer metadata might settle.
    pub fn append_about_metadata(&mut self, other: Self) {
        self.concerns_metadata |= !other.is_empty();
        self.append(other);
    }

    /// Whether a node with older metadata than the database may have complained in error.
    pub const fn concerns_metadata(&self) -> bool {
        self.concerns_metadata
    }

    /// How many complaints there are.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The complaints, in the order they were found.
    pub fn into_list(self) -> Vec<Violation> {
        self.list
    }

    /// `value` if nothing is wrong, else what is.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// A place in a body, kept as steps and only written out for a complaint.
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
    /// The member `name` of the object here.
    #[must_use]
    pub const fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    /// The item `at` of the array here.
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
