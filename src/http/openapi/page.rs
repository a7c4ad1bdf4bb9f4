//! The page with the description of the API: a list of operations, which a script replaces with Swagger UI.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{DOCTYPE, Markup, html};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::super::etag::conditional;
use super::super::packed::Packed;
use super::super::page::{Menu, address_of_asset};
use super::super::path::{forwarded_prefix, with_prefix};
use super::super::problem::{Code, Problem};
use super::{Published, operations};

/// Redirects to the page, whose files have relative URLs.
pub(in crate::http) async fn redirect_to_docs(request: HttpRequest) -> HttpResponse {
    let to = format!("{}{}/", forwarded_prefix(request.headers()), request.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish()
}

/// Content security policy of the page. Swagger UI needs inline styles and images in `data:` URLs.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file of the page; all of them are embedded in the binary.
pub(in crate::http) async fn get_docs(
    request: HttpRequest,
    published: web::Data<Published>,
) -> Result<HttpResponse, Problem> {
    let file = request.match_info().query("file");
    let mut answer = if let Some((kind, packed)) = published.swagger_ui.get(file) {
        packed.answer(&request, kind).await?
    } else if let Some((kind, text)) = published.file(file, &request) {
        conditional(&request, HttpResponse::Ok().content_type(kind).body(text))
    } else {
        return Err(Problem::new(Code::NotFound, format!("expected a file of this page, found {file:?}")));
    };
    for (name, value) in [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "no-referrer")] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}

impl Published {
    /// A file with its content type. Links of the page lead to the other pages, which are served at the root only, after
    /// the prefix of a proxy.
    fn file(&self, name: &str, request: &HttpRequest) -> Option<(&'static str, web::Bytes)> {
        let text = |text: &'static str| web::Bytes::from_static(text.as_bytes());
        match name {
            "" => {
                let page = page(&self.list, Menu::of(request)).into_string();
                Some(("text/html; charset=utf-8", with_prefix(page, &forwarded_prefix(request.headers())).into()))
            }
            "docs.js" => Some(("text/javascript; charset=utf-8", text(include_str!("assets/docs.js")))),
            "docs.css" => Some(("text/css; charset=utf-8", text(include_str!("assets/docs.css")))),
            _ => None,
        }
    }
}

/// The files of Swagger UI that the page uses, by name, with their content types.
pub(super) fn swagger_ui() -> HashMap<&'static str, (&'static str, Packed)> {
    let files =
        [("swagger-ui.css", "text/css; charset=utf-8"), ("swagger-ui-bundle.js", "text/javascript; charset=utf-8")];
    let read = |(name, kind)| {
        let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok()??;
        Some((name, (kind, Packed::new(file.bytes.into_owned()))))
    };
    files.into_iter().filter_map(read).collect()
}

/// The page as shown without scripts.
fn page(list: &Markup, menu: Menu) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "API · Context Services" }
                link rel="icon" href=(address_of_asset("icon.svg"));
                link rel="stylesheet" href="swagger-ui.css";
                link rel="stylesheet" href="docs.css";
                script src="swagger-ui-bundle.js" defer {}
                script src="docs.js" defer {}
            }
            body {
                header {
                    (menu.of_api())
                }
                main { div id="operations" { (list) } }
            }
        }
    }
}

/// The operations, by subject.
pub(super) fn list(document: &OpenApi) -> Markup {
    html! {
        h1 { (document.info.title) " " (document.info.version) }
        p {
            "The operations, by subject. "
            a href="../openapi.json" { "openapi.json" } " describes each in full, " a href="../openapi-3.0.json" { "openapi-3.0.json" }
            " does so for tools that do not read OpenAPI 3.1."
        }
        @for tag in document.tags.iter().flatten() {
            h2 { (tag.name) }
            @if let Some(description) = &tag.description { p { (description) } }
            ul {
                @for (path, method, operation) in operations(document) {
                    @if operation.tags.iter().flatten().any(|name| *name == tag.name) {
                        // The fragment by which Swagger UI, too, refers to the operation.
                        @let id = format!("/{}/{}", tag.name, operation.operation_id.as_deref().unwrap_or_default());
                        li id=(id) { code { (method) " " (path) } " " (operation.summary.as_deref().unwrap_or_default()) }
                    }
                }
            }
        }
    }
}
