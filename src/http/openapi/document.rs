//! The OpenAPI document, generated from the handlers.

use actix_web::App;
use serde_json::Value;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, ServerBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;

use super::{access, examples, headers, schemas, shared, version_3_0};
use crate::http::path::PREFIX;
use crate::http::problem::{ProblemBody, ProblemError};
use crate::http::routes;

/// The groups of operations, in the order of the page.
const TAGS: [(&str, &str); 7] = [
    ("Tasks", "Start and end events of tasks: the steps of a service or of a state."),
    ("Services", "Lifecycle of services: the commitments to customers."),
    ("States", "Start and end events of states: the stages of a service."),
    ("Queries", "Services, states and tasks with their extensions, and reports over them."),
    ("Extensions", "Changes of the extension records of services, states and tasks."),
    ("Metadata", "Extension schemas, and business attributes: the allowed values of fields."),
    ("Server", "Status, mode, health, metrics and documents of the service, and purges."),
];

/// The OpenAPI 3.1 document of the API.
pub fn document() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(routes::api).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Context Services")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .contact(Some(ContactBuilder::new().name(Some("Context Services")).build()))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    document.servers = Some(vec![
        ServerBuilder::new().url("/").description(Some("Routes at the root")).build(),
        ServerBuilder::new().url(PREFIX).description(Some("The same routes under the prefix of version 8.5")).build(),
    ]);
    document.tags = Some(TAGS.map(tag).to_vec());
    let components = document.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into(), ProblemBody::schema());
    components.schemas.insert(ProblemError::name().into(), ProblemError::schema());
    examples::add(&mut document);
    access::add(&mut document);
    headers::add(&mut document);
    schemas::adapt(&mut document);
    shared::share(&mut document);
    document
}

fn tag((name, description): (&str, &str)) -> Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

/// The same document as OpenAPI 3.0.3.
pub fn document_3_0() -> Value {
    convert_to_3_0(&document())
}

/// The document as OpenAPI 3.0.3.
pub(super) fn convert_to_3_0(document: &OpenApi) -> Value {
    version_3_0::convert(serde_json::to_value(document).unwrap_or_default())
}
