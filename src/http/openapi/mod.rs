//! The OpenAPI document and the page that shows it, as they are served. [`document`] generates the document.

mod access;
pub(super) mod document;
mod examples;
mod headers;
mod schemas;
mod shared;
mod version_3_0;

use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, get, web};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, PathItem, RefOr};
use utoipa_swagger_ui::Config;

use super::etag::conditional;
use super::path::forwarded_prefix;
use super::problem::{Code, Problem};

/// The operations of a path, to be completed.
fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, .. } = item;
    [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The part itself, unless it is a reference.
fn inline<T>(part: &mut RefOr<T>) -> Option<&mut T> {
    match part {
        RefOr::T(inline) => Some(inline),
        RefOr::Ref(_) => None,
    }
}

/// The document as it is served, and the configuration of its page.
pub(super) struct Published {
    json: web::Bytes,
    json_3_0: web::Bytes,
    page: Arc<Config<'static>>,
}

impl Published {
    pub(super) fn new(document: &OpenApi) -> Self {
        Self {
            json: document.to_json().unwrap_or_default().into(),
            json_3_0: document::convert_to_3_0(document).to_string().into(),
            page: Arc::new(Config::from("../openapi.json").display_operation_id(true)),
        }
    }
}

/// OpenAPI document.
///
/// `/openapi-3.0.json` has the same document for tools that do not read OpenAPI 3.1.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "The document, OpenAPI 3.1", body = serde_json::Value,
        example = json!({"openapi": "3.1.0"})))
)]
#[get("/openapi.json")]
pub(super) async fn get_document(request: HttpRequest, published: web::Data<Published>) -> HttpResponse {
    conditional(&request, HttpResponse::Ok().content_type("application/json").body(published.json.clone()))
}

/// OpenAPI document, version 3.0.3.
///
/// The same document for tools that do not read OpenAPI 3.1.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "The document, OpenAPI 3.0.3", body = serde_json::Value,
        example = json!({"openapi": "3.0.3"})))
)]
#[get("/openapi-3.0.json")]
pub(super) async fn get_document_3_0(published: web::Data<Published>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(published.json_3_0.clone())
}

/// Redirects to the page, whose files have relative URLs.
pub(super) async fn redirect_to_docs(request: HttpRequest) -> HttpResponse {
    let to = format!("{}{}/", forwarded_prefix(request.headers()), request.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish()
}

/// Content security policy of the page. Swagger UI needs inline styles and images in `data:` URLs.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file of the page; all of them are embedded in the binary.
pub(super) async fn get_docs(request: HttpRequest, published: web::Data<Published>) -> Result<HttpResponse, Problem> {
    let file = request.match_info().query("file");
    match utoipa_swagger_ui::serve(file, Arc::clone(&published.page)) {
        Ok(Some(file)) => {
            let answer = HttpResponse::Ok()
                .content_type(file.content_type)
                .insert_header((header::CONTENT_SECURITY_POLICY, DOCS_POLICY))
                .insert_header((header::REFERRER_POLICY, "no-referrer"))
                .body(file.bytes.to_vec());
            Ok(conditional(&request, answer))
        }
        _ => Err(Problem::new(Code::NotFound, format!("there is no file {file:?} here"))),
    }
}
