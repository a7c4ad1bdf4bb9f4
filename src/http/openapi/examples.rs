//! Examples of parameters and responses from `examples.json`. All describe the same journey.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterBuilder};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::{inline, operations_mut};

/// Examples of parameters by parameter name, also for single operations, and of response bodies by schema name.
#[derive(serde::Deserialize)]
struct Examples {
    parameters: BTreeMap<String, Value>,
    operations: BTreeMap<String, BTreeMap<String, Value>>,
    bodies: BTreeMap<String, Value>,
}

/// Adds an example to each parameter, and to each response without one of its own.
pub(super) fn add(document: &mut OpenApi) {
    let Ok(examples) = serde_json::from_str::<Examples>(include_str!("examples.json")) else { return };
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            examples.add_to(operation);
        }
    }
}

impl Examples {
    fn add_to(&self, operation: &mut Operation) {
        let own = operation.operation_id.as_ref().and_then(|name| self.operations.get(name));
        for parameter in operation.parameters.iter_mut().flatten().filter_map(inline) {
            let example = own.and_then(|own| own.get(&parameter.name)).or_else(|| self.parameters.get(&parameter.name));
            *parameter = ParameterBuilder::from(std::mem::take(parameter)).example(example.cloned()).build();
        }
        for response in operation.responses.responses.values_mut().filter_map(inline) {
            for content in response.content.values_mut().filter_map(inline).filter(|one| one.examples.is_empty()) {
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
