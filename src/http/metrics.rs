//! Measurements for Prometheus (contract §6).

use std::sync::LazyLock;

use actix_web::{HttpResponse, get, web};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::store::Store;

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

/// Starts to measure. What is counted before is lost.
pub fn record() {
    LazyLock::force(&RECORDER);
}

/// Measurements for Prometheus.
#[utoipa::path(
    tag = "Server",
    responses((status = 200, description = "In the text format of Prometheus", body = String, content_type = "text/plain",
        example = json!("requests_total{status=\"204\"} 2471\n")))
)]
#[get("/metrics")]
pub(super) async fn metrics(store: web::Data<Store>) -> HttpResponse {
    store.measure();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(RECORDER.render())
}
