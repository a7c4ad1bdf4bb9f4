//! Handlers and JSON bodies of states.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::{LifecycleBody, Nest, created, nested, some};
use super::events::{DispositionFields, EventFields, LongOrString};
use super::extract::{Body, ServicePath, StatePath};
use super::idempotency::{IdempotencyKeyParameter, KeyedBody};
use super::lists::lists_of_service;
use super::problem::Problem;
use super::problems::{
    CompleteStateProblems, GetStateProblems, ListOfServiceProblems, StartProblems, TransitionProblems,
};
use super::query::{
    ExtensionsParameter, ListInQuery, NestedTasksParameters, NoParameters, PageParameters, STATE,
    StateFilterParameters, ViewInQuery, listed, one,
};
use super::tasks::TaskBody;
use crate::domain::element::State;
use crate::domain::ids::{ServiceId, StateId};
use crate::domain::query::{Filter, Status};
use crate::store::Store;

/// Start event of a state. Any other member is an extension of states.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::state` reads member by member")]
pub(super) struct StartStateBody {
    #[serde(flatten)]
    event: EventFields,
    /// Preceding state; must be a state of the service.
    previous_state_id: Option<i32>,
    /// Type of the state: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "payment")]
    state_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
}

/// End event of a state. Any other member is an extension of states, and replaces all its recorded data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::completion` reads member by member")]
pub(super) struct CompleteStateBody {
    #[serde(flatten)]
    event: EventFields,
    #[serde(flatten)]
    disposition: DispositionFields,
}

/// The end of one state and the start of the next. The fields of the event apply to both. Any other member is an extension
/// of the new state.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::state` reads member by member")]
pub(super) struct TransitionStateBody {
    #[serde(flatten)]
    event: EventFields,
    /// The state that ends.
    from: TransitionFromBody,
    /// The state that starts.
    to: Option<TransitionToBody>,
}

/// The state that ends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::state` reads member by member")]
pub(super) struct TransitionFromBody {
    /// An active state of the service.
    #[schema(example = 23)]
    state_id: i32,
    #[serde(flatten)]
    disposition: DispositionFields,
}

/// The state that starts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::state` reads member by member")]
pub(super) struct TransitionToBody {
    /// Type of the state: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "payment")]
    state_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
}

/// Identifier of a new state.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedStateBody {
    #[schema(value_type = i32, example = 24)]
    state_id: StateId,
}

/// A recorded state.
#[derive(Serialize, ToSchema)]
pub(super) struct StateBody {
    /// Service of the state; absent if the state is nested in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 95)]
    service_id: Option<ServiceId>,
    #[schema(value_type = i32, example = 24)]
    state_id: StateId,
    /// Type of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_type: Option<LongOrString>,
    /// Preceding state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, example = 23)]
    previous_state_id: Option<StateId>,
    #[serde(flatten)]
    lifecycle: LifecycleBody,
    /// Active tasks of the state, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_tasks: Option<Vec<TaskBody>>,
    /// Completed tasks of the state, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_tasks: Option<Vec<TaskBody>>,
    /// Number of older tasks left out, if the state has more than a response may contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_tasks: Option<u64>,
}

impl From<State> for StateBody {
    fn from(mut state: State) -> Self {
        Self {
            service_id: Some(state.service_id),
            state_id: state.state_id,
            state_type: state.lifecycle.kind.take().map(LongOrString::from),
            previous_state_id: state.previous_state_id,
            lifecycle: state.lifecycle.into(),
            omitted_tasks: some(state.tasks.omitted),
            active_tasks: state.tasks.active.map(nested),
            completed_tasks: state.tasks.completed.map(nested),
        }
    }
}

impl Nest for StateBody {
    fn nest(&mut self) {
        self.service_id = None;
    }
}

