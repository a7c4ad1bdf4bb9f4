//! The path of finished spans to the collector: a queue of limited size, from which a thread sends them in batches.
//!
//! The SDK's queue does not report how many spans it drops, so [`Bounded`] limits and counts the spans before they
//! enter it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{counter, describe_counter};
use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

const DROPPED: &str = "context_services_spans_dropped_total";

/// The maximum number of spans that wait or are being sent.
const LIMIT: usize = 16_384;

/// The maximum number of spans in a request to the collector.
const AT_ONCE: usize = 1024;

/// Registers the metric of dropped spans.
pub fn describe() {
    describe_counter!(DROPPED, "Spans dropped because the collector did not take them in time, or refused them.");
    // The metric should stay at 0, which can be seen only if it exists from the start.
    count_dropped(0);
}

fn count_dropped(spans: usize) {
    counter!(DROPPED).increment(spans as u64);
}

/// Passes spans to the queue of the SDK, unless too many wait.
#[derive(Debug)]
pub(super) struct Bounded {
    queue: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl Bounded {
    pub(super) fn new(exporter: OtlpExporter) -> Self {
        let waiting = Arc::default();
        let counted = Counted { exporter, waiting: Arc::clone(&waiting) };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(LIMIT)
            .with_max_export_batch_size(AT_ONCE)
            .with_scheduled_delay(Duration::from_secs(1))
            .build();
        Self { queue: BatchSpanProcessor::builder(counted).with_batch_config(config).build(), waiting }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < LIMIT {
            self.queue.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            count_dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts the spans that leave the queue, and those that could not be sent.
#[derive(Debug)]
struct Counted {
    exporter: OtlpExporter,
    waiting: Arc<AtomicUsize>,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        if sent.is_err() {
            count_dropped(spans);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
