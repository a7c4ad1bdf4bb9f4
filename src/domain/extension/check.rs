//! Validation of records against their schemas.

use std::collections::HashSet;

use super::definition::ValueKind;
use super::schema::{Schema, SchemaId};
use super::value::{AttributeType, write_value};
use crate::domain::json::{Json, Members, write_all, write_string};
use crate::domain::violation::{Place, Violations};

/// The most bytes of a stored extension. Defaults can make a large extension of a small body.
pub const MAX_STORED: usize = 4 * 1024 * 1024;

/// An extension of an element, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The schema that it was validated against.
    pub schema_id: SchemaId,
    /// The name of the schema as declared.
    pub name: String,
    /// The record or array of records: attributes in the order of the schema, defaults filled in, numbers as sent.
    pub json: String,
}

impl Schema {
    /// Validates a record or array of records at `place`, and returns it in the form in which it is stored. If it is
    /// not valid, returns `None` and adds its violations, which newer metadata may resolve, to `violations`.
    pub fn check(&self, value: &Json<'_>, place: Place<'_>, violations: &mut Violations) -> Option<String> {
        let mut found = Violations::default();
        let mut json = String::new();
        match (self.definition.kind, value) {
            _ if self.definition.open => check_open(value, place, &mut found, &mut json),
            (ValueKind::SingleValued, Json::Object(record)) => {
                self.check_record(record, place, &mut found, &mut json);
            }
            (ValueKind::SingleValued, other) => {
                found.add(&place, format!("expected a record (an object), found {}", other.found()));
            }
            (ValueKind::MultiValued, Json::Array(records)) => self.check_records(records, place, &mut found, &mut json),
            (ValueKind::MultiValued, other) => {
                found.add(&place, format!("expected an array of records, found {}", other.found()));
            }
        }
        if json.len() > MAX_STORED {
            found.add(
                &place,
                format!("expected at most {MAX_STORED} bytes with defaults filled in, found {}", json.len()),
            );
        }
        let valid = found.is_empty();
        violations.append_about_metadata(found);
        valid.then_some(json)
    }

    /// Validates the given attributes of a single record, and returns them in the form in which they are stored. If
    /// they are not valid, returns `None` and adds their violations to `violations`.
    pub fn check_patch(&self, value: &Json<'_>, violations: &mut Violations) -> Option<String> {
        let (mut found, mut json) = (Violations::default(), String::new());
        let members = match value {
            _ if self.definition.kind == ValueKind::MultiValued => {
                found.add(&Place::Body, "only single-valued extensions can be merged");
                &[][..]
            }
            Json::Object(members) => members,
            other => {
                found.add(&Place::Body, format!("expected a record (an object), found {}", other.found()));
                &[]
            }
        };
        let given = members.iter().filter(|(_, value)| *value != Json::Null);
        write_all(&mut json, ('{', '}'), given, |json, (name, value)| {
            if found.is_full() {
                return;
            }
            write_string(json, name);
            json.push(':');
            let written = match self.position(name) {
                Some(at) => {
                    write_value(self.definition.attributes[at].kind, self.definition.attributes[at].length, value, json)
                }
                None => Err("unknown attribute of the extension".to_owned()),
            };
            if let Err(detail) = written {
                found.add(&Place::Body.member(name), detail);
            }
        });
        let valid = found.is_empty();
        violations.append_about_metadata(found);
        valid.then_some(json)
    }

