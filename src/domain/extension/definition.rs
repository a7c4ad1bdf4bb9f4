//! Definitions of schemas, as applications send them, and their validation.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::reserved::RESERVED_NAMES;
use super::value::{AttributeType, TYPES, write_value};
use crate::domain::json::{Json, Members};
use crate::domain::reader::ObjectReader;
use crate::domain::violation::{Place, Violations};

const MAX_NAME: usize = 26;
const MAX_ATTRIBUTES: usize = 256;
const MAX_ATTRIBUTE_NAME: usize = 64;
const MAX_LENGTH: i64 = 65_535;
/// The most rules of uniqueness, and the most attributes of a rule. The cost of a check is the product of rules,
/// records, and attributes of a rule.
const MAX_UNIQUE: usize = 16;
const DEFAULT_LENGTH: u32 = 255;

/// A schema as declared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SchemaDefinition {
    /// The name: a letter, then letters, digits or `_`, at most 26 characters. Case is ignored.
    pub name: String,
    /// Whether the extension has one record or an array of them.
    #[serde(rename = "type")]
    pub kind: ValueKind,
    /// Whether the schema was created automatically for an extension without one (setting
    /// `EXTENSION_SCHEMAS=optional`). Such a schema accepts any record or array of records. Not serialised if false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Attributes, or sets of attributes, whose values must be unique among the records of one element. A record that
    /// lacks one of them is never a duplicate.
    #[serde(default)]
    pub unique: Vec<UniqueDefinition>,
    /// The attributes that a record may have.
    pub attributes: Vec<AttributeDefinition>,
}

/// The number of records that an element can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    /// One record, as a JSON object.
    SingleValued,
    /// Any number of records, as a JSON array.
    MultiValued,
}

/// One attribute, or several that are unique together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UniqueDefinition {
    /// A single attribute.
    One(String),
    /// Several attributes, whose combination is unique.
    Several(Vec<String>),
}

impl UniqueDefinition {
    /// The attributes, one or several.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// An attribute of a record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttributeDefinition {
    /// The name: 1 to 64 characters, case-sensitive. Blanks are allowed.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// The most characters of a `string`: 255 by default, at most 65,535.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub length: Option<u32>,
    /// Whether every record must have the attribute.
    #[serde(default)]
    pub mandatory: bool,
    /// The value that fills an absent attribute.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub default: Option<Box<RawValue>>,
}

impl SchemaDefinition {
    /// Reads the body that creates a schema.
    pub fn read(body: &Members<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(body, Place::Body);
        let name = take_name(&mut reader);
        let kind = take_word(&mut reader, "type", &KINDS);
        let attributes = take_attributes(&mut reader);
        let unique = take_unique(&mut reader, attributes.as_deref().unwrap_or_default());
        reader.refuse_rest();
        match (name, kind, attributes) {
            (Some(name), Some(kind), Some(attributes)) => {
                reader.violations.or(Self { name, kind, open: false, unique, attributes })
            }
            _ => Err(reader.violations),
        }
    }
}

const KINDS: [(&str, ValueKind); 2] =
    [("single-valued", ValueKind::SingleValued), ("multi-valued", ValueKind::MultiValued)];

fn take_name(reader: &mut ObjectReader<'_, '_>) -> Option<String> {
    let before = reader.violations.len();
    let Some(name) = reader.string("name", 1..=MAX_NAME) else {
        add_unless_reported(reader, before, "name", "required, but missing");
        return None;
    };
    if let Some(detail) = name_violation(&name) {
        reader.add_violation("name", detail);
        return None;
    }
    Some(name)
}

/// The violation of a name that an extension may not have.
pub(super) fn name_violation(name: &str) -> Option<&'static str> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if !starts_well || name.len() > MAX_NAME || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Some("expected a letter, then letters, digits or `_`, at most 26 characters");
    }
    let is_field = RESERVED_NAMES.iter().any(|field| field.eq_ignore_ascii_case(name));
    is_field.then_some("reserved: events or answers have a field of this name")
}

impl SchemaDefinition {
    /// A schema that accepts any record, or array of records. `None` if an extension may not have this name.
    pub fn open(name: &str) -> Option<Self> {
        let (kind, unique, attributes) = (ValueKind::MultiValued, Vec::new(), Vec::new());
        let definition = Self { name: name.to_owned(), kind, open: true, unique, attributes };
        name_violation(name).is_none().then_some(definition)
    }
}

fn take_word<T: Copy>(reader: &mut ObjectReader<'_, '_>, member: &str, words: &[(&str, T)]) -> Option<T> {
    let expected = || words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match reader.take(member) {
        Some(Json::String(text)) => {
            let known = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
            if known.is_none() {
                reader.add_violation(member, format!("expected one of {}, found a different string", expected()));
            }
            known
        }
        Some(other) => reader.expected(member, &format!("one of {}", expected()), other),
        None => {
            reader.add_violation(member, format!("required, but missing: one of {}", expected()));
            None
        }
    }
}

fn take_attributes(reader: &mut ObjectReader<'_, '_>) -> Option<Vec<AttributeDefinition>> {
    const MEMBER: &str = "attributes";
    let items = match reader.take(MEMBER) {
        Some(Json::Array(items)) if (1..=MAX_ATTRIBUTES).contains(&items.len()) => items,
        Some(Json::Array(items)) => {
            let detail = format!("expected 1 to {MAX_ATTRIBUTES} attributes, found {}", items.len());
            reader.add_violation(MEMBER, detail);
            return None;
        }
        Some(other) => return reader.expected(MEMBER, "an array of attributes", other),
        None => {
            reader.add_violation(MEMBER, "required, but missing: an array of attributes");
            return None;
        }
    };
    let (list_place, mut names) = (Place::Body.member(MEMBER), HashSet::new());
    let mut attributes = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        if reader.violations.is_full() {
            break;
        }
        let place = list_place.item(at);
        let Json::Object(members) = item else {
            reader.violations.add(&place, format!("expected an attribute (an object), found {}", item.found()));
            continue;
        };
        match AttributeDefinition::read(members, place) {
            Ok(attribute) if !names.insert(attribute.name.clone()) => {
                reader.violations.add(&place.member("name"), "duplicate name of an attribute");
            }
            Ok(attribute) => attributes.push(attribute),
            Err(violations) => reader.violations.append(violations),
        }
    }
    Some(attributes)
}

