//! Health checks: liveness and readiness (docs/api.md §6).

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Code, Problem};
use super::problems::ReadinessProblems;
use crate::store::{Readiness, Store};

/// The result of a health check.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Liveness.
///
/// 200 whenever the process answers.
#[utoipa::path(tag = "Server", responses((status = 200, description = "The process answers", body = HealthBody)))]
#[get("/health/live")]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(HealthBody { status: "live" })
}

/// Readiness.
///
/// 200 if the database is reachable, has the expected schema, and commits durably. Otherwise 503 `database_unavailable`,
/// with the reason in `detail`; send no requests to such a node.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "The service is ready", body = HealthBody), ReadinessProblems)
)]
#[get("/health/ready")]
pub(super) async fn ready(store: web::Data<Store>) -> Result<HttpResponse, Problem> {
    match store.readiness().await? {
        Readiness::Ready => Ok(HttpResponse::Ok().json(HealthBody { status: "ready" })),
        Readiness::NotReady(reason) => Err(Problem::new(Code::DatabaseUnavailable, reason)),
    }
}
