//! Shared parts of the document. Most operations have the same problem responses and parameters, so each appears once,
//! in the components.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Response};

use super::operations_mut;
use crate::http::problems;

/// Moves problem responses and parameters into the components, and puts references in their place.
pub(super) fn share(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            share_responses(operation, components);
            share_parameters(operation, components);
        }
    }
}

fn share_responses(operation: &mut Operation, components: &mut Components) {
    for response in operation.responses.responses.values_mut() {
        if let Some(codes) = codes_of(response) {
            components.examples.extend(problems::examples(&codes));
            let name = codes.join(".");
            let reference = RefOr::Ref(Ref::from_response_name(name.as_str()));
            components.responses.insert(name, std::mem::replace(response, reference));
        }
    }
}

/// The codes of a problem response. Joined, as in `unknown_service.unknown_task`, they form its name.
fn codes_of(response: &RefOr<Response>) -> Option<Vec<String>> {
    let RefOr::T(response) = response else { return None };
    let RefOr::T(content) = response.content.get("application/problem+json")? else { return None };
    Some(content.examples.keys().cloned().collect())
}

fn share_parameters(operation: &mut Operation, components: &mut Components) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(own) = parameter else { continue };
        let Some(name) = name_of(own) else { continue };
        let shared = components.parameters.entry(name.clone()).or_insert_with(|| parameter.clone());
        // Parameters of the same name and place may still differ, and then stay where they are.
        if shared == parameter {
            *parameter = RefOr::Ref(Ref::new(format!("#/components/parameters/{name}")));
        }
    }
}

/// The name of a parameter among the components: its place and its own name, such as `query.limit`.
fn name_of(parameter: &Parameter) -> Option<String> {
    let place = match parameter.parameter_in {
        ParameterIn::Path => "path",
        ParameterIn::Query => "query",
        ParameterIn::Header => "header",
        ParameterIn::Cookie | ParameterIn::QueryString => return None,
    };
    Some(format!("{place}.{}", parameter.name))
}
