//! Business attributes: enumerations that fields may be mapped to (contract §5), their definition and their check.

use std::collections::HashSet;

use super::field::{Field, LongOrString};
use super::json::{Json, Members};
use super::reader::{MAX_TEXT, ObjectReader};
use super::violation::{Place, Violations};

/// The most values of an attribute.
const MAX_VALUES: usize = 1000;

/// How many valid values a complaint lists.
const LISTED: usize = 100;

/// A business attribute as it is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessAttributeDefinition {
    /// Its name, unique without regard to case.
    pub name: String,
    /// The name to show a person.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The fields that it is mapped to.
    pub fields: Vec<Field>,
    /// The values that these fields may take, at least one.
    pub values: Vec<ValueDefinition>,
    /// The place in `values` of the value that fills an absent field.
    pub default: Option<usize>,
}

/// A value of a business attribute as it is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueDefinition {
    /// The number that stands for it; none: the value of that name keeps its own, or one is drawn.
    pub dbid: Option<i64>,
    /// The name that stands for it.
    pub name: String,
    /// The name to show a person.
    pub display_name: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

/// A business attribute in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessAttribute {
    /// Names the attribute.
    pub dbid: i32,
    /// Its name.
    pub name: String,
    /// The name to show a person.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The fields that it is mapped to.
    pub fields: Vec<Field>,
    /// The values that these fields may take.
    pub values: Vec<Value>,
    /// The row of the value that fills an absent field.
    pub default: Option<i32>,
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its row.
    pub value_id: i32,
    /// The number that stands for it.
    pub dbid: i64,
    /// The name that stands for it.
    pub name: String,
    /// The name to show a person.
    pub display_name: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

impl BusinessAttribute {
    /// The row of a value that was taken from an event.
    pub fn row_of(&self, value: &LongOrString) -> Option<i32> {
        self.find(value).map(|value| value.value_id)
    }

    pub(super) fn find(&self, sent: &LongOrString) -> Option<&Value> {
        self.values.iter().find(|value| match sent {
            LongOrString::Long(dbid) => value.dbid == *dbid,
            LongOrString::String(name) => value.name == *name,
        })
    }

    pub(super) fn default(&self) -> Option<&Value> {
        self.values.iter().find(|value| Some(value.value_id) == self.default)
    }

    pub(super) fn listed(&self) -> String {
        let shown = self.values.iter().take(LISTED).map(|value| format!("{} ({})", value.dbid, value.name));
        let listed = shown.collect::<Vec<_>>().join(", ");
        match self.values.len().checked_sub(LISTED) {
            Some(more @ 1..) => format!("{listed} and {more} more"),
            _ => listed,
        }
    }
}

impl BusinessAttributeDefinition {
    /// Reads the body that defines the attribute `name`.
    pub fn read(name: &str, body: &Members<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(body, Place::Body);
        let display_name = reader.string("display_name", 1..=MAX_TEXT);
        let description = reader.string("description", 0..=MAX_TEXT);
        let mapped = take_fields(&mut reader);
        let values = take_values(&mut reader);
        let default = take_default(&mut reader, &values);
        reader.refuse_rest();
        if !is_name(name) {
            reader.violations.add(&Place::Body, NO_NAME);
        }
        if Field::all().any(|field| field.to_string().eq_ignore_ascii_case(name)) {
            reader.violations.add(&Place::Body, "a business attribute may not have the name of a field");
        }
        let name = name.to_owned();
        reader.violations.or(Self { name, display_name, description, fields: mapped, values, default })
    }
}

/// What is said of a name that could not be told from another, or not be put into a path.
const NO_NAME: &str = "a name has no control characters, no blanks around it, and is not . or ..";

fn is_name(name: &str) -> bool {
    name.trim() == name && !name.contains(char::is_control) && !matches!(name, "" | "." | "..")
}

fn take_fields(reader: &mut ObjectReader<'_, '_>) -> Vec<Field> {
    const MEMBER: &str = "cv_attributes";
    let items = match reader.take(MEMBER) {
        Some(Json::Array(items)) => items,
        Some(other) => return reader.expected(MEMBER, "an array of fields", other).unwrap_or_default(),
        None => return Vec::new(),
    };
    let (place, mut mapped) = (Place::Body.member(MEMBER), Vec::new());
    for (at, item) in items.iter().enumerate() {
        let field = if let Json::String(text) = item { Field::parse(text) } else { None };
        let complaint = match field {
            None => Some(format!("expected a field such as Task.disposition, found {}", item.found())),
            Some(field) if mapped.contains(&field) => Some("the field stands twice".to_owned()),
            Some(_) => None,
        };
        mapped.extend(field);
        if let Some(detail) = complaint {
            reader.violations.add(&place.item(at), detail);
        }
    }
    mapped
}

fn take_values(reader: &mut ObjectReader<'_, '_>) -> Vec<ValueDefinition> {
    const MEMBER: &str = "values";
    let items = match reader.take(MEMBER) {
        Some(Json::Array(items)) if (1..=MAX_VALUES).contains(&items.len()) => items,
        Some(Json::Array(items)) => {
            reader.add_violation(MEMBER, format!("expected 1 to {MAX_VALUES} values, found {}", items.len()));
            return Vec::new();
        }
        Some(other) => return reader.expected(MEMBER, "an array of values", other).unwrap_or_default(),
        None => {
            reader.add_violation(MEMBER, "must be given: an array of values");
            return Vec::new();
        }
    };
    let place = Place::Body.member(MEMBER);
    let (mut names, mut dbids) = (HashSet::new(), HashSet::new());
    let mut values = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let place = place.item(at);
        let Json::Object(members) = item else {
            reader.violations.add(&place, format!("expected a value (an object), found {}", item.found()));
            continue;
        };
        match ValueDefinition::read(members, place) {
            Ok(value) => {
                if !names.insert(value.name.clone()) {
                    reader.violations.add(&place.member("name"), "another value has this name");
                }
                if value.dbid.is_some_and(|dbid| !dbids.insert(dbid)) {
                    reader.violations.add(&place.member("dbid"), "another value has this dbid");
                }
                values.push(value);
            }
            Err(violations) => reader.violations.append(violations),
        }
    }
    values
}

impl ValueDefinition {
    fn read(members: &Members<'_>, place: Place<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(members, place);
        let dbid = reader.long("dbid");
        let before = reader.violations.len();
        let name = reader.string("name", 1..=MAX_TEXT);
        if name.is_none() && reader.violations.len() == before {
            reader.add_violation("name", "must be given");
        }
        if name.as_deref().is_some_and(|name| !is_name(name)) {
            reader.add_violation("name", NO_NAME);
        }
        let display_name = reader.string("display_name", 1..=MAX_TEXT);
        let description = reader.string("description", 0..=MAX_TEXT);
        reader.refuse_rest();
        let name = name.unwrap_or_default();
        reader.violations.or(Self { dbid, name, display_name, description })
    }
}

fn take_default(reader: &mut ObjectReader<'_, '_>, values: &[ValueDefinition]) -> Option<usize> {
    let default = reader.long_or_string("default")?;
    let at = values.iter().position(|value| match &default {
        LongOrString::Long(dbid) => value.dbid == Some(*dbid),
        LongOrString::String(name) => value.name == *name,
    });
    if at.is_none() {
        reader.add_violation("default", "expected the dbid or the name of one of the values");
    }
    at
}