/// Start State.
///
/// Creates a state of a service. A completed service still accepts late events.
#[utoipa::path(
    tag = "States",
    params(("service_id" = i64, Path, description = "The service"), IdempotencyKeyParameter),
    request_body(content = StartStateBody, example = json!({"state_type": "payment"})),
    responses(
        (status = 201, description = "The state is recorded", body = StartedStateBody,
            headers(("Location" = String, description = "Path of the state, under the prefix of the request"))),
        StartProblems,
    )
)]
#[post("/services/{service_id}/states/start")]
pub(super) async fn start_state(
    request: HttpRequest,
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
    body: KeyedBody,
) -> Result<HttpResponse, Problem> {
    let (event, key) = body.object(&store)?;
    let state_id = store.start_state(service.0, &event, key.as_ref()).await?;
    Ok(created(&request, &format!("/services/{}/states/{state_id}", service.0), &StartedStateBody { state_id }))
}

/// Complete State.
///
/// Ends a state once. A repeat of the same event is answered with 204 and changes nothing; a different event is 409
/// `already_completed`. The tasks of the state stay active. An absent or empty body is treated as `{}`.
#[utoipa::path(
    tag = "States",
    params(
        ("service_id" = i64, Path, description = "The service"),
        ("state_id" = i32, Path, description = "The state"),
    ),
    request_body(content = Option<CompleteStateBody>, example = json!({"disposition": 10, "disposition_desc": "PAID"})),
    responses((status = 204, description = "The end of the state is on disk"), CompleteStateProblems)
)]
#[post("/services/{service_id}/states/{state_id}/end")]
pub(super) async fn complete_state(
    store: web::Data<Store>,
    state: StatePath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let event = body.object_or_empty()?;
    store.complete_state(state.0, state.1, &event).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// State Transition.
///
/// Ends a state and starts the next one, in one transaction. If the state in `from` is already completed, the response is
/// 409 `already_completed`, even for a repeat of the same transition. `previous_state_id` of the new state is
/// `from.state_id`.
#[utoipa::path(
    tag = "States",
    params(("service_id" = i64, Path, description = "The service"), IdempotencyKeyParameter),
    request_body(content = TransitionStateBody, example = json!({
        "interaction_id": "0000CSS0FXZUP6UR", "from": {"state_id": 23, "disposition": 10}, "to": {"state_type": "payment"}
    })),
    responses(
        (status = 201, description = "The end and the start are recorded", body = StartedStateBody,
            headers(("Location" = String, description = "Path of the new state, under the prefix of the request"))),
        TransitionProblems,
    )
)]
#[post("/services/{service_id}/states/transition")]
pub(super) async fn transition_state(
    request: HttpRequest,
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
    body: KeyedBody,
) -> Result<HttpResponse, Problem> {
    let (event, key) = body.object(&store)?;
    let state_id = store.transition_state(service.0, &event, key.as_ref()).await?;
    Ok(created(&request, &format!("/services/{}/states/{state_id}", service.0), &StartedStateBody { state_id }))
}

/// State by ID.
#[utoipa::path(
    tag = "Queries",
    params(
        ("service_id" = i64, Path, description = "The service"),
        ("state_id" = i32, Path, description = "The state"),
        NestedTasksParameters, ExtensionsParameter,
    ),
    responses((status = 200, description = "The state", body = StateBody), GetStateProblems)
)]
#[get("/services/{service_id}/states/{state_id}")]
pub(super) async fn get_state(
    store: web::Data<Store>,
    state: StatePath,
    view: ViewInQuery<STATE>,
) -> Result<HttpResponse, Problem> {
    let state = store.get_state(state.0, state.1, &view.0).await?;
    one::<_, StateBody>(state).await
}

lists_of_service! {
    list_states: StateBody, STATE,
    "The newest `limit` states, in ascending order of start and identifier. If older ones remain, the `Link` header has \
     the URL of the next page as `rel=\"prev\"`.",
    (("service_id" = i64, Path, description = "The service"),
        StateFilterParameters, PageParameters, NestedTasksParameters, ExtensionsParameter);
    list_states, "/services/{service_id}/states", None, "States of a service.";
    list_active_states, "/services/{service_id}/states/active", Some(Status::Active), "Active states of a service.";
    list_completed_states, "/services/{service_id}/states/completed", Some(Status::Completed),
        "Completed states of a service.";
}
