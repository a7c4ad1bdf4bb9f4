//! Whether the service lives, and whether it can do its work (contract §6).

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::ReadinessProblems;
use super::problem::{Code, Problem};
use crate::store::{Readiness, Store};

/// How the service is.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// The process answers.
#[utoipa::path(tag = "Server", responses((status = 200, description = "The process answers", body = HealthBody)))]
#[get("/health/live")]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(HealthBody { status: "live" })
}

/// The database can be reached, has the right schema, and keeps what it commits.
///
/// 503 `database_unavailable` says in `detail` what is missing. Send no requests to a node that is not ready.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "All is well", body = HealthBody), ReadinessProblems)
)]
#[get("/health/ready")]
pub(super) async fn ready(store: web::Data<Store>) -> Result<HttpResponse, Problem> {
    match store.readiness().await? {
        Readiness::Ready => Ok(HttpResponse::Ok().json(HealthBody { status: "ready" })),
        Readiness::NotReady(reason) => Err(Problem::new(Code::DatabaseUnavailable, reason)),
    }
}
