//! Tasks over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::{LifecycleBody, Nest, created};
use super::events::{DispositionFields, EventFields};
use super::extract::{Body, ServicePath, TaskPath};
use super::idempotency::{IdempotencyKeyParameter, KeyedBody};
use super::openapi::{CompleteTaskProblems, GetTaskProblems, ListOfServiceProblems, StartProblems};
use super::problem::Problem;
use super::query::{
    ExtensionsParameter, ListInQuery, NoParameters, PageParameters, StateInQuery, TASK, TaskFilterParameters,
    ViewInQuery, listed,
};
use crate::domain::element::Task;
use crate::domain::field::LongOrString;
use crate::domain::ids::{ServiceId, StateId, TaskId};
use crate::domain::query::{Filter, Status};
use crate::store::Store;

/// The start event of a task. Any other member is an extension of tasks.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::task` reads member by member")]
pub(super) struct StartTaskBody {
    #[serde(flatten)]
    event: EventFields,
    /// The state it is a step of; must be a state of the service.
    state_id: Option<i32>,
    /// What kind of task: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "survey")]
    task_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
}

/// The end event of a task. Any other member is an extension of tasks, and replaces all that was recorded for it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::completion` reads member by member")]
pub(super) struct CompleteTaskBody {
    #[serde(flatten)]
    event: EventFields,
    #[serde(flatten)]
    disposition: DispositionFields,
    /// A state of the service: the one the task has, or adopts where it has none.
    state_id: Option<i32>,
}

/// The identifier of a new task.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedTaskBody {
    #[schema(value_type = i32, example = 3)]
    task_id: TaskId,
}

/// A task on record.
#[derive(Serialize, ToSchema)]
pub(super) struct TaskBody {
    /// The service; absent where the task is nested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, example = 95)]
    service_id: Option<ServiceId>,
    #[schema(value_type = i32, example = 3)]
    task_id: TaskId,
    /// The state it is a step of; absent: of the service itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, example = 24)]
    state_id: Option<StateId>,
    /// What kind of task.
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
            task_type: task.lifecycle.kind.take(),
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
/// Creates a task of a service, or of one of its states; an ended service still takes late events.
#[utoipa::path(
    tag = "Tasks",
    params(("service_id" = i64, Path, description = "The service"), IdempotencyKeyParameter),
    request_body(content = StartTaskBody, example = json!({"task_type": "survey", "state_id": 24})),
    responses(
        (status = 201, description = "The task is on record", body = StartedTaskBody,
            headers(("Location" = String, description = "Path of the task, under the prefix of the call"))),
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
/// Ends a task, once: the same event again answers 204 and writes nothing, another one is 409 `already_completed`.
/// An absent or empty body is `{}`.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("service_id" = i64, Path, description = "The service"),
        ("task_id" = i32, Path, description = "The task"),
        ("state_id" = Option<i32>, Query, description = "May stand here instead of in the body, or repeat it"),
    ),
    request_body(
        content = Option<CompleteTaskBody>,
        example = json!({
            "interaction_id": "0000CSS0FXZUP6UR", "state_id": 24, "disposition": 10, "disposition_desc": "SUCCESS",
            "Survey": {"url": "http://ourServer/storage/userAnswers", "question1": 7, "question2": true,
                       "question3": "will be better with cable tv and on-demand video"},
            "Proposal": [{"car type": "cabriolet", "price": 25000, "seats": 2, "comments": "200 cv, hardtop"},
                         {"car type": "S.U.V.", "price": 70000, "seats": 8, "comments": "4wd, leather seats"}]
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
    tag = "Tasks",
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

/// The three lists of the tasks of a service.
macro_rules! lists_of_tasks {
    ($($name:ident, $path:tt, $status:expr, $summary:tt;)+) => {
        $(
            #[doc = $summary]
            ///
            /// The newest `limit` tasks, those within states too, in ascending order of start and identifier. Where older
            /// ones remain, `Link` has their address as `rel="prev"`.
            #[utoipa::path(
                tag = "Tasks",
                params(
                    ("service_id" = i64, Path, description = "The service"),
                    TaskFilterParameters, PageParameters, ExtensionsParameter,
                ),
                responses(
                    (status = 200, description = "The tasks", body = [TaskBody],
                        headers(("Link" = Option<String>, description = "Where older tasks are"))),
                    ListOfServiceProblems,
                )
            )]
            #[get($path)]
            pub(super) async fn $name(
                request: HttpRequest,
                store: web::Data<Store>,
                service: ServicePath,
                query: ListInQuery<TASK>,
            ) -> Result<HttpResponse, Problem> {
                let ListInQuery(filter, view) = query;
                let filter = Filter { status: $status, ..filter };
                Ok(listed::<_, TaskBody>(&request, store.list_tasks(service.0, &filter, &view).await?))
            }
        )+
    };
}

lists_of_tasks! {
    list_tasks, "/services/{service_id}/tasks", None, "Tasks of a service.";
    list_active_tasks, "/services/{service_id}/tasks/active", Some(Status::Active), "Active tasks of a service.";
    list_completed_tasks, "/services/{service_id}/tasks/completed", Some(Status::Completed),
        "Completed tasks of a service.";
}