    fn check_records(&self, records: &[Json<'_>], place: Place<'_>, found: &mut Violations, json: &mut String) {
        let mut seen = vec![HashSet::new(); self.unique().len()];
        write_all(json, ('[', ']'), records.iter().enumerate(), |json, (at, item)| {
            if json.len() > MAX_STORED || found.is_full() {
                return;
            }
            let place = place.item(at);
            let Json::Object(record) = item else {
                found.add(&place, format!("expected a record (an object), found {}", item.found()));
                return;
            };
            let values = self.check_record(record, place, found, json);
            for (positions, seen) in self.unique().iter().zip(&mut seen) {
                let key: Option<Vec<String>> = positions.iter().map(|&at| self.unique_key(at, &values, json)).collect();
                if key.is_some_and(|key| !seen.insert(key)) {
                    let names = positions.iter().map(|&at| self.definition.attributes[at].name.as_str());
                    let names = names.collect::<Vec<_>>().join(", ");
                    found.add(&place, format!("an earlier record has the same value of {names}"));
                }
            }
        });
    }

    /// Validates one record and appends it to `json`. Returns the range of each attribute's value in `json`.
    fn check_record(
        &self,
        record: &Members<'_>,
        place: Place<'_>,
        found: &mut Violations,
        json: &mut String,
    ) -> Vec<Option<std::ops::Range<usize>>> {
        let attributes = &self.definition.attributes;
        let mut given: Vec<Option<&Json<'_>>> = vec![None; attributes.len()];
        for (name, value) in record {
            if found.is_full() {
                break;
            }
            match self.position(name) {
                Some(at) => given[at] = Some(value).filter(|value| **value != Json::Null),
                None => found.add(&place.member(name), "unknown attribute of the extension"),
            }
        }
        let mut ranges = vec![None; attributes.len()];
        json.push('{');
        for (at, attribute) in attributes.iter().enumerate() {
            if found.is_full() {
                break;
            }
            if given[at].is_none() && attribute.default.is_none() {
                if attribute.mandatory {
                    found.add(&place.member(&attribute.name), "mandatory, but missing");
                }
                continue;
            }
            if !json.ends_with('{') {
                json.push(',');
            }
            write_string(json, &attribute.name);
            json.push(':');
            let start = json.len();
            let written = match (given[at], &attribute.default) {
                (Some(value), _) => write_value(attribute.kind, attribute.length, value, json),
                (None, Some(default)) => {
                    json.push_str(default.get());
                    Ok(())
                }
                (None, None) => Ok(()),
            };
            match written {
                Ok(()) => ranges[at] = Some(start..json.len()),
                Err(detail) => found.add(&place.member(&attribute.name), detail),
            }
        }
        json.push('}');
        ranges
    }

    /// The text by which a value is compared with the values of other records: the floats 1 and 1.0 are equal.
    fn unique_key(&self, at: usize, values: &[Option<std::ops::Range<usize>>], json: &str) -> Option<String> {
        let text = &json[values[at].clone()?];
        match (self.definition.attributes[at].kind, text.parse::<f64>()) {
            (AttributeType::Float, Ok(number)) => Some(format!("{:?}", number + 0.0)),
            _ => Some(text.to_owned()),
        }
    }
}

/// Validates a record, or array of records, without a declared schema. It is stored as sent.
fn check_open(value: &Json<'_>, place: Place<'_>, found: &mut Violations, json: &mut String) {
    let records = match value {
        Json::Array(records) => records.as_slice(),
        record => std::slice::from_ref(record),
    };
    if records.iter().any(|record| !matches!(record, Json::Object(_))) {
        found.add(&place, "expected a record (an object), or an array of records");
    }
    value.write(json);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::domain::extension::SchemaDefinition;
    use crate::domain::ids::Element;
    use crate::domain::json::read_object;

    /// The content of a record for one attribute.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Given {
        Absent,
        Null,
        Good,
        Bad,
    }

    const TYPES: [&str; 7] = ["string", "boolean", "integer", "float", "date", "datetime", "json"];

    fn good(kind: &str) -> Value {
        match kind {
            "string" => json!("abc"),
            "boolean" => json!(true),
            "integer" => json!(-7),
            "float" => json!(0.5),
            "date" => json!("2026-02-05"),
            "datetime" => json!("2026-02-05T09:11:00.000Z"),
            _ => json!({"any": [1, "thing"]}),
        }
    }

