//! The spans of requests, and of batches, each of which several requests share. Attributes follow OpenTelemetry's
//! semantic conventions.

use std::future::Future;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span;
use tokio::task::futures::TaskLocalFuture;
use tokio_util::either::Either;

use super::TRACER;

/// The context of a sampled span, which may be the parent of others.
pub type TraceContext = SpanContext;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Runs a future within a span. Without a span this costs nothing: the future is not copied into another.
pub fn within<F: Future>(span: Option<TraceContext>, future: F) -> Either<TaskLocalFuture<TraceContext, F>, F> {
    match span {
        Some(span) => Either::Left(CURRENT.scope(span, future)),
        None => Either::Right(future),
    }
}

/// The span within which the current task runs, if traces are on and the span is sampled.
pub fn current() -> Option<Box<TraceContext>> {
    TRACER.get()?;
    CURRENT.try_with(|span| Box::new(span.clone())).ok()
}

/// The span of a request that has been received and not yet answered.
pub struct RequestSpan(Span);

impl RequestSpan {
    /// Starts the span as a child of the span that `traceparent` names. `None` if traces are off.
    pub fn start(headers: &impl Extractor) -> Option<Self> {
        let tracer = TRACER.get()?;
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), headers);
        let span = tracer.span_builder("request").with_kind(SpanKind::Server);
        Some(Self(span.start_with_context(tracer, &parent)))
    }

    /// The identifiers of the trace and of this span, for the log.
    pub fn ids(&self) -> (String, String) {
        let context = self.0.span_context();
        (context.trace_id().to_string(), context.span_id().to_string())
    }

    /// The context that other spans refer to. `None` if this span is not sampled.
    pub fn context(&self) -> Option<TraceContext> {
        Some(self.0.span_context().clone()).filter(SpanContext::is_sampled)
    }

    /// Ends the span with the response. `route` is empty if there is none.
    pub fn end(mut self, method: &str, route: &str, status: u16, code: Option<&'static str>) {
        if !self.0.is_recording() {
            return;
        }
        self.0.update_name(format!("{method} {route}").trim_end().to_owned());
        self.0.set_attribute(KeyValue::new("http.request.method", method.to_owned()));
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if !route.is_empty() {
            self.0.set_attribute(KeyValue::new("http.route", route.to_owned()));
        }
        if let Some(code) = code {
            self.0.set_attribute(KeyValue::new("error.type", code));
        }
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// The span of a batch that is being committed.
pub struct BatchSpan(Span);

impl BatchSpan {
    /// Starts the span of a batch that writes for these requests: as a child of the first one, with links to the
    /// others. `None` if there are none, as is the case if traces are off.
    pub fn start<'a>(mut requests: impl Iterator<Item = &'a TraceContext>) -> Option<Self> {
        let first = requests.next()?;
        let tracer = TRACER.get()?;
        let links = requests.map(|request| Link::with_context(request.clone())).collect();
        let parent = Context::new().with_remote_span_context(first.clone());
        let span = tracer
            .span_builder("write batch")
            .with_kind(SpanKind::Client)
            .with_links(links)
            .with_attributes([KeyValue::new("db.system.name", "postgresql")]);
        Some(Self(span.start_with_context(tracer, &parent)))
    }

    /// Ends the span of a batch of this many commands, after its commit or failure.
    pub fn end(mut self, commands: usize, failed: bool) {
        let commands = i64::try_from(commands).unwrap_or(i64::MAX);
        self.0.set_attribute(KeyValue::new("db.operation.batch.size", commands));
        if failed {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}
