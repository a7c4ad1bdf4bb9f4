//! Business attributes: enumerations to which fields may be mapped (docs/api.md §5).

use std::collections::HashSet;

use super::field::{Field, LongOrString};
use super::json::{Json, Members};
use super::reader::{MAX_TEXT, ObjectReader};
use super::tone::Tone;
use super::violation::{Place, Violations};

/// The most values of a business attribute.
const MAX_VALUES: usize = 1000;

/// The most valid values that a violation lists.
const LISTED: usize = 100;

/// The definition of a business attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessAttributeDefinition {
    /// The name, unique without regard to case.
    pub name: String,
    /// The name to display.
    pub display_name: Option<String>,
    /// A description of its purpose.
    pub description: Option<String>,
    /// The fields that it is mapped to.
    pub fields: Vec<Field>,
    /// The values that these fields may have, at least one.
    pub values: Vec<ValueDefinition>,
    /// The index in `values` of the value that fills an absent field.
    pub default: Option<usize>,
}

/// The definition of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueDefinition {
    /// The number of the value. `None`: an existing value of this name keeps its number, and a new value gets a free
    /// number.
    pub dbid: Option<i64>,
    /// The name of the value.
    pub name: String,
    /// The name to display.
    pub display_name: Option<String>,
    /// A description of its meaning.
    pub description: Option<String>,
    /// Its tone.
    pub tone: Option<Tone>,
}

/// A business attribute in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessAttribute {
    /// The identifier of the business attribute.
    pub dbid: i32,
    /// The name.
    pub name: String,
    /// The name to display.
    pub display_name: Option<String>,
    /// A description of its purpose.
    pub description: Option<String>,
    /// The fields that it is mapped to.
    pub fields: Vec<Field>,
    /// The values that these fields may have.
    pub values: Vec<Value>,
    /// The `value_id` of the value that fills an absent field.
    pub default: Option<i32>,
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The identifier of its row.
    pub value_id: i32,
    /// The number of the value.
    pub dbid: i64,
    /// The name of the value.
    pub name: String,
    /// The name to display.
    pub display_name: Option<String>,
    /// A description of its meaning.
    pub description: Option<String>,
    /// Its tone.
    pub tone: Option<Tone>,
}

impl BusinessAttribute {
    /// The `value_id` of the value with this number or name.
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
    /// Reads the body that defines the business attribute `name`.
    pub fn read(name: &str, body: &Members<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(body, Place::Body);
        let display_name = reader.string("display_name", 1..=MAX_TEXT);
        let description = reader.string("description", 0..=MAX_TEXT);
        let mapped = take_fields(&mut reader);
        let values = take_values(&mut reader);
        let default = take_default(&mut reader, &values);
        reader.refuse_rest();
        if !is_name(name) {
            reader.violations.add(&Place::Body, INVALID_NAME);
        }
        if Field::all().any(|field| field.to_string().eq_ignore_ascii_case(name)) {
            reader.violations.add(&Place::Body, "a business attribute must not have the name of a field");
        }
        let name = name.to_owned();
        reader.violations.or(Self { name, display_name, description, fields: mapped, values, default })
    }
}

/// The violation of a name that is confusable, or that cannot be a segment of a path.
const INVALID_NAME: &str = "a name must have no control characters and no surrounding blanks, and must not be . or ..";

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
        if reader.violations.is_full() {
            break;
        }
        let field = if let Json::String(text) = item { Field::parse(text) } else { None };
        let violation = match field {
            None => Some(format!("expected a field such as Task.disposition, found {}", item.found())),
            Some(field) if mapped.contains(&field) => Some("the field occurs twice".to_owned()),
            Some(_) => None,
        };
        mapped.extend(field);
        if let Some(detail) = violation {
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
            reader.add_violation(MEMBER, "required, but missing: an array of values");
            return Vec::new();
        }
    };
    let place = Place::Body.member(MEMBER);
    let (mut names, mut dbids) = (HashSet::new(), HashSet::new());
    let mut values = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        if reader.violations.is_full() {
            break;
        }
        let place = place.item(at);
        let Json::Object(members) = item else {
            reader.violations.add(&place, format!("expected a value (an object), found {}", item.found()));
            continue;
        };
        match ValueDefinition::read(members, place) {
            Ok(value) => {
                if !names.insert(value.name.clone()) {
                    reader.violations.add(&place.member("name"), "duplicate name of a value");
                }
                if value.dbid.is_some_and(|dbid| !dbids.insert(dbid)) {
                    reader.violations.add(&place.member("dbid"), "duplicate dbid of a value");
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
        let dbid = reader.plain_long("dbid");
        let before = reader.violations.len();
        let name = reader.string("name", 1..=MAX_TEXT);
        if name.is_none() && reader.violations.len() == before {
            reader.add_violation("name", "required, but missing");
        }
        if name.as_deref().is_some_and(|name| !is_name(name)) {
            reader.add_violation("name", INVALID_NAME);
        }
        let display_name = reader.string("display_name", 1..=MAX_TEXT);
        let description = reader.string("description", 0..=MAX_TEXT);
        let tone = Tone::take(&mut reader);
        reader.refuse_rest();
        let name = name.unwrap_or_default();
        reader.violations.or(Self { dbid, name, display_name, description, tone })
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
