//! Cross-origin resource sharing: pages of other sites that may call the API, if the setting `ALLOWED_ORIGINS` lists
//! them (docs/api.md §1, Access).

use actix_cors::Cors;
use actix_web::middleware::Condition;

/// Time for which browsers may cache what is allowed, in seconds.
const REMEMBERED: usize = 3600;

/// The middleware. It does nothing if no origin is allowed.
pub(super) fn allow(origins: &[String]) -> Condition<Cors> {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "DELETE"])
        .allowed_headers([
            "accept",
            "authorization",
            "content-encoding",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "traceparent",
            "x-request-id",
        ])
        .expose_headers(["Allow", "ETag", "Link", "Location", "Retry-After", "X-Request-Id"])
        .max_age(REMEMBERED)
        // Without CORS headers, a browser passes the response to no page of another origin. Other callers may send any
        // origin.
        .block_on_origin_mismatch(false);
    Condition::new(!origins.is_empty(), cors)
}

/// Parses an origin of the setting, such as `https://app.example.com:8443`.
pub fn origin(text: &str) -> Result<String, String> {
    let expected = || format!("expected an origin such as https://app.example.com, found {text:?}");
    let (scheme, authority) = text.split_once("://").ok_or_else(expected)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let is_valid = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https")
        && !host.is_empty()
        && host.bytes().all(is_host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok());
    if is_valid { Ok(text.to_ascii_lowercase()) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for text in ["https://app.example.com", "http://localhost:3000", "http://[::1]:3000", "http://[::1]"] {
            assert_eq!(origin(text).as_deref(), Ok(text));
        }
        assert_eq!(origin("HTTPS://App.example.com").as_deref(), Ok("https://app.example.com"));
        for text in
            ["", "*", "null", "app.example.com", "https://", "https://a/", "https://a:b", "ftp://a", "https://a b"]
        {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
