//! Security requirements: the role of each operation, and its 401, 403 and 429 responses.

use actix_web::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::operations_mut;
use crate::http::operations::role_for;
use crate::http::problem::Code;
use crate::http::problems::responses_of;

const SCHEMES: [(&str, HttpAuthScheme); 2] = [("basic", HttpAuthScheme::Basic), ("bearer", HttpAuthScheme::Bearer)];

/// Adds the required role to each operation.
pub(super) fn add(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (name, scheme) in SCHEMES {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
    }
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
    if let Some(role) = role_for(method, path) {
        let requirement = |(name, _)| SecurityRequirement::new(name, [role.word()]);
        operation.security = Some(SCHEMES.map(requirement).to_vec());
        responses.extend(responses_of(&[Code::Unauthenticated, Code::Forbidden, Code::RateLimited]));
    }
}
