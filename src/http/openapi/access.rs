//! Security requirements: credentials, the role of each operation, and its 401, 403 and 429 responses.

use actix_web::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::operations_mut;
use crate::http::operations::role_for;
use crate::http::problem::Code;
use crate::http::problems::responses_of;

const NO_SCOPES: [&str; 0] = [];

const SCHEMES: [(&str, HttpAuthScheme); 2] = [("basic", HttpAuthScheme::Basic), ("bearer", HttpAuthScheme::Bearer)];

/// Requires credentials, except for health checks, and adds the required role to the description of each operation.
pub(super) fn add(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (name, scheme) in SCHEMES {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
    }
    // Roles are not scopes, which only OAuth has.
    document.security = Some(SCHEMES.map(|(name, _)| SecurityRequirement::new(name, NO_SCOPES)).to_vec());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations_mut(item) {
            add_to(operation, &method, path);
        }
    }
}

fn add_to(operation: &mut Operation, method: &Method, path: &str) {
    let responses = &mut operation.responses.responses;
    if operation.request_body.is_some() {
        responses.extend(responses_of(&[Code::RequestTimeout]));
    }
    let Some(role) = role_for(method, path) else {
        operation.security = Some(Vec::new());
        return;
    };
    responses.extend(responses_of(&[Code::Unauthenticated, Code::Forbidden, Code::RateLimited]));
    let role = format!("Requires the role `{}`.", role.word());
    operation.description = Some(match operation.description.take() {
        Some(description) if !description.is_empty() => format!("{description}\n\n{role}"),
        _ => role,
    });
}