impl AttributeDefinition {
    fn read(members: &Members<'_>, place: Place<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(members, place);
        let name = take_attribute_name(&mut reader);
        let kind = take_word(&mut reader, "type", &TYPES);
        let length = take_length(&mut reader, kind);
        let mandatory = take_mandatory(&mut reader);
        let default = reader.take("default");
        reader.refuse_rest();
        let (Some(name), Some(kind)) = (name, kind) else { return Err(reader.violations) };
        let mut attribute = Self { name, kind, length, mandatory, default: None };
        if let Some(value) = default {
            let mut text = String::new();
            match write_value(attribute.kind, attribute.length, value, &mut text) {
                Ok(()) => attribute.default = RawValue::from_string(text).ok(),
                Err(detail) => reader.add_violation("default", detail),
            }
        }
        reader.violations.or(attribute)
    }
}

fn take_attribute_name(reader: &mut ObjectReader<'_, '_>) -> Option<String> {
    let before = reader.violations.len();
    let name = reader.string("name", 1..=MAX_ATTRIBUTE_NAME);
    if name.is_none() {
        add_unless_reported(reader, before, "name", "required, but missing");
    }
    if name.as_ref().is_some_and(|name| name.chars().any(char::is_control)) {
        reader.add_violation("name", "control characters are not allowed");
        return None;
    }
    name
}

/// Takes the length of a string attribute. Older clients send it as a string.
fn take_length(reader: &mut ObjectReader<'_, '_>, kind: Option<AttributeType>) -> Option<u32> {
    const MEMBER: &str = "length";
    let is_string = kind.is_none_or(|kind| kind == AttributeType::String);
    let digits = match reader.take(MEMBER) {
        None => return is_string.then_some(DEFAULT_LENGTH),
        Some(_) if !is_string => {
            reader.add_violation(MEMBER, "only attributes of type `string` have a length");
            return None;
        }
        Some(Json::Number(digits)) => (*digits).to_owned(),
        Some(Json::String(text)) => text.to_string(),
        Some(other) => return reader.expected(MEMBER, "an integer", other),
    };
    let length = digits
        .parse::<i64>()
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|length| (1..=MAX_LENGTH).contains(length));
    if length.is_none() {
        reader.add_violation(MEMBER, format!("expected an integer from 1 to {MAX_LENGTH}"));
    }
    length.and_then(|length| u32::try_from(length).ok())
}

/// Takes `mandatory`. Older clients send it as a string.
fn take_mandatory(reader: &mut ObjectReader<'_, '_>) -> bool {
    match reader.take("mandatory") {
        None => false,
        Some(Json::Bool(mandatory)) => *mandatory,
        Some(Json::String(text)) if text == "true" || text == "false" => text == "true",
        Some(other) => reader.expected("mandatory", "`true` or `false`", other).unwrap_or(false),
    }
}

fn take_unique(reader: &mut ObjectReader<'_, '_>, attributes: &[AttributeDefinition]) -> Vec<UniqueDefinition> {
    const MEMBER: &str = "unique";
    let items = match reader.take(MEMBER) {
        None => return Vec::new(),
        Some(Json::Array(items)) if items.len() <= MAX_UNIQUE => items,
        Some(Json::Array(items)) => {
            reader.add_violation(MEMBER, format!("expected at most {MAX_UNIQUE} items, found {}", items.len()));
            return Vec::new();
        }
        Some(other) => return reader.expected(MEMBER, "an array", other).unwrap_or_default(),
    };
    let list_place = Place::Body.member(MEMBER);
    let name_at = |reader: &mut ObjectReader<'_, '_>, item: &Json<'_>, place: Place<'_>| {
        let name = match item {
            Json::String(name) => name.to_string(),
            other => {
                reader.violations.add(&place, format!("expected the name of an attribute, found {}", other.found()));
                return String::new();
            }
        };
        if !attributes.iter().any(|attribute| attribute.name == name) {
            reader.violations.add(&place, "no attribute has this name");
        }
        name
    };
    let mut unique = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        if reader.violations.is_full() {
            break;
        }
        let place = list_place.item(at);
        unique.push(match item {
            Json::Array(names) if !(1..=MAX_UNIQUE).contains(&names.len()) => {
                let detail = format!("expected 1 to {MAX_UNIQUE} attributes, found {}", names.len());
                reader.violations.add(&place, detail);
                continue;
            }
            Json::Array(names) if (1..names.len()).any(|at| names[..at].contains(&names[at])) => {
                reader.violations.add(&place, "an attribute occurs twice");
                continue;
            }
            Json::Array(names) => UniqueDefinition::Several(
                names.iter().enumerate().map(|(at, name)| name_at(reader, name, place.item(at))).collect(),
            ),
            name => UniqueDefinition::One(name_at(reader, name, place)),
        });
    }
    unique
}

fn add_unless_reported(reader: &mut ObjectReader<'_, '_>, before: usize, name: &str, detail: &str) {
    if reader.violations.len() == before {
        reader.add_violation(name, detail);
    }
}
