//! One line per request, and never a body or an extension value in it.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::auth::Caller;
use super::idle::Watched;
use super::problem::Problem;
use super::server::Requests;
use crate::store::Store;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Logs a request when it is answered, and gives the answer an `X-Request-Id`: the caller's, if it sent a sensible
/// one.
pub(super) async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let start = Instant::now();
    let id = sent_id(&request).unwrap_or_else(|| Uuid::now_v7().simple().to_string());
    let connection = request.conn_data::<Arc<Watched>>().cloned();
    let in_use = connection.as_ref().map(Watched::in_use);
    let mut response = next.call(request).await?;
    drop(in_use);
    count(&response);
    log(&response, &id, start);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    Ok(response)
}

fn count<B>(response: &ServiceResponse<B>) {
    let request = response.request();
    let (store, requests) = (request.app_data::<web::Data<Store>>(), request.app_data::<web::Data<Requests>>());
    if let Some((store, requests)) = store.zip(requests) {
        requests.count(response.status(), store.now());
    }
}

fn sent_id(request: &ServiceRequest) -> Option<String> {
    let sent = request.headers().get(&REQUEST_ID)?.to_str().ok()?;
    let sensible = (1..=128).contains(&sent.len()) && sent.bytes().all(|byte| byte.is_ascii_graphic());
    sensible.then(|| sent.to_owned())
}

fn log<B>(response: &ServiceResponse<B>, id: &str, start: Instant) {
    let request = response.request();
    let status = response.status();
    let elapsed_ms = f64::from(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX)) / 1000.0;
    let route = request.match_pattern().unwrap_or_default();
    let path = |name| request.match_info().get(name);
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    // What answers an unknown method is not the operation of that path.
    let unrouted = problem.is_some_and(Problem::is_unrouted);
    let name = if unrouted { "no_such_route" } else { request.match_name().unwrap_or("page") };
    let caller = request.extensions().get::<Caller>().cloned();
    let (code, cause) = (problem.map(Problem::code), problem.and_then(Problem::cause));
    macro_rules! line {
        ($level:ident) => {
            $level!(
                method = %request.method(),
                route,
                status = status.as_u16(),
                elapsed_ms,
                service.id = path("service_id"),
                state.id = path("state_id"),
                task.id = path("task_id"),
                location,
                caller = caller.as_ref().map(|caller| caller.0.as_str()),
                code,
                error = cause,
                request.id = id,
                "{name}"
            )
        };
    }
    if status.is_server_error() {
        line!(error);
    } else if status.is_client_error() {
        line!(warn);
    } else {
        line!(info);
    }
}
