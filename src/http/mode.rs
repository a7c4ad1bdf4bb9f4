//! The mode of the deployment: production or maintenance (docs/api.md §6).

use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, post, web};
use percent_encoding::percent_decode_str;
use serde_json::json;
use utoipa::ToSchema;

use super::extract::Body;
use super::path::{prefix_of, without_prefix};
use super::problem::{Code, Problem};
use super::problems::ChangeModeProblems;
use super::query::NoParameters;
use crate::domain::mode::Mode;
use crate::store::Store;

/// The new mode of the deployment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::mode` reads")]
pub(super) struct ChangeModeBody {
    /// `production` or `maintenance`, case-insensitive.
    #[schema(example = "production")]
    mode: String,
}

/// Change the mode of the deployment.
///
/// In maintenance mode, everything under `/services`, `/customers` and `/reports`, and every page outside
/// `/administration` and `/problems`, is answered with 503 `maintenance`. The mode takes effect on this node at once and
/// on every other node within a second.
#[utoipa::path(
    tag = "Server",
    request_body(content = ChangeModeBody, example = json!({"mode": "production"})),
    responses(
        (status = 200, description = "The mode is in effect", body = serde_json::Value,
            headers(("Location" = String, description = "Path of the server status, under the prefix of the request")),
            example = json!({"server changed": "production"})),
        ChangeModeProblems,
    )
)]
#[post("/server/mode")]
pub(super) async fn change_server_mode(
    request: HttpRequest,
    store: web::Data<Store>,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mode = Mode::read(&body.object()?).map_err(|found| Problem::violations(Code::InvalidEvent, found))?;
    store.change_mode(mode).await?;
    let location = format!("{}/server/status", prefix_of(&request));
    let body = json!({ "server changed": mode.word() });
    Ok(HttpResponse::Ok().insert_header((header::LOCATION, location)).json(body))
}

fn is_closed_in_maintenance(path: &str) -> bool {
    // The router matches decoded paths.
    let path = percent_decode_str(path).decode_utf8_lossy();
    matches!(without_prefix(&path).split('/').nth(1), Some("services" | "customers" | "reports"))
}

/// Refuses requests about services, customers and reports in maintenance mode.
pub(super) fn refuse_in_maintenance(request: &ServiceRequest) -> Result<(), Problem> {
    let mode = request.app_data::<web::Data<Store>>().map(|store| store.mode());
    if mode == Some(Mode::Maintenance) && is_closed_in_maintenance(request.path()) {
        return Err(Problem::maintenance());
    }
    Ok(())
}
