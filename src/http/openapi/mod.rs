//! The OpenAPI document, generated from the handlers, and the page that shows it.

mod access;
mod examples;
mod problems;

use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::{App, HttpRequest, HttpResponse, get, web};
use utoipa::openapi::path::Operation as OperationItem;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, PathItem, ServerBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::Config;

use super::operation::Operations;
use super::problem::{Code, Problem, ProblemBody, ProblemError};
use super::routes;

pub(super) use problems::*;

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
        ServerBuilder::new().url(routes::PREFIX).description(Some("The same routes under the prefix of 8.5")).build(),
    ]);
    let components = document.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into(), ProblemBody::schema());
    components.schemas.insert(ProblemError::name().into(), ProblemError::schema());
    examples::give(&mut document);
    access::state(&mut document);
    document
}

/// The operations of a path, by method.
pub(super) fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &OperationItem)> {
    let PathItem { get, put, post, delete, .. } = item;
    [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// The same, to be completed.
fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut OperationItem)> {
    let PathItem { get, put, post, delete, .. } = item;
    [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The document as it is served, and the operations in it.
pub(super) struct Published {
    json: web::Bytes,
    docs: Arc<Config<'static>>,
    /// The operations, to be found by what a request reached.
    pub(super) operations: Operations,
}

impl Published {
    pub(super) fn new() -> Self {
        let document = document();
        Self {
            json: document.to_json().unwrap_or_default().into(),
            docs: Arc::new(Config::from("../openapi.json").display_operation_id(true)),
            operations: Operations::of(&document),
        }
    }

    /// The methods of a path, which may belong to several templates.
    pub(super) fn methods_of(&self, path: &str) -> Vec<&str> {
        let pages = routes::PAGES.into_iter().chain(["/docs/{file}"]).map(|template| (template, "GET"));
        let matching = self.operations.routes().chain(pages).filter(|(template, _)| matches(template, path));
        let mut methods: Vec<_> = matching.map(|(_, method)| method).collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut expected, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(segment), Some(text)) if segment == text || (segment.starts_with('{') && !text.is_empty()) => {}
            _ => return false,
        }
    }
}

/// This document.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "The document, OpenAPI 3.1", body = serde_json::Value,
        example = json!({"openapi": "3.1.0"})))
)]
#[get("/openapi.json")]
pub(super) async fn get_document(published: web::Data<Published>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(published.json.clone())
}

/// This document as a page.
#[utoipa::path(
    tag = "Server",
    responses((status = 308, description = "The page is at `/docs/`", headers(("Location" = String))))
)]
#[get("/docs")]
pub(super) async fn redirect_to_docs(request: HttpRequest) -> HttpResponse {
    let to = format!("{}/", request.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish()
}

/// What the page may load: its own files, the styles and pictures within them, and nothing from elsewhere.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page that shows the document; all of its files are in the binary.
pub(super) async fn get_docs(request: HttpRequest, published: web::Data<Published>) -> Result<HttpResponse, Problem> {
    let file = request.match_info().query("file");
    match utoipa_swagger_ui::serve(file, Arc::clone(&published.docs)) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((header::CONTENT_SECURITY_POLICY, DOCS_POLICY))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .body(file.bytes.to_vec())),
        _ => Err(Problem::new(Code::NotFound, format!("there is no file {file:?} here"))),
    }
}
