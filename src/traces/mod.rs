//! Traces for OpenTelemetry, over OTLP: a span for each request, and one for each batch that the writer commits. Off
//! unless the settings name a collector.
//!
//! No request waits for the collector: a separate thread sends the spans. If it falls behind, spans are dropped and
//! counted.

mod processor;
mod settings;
mod spans;

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::warn;

pub use processor::describe;
pub use settings::{Sampler, TraceArgs};
pub use spans::{BatchSpan, RequestSpan, TraceContext, current, within};

use processor::Bounded;

/// The tracer, once traces are on.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The longest wait for the collector to accept the last spans at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest time for a request to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of links per span: far more than the default of `WRITE_BATCH`.
const MAX_LINKS: u32 = 65_536;

/// The running traces.
#[must_use = "the last spans are lost unless the traces are closed"]
pub struct Traces(SdkTracerProvider);

/// Starts traces if the settings name a collector. The collector need not be running.
pub async fn start(settings: &TraceArgs) -> Result<Option<Traces>> {
    let Some(endpoint) = &settings.otel_exporter_otlp_endpoint else { return Ok(None) };
    let (endpoint, headers) = (endpoint.clone(), settings.headers());
    // The exporter creates a blocking HTTP client, which must not be done on a thread of the runtime.
    let exporter = tokio::task::spawn_blocking(move || exporter(&endpoint, headers)).await?;
    let provider = SdkTracerProvider::builder()
        .with_sampler(settings.sampler())
        .with_max_links_per_span(MAX_LINKS)
        .with_resource(Resource::builder().with_service_name(settings.otel_service_name.clone()).build())
        .with_span_processor(Bounded::new(exporter.context("cannot send traces to OTEL_EXPORTER_OTLP_ENDPOINT")?))
        .build();
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
    TRACER.set(provider.tracer_with_scope(scope)).map_err(|_| anyhow!("traces have been started before"))?;
    Ok(Some(Traces(provider)))
}

fn exporter(endpoint: &str, headers: HashMap<String, String>) -> Result<SpanExporter> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .with_headers(headers);
    Ok(exporter.build()?)
}

impl Traces {
    /// Sends the waiting spans, for at most two seconds.
    pub async fn close(self) {
        let closed = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = closed {
            warn!(%error, "the last spans may not have been sent");
        }
    }
}
