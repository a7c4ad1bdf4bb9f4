//! Protection against pages of other sites that send changes through their visitor's browser (CSRF).

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::uri::Authority;

use super::problem::{Code, Problem};

/// Refuses a change that a page of another site has sent, unless its origin is allowed. Programs that are not browsers
/// send none of the headers that are checked here, and are not affected.
///
/// Browsers name the page's origin in `Origin`. Over plain HTTP they send no `Sec-Fetch-Site`, except to loopback
/// addresses.
pub(super) fn refuse_foreign_change(request: &ServiceRequest, allowed: &[String]) -> Result<(), Problem> {
    if request.method().is_safe() {
        return Ok(());
    }
    let headers = request.headers();
    match origin(headers) {
        Some(origin) if is_own(origin, request) || allowed.iter().any(|one| one == origin) => {}
        Some(_) => return Err(foreign()),
        None if headers
            .get("sec-fetch-site")
            .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) =>
        {
            return Err(foreign());
        }
        None => {}
    }
    if is_from_browser(headers) && has_password(headers) && has_body(headers) && !is_json(headers) {
        let expected = "a change with a password from a browser needs Content-Type: application/json";
        return Err(Problem::new(Code::UnsupportedMediaType, expected));
    }
    Ok(())
}

fn foreign() -> Problem {
    Problem::new(Code::Forbidden, "pages of other sites may not send changes; see the setting ALLOWED_ORIGINS")
}

/// The origin of the page, from `Origin`, or otherwise from `Referer`.
fn origin(headers: &HeaderMap) -> Option<&str> {
    let mut origins = headers.get_all(header::ORIGIN);
    if let Some(origin) = origins.next() {
        // A header that is not text, or several headers, match no allowed origin.
        return Some(origin.to_str().ok().filter(|_| origins.next().is_none()).unwrap_or("null"));
    }
    let referer = headers.get(header::REFERER)?.to_str().ok()?;
    let (scheme, rest) = referer.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    referer.get(..scheme.len() + "://".len() + authority.len())
}

/// Whether an origin is the host that was called. A proxy may name the host in `X-Forwarded-Host`, which a page of
/// another site cannot send without a preflight request.
fn is_own(origin: &str, request: &ServiceRequest) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let headers = request.headers();
    let called = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let called = called.or_else(|| request.uri().authority().map(Authority::as_str));
    let forwarded = headers.get("x-forwarded-host").and_then(|host| host.to_str().ok());
    let forwarded = forwarded.and_then(|hosts| hosts.split(',').next()).map(str::trim);
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let same = |host: &str| host.trim_end_matches(port).eq_ignore_ascii_case(authority.trim_end_matches(port));
    called.is_some_and(same) || forwarded.is_some_and(same)
}

fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        || headers.contains_key(header::REFERER)
        || headers.keys().any(|name| name.as_str().starts_with("sec-"))
}

fn has_password(headers: &HeaderMap) -> bool {
    let scheme =
        |value: &HeaderValue| value.as_bytes().get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"basic "));
    headers.get(header::AUTHORIZATION).is_some_and(scheme)
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