    /// A value of another type; `json` accepts any value, so it has none.
    fn bad(kind: &str) -> Option<Value> {
        match kind {
            "string" => Some(json!("longer than five")),
            "date" | "datetime" => Some(json!("soon")),
            "json" => None,
            _ => Some(json!("text")),
        }
    }

    fn definition(attributes: &[(&str, bool, bool)]) -> Value {
        let attribute = |(at, (kind, mandatory, default)): (usize, &(&str, bool, bool))| {
            let mut attribute = json!({"name": format!("a {at}"), "type": kind, "mandatory": mandatory});
            if *kind == "string" {
                attribute["length"] = json!(5);
            }
            if *default {
                attribute["default"] = good(kind);
            }
            attribute
        };
        let attributes: Vec<_> = attributes.iter().enumerate().map(attribute).collect();
        json!({"name": "X", "type": "multi-valued", "attributes": attributes})
    }

    /// The record as sent, the record that should be stored, and the pointers of its violations.
    fn model(at: usize, attributes: &[(&str, bool, bool)], given: &[Given]) -> (Value, Value, Vec<String>) {
        let (mut sent, mut stored, mut wrong) = (Map::new(), Map::new(), Vec::new());
        for (position, ((kind, mandatory, default), given)) in attributes.iter().zip(given).enumerate() {
            let name = format!("a {position}");
            let value = match given {
                Given::Absent => None,
                Given::Null => Some(Value::Null),
                Given::Good => Some(good(kind)),
                Given::Bad => Some(bad(kind).unwrap_or(good(kind))),
            };
            sent.extend(value.clone().map(|value| (name.clone(), value)));
            match value.filter(|value| !value.is_null()) {
                Some(value) if *given == Given::Bad && bad(kind).is_some() => {
                    assert_ne!(value, good(kind));
                    wrong.push(format!("/{at}/{name}"));
                }
                Some(value) => drop(stored.insert(name, value)),
                None if *default => drop(stored.insert(name, good(kind))),
                None if *mandatory => wrong.push(format!("/{at}/{name}")),
                None => {}
            }
        }
        (sent.into(), stored.into(), wrong)
    }

    fn given() -> impl Strategy<Value = Given> {
        prop::sample::select(&[Given::Absent, Given::Null, Given::Good, Given::Good, Given::Good, Given::Bad])
    }

    proptest! {
        #[test]
        fn records_are_stored_or_refused_as_a_plain_model_says(
            attributes in prop::collection::vec((prop::sample::select(&TYPES[..]), any::<bool>(), any::<bool>()), 1..8),
            records in prop::collection::vec(prop::collection::vec(given(), 8), 0..5),
        ) {
            let text = definition(&attributes).to_string();
            let definition = SchemaDefinition::read(&read_object(text.as_bytes()).unwrap()).unwrap();
            let schema = Schema::new(SchemaId(1), Element::Task, definition);
            let modelled: Vec<_> =
                records.iter().enumerate().map(|(at, given)| model(at, &attributes, given)).collect();
            let sent: Vec<_> = modelled.iter().map(|(sent, ..)| sent.clone()).collect();
            let stored: Vec<_> = modelled.iter().map(|(_, stored, _)| stored.clone()).collect();
            let wrong: BTreeSet<_> = modelled.iter().flat_map(|(.., wrong)| wrong.clone()).collect();

            let body = json!({ "X": sent }).to_string();
            let members = read_object(body.as_bytes()).unwrap();
            let mut violations = Violations::default();
            let json = schema.check(&members[0].1, Place::Body, &mut violations);
            let found: BTreeSet<_> = violations.into_list().into_iter().map(|violation| violation.pointer).collect();
            prop_assert_eq!(&found, &wrong);
            prop_assert_eq!(json.is_some(), wrong.is_empty());
            if let Some(json) = json {
                prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), Value::from(stored));
            }
        }
    }
}
