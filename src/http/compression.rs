//! Compression with gzip: of responses to `GET`, and of bodies that callers send (docs/api.md §1, Bodies).

use std::io::{Read, Write};
use std::sync::Arc;

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceResponse};
use actix_web::http::header::{self, AcceptEncoding, Encoding, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, web};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::body_memory::{BodyMemory, Held, Shared, append, incomplete};
use super::problem::{Code, Problem};

/// The smallest size, in bytes, at which a body is compressed. Smaller bodies fit into a packet as they are.
const WORTHWHILE: u64 = 1024;

/// Bytes that are unpacked at a time.
const PART: usize = 16 * 1024;

/// Returns whether the response to a request may be compressed.
pub(super) fn is_accepted(request: &HttpRequest) -> bool {
    let supported = || [Encoding::gzip(), Encoding::identity()];
    *request.method() == Method::GET
        && request.headers().contains_key(header::ACCEPT_ENCODING)
        && request
            .get_header::<AcceptEncoding>()
            .is_some_and(|accepted| accepted.negotiate(supported().iter()) == Some(Encoding::gzip()))
}

/// Compresses the body of a response if the caller accepts that, and if the body is a text of some length.
///
/// The whole body is compressed before it is sent, because an encoder occupies 250 KiB, and must not wait for a client
/// that does not read.
pub(super) async fn compress<B: MessageBody>(
    response: ServiceResponse<B>,
    is_accepted: bool,
) -> ServiceResponse<EitherBody<Bytes, B>> {
    if response.request().method() != Method::GET || response.status() != StatusCode::OK || !is_worthwhile(&response) {
        return response.map_into_right_body();
    }
    let (request, response) = response.into_parts();
    let (mut head, mut body) = response.into_parts();
    // Another caller may get the response in another form.
    head.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_accepted {
        body = match body.try_into_bytes() {
            Ok(plain) => {
                let packed = web::block(move || packed(&plain, Compression::fast())).await.unwrap_or_else(|_| {
                    // The runtime is shutting down.
                    *head.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    Bytes::new()
                });
                head.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                return ServiceResponse::new(request, head.set_body(packed).map_into_left_body());
            }
            Err(body) => body,
        };
    }
    ServiceResponse::new(request, head.set_body(body).map_into_right_body())
}

/// Bytes in the format of gzip.
pub(super) fn packed(plain: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory cannot fail.
    encoder.write_all(plain).ok();
    encoder.finish().unwrap_or_default().into()
}

fn is_worthwhile<B: MessageBody>(response: &ServiceResponse<B>) -> bool {
    let is_long = match response.response().body().size() {
        BodySize::None => false,
        BodySize::Sized(length) => length >= WORTHWHILE,
        BodySize::Stream => true,
    };
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("text/") || ["json", "javascript", "svg+xml"].iter().any(|text| kind.contains(text));
    is_long && is_text && !response.headers().contains_key(header::CONTENT_ENCODING)
}

/// The coding of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// Compressed with gzip.
    Gzip,
}

impl Coding {
    /// The coding that `Content-Encoding` names.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut coding = Self::Identity;
        for header in headers.get_all(header::CONTENT_ENCODING) {
            for name in header.to_str().unwrap_or("?").split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let is = |known: &str| name.eq_ignore_ascii_case(known);
                coding = match coding {
                    _ if is("identity") => coding,
                    Self::Identity if is("gzip") || is("x-gzip") => Self::Gzip,
                    _ => {
                        // A header that is text is ASCII.
                        let found = name.get(..40).unwrap_or(name);
                        let detail = format!("expected Content-Encoding identity or gzip, found {found}");
                        return Err(Problem::new(Code::UnsupportedMediaType, detail));
                    }
                };
            }
        }
        Ok(coding)
    }
}

/// Receives a body that is compressed with gzip and unpacks it to at most `limit` bytes.
pub(super) async fn unpacked(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<(Vec<u8>, Held), Problem> {
    // Data that cannot be compressed grow a little.
    let packed_limit = limit.saturating_add(limit / 1024).saturating_add(1024);
    let mut held = Held::by(request);
    let packed = held.receive(payload, packed_limit).await?;
    if packed.is_empty() {
        return Ok((packed, held));
    }
    let turn = match request.app_data::<BodyMemory>() {
        Some(memory) => Arc::clone(&memory.unpacking).acquire_owned().await.ok(),
        None => None,
    };
    let shared = Shared::of(request);
    let unpacking = web::block(move || {
        let _turn = turn;
        unpack(&packed, limit, shared)
    });
    let (body, shared) = unpacking.await.map_err(|_| incomplete())??;
    held.replace(shared);
    Ok((body, held))
}

fn unpack(packed: &[u8], limit: usize, mut shared: Shared) -> Result<(Vec<u8>, Shared), Problem> {
    let mut body = Vec::new();
    let mut unpacked = MultiGzDecoder::new(packed);
    let mut part = vec![0; PART];
    loop {
        let length = unpacked
            .read(&mut part)
            .map_err(|_| Problem::new(Code::InvalidJson, "line 1, column 1: the body is not in the format of gzip"))?;
        if length == 0 {
            return Ok((body, shared));
        }
        append(&mut body, &part[..length], limit, |bytes| shared.grow(bytes))?;
    }
}
