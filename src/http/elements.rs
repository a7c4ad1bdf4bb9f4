//! Services, states and tasks as JSON: what they have in common when they are created and queried.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::events::EventBody;
use super::routes::PREFIX;
use crate::domain::element::Lifecycle;
use crate::domain::field::LongOrString;

/// Start, end and extensions of an element on record. Absent fields are left out.
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
    /// Milliseconds from start to end, 0 where the end is dated before the start; absent while active.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    /// The business outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<LongOrString>,
    /// The business outcome in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition_desc: Option<String>,
    /// The extensions that were asked for, each under its declared name.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    extensions: BTreeMap<String, Box<RawValue>>,
}

impl From<Lifecycle> for LifecycleBody {
    fn from(lifecycle: Lifecycle) -> Self {
        let duration = lifecycle.duration();
        let (completed, outcome) = lifecycle.completed.unzip();
        let (disposition, disposition_desc) =
            outcome.map_or((None, None), |outcome| (outcome.value, outcome.description));
        Self {
            est_duration: lifecycle.est_duration,
            started: lifecycle.started.into(),
            completed: completed.map(EventBody::from),
            duration,
            disposition,
            disposition_desc,
            extensions: lifecycle.extensions,
        }
    }
}

/// What leaves out `service_id` where it is nested in something that says it.
pub(super) trait Nest {
    /// Leaves it out.
    fn nest(&mut self);
}

/// Elements that are nested in another.
pub(super) fn nested<T, B: From<T> + Nest>(elements: Vec<T>) -> Vec<B> {
    let nest = |element: T| {
        let mut body = B::from(element);
        body.nest();
        body
    };
    elements.into_iter().map(nest).collect()
}

/// The prefix under which a call came.
pub(super) fn prefix(request: &HttpRequest) -> &'static str {
    if request.path().starts_with(PREFIX) { PREFIX } else { "" }
}

/// 201 with the place of what was created, under the prefix of the call.
pub(super) fn created(request: &HttpRequest, path: &str, body: &impl Serialize) -> HttpResponse {
    let prefix = prefix(request);
    HttpResponse::Created().insert_header((header::LOCATION, format!("{prefix}{path}"))).json(body)
}
