//! States over HTTP.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::created;
use super::events::EventFields;
use super::extract::{Body, NoParameters, ServicePath};
use super::openapi::StartProblems;
use super::problem::Problem;
use crate::domain::attribute::LongOrString;
use crate::domain::ids::StateId;
use crate::domain::state::StartState;
use crate::store::Store;

/// The start event of a state. Any other member is an extension of states.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::state` reads member by member")]
pub(super) struct StartStateBody {
    #[serde(flatten)]
    event: EventFields,
    /// The state that it follows; must be a state of the service.
    previous_state_id: Option<i32>,
    /// What kind of state: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "payment")]
    state_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
}

/// The identifier of a new state.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedStateBody {
    #[schema(value_type = i32, example = 24)]
    state_id: StateId,
}

/// Start State.
///
/// Creates a state of a service; an ended service still takes late events.
#[utoipa::path(
    tag = "States",
    params(("service_id" = i64, Path, description = "The service")),
    request_body(content = StartStateBody, example = json!({"state_type": "payment"})),
    responses(
        (status = 201, description = "The state is on record", body = StartedStateBody,
            headers(("Location" = String, description = "Path of the state, under the prefix of the call"))),
        StartProblems,
    )
)]
#[post("/services/{service_id}/states/start")]
pub(super) async fn start_state(
    request: HttpRequest,
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let event = body.object()?;
    let state_id = store.start_state(|context| StartState::read(service.0, &event, context)).await?;
    Ok(created(&request, &format!("/services/{}/states/{state_id}", service.0), &StartedStateBody { state_id }))
}
