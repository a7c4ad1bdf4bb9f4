//! The OpenAPI document, generated from the handlers.

use actix_web::App;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, ServerBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;

use super::{access, examples, shared};
use crate::http::path::PREFIX;
use crate::http::problem::{ProblemBody, ProblemError};
use crate::http::routes;

/// The OpenAPI 3.1 document of the API.
pub fn document() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(routes::api).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Context Services")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    document.servers = Some(vec![
        ServerBuilder::new().url("/").description(Some("Routes at the root")).build(),
        ServerBuilder::new().url(PREFIX).description(Some("The same routes under the prefix of version 8.5")).build(),
    ]);
    let components = document.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into(), ProblemBody::schema());
    components.schemas.insert(ProblemError::name().into(), ProblemError::schema());
    examples::add(&mut document);
    access::add(&mut document);
    shared::share(&mut document);
    document
}
