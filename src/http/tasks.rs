//! Handlers and JSON bodies of tasks.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::{LifecycleBody, Nest, created};
use super::events::{DispositionFields, EventFields, LongOrString};
use super::extract::{Body, ServicePath, TaskPath};
use super::idempotency::{IdempotencyKeyParameter, KeyedBody};
use super::lists::lists_of_service;
use super::problem::Problem;
use super::problems::{CompleteTaskProblems, GetTaskProblems, ListOfServiceProblems, StartProblems};
use super::query::{
    ExtensionsParameter, ListInQuery, NoParameters, PageParameters, StateInQuery, TASK, TaskFilterParameters,
    ViewInQuery, listed,
};
use crate::domain::element::Task;
use crate::domain::ids::{ServiceId, StateId, TaskId};
use crate::domain::query::{Filter, Status};
use crate::store::Store;

/// Start event of a task. Any other member is an extension of tasks.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::task` reads member by member")]
pub(super) struct StartTaskBody {
    #[serde(flatten)]
    event: EventFields,
    /// State that the task belongs to; must be a state of the service.
    state_id: Option<i32>,
    /// Type of the task: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "survey")]
    task_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
}

/// End event of a task. Any other member is an extension of tasks, and replaces all its recorded data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::completion` reads member by member")]
pub(super) struct CompleteTaskBody {
    #[serde(flatten)]
    event: EventFields,
    #[serde(flatten)]
    disposition: DispositionFields,
    /// State of the task. If the task has no state yet, it is assigned to this state of the service.
    state_id: Option<i32>,
}

/// Identifier of a new task.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedTaskBody {
    #[schema(value_type = i32, example = 3)]
    task_id: TaskId,
}

/// A recorded task.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskBody {
    /// Service of the task; absent if the task is nested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 95)]
    service_id: Option<ServiceId>,
    #[schema(value_type = i32, example = 3)]
    task_id: TaskId,
    /// State of the task; absent if the task belongs to the service itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, example = 24)]
    state_id: Option<StateId>,
    /// Type of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<LongOrString>,
    #[serde(flatten)]
    lifecycle: LifecycleBody,
}

impl From<Task> for TaskBody {
    fn from(mut task: Task) -> Self {
        Self {
            service_id: Some(task.service_id),
            task_id: task.task_id,
            state_id: task.state_id,
            task_type: task.lifecycle.kind.take().map(LongOrString::from),
            lifecycle: task.lifecycle.into(),
        }
    }
}

impl Nest for TaskBody {
    fn nest(&mut self) {
        self.service_id = None;
    }
}

/// Start Task.
///
/// Creates a task of a service, or of one of its states. A completed service still accepts late events.
#[utoipa::path(
    tag = "Tasks",
    params(("service_id" = i64, Path, description = "The service"), IdempotencyKeyParameter),
    request_body(content = StartTaskBody, example = json!({"task_type": "survey", "state_id": 24})),
    responses(
        (status = 201, description = "The task is recorded", body = StartedTaskBody,
            headers(("Location" = String, description = "Path of the task, under the prefix of the request"))),
        StartProblems,
    )
)]
#[post("/services/{service_id}/tasks/start")]
pub(super) async fn start_task(
    request: HttpRequest,
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
    body: KeyedBody,
) -> Result<HttpResponse, Problem> {
    let (event, key) = body.object(&store)?;
    let task_id = store.start_task(service.0, &event, key.as_ref()).await?;
    Ok(created(&request, &format!("/services/{}/tasks/{task_id}", service.0), &StartedTaskBody { task_id }))
}

/// Complete Task.
///
/// Ends a task once. A repeat of the same event is answered with 204 and changes nothing; a different event is 409
/// `already_completed`. An absent or empty body is treated as `{}`.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("service_id" = i64, Path, description = "The service"),
        ("task_id" = i32, Path, description = "The task"),
        ("state_id" = Option<i32>, Query, description = "State of the task, instead of or in addition to the same value in the body"),
    ),
    request_body(
        content = Option<CompleteTaskBody>,
        example = json!({
            "interaction_id": "0000CSS0FXZUP6UR", "state_id": 24, "disposition": 10, "disposition_desc": "SUCCESS",
            "Survey": {"url": "http://ourServer/storage/userAnswers", "question1": 7, "question2": true,
                       "question3": "will be better with cable tv and on-demand video"}
        })
    ),
    responses((status = 204, description = "The end of the task is on disk"), CompleteTaskProblems)
)]
#[post("/services/{service_id}/tasks/{task_id}/end")]
pub(super) async fn complete_task(
    store: web::Data<Store>,
    task: TaskPath,
    state: StateInQuery,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let event = body.object_or_empty()?;
    store.complete_task(task.0, task.1, state.0, &event).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Task by ID.
#[utoipa::path(
    tag = "Queries",
    params(
        ("service_id" = i64, Path, description = "The service"),
        ("task_id" = i32, Path, description = "The task"),
        ExtensionsParameter,
    ),
    responses((status = 200, description = "The task", body = TaskBody), GetTaskProblems)
)]
#[get("/services/{service_id}/tasks/{task_id}")]
pub(super) async fn get_task(
    store: web::Data<Store>,
    task: TaskPath,
    view: ViewInQuery<TASK>,
) -> Result<HttpResponse, Problem> {
    let task = store.get_task(task.0, task.1, &view.0).await?;
    Ok(HttpResponse::Ok().json(TaskBody::from(task)))
}

lists_of_service! {
    list_tasks: TaskBody, TASK,
    "The newest `limit` tasks, including those of states, in ascending order of start and identifier. If older ones \
     remain, the `Link` header has the URL of the next page as `rel=\"prev\"`.",
    (("service_id" = i64, Path, description = "The service"),
        TaskFilterParameters, PageParameters, ExtensionsParameter);
    list_tasks, "/services/{service_id}/tasks", None, "Tasks of a service.";
    list_active_tasks, "/services/{service_id}/tasks/active", Some(Status::Active), "Active tasks of a service.";
    list_completed_tasks, "/services/{service_id}/tasks/completed", Some(Status::Completed),
        "Completed tasks of a service.";
}
