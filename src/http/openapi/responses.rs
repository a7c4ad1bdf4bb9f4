//! Shared problem responses. Most operations have the same ones, so each stands once, in `components/responses`.

use std::collections::BTreeMap;

use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, Ref, RefOr, Response};

use super::operations_mut;
use crate::http::problems;

/// Moves the problem responses of all operations into the components, and puts references in their place.
pub(super) fn share(document: &mut OpenApi) {
    let mut shared = BTreeMap::new();
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            share_of(operation, &mut shared);
        }
    }
    let components = document.components.get_or_insert_default();
    components.responses.extend(shared);
    components.examples.extend(problems::examples());
}

fn share_of(operation: &mut Operation, shared: &mut BTreeMap<String, RefOr<Response>>) {
    for response in operation.responses.responses.values_mut() {
        if let Some(name) = name_of(response) {
            let reference = RefOr::Ref(Ref::from_response_name(name.as_str()));
            shared.insert(name, std::mem::replace(response, reference));
        }
    }
}

/// The name of a problem response: its codes, such as `unknown_service.unknown_task`.
fn name_of(response: &RefOr<Response>) -> Option<String> {
    let RefOr::T(response) = response else { return None };
    let RefOr::T(content) = response.content.get("application/problem+json")? else { return None };
    let codes: Vec<_> = content.examples.keys().map(String::as_str).collect();
    Some(codes.join("."))
}
