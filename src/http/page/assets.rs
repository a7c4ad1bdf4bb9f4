//! Static files of the pages. They are compiled into the binary, and their addresses contain a hash of their content.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

use super::super::problem::{Code, Problem};

/// The name, content type and text of each file.
const FILES: [(&str, &str, &str); 3] = [
    ("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// A hash of all files, so that browsers may cache each address forever.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (_, _, text) in FILES {
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..12].to_owned()
});

/// A hash of all files.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// The address of a file.
pub(in crate::http) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", version())
}

/// Serves a static file.
pub(in crate::http) async fn get_asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (version, name) = (request.match_info().query("version"), request.match_info().query("name"));
    let file = FILES.into_iter().find(|(known, ..)| *known == name && version == *VERSION);
    let Some((_, kind, text)) = file else {
        return Err(Problem::new(Code::NotFound, "no such file"));
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .content_type(kind)
        .body(text))
}
