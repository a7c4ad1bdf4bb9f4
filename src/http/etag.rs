//! Conditional requests: a client that already has the response receives 304 (docs/api.md §1, Routes).

use actix_web::body::{BoxBody, MessageBody, None as NoBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ETag, EntityTag, IfNoneMatch};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

/// Adds an `ETag` to a response with status 200 unless it has one, and replaces the response with 304 if the client has
/// it. The tag is weak, because the same response may be sent compressed.
pub(super) fn conditional(request: &HttpRequest, response: HttpResponse) -> HttpResponse {
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(body) => return head.set_body(body),
    };
    let own = head.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()?.parse().ok());
    let tag = own.unwrap_or_else(|| tag_of(&bytes));
    let is_known = match request.get_header::<IfNoneMatch>() {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(&tag)),
        None => false,
    };
    if let Ok(value) = header::TryIntoHeaderValue::try_into_value(ETag(tag)) {
        head.headers_mut().insert(header::ETAG, value);
    }
    if !is_known {
        return head.set_body(BoxBody::new(bytes));
    }
    *head.status_mut() = StatusCode::NOT_MODIFIED;
    head.headers_mut().remove(header::CONTENT_TYPE);
    head.headers_mut().remove(header::CONTENT_ENCODING);
    head.set_body(BoxBody::new(NoBody::new()))
}

/// The tag of some content.
pub(super) fn tag_of(content: &[u8]) -> EntityTag {
    EntityTag::new_weak(blake3::hash(content).to_hex()[..32].to_owned())
}
