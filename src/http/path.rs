//! Request paths with and without the prefix of version 8.5.

use actix_web::HttpRequest;

/// The prefix of version 8.5. Every route is served at the root and under it (docs/api.md §1, Routes).
pub(super) const PREFIX: &str = "/genesys/1/cs";

/// The path without [`PREFIX`].
pub(super) fn without_prefix(path: &str) -> &str {
    match path.strip_prefix(PREFIX) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The prefix that the request used: [`PREFIX`] or nothing. Links in the response repeat it.
pub(super) fn prefix_of(request: &HttpRequest) -> &'static str {
    if request.path().starts_with(PREFIX) { PREFIX } else { "" }
}
