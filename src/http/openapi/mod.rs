//! The OpenAPI document and the page that shows it, as they are served. [`document`] generates the document.

mod access;
pub(super) mod document;
mod examples;
mod headers;
mod page;
mod schemas;
mod shared;
mod version_3_0;

use std::collections::HashMap;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, get, web};
use maud::Markup;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, PathItem, RefOr};

use super::packed::Packed;
use super::problem::Problem;

pub(super) use page::{get_docs, redirect_to_docs};

/// The operations of a path, to be completed.
fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, .. } = item;
    [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The operations of a document with their paths and methods.
fn operations(document: &OpenApi) -> impl Iterator<Item = (&str, Method, &Operation)> {
    document.paths.paths.iter().flat_map(|(path, item)| {
        [(Method::GET, &item.get), (Method::POST, &item.post), (Method::PUT, &item.put), (Method::DELETE, &item.delete)]
            .into_iter()
            .filter_map(|(method, operation)| Some((path.as_str(), method, operation.as_ref()?)))
    })
}

/// The part itself, unless it is a reference.
fn inline<T>(part: &mut RefOr<T>) -> Option<&mut T> {
    match part {
        RefOr::T(inline) => Some(inline),
        RefOr::Ref(_) => None,
    }
}

/// The document and its page as they are served.
pub(super) struct Published {
    json: Packed,
    json_3_0: Packed,
    /// The list of operations, as HTML.
    list: Markup,
    /// The files of Swagger UI by name, with their content types.
    swagger_ui: HashMap<&'static str, (&'static str, Packed)>,
}

impl Published {
    pub(super) fn new(document: &OpenApi) -> Self {
        Self {
            json: Packed::new(document.to_json().unwrap_or_default()),
            json_3_0: Packed::new(document::convert_to_3_0(document).to_string()),
            list: page::list(document),
            swagger_ui: page::swagger_ui(),
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
pub(super) async fn get_document(
    request: HttpRequest,
    published: web::Data<Published>,
) -> Result<HttpResponse, Problem> {
    published.json.answer(&request, "application/json").await
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
pub(super) async fn get_document_3_0(
    request: HttpRequest,
    published: web::Data<Published>,
) -> Result<HttpResponse, Problem> {
    published.json_3_0.answer(&request, "application/json").await
}
