//! The header `Idempotency-Key`, which makes starts and transitions safe to repeat (docs/api.md §1, Repeated requests).

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;

use super::extract::Body;
use super::path::without_prefix;
use super::problem::Problem;
use crate::domain::json::Members;
use crate::domain::once_only::IdempotencyKey;
use crate::store::Store;

const NAME: &str = "Idempotency-Key";

/// The header that makes a start safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that `KeyedBody` reads")]
pub(super) struct IdempotencyKeyParameter {
    /// 1 to 255 printable ASCII characters. Within 24 hours, a request with the same key, route and body returns the first
    /// response and starts nothing. The same key with another route or body is 422 `idempotency_mismatch`. A refused
    /// request does not use up its key.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// A request body, with the `Idempotency-Key` of the request.
pub(super) struct KeyedBody {
    body: Body,
    key: Option<HeaderValue>,
    route: String,
}

impl KeyedBody {
    /// Parses the body as a JSON object. The key is `None` if the request has none.
    pub(super) fn object(&self, store: &Store) -> Result<(Members<'_>, Option<IdempotencyKey>), Problem> {
        let members = self.body.object()?;
        let Some(key) = &self.key else { return Ok((members, None)) };
        let key = key.to_str().ok().and_then(|text| IdempotencyKey::new(text, &self.route, &members, store.now()));
        let detail = || "expected 1 to 255 printable ASCII characters, once".to_owned();
        let key = key.ok_or_else(|| Problem::invalid_query(NAME, detail()))?;
        Ok((members, Some(key)))
    }
}

impl FromRequest for KeyedBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut keys = request.headers().get_all(NAME);
        let key = match (keys.next(), keys.next()) {
            // A duplicate header is invalid, and so is the empty key.
            (Some(_), Some(_)) => Some(HeaderValue::from_static("")),
            (key, _) => key.cloned(),
        };
        let route = without_prefix(request.path()).to_owned();
        let body = Body::from_request(request, payload);
        Box::pin(async move { Ok(Self { body: body.await?, key, route }) })
    }
}
