//! Parts of JSON responses that services, states and tasks have in common.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::events::{EventBody, LongOrString};
use super::path::prefix_of;
use crate::domain::element::Lifecycle;

/// Start, end and extensions of a recorded element. Absent fields are omitted.
#[derive(Serialize, ToSchema)]
pub(super) struct LifecycleBody {
    /// Estimated duration in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    est_duration: Option<i64>,
    /// The start event.
    started: EventBody,
    /// The end event; absent while active.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<EventBody>,
    /// True if the element was completed automatically (docs/api.md §7) and no event has replaced that; absent
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_completed: Option<bool>,
    /// Milliseconds from start to end; 0 if the end is dated before the start; absent while active.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    /// The business outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<LongOrString>,
    /// Description of the business outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition_desc: Option<String>,
    /// The requested extensions, each under its declared name.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    extensions: BTreeMap<String, Box<RawValue>>,
}

impl From<Lifecycle> for LifecycleBody {
    fn from(lifecycle: Lifecycle) -> Self {
        let duration = lifecycle.duration();
        let (completed, outcome) = lifecycle.completed.unzip();
        let (disposition, disposition_desc) =
            outcome.map_or((None, None), |outcome| (outcome.value.map(LongOrString::from), outcome.description));
        Self {
            est_duration: lifecycle.est_duration,
            started: lifecycle.started.into(),
            completed: completed.map(EventBody::from),
            auto_completed: lifecycle.auto_completed.then_some(true),
            duration,
            disposition,
            disposition_desc,
            extensions: lifecycle.extensions,
        }
    }
}

/// An element that omits `service_id` when it is nested in its service.
pub(super) trait Nest {
    /// Omits `service_id`.
    fn nest(&mut self);
}

/// The bodies of elements that are nested in another element.
pub(super) fn nested<T, B: From<T> + Nest>(elements: Vec<T>) -> Vec<B> {
    let nest = |element: T| {
        let mut body = B::from(element);
        body.nest();
        body
    };
    elements.into_iter().map(nest).collect()
}

/// A number that is omitted if it is 0.
pub(super) fn some(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number > 0)
}

/// 201 with the path of the new element in `Location`, under the prefix of the request.
pub(super) fn created(request: &HttpRequest, path: &str, body: &impl Serialize) -> HttpResponse {
    let prefix = prefix_of(request);
    HttpResponse::Created().insert_header((header::LOCATION, format!("{prefix}{path}"))).json(body)
}
