//! `Idempotency-Key`: by it a start, or a transition, is known when it is repeated (contract §1, Once only).

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;

use super::extract::Body;
use super::problem::Problem;
use super::routes::path_of;
use crate::domain::json::Members;
use crate::domain::once_only::IdempotencyKey;
use crate::store::Store;

const NAME: &str = "Idempotency-Key";

/// What makes a start safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what is read from the headers")]
pub(super) struct IdempotencyKeyParameter {
    /// 1 to 255 printable ASCII characters. The same key, route and body within 24 hours gets the first answer again and
    /// starts nothing; the same key with another route or body is 422 `idempotency_mismatch`. A request that was refused
    /// leaves its key free.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// The body of a request that may have an `Idempotency-Key`.
pub(super) struct KeyedBody {
    body: Body,
    key: Option<HeaderValue>,
    route: String,
}

impl KeyedBody {
    /// The members of the body, which must be an object, and the key of the request, if it has one.
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
            // Of two, none is the key.
            (Some(_), Some(_)) => Some(HeaderValue::from_static("")),
            (key, _) => key.cloned(),
        };
        let route = path_of(request.path()).to_owned();
        let body = Body::from_request(request, payload);
        Box::pin(async move { Ok(Self { body: body.await?, key, route }) })
    }
}
