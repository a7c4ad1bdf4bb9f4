//! Request paths with and without a prefix: the prefix of version 8.5 and the prefix of a proxy.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};

/// The prefix of version 8.5. Every route is served at the root and under it (docs/api.md §1, Routes).
pub(super) const PREFIX: &str = "/genesys/1/cs";

/// The header in which a proxy names the path under which it makes the service available.
static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The maximum length of the path that a proxy names.
const MAX_FORWARDED: usize = 255;

/// The path without [`PREFIX`].
pub(super) fn without_prefix(path: &str) -> &str {
    match path.strip_prefix(PREFIX) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The prefix under which the caller sent the request: the prefix of the proxies before the service, then [`PREFIX`] if
/// the request used it. Links in the response repeat it.
pub(super) fn prefix_of(request: &HttpRequest) -> String {
    let mut prefix = forwarded_prefix(request.headers());
    if without_prefix(request.path()).len() < request.path().len() {
        prefix.push_str(PREFIX);
    }
    prefix
}

/// The path under which proxies make the service available, or an empty text. Each proxy adds its own part in front.
pub(super) fn forwarded_prefix(headers: &HeaderMap) -> String {
    let parts = headers.get_all(&FORWARDED_PREFIX).filter_map(|value| value.to_str().ok());
    let parts = parts.flat_map(|value| value.split(',')).map(|part| part.trim().trim_end_matches('/'));
    let prefix: String = parts.collect();
    if is_prefix(&prefix) { prefix } else { String::new() }
}

/// Returns whether a text is a path that is safe in an address or a page. `//host`, for example, would lead to another
/// server.
fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let is_step = |part: &str| matches!(part, "." | "..");
    text.len() <= MAX_FORWARDED
        && text.starts_with('/')
        && !text.contains("//")
        && !text.split('/').any(is_step)
        && text.bytes().all(is_plain)
}

/// Adds the prefix to the addresses of this service in a page. Text in pages is escaped, so that these attributes are
/// always the page's own.
pub(super) fn with_prefix(page: String, prefix: &str) -> String {
    if prefix.is_empty() {
        return page;
    }
    [" href=\"", " src=\"", " action=\"", " data-load=\""]
        .iter()
        .fold(page, |page, attribute| page.replace(&format!("{attribute}/"), &format!("{attribute}{prefix}/")))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn forwarded(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_PREFIX.clone(), HeaderValue::from_static(value));
        }
        forwarded_prefix(&headers)
    }

    #[test]
    fn a_prefix_is_a_plain_path() {
        assert_eq!(forwarded(&[]), "");
        assert_eq!(forwarded(&["/context"]), "/context");
        assert_eq!(forwarded(&["/a/b-1.0_~/"]), "/a/b-1.0_~");
        assert_eq!(forwarded(&["/a, /b/", "/c"]), "/a/b/c");
        for value in [
            "",
            "/",
            "context",
            "//evil.example",
            "/a//b",
            "/\"><script>",
            "/a?b",
            "/a#b",
            "http://a",
            "/%2f",
            "/..",
            "/a/../b",
            "/.",
        ] {
            assert_eq!(forwarded(&[value]), "", "{value}");
        }
    }
}
