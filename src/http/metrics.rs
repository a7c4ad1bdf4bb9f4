//! Measurements for Prometheus (contract §6).

use std::sync::LazyLock;
use std::time::Duration;

use ::metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, get, web};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::operation::Operation;
use super::problem::Problem;
use super::routes::path_of;
use crate::background::{Failure, Job, Next};
use crate::store::Store;

const REQUESTS: &str = "context_services_http_requests_total";
const SECONDS: &str = "context_services_http_request_seconds";

/// The one recorder of the process. Latencies have buckets from half a millisecond on.
static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let commands = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_commands".into()), &commands))
        .expect("there are buckets")
        .install_recorder()
        .expect("nothing else records measurements")
});

/// Processor, memory, threads and files of the process.
static PROCESS: LazyLock<metrics_process::Collector> = LazyLock::new(metrics_process::Collector::default);

/// Starts to measure. What is counted before is lost.
pub fn record() {
    LazyLock::force(&RECORDER);
    PROCESS.describe();
    describe_counter!(REQUESTS, "Requests by method, route and status.");
    describe_histogram!(SECONDS, Unit::Seconds, "From the head of a request to its answer, by method and route.");
}

/// Counts a request that has been answered. Routes are templates, the same under both prefixes; all paths that are none
/// are one, so that nobody can fill the page with names.
pub(super) fn measure<B>(response: &ServiceResponse<B>, operation: Option<&Operation>, elapsed: Duration) {
    if let Some(operation) = operation {
        return operation.measure(response.status(), elapsed);
    }
    let request = response.request();
    let unrouted = Problem::of(response).is_some_and(Problem::is_unrouted);
    let routed = request.match_pattern().filter(|_| !unrouted);
    let route = routed.map_or_else(|| "unknown".to_owned(), |route| path_of(&route).to_owned());
    let method = method_of(request.method());
    seconds(method, route.clone()).record(elapsed);
    requests(method, route, response.status()).increment(1);
}

/// How long requests of a route take.
pub(super) fn seconds(method: &str, route: String) -> Histogram {
    histogram!(SECONDS, "method" => method.to_owned(), "route" => route)
}

/// How many requests of a route had an answer.
pub(super) fn requests(method: &str, route: String, status: StatusCode) -> Counter {
    counter!(REQUESTS, "method" => method.to_owned(), "route" => route, "status" => status.as_u16().to_string())
}

/// Moves recorded samples into their buckets. Without it they would pile up for as long as nobody scrapes the metrics.
pub struct Upkeep;

impl Job for Upkeep {
    const NAME: &'static str = "metrics_upkeep";
    const INTERVAL: Duration = Duration::from_secs(5);

    async fn run(&mut self) -> Result<Next, Failure> {
        RECORDER.run_upkeep();
        Ok(Next::Scheduled)
    }
}

/// Methods that clients make up are one.
fn method_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Measurements for Prometheus.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "In the text format of Prometheus", body = String, content_type = "text/plain",
        example = json!("context_services_http_requests_total{method=\"GET\",route=\"/metrics\",status=\"200\"} 2471\n")))
)]
#[get("/metrics")]
pub(super) async fn metrics(store: web::Data<Store>) -> HttpResponse {
    store.measure();
    PROCESS.collect();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(RECORDER.render())
}
