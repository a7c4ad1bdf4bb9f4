//! Responses that never change. They are compressed only once, so the strongest compression is affordable.

use std::sync::{Arc, OnceLock};

use actix_web::http::header::{self, ContentEncoding, ETag, HeaderValue, TryIntoHeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;

use super::answer_memory::Common;
use super::compression::{self, packed};
use super::etag::{conditional, tag_of};
use super::problem::Problem;
use super::query::elsewhere;

/// The body of a response that never changes.
#[derive(Clone)]
pub(super) struct Packed {
    plain: web::Bytes,
    /// Made by the first request that accepts it.
    gzip: Arc<OnceLock<web::Bytes>>,
}

impl Packed {
    pub(super) fn new(plain: impl Into<web::Bytes>) -> Self {
        Self { plain: plain.into(), gzip: Arc::default() }
    }

    /// The response: compressed if the caller accepts that, or 304 if the caller has it already.
    pub(super) async fn answer(&self, request: &HttpRequest, kind: &str) -> Result<HttpResponse, Problem> {
        let mut answer = HttpResponse::Ok();
        answer.content_type(kind);
        answer.extensions_mut().insert(Common);
        if let Ok(tag) = ETag(tag_of(&self.plain)).try_into_value() {
            answer.insert_header((header::ETAG, tag));
        }
        if !compression::is_accepted(request) {
            return Ok(conditional(request, answer.body(self.plain.clone())));
        }
        let this = self.clone();
        let gzip = elsewhere(move || this.gzip().clone()).await?;
        answer.insert_header((header::VARY, HeaderValue::from_static("accept-encoding")));
        answer.insert_header(ContentEncoding::Gzip);
        Ok(conditional(request, answer.body(gzip)))
    }

    fn gzip(&self) -> &web::Bytes {
        self.gzip.get_or_init(|| packed(&self.plain, Compression::best()))
    }
}
