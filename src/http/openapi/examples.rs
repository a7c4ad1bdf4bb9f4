//! Examples of parameters and answers, all in one world: `examples.json`.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterBuilder};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::operations_mut;

/// Examples by name: of a parameter wherever it stands, and of a schema where it is the body of an answer.
#[derive(serde::Deserialize)]
struct Examples {
    parameters: BTreeMap<String, Value>,
    bodies: BTreeMap<String, Value>,
}

/// Gives its example to each parameter, and to each answer that has none of its own.
pub(super) fn give(document: &mut OpenApi) {
    let Ok(examples) = serde_json::from_str::<Examples>(include_str!("examples.json")) else { return };
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            examples.give(operation);
        }
    }
}

/// What stands at its place, rather than being referred to.
fn own<T>(part: &mut RefOr<T>) -> Option<&mut T> {
    match part {
        RefOr::T(own) => Some(own),
        RefOr::Ref(_) => None,
    }
}

impl Examples {
    fn give(&self, operation: &mut Operation) {
        for parameter in operation.parameters.iter_mut().flatten().filter_map(own) {
            let example = self.parameters.get(&parameter.name).cloned();
            *parameter = ParameterBuilder::from(std::mem::take(parameter)).example(example).build();
        }
        for response in operation.responses.responses.values_mut().filter_map(own) {
            for content in response.content.values_mut().filter_map(own).filter(|one| one.examples.is_empty()) {
                content.example = content.example.take().or_else(|| self.body(content));
            }
        }
    }

    fn body(&self, content: &Content) -> Option<Value> {
        match content.schema.as_ref()? {
            RefOr::Ref(schema) => self.named(&schema.ref_location),
            RefOr::T(Schema::Array(list)) => match &list.items {
                ArrayItems::RefOrSchema(item) => match item.as_ref() {
                    RefOr::Ref(schema) => self.named(&schema.ref_location).map(|one| Value::from(vec![one])),
                    RefOr::T(_) => None,
                },
                ArrayItems::False => None,
            },
            RefOr::T(_) => None,
        }
    }

    fn named(&self, location: &str) -> Option<Value> {
        self.bodies.get(location.rsplit('/').next()?).cloned()
    }
}
