//! The request log: one line per request, without bodies or extension values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, web};
use opentelemetry::propagation::Extractor;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::auth::Caller;
use super::idle::{InUse, Watched};
use super::operations::{Operation, Operations, measure_unknown};
use super::problem::Problem;
use super::refused::Refused;
use super::status::Requests;
use crate::domain::ids::is_decimal;
use crate::store::Store;
use crate::traces::{RequestSpan, TraceContext};

/// The maximum number of violations in the line of a refusal.
const VIOLATIONS: usize = 10;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// W3C Trace Context.
static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request that was received and not yet answered.
pub(super) struct Taken {
    start: Instant,
    id: String,
    /// The method as it was sent, before normalisation.
    method: Method,
    in_use: Option<InUse>,
    span: Option<RequestSpan>,
}

impl Taken {
    /// Starts when the head of the request has arrived. The request keeps the `X-Request-Id` that its caller sent, if
    /// that is valid.
    pub(super) fn of(request: &ServiceRequest) -> Self {
        let id = sent_id(request).unwrap_or_else(|| Uuid::now_v7().simple().to_string());
        let method = request.method().clone();
        let in_use = request.conn_data::<Arc<Watched>>().map(Watched::in_use);
        Self { start: Instant::now(), id, method, in_use, span: RequestSpan::start(&Headers(request.headers())) }
    }

    /// The context of the request's span, for the work that is done for the request.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        self.span.as_ref()?.context()
    }

    /// Records and logs the response, and adds `X-Request-Id` to it.
    pub(super) fn answered<B>(mut self, response: &mut ServiceResponse<B>) {
        drop(self.in_use.take());
        let elapsed = self.start.elapsed();
        count(response);
        let operation = Operations::of(response);
        match operation {
            Some(operation) => operation.measure(response.status(), elapsed),
            None => measure_unknown(&self.method, response.status(), elapsed),
        }
        log(response, operation, &self, elapsed);
        Refused::note(response, operation, &self.id);
        if let Some(span) = self.span {
            let route = operation.map_or("", |operation| &operation.route);
            let code = Problem::of(response).map(Problem::code);
            span.end(self.method.as_str(), route, response.status().as_u16(), code);
        }
        if let Ok(value) = HeaderValue::try_from(self.id) {
            response.headers_mut().insert(REQUEST_ID.clone(), value);
        }
    }
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
    let valid = (1..=128).contains(&sent.len()) && sent.bytes().all(|byte| byte.is_ascii_graphic());
    valid.then(|| sent.to_owned())
}

/// The trace identifier in a `traceparent` header, which consists of version, trace (32 hexadecimal digits, not all 0),
/// span and flags. Later versions may append more parts.
fn trace_id(header: &str) -> Option<&str> {
    let mut parts = header.split('-');
    let mut next = |length: usize| {
        let lowercase = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(lowercase))
    };
    let (version, trace, span, _flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let valid = version != "ff" && !is_zero(trace) && !is_zero(span) && (version != "00" || parts.next().is_none());
    valid.then_some(trace)
}

/// The headers of a request, for the propagation of traces.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

fn log<B>(response: &ServiceResponse<B>, operation: Option<&Operation>, taken: &Taken, elapsed: Duration) {
    let Taken { id, method, span, .. } = taken;
    let request = response.request();
    let status = response.status();
    let elapsed_ms = f64::from(u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX)) / 1000.0;
    // What is not a number was not meant as an identifier, and may be a name.
    let path = |name| request.match_info().get(name).filter(|id| is_decimal(id));
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let problem = Problem::of(response);
    let name = operation.map_or("no_such_route", |operation| &operation.name);
    let route = operation.map_or("", |operation| &operation.route);
    let sent = || request.headers().get(&TRACE_PARENT).and_then(|value| trace_id(value.to_str().ok()?));
    let ids = span.as_ref().map(RequestSpan::ids);
    let trace = ids.as_ref().map_or_else(sent, |(trace, _)| Some(trace.as_str()));
    let span = ids.as_ref().map(|(_, span)| span.as_str());
    let caller = request.extensions().get::<Caller>().cloned();
    let (code, cause) = (problem.map(Problem::code), problem.and_then(Problem::cause));
    let refused = problem.filter(|_| status.is_client_error());
    let detail = refused.map(|problem| problem.expectation(VIOLATIONS));
    let pointers = problem.and_then(|problem| problem.fields(VIOLATIONS));
    macro_rules! line {
        ($level:ident) => {
            $level!(
                %method,
                route,
                status = status.as_u16(),
                elapsed_ms,
                service.id = path("service_id"),
                state.id = path("state_id"),
                task.id = path("task_id"),
                location,
                caller = caller.as_ref().map(|caller| caller.name.as_str()),
                code,
                detail,
                pointers,
                error = cause,
                request.id = id,
                trace_id = trace,
                span_id = span,
                "{name}"
            )
        };
    }
    if problem.is_some_and(Problem::is_overload) {
        log_overload();
        line!(debug);
    } else if status.is_server_error() {
        line!(error);
    } else if status.is_client_error() {
        line!(warn);
    } else {
        line!(info);
    }
}

/// Counts a request that was refused because of overload. A line for each would add to the load, so one line per second
/// gives their number.
fn log_overload() {
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    if REFUSED.fetch_add(1, Ordering::Relaxed) == 0 {
        actix_web::rt::spawn(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            warn!(refused = REFUSED.swap(0, Ordering::Relaxed), "overloaded: requests were refused");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn a_trace_is_adopted_if_the_header_is_valid() {
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
