//! The status of the server: version, mode, request counts and memory (docs/api.md §6).

use std::sync::Mutex;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use procfs::{Current, Meminfo, process::Process};
use serde::Serialize;
use utoipa::ToSchema;

use super::problems::StatusProblems;
use super::query::NoParameters;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::Store;

const MILLIS_OF_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// Request counts of the current day, and the time of the last request.
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
    /// Starts counting.
    pub(super) fn since(started: Timestamp) -> Self {
        Self { started, counts: Mutex::default() }
    }

    /// Counts a response that was sent at `now`.
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
    /// The counts for the UTC day of `now`; zero if that is a new day.
    fn of_day(self, now: Timestamp) -> Self {
        let day = now.millis().div_euclid(MILLIS_OF_A_DAY);
        if day == self.day { self } else { Self { day, last: self.last, ..Self::default() } }
    }
}

/// Status of this node.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusBody {
    /// Version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Mode of the deployment: `production` or `maintenance`.
    #[schema(example = "production")]
    mode: &'static str,
    /// Current time of the node.
    #[schema(format = DateTime)]
    system_time: String,
    /// Start time of the node.
    #[schema(format = DateTime)]
    started: String,
    /// Time of the last response before this one; absent if this is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_request: Option<String>,
    /// Requests answered by the node since midnight UTC.
    request_today: u64,
    /// Requests answered with 4xx since midnight UTC.
    client_errors_today: u64,
    /// Requests answered with 5xx since midnight UTC.
    server_errors_today: u64,
    /// Resident memory of the process, in KB.
    used_memory: u64,
    /// Available memory of the machine, in KB.
    free_memory: u64,
    /// Total memory of the machine, in KB.
    max_memory: u64,
    /// Peak resident memory of the process, in KB.
    allocated_memory: u64,
}

/// Memory of the process and the machine, in KB.
struct Memory {
    used: u64,
    peak: u64,
    free: u64,
    total: u64,
}

impl Memory {
    /// Reads `/proc`. Values that it does not have are 0.
    fn read() -> Self {
        let process = Process::myself().and_then(|process| process.status()).ok();
        let machine = Meminfo::current().ok();
        Self {
            used: process.as_ref().and_then(|status| status.vmrss).unwrap_or_default(),
            peak: process.as_ref().and_then(|status| status.vmhwm).unwrap_or_default(),
            free: machine.as_ref().and_then(|machine| machine.mem_available).unwrap_or_default() / 1024,
            total: machine.as_ref().map_or(0, |machine| machine.mem_total / 1024),
        }
    }
}

impl StatusBody {
    fn new(mode: Mode, requests: &Requests, now: Timestamp) -> Self {
        let (counts, memory) = (requests.read(now), Memory::read());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            mode: mode.word(),
            system_time: now.to_string(),
            started: requests.started.to_string(),
            last_request: counts.last.map(|last| last.to_string()),
            request_today: counts.all,
            client_errors_today: counts.client_errors,
            server_errors_today: counts.server_errors,
            used_memory: memory.used,
            free_memory: memory.free,
            max_memory: memory.total,
            allocated_memory: memory.peak,
        }
    }
}

/// Server status.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "The status of the node that answers", body = StatusBody), StatusProblems)
)]
#[get("/server/status")]
pub(super) async fn get_server_status(
    store: web::Data<Store>,
    requests: web::Data<Requests>,
    _: NoParameters,
) -> HttpResponse {
    HttpResponse::Ok().json(StatusBody::new(store.mode(), &requests, store.now()))
}
