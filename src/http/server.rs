//! The server itself: its status, and the mode of the deployment (contract §6).

use std::sync::Mutex;

use actix_web::dev::ServiceRequest;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use percent_encoding::percent_decode_str;
use procfs::{Current, Meminfo, process::Process};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::elements::prefix;
use super::extract::Body;
use super::openapi::{ChangeModeProblems, StatusProblems};
use super::problem::{Code, Problem};
use super::query::NoParameters;
use super::routes::path_of;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::Store;

const MILLIS_OF_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// How many requests there were today, and when the last was.
pub(super) struct Requests {
    started: Timestamp,
    counts: Mutex<Counts>,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    day: i64,
    last: Option<Timestamp>,
    all: u64,
    client_errors: u64,
    server_errors: u64,
}

impl Requests {
    pub(super) fn since(started: Timestamp) -> Self {
        Self { started, counts: Mutex::default() }
    }

    /// Counts a request that was answered at `now`.
    pub(super) fn count(&self, status: StatusCode, now: Timestamp) {
        if let Ok(mut counts) = self.counts.lock() {
            *counts = counts.of_day(now);
            counts.last = Some(now);
            counts.all += 1;
            counts.client_errors += u64::from(status.is_client_error());
            counts.server_errors += u64::from(status.is_server_error());
        }
    }

    fn read(&self, now: Timestamp) -> Counts {
        self.counts.lock().map_or_else(|_| Counts::default(), |counts| counts.of_day(now))
    }
}

impl Counts {
    /// The counts of the day of `now`, in UTC.
    fn of_day(self, now: Timestamp) -> Self {
        let day = now.millis().div_euclid(MILLIS_OF_A_DAY);
        if day == self.day { self } else { Self { day, last: self.last, ..Self::default() } }
    }
}

/// How this node is.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusBody {
    /// The program's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The deployment's mode: `production` or `maintenance`.
    #[schema(example = "production")]
    mode: &'static str,
    /// The node's clock.
    #[schema(format = DateTime)]
    system_time: String,
    /// When the node started.
    #[schema(format = DateTime)]
    started: String,
    /// When the node answered its last request; absent if this is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_request: Option<String>,
    /// Requests that the node has answered since midnight, UTC.
    request_today: u64,
    /// Those of them that were answered 4xx.
    client_errors_today: u64,
    /// Those of them that were answered 5xx.
    server_errors_today: u64,
    /// Memory that the process has in use, in KB: resident.
    used_memory: u64,
    /// Memory that the machine has available, in KB.
    free_memory: u64,
    /// Memory of the machine, in KB.
    max_memory: u64,
    /// The most memory that the process had in use, in KB.
    allocated_memory: u64,
}

/// Status of this node.
#[utoipa::path(tag = "Server", responses((status = 200, description = "True figures", body = StatusBody), StatusProblems))]
#[get("/server/status")]
pub(super) async fn get_server_status(
    store: web::Data<Store>,
    requests: web::Data<Requests>,
    _: NoParameters,
) -> HttpResponse {
    let now = store.now();
    let counts = requests.read(now);
    let process = Process::myself().and_then(|process| process.status()).ok();
    let machine = Meminfo::current().ok();
    HttpResponse::Ok().json(StatusBody {
        version: env!("CARGO_PKG_VERSION"),
        mode: store.mode().word(),
        system_time: now.to_string(),
        started: requests.started.to_string(),
        last_request: counts.last.map(|last| last.to_string()),
        request_today: counts.all,
        client_errors_today: counts.client_errors,
        server_errors_today: counts.server_errors,
        used_memory: process.as_ref().and_then(|status| status.vmrss).unwrap_or_default(),
        free_memory: machine.as_ref().and_then(|machine| machine.mem_available).unwrap_or_default() / 1024,
        max_memory: machine.as_ref().map_or(0, |machine| machine.mem_total / 1024),
        allocated_memory: process.as_ref().and_then(|status| status.vmhwm).unwrap_or_default(),
    })
}

/// The mode that the deployment is put into.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::mode` reads")]
pub(super) struct ChangeModeBody {
    /// `production` or `maintenance`, in any case.
    #[schema(example = "maintenance")]
    mode: String,
}

/// Change the mode of the deployment.
///
/// In maintenance, lifecycle events, queries and changes of records are 503 `maintenance`; schemas, business attributes,
/// the server, its health and its metrics are not. The mode is held in the database: this node follows at once, every
/// other within a second.
#[utoipa::path(
    tag = "Server",
    request_body(content = ChangeModeBody, example = json!({"mode": "maintenance"})),
    responses(
        (status = 200, description = "The mode is in force", body = serde_json::Value,
            headers(("Location" = String, description = "Path of the status, under the prefix of the call")),
            example = json!({"server changed": "maintenance"})),
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
    let location = format!("{}/server/status", prefix(&request));
    let answer = json!({ "server changed": mode.word() });
    Ok(HttpResponse::Ok().insert_header((header::LOCATION, location)).json(answer))
}

fn is_closed_in_maintenance(path: &str) -> bool {
    // Decoded, as routes are matched.
    let path = percent_decode_str(path).decode_utf8_lossy();
    matches!(path_of(&path).split('/').nth(1), Some("services" | "customers" | "reports"))
}

/// Refuses lifecycle events, queries and changes of records in maintenance: all that is of services and customers.
pub(super) fn refuse_in_maintenance(request: &ServiceRequest) -> Result<(), Problem> {
    let mode = request.app_data::<web::Data<Store>>().map(|store| store.mode());
    if mode == Some(Mode::Maintenance) && is_closed_in_maintenance(request.path()) {
        return Err(Problem::maintenance());
    }
    Ok(())
}
