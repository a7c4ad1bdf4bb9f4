//! Metrics for Prometheus (docs/api.md §6).

use std::sync::LazyLock;
use std::time::Duration;

use ::metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::background::{Failure, Job, Next};
use crate::store::Store;

const REQUESTS: &str = "context_services_http_requests_total";
const SECONDS: &str = "context_services_http_request_seconds";

/// The recorder of the process. Latency buckets start at 0.5 ms.
static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let commands = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_commands".into()), &commands))
        .expect("the bucket lists are not empty")
        .install_recorder()
        .expect("no other recorder is installed")
});

/// Metrics of the process: CPU time, memory, threads and open files.
static PROCESS: LazyLock<metrics_process::Collector> = LazyLock::new(metrics_process::Collector::default);

/// Installs the recorder. Anything counted before this call is lost.
pub fn install_metrics() {
    LazyLock::force(&RECORDER);
    PROCESS.describe();
    describe_counter!(REQUESTS, "Requests by method, route and status.");
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "Time from the head of a request to its response, by method and route."
    );
}

/// The latency histogram of a route.
pub(super) fn seconds(method: &str, route: String) -> Histogram {
    histogram!(SECONDS, "method" => method.to_owned(), "route" => route)
}

/// The counter of responses of a route with one status.
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

/// Metrics for Prometheus.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "Metrics in the Prometheus text format", body = String, content_type = "text/plain",
        example = json!("context_services_http_requests_total{method=\"GET\",route=\"/metrics\",status=\"200\"} 2471\n")))
)]
#[get("/metrics")]
pub(super) async fn metrics(store: web::Data<Store>) -> HttpResponse {
    store.measure();
    PROCESS.collect();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(RECORDER.render())
}
