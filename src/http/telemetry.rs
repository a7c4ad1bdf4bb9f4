//! One line per request, and never a body or an extension value in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::auth::Caller;
use super::idle::Watched;
use super::metrics;
use super::operation::Operation;
use super::problem::Problem;
use super::server::Requests;
use crate::store::Store;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// W3C Trace Context.
static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

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
    let elapsed = start.elapsed();
    count(&response);
    let operation = Operation::reached(&response);
    metrics::measure(&response, operation, elapsed);
    log(&response, operation, (&id, elapsed));
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

/// The trace that a `traceparent` names: a version, 32 hexadecimal digits, which are not all 0, those of the caller's span,
/// and flags. Later versions may have more.
fn trace_id(header: &str) -> Option<&str> {
    let mut parts = header.split('-');
    let mut next = |length: usize| {
        let lowercase = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(lowercase))
    };
    let (version, trace, span, _flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let nothing = |part: &str| part.bytes().all(|byte| byte == b'0');
    let known = version != "ff" && !nothing(trace) && !nothing(span) && (version != "00" || parts.next().is_none());
    known.then_some(trace)
}

fn log<B>(response: &ServiceResponse<B>, operation: Option<&Operation>, (id, elapsed): (&str, Duration)) {
    let request = response.request();
    let status = response.status();
    let elapsed_ms = f64::from(u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX)) / 1000.0;
    let path = |name| request.match_info().get(name);
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let problem = Problem::of(response);
    // What answers an unknown method is not the operation of that path.
    let unrouted = problem.is_some_and(Problem::is_unrouted);
    // Pages are no operations: the framework is asked.
    let page = match operation {
        Some(_) => (None, None),
        None if unrouted => (Some("no_such_route"), None),
        None => (request.match_name(), request.match_pattern()),
    };
    let name = operation.map_or(page.0.unwrap_or("page"), |operation| &operation.name);
    let route = operation.map_or(page.1.as_deref().unwrap_or_default(), |operation| &operation.route);
    let trace = request.headers().get(&TRACE_PARENT).and_then(|value| trace_id(value.to_str().ok()?));
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
                trace_id = trace,
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

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn a_trace_is_taken_over_where_it_is_one() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for header in ["00-{}-b7ad6b7169203331-01", "00-{}-b7ad6b7169203331-00", "01-{}-b7ad6b7169203331-01-more"] {
            assert_eq!(trace_id(&header.replace("{}", trace)), Some(trace), "{header}");
        }
        for header in [
            "",
            "00",
            "00-{}-b7ad6b7169203331",
            "00-{}-b7ad6b7169203331-01-more",
            "ff-{}-b7ad6b7169203331-01",
            "00-{}-0000000000000000-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(trace_id(&header.replace("{}", trace)), None, "{header}");
        }
    }
}
