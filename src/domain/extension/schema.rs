//! A schema in force, ready to check records.

use std::collections::HashMap;

use super::definition::{AttributeDefinition, AttributeType, SchemaDefinition};
use crate::domain::fields::{complaint_about_length, is_integer};
use crate::domain::ids::Element;
use crate::domain::json::{Json, write_string};
use crate::domain::time::{Timestamp, is_date};

/// Names a schema; a later schema of the same name is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub i32);

/// A schema in force.
#[derive(Debug)]
pub struct Schema {
    /// Which one.
    pub id: SchemaId,
    /// What kind of element can have it.
    pub element: Element,
    /// As declared.
    pub definition: SchemaDefinition,
    position: HashMap<String, usize>,
    unique: Vec<Vec<usize>>,
}

impl Schema {
    /// A schema from its definition, which was validated when it was created.
    pub fn new(id: SchemaId, element: Element, definition: SchemaDefinition) -> Self {
        let named = definition.attributes.iter().enumerate();
        let position: HashMap<_, _> = named.map(|(at, attribute)| (attribute.name.clone(), at)).collect();
        let positions = |names: &[String]| names.iter().filter_map(|name| position.get(name).copied()).collect();
        let unique = definition.unique.iter().map(|unique| positions(unique.names())).collect();
        Self { id, element, definition, position, unique }
    }

    /// The place of an attribute in the definition.
    pub fn position(&self, attribute: &str) -> Option<usize> {
        self.position.get(attribute).copied()
    }

    /// The sets of attributes whose values may not repeat, as places in the definition.
    pub fn unique(&self) -> &[Vec<usize>] {
        &self.unique
    }
}

/// Writes a value of an attribute in the form in which it is stored, or says what was expected and found.
pub(super) fn write_value(attribute: &AttributeDefinition, value: &Json<'_>, out: &mut String) -> Result<(), String> {
    let expected = |what: &str| Err(format!("expected {what}, found {}", value.found()));
    match (attribute.kind, value) {
        (AttributeType::String, Json::String(text)) => {
            let most = attribute.length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
            if let Some(complaint) = complaint_about_length(text, &(0..=most)) {
                return Err(complaint);
            }
            write_string(out, text);
        }
        (AttributeType::String, _) => return expected("a string"),
        (AttributeType::Boolean, Json::Bool(_)) | (AttributeType::Json, _) => value.write(out),
        (AttributeType::Boolean, _) => return expected("`true` or `false`"),
        (AttributeType::Integer, Json::Number(digits)) if is_integer(digits) => match digits.parse::<i64>() {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => return expected("a 64-bit integer"),
        },
        (AttributeType::Integer, _) => return expected("an integer"),
        (AttributeType::Float, Json::Number(number)) => out.push_str(number),
        (AttributeType::Float, _) => return expected("a number"),
        (AttributeType::Date, Json::String(text)) if is_date(text) => write_string(out, text),
        (AttributeType::Date, _) => return expected("a date such as 2026-02-05"),
        (AttributeType::Datetime, Json::String(text)) => match Timestamp::parse(text) {
            Some(moment) => write_string(out, &moment.to_string()),
            None => return expected("a date and time such as 2026-02-05T09:11:00.000Z"),
        },
        (AttributeType::Datetime, _) => return expected("a date and time such as 2026-02-05T09:11:00.000Z"),
    }
    Ok(())
}
