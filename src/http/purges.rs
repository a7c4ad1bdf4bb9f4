//! Purges: deletion of services by the time of their start (docs/api.md §7).

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{Body, PurgePath};
use super::path::prefix_of;
use super::problem::{Code, Problem};
use super::problems::{GetPurgeProblems, PurgeServicesProblems};
use super::query::NoParameters;
use crate::domain::purge::{Purge, PurgeServices, PurgeState};
use crate::store::Store;

/// The longest time that the caller waits for a purge. After this time, the response says where to look for the purge.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which services to delete.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::purge` reads")]
pub(super) struct PurgeServicesBody {
    /// Services that started before this time are deleted.
    #[schema(format = DateTime, example = "2026-01-01T00:00:00.000Z")]
    limit: String,
    /// `purge.service.all`; `purge.service.started`, the open ones; `purge.service.completed`;
    /// `purge.service.started.anonymous` and `purge.service.completed.anonymous`, those without a customer.
    #[schema(example = "purge.service.completed")]
    operation: String,
}

/// The result of a purge.
#[derive(Serialize, ToSchema)]
pub(super) struct PurgedBody {
    /// Number of deleted services.
    #[schema(example = 1234)]
    purged: i64,
}

/// A purge and its progress.
#[derive(Serialize, ToSchema)]
pub(super) struct PurgeBody {
    purge_id: i64,
    /// Which services it deletes.
    operation: &'static str,
    /// Services that started before this time are deleted.
    limit: String,
    /// `running`, or `done` once all of its services are gone for every caller.
    state: &'static str,
    /// Number of services deleted so far.
    purged: i64,
    /// When it was accepted.
    started: String,
    /// When it was done; absent while it is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
}

impl From<Purge> for PurgeBody {
    fn from(purge: Purge) -> Self {
        Self {
            purge_id: purge.purge_id.0,
            operation: purge.operation.word(),
            limit: purge.limit.to_string(),
            state: match purge.state {
                PurgeState::Running => "running",
                PurgeState::Done => "done",
            },
            purged: purge.purged,
            started: purge.started.to_string(),
            ended: purge.ended.map(|at| at.to_string()),
        }
    }
}

/// Delete services by the time of their start.
///
/// The services are gone for every caller when the response is sent; their rows are removed from the disk in the
/// background. A purge that takes longer than 30 seconds continues in the background.
#[utoipa::path(
    tag = "Server",
    request_body(content = PurgeServicesBody,
        example = json!({"limit": "2026-01-01T00:00:00.000Z", "operation": "purge.service.completed"})),
    responses(
        (status = 200, description = "The services are deleted", body = PurgedBody, example = json!({"purged": 1234})),
        (status = 202, description = "The purge is still running", body = PurgeBody,
            headers(("Location" = String, description = "Path of the purge, under the prefix of the request")),
            example = json!({"purge_id": 1, "operation": "purge.service.completed", "limit": "2026-01-01T00:00:00.000Z",
                "state": "running", "purged": 1234, "started": "2026-02-05T09:11:00.000Z"})),
        PurgeServicesProblems,
    )
)]
#[post("/maintenance/purge")]
pub(super) async fn purge_services(
    request: HttpRequest,
    store: web::Data<Store>,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let command =
        PurgeServices::read(&body.object()?).map_err(|found| Problem::violations(Code::InvalidEvent, found))?;
    let purge = store.purge_services(command, PATIENCE).await?;
    if purge.state == PurgeState::Done {
        return Ok(HttpResponse::Ok().json(PurgedBody { purged: purge.purged }));
    }
    let location = format!("{}/maintenance/purges/{}", prefix_of(&request), purge.purge_id);
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, location)).json(PurgeBody::from(purge)))
}

/// Query a purge and its progress.
#[utoipa::path(
    tag = "Server",
    params(("purge_id" = i64, Path, description = "Number of the purge")),
    responses(
        (status = 200, description = "The purge", body = PurgeBody,
            example = json!({"purge_id": 1, "operation": "purge.service.completed", "limit": "2026-01-01T00:00:00.000Z",
                "state": "done", "purged": 5678, "started": "2026-02-05T09:11:00.000Z",
                "ended": "2026-02-05T09:12:03.000Z"})),
        GetPurgeProblems,
    )
)]
#[get("/maintenance/purges/{purge_id}")]
pub(super) async fn get_purge(
    store: web::Data<Store>,
    PurgePath(id): PurgePath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let purge = store
        .get_purge(id)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound, format!("expected the id of a purge, found {id}")))?;
    Ok(HttpResponse::Ok().json(PurgeBody::from(purge)))
}
