//! Requests in equivalent forms: `HEAD` for `GET`, and a path with a slash at its end (docs/api.md §1, Routes).

use actix_web::dev::ServiceRequest;
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, Uri};

use super::path::without_prefix;

/// Gives the request the form in which it is authorised and routed. The body of a response to `HEAD` is omitted when
/// the response is written to the connection.
pub(super) fn normalize(request: &mut ServiceRequest) {
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    if let Some(uri) = without_last_slash(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// The same address without the slash at the end of its path; `None` if there is no such slash, or if a route has it.
fn without_last_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty())?;
    // The page with the description of the API consists of files below `/docs/`.
    if without_prefix(uri.path()).starts_with("/docs/") {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}
