//! Business attributes: enumerations that fields may be mapped to (contract §5), their definition and their check.

use std::collections::HashSet;

use super::attribute::{Field, FieldName, LongOrString};
use super::event::Context;
use super::fields::{Fields, MAX_TEXT};
use super::ids::Element;
use super::json::{Json, Members};
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

    fn find(&self, sent: &LongOrString) -> Option<&Value> {
        self.values.iter().find(|value| match sent {
            LongOrString::Long(dbid) => value.dbid == *dbid,
            LongOrString::String(name) => value.name == *name,
        })
    }

    fn default(&self) -> Option<&Value> {
        self.values.iter().find(|value| Some(value.value_id) == self.default)
    }

    fn listed(&self) -> String {
        let shown = self.values.iter().take(LISTED).map(|value| format!("{} ({})", value.dbid, value.name));
        let listed = shown.collect::<Vec<_>>().join(", ");
        match self.values.len().checked_sub(LISTED) {
            Some(more @ 1..) => format!("{listed} and {more} more"),
            _ => listed,
        }
    }
}

impl Context<'_> {
    /// The value that fills an absent field.
    pub(super) fn default(&self, element: Element, name: FieldName) -> Option<LongOrString> {
        let attribute = self.metadata.attribute_of(Field::new(element, name))?;
        let default = attribute.default().filter(|_| self.fill_defaults);
        default.map(|value| LongOrString::Long(value.dbid))
    }

    /// Takes the value of a field. Where the field is mapped, it is the value's number, whichever form was sent.
    pub(super) fn value(&self, fields: &mut Fields<'_, '_>, element: Element, name: FieldName) -> Option<LongOrString> {
        let field = Field::new(element, name);
        let member = field.member();
        let Some(attribute) = self.metadata.attribute_of(field) else { return fields.long_or_string(member) };
        let found = match fields.take(member) {
            None => return self.default(element, name),
            Some(Json::String(name)) => attribute.find(&LongOrString::String(name.to_string())),
            Some(Json::Number(digits)) => {
                digits.parse().ok().and_then(|dbid| attribute.find(&LongOrString::Long(dbid)))
            }
            Some(_) => None,
        };
        if found.is_none() {
            let detail = format!("expected a value of {}: {}", attribute.name, attribute.listed());
            fields.complain_about_metadata(member, detail);
        }
        found.map(|value| LongOrString::Long(value.dbid))
    }
}

impl BusinessAttributeDefinition {
    /// Reads the body that defines the attribute `name`.
    pub fn read(name: &str, body: &Members<'_>) -> Result<Self, Violations> {
        let mut fields = Fields::new(body, Place::Body);
        let display_name = fields.string("display_name", 1..=MAX_TEXT);
        let description = fields.string("description", 0..=MAX_TEXT);
        let mapped = take_fields(&mut fields);
        let values = take_values(&mut fields);
        let default = take_default(&mut fields, &values);
        fields.refuse_rest();
        if !is_name(name) {
            fields.violations.add(&Place::Body, NO_NAME);
        }
        if Field::all().any(|field| field.to_string().eq_ignore_ascii_case(name)) {
            fields.violations.add(&Place::Body, "a business attribute may not have the name of a field");
        }
        let name = name.to_owned();
        fields.violations.or(Self { name, display_name, description, fields: mapped, values, default })
    }
}

/// What is said of a name that could not be told from another, or not be put into a path.
const NO_NAME: &str = "a name has no control characters, no blanks around it, and is not . or ..";

fn is_name(name: &str) -> bool {
    name.trim() == name && !name.contains(char::is_control) && !matches!(name, "" | "." | "..")
}

fn take_fields(fields: &mut Fields<'_, '_>) -> Vec<Field> {
    const MEMBER: &str = "cv_attributes";
    let items = match fields.take(MEMBER) {
        Some(Json::Array(items)) => items,
        Some(other) => return fields.expected(MEMBER, "an array of fields", other).unwrap_or_default(),
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
            fields.violations.add(&place.item(at), detail);
        }
    }
    mapped
}

fn take_values(fields: &mut Fields<'_, '_>) -> Vec<ValueDefinition> {
    const MEMBER: &str = "values";
    let items = match fields.take(MEMBER) {
        Some(Json::Array(items)) if (1..=MAX_VALUES).contains(&items.len()) => items,
        Some(Json::Array(items)) => {
            fields.complain(MEMBER, format!("expected 1 to {MAX_VALUES} values, found {}", items.len()));
            return Vec::new();
        }
        Some(other) => return fields.expected(MEMBER, "an array of values", other).unwrap_or_default(),
        None => {
            fields.complain(MEMBER, "must be given: an array of values");
            return Vec::new();
        }
    };
    let place = Place::Body.member(MEMBER);
    let (mut names, mut dbids) = (HashSet::new(), HashSet::new());
    let mut values = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let place = place.item(at);
        let Json::Object(members) = item else {
            fields.violations.add(&place, format!("expected a value (an object), found {}", item.found()));
            continue;
        };
        match ValueDefinition::read(members, place) {
            Ok(value) => {
                if !names.insert(value.name.clone()) {
                    fields.violations.add(&place.member("name"), "another value has this name");
                }
                if value.dbid.is_some_and(|dbid| !dbids.insert(dbid)) {
                    fields.violations.add(&place.member("dbid"), "another value has this dbid");
                }
                values.push(value);
            }
            Err(violations) => fields.violations.append(violations),
        }
    }
    values
}

impl ValueDefinition {
    fn read(members: &Members<'_>, place: Place<'_>) -> Result<Self, Violations> {
        let mut fields = Fields::new(members, place);
        let dbid = fields.long("dbid");
        let before = fields.violations.len();
        let name = fields.string("name", 1..=MAX_TEXT);
        if name.is_none() && fields.violations.len() == before {
            fields.complain("name", "must be given");
        }
        if name.as_deref().is_some_and(|name| !is_name(name)) {
            fields.complain("name", NO_NAME);
        }
        let display_name = fields.string("display_name", 1..=MAX_TEXT);
        let description = fields.string("description", 0..=MAX_TEXT);
        fields.refuse_rest();
        let name = name.unwrap_or_default();
        fields.violations.or(Self { dbid, name, display_name, description })
    }
}

fn take_default(fields: &mut Fields<'_, '_>, values: &[ValueDefinition]) -> Option<usize> {
    let default = fields.long_or_string("default")?;
    let at = values.iter().position(|value| match &default {
        LongOrString::Long(dbid) => value.dbid == Some(*dbid),
        LongOrString::String(name) => value.name == *name,
    });
    if at.is_none() {
        fields.complain("default", "expected the dbid or the name of one of the values");
    }
    at
}
