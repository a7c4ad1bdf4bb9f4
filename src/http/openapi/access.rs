//! Who may call what, and what is answered to those who may not.

use actix_web::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::operations_mut;
use super::problems::responses_of;
use crate::domain::access::role_for;
use crate::http::problem::Code;

const SCHEMES: [(&str, HttpAuthScheme); 2] = [("basic", HttpAuthScheme::Basic), ("bearer", HttpAuthScheme::Bearer)];

/// Says for each operation which role it needs.
pub(super) fn state(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (name, scheme) in SCHEMES {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations_mut(item) {
            state_of(operation, &method, path);
        }
    }
}

fn state_of(operation: &mut Operation, method: &Method, path: &str) {
    let responses = &mut operation.responses.responses;
    if operation.request_body.is_some() {
        responses.extend(responses_of(&[Code::RequestTimeout]));
    }
    if let Some(role) = role_for(method == Method::GET, method == Method::DELETE, path) {
        let needed = |(name, _)| SecurityRequirement::new(name, [role.word()]);
        operation.security = Some(SCHEMES.map(needed).to_vec());
        responses.extend(responses_of(&[Code::Unauthenticated, Code::Forbidden, Code::RateLimited]));
    }
}
