//! Traces, as a collector receives them.

use futures::future::join_all;
use opentelemetry_proto::tonic::trace::v1::Span;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::support::collector::{Collector, attribute, hex};
use crate::support::postgres::open_directory;
use crate::support::program::Program;
use crate::support::until;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The start of a service, as a part of the caller's span.
fn start(program: &Program, flags: &str) -> RequestBuilder {
    let request = Client::new().post(format!("{}/services/start", program.url)).json(&json!({"customer_id": "00K7"}));
    request.header("traceparent", format!("00-{TRACE}-{CALLER}-{flags}"))
}

async fn run(settings: &[(&str, &str)], calls: impl AsyncFnOnce(&mut Program)) {
    let directory = open_directory();
    let mut settings = settings.to_vec();
    settings.push(("DATA_DIR", directory.path().to_str().unwrap()));
    let mut program = Program::start_with(&settings);
    calls(&mut program).await;
    program.stop();
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn a_request_is_a_part_of_its_callers_trace_and_a_batch_a_part_of_the_request() {
    let collector = Collector::start();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%2Cb"),
        ("LOG_FORMAT", "json"),
    ];
    let mut line = Value::Null;
    run(&settings, async |program| {
        start(program, "01").send().await.unwrap().error_for_status().unwrap();
        line = serde_json::from_str(&program.line_with("start_service")).unwrap();
    })
    .await;
    let spans = collector.spans();
    let [request] = named(&spans, "POST /services/start")[..] else { panic!("{spans:#?}") };
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!(attribute(request, "http.request.method").as_deref(), Some("POST"));
    assert_eq!(attribute(request, "http.route").as_deref(), Some("/services/start"));
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("201"));
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(TRACE), &json!(hex(&request.span_id))));
    let [batch] = named(&spans, "write batch")[..] else { panic!("{spans:#?}") };
    assert_eq!((&batch.trace_id, &batch.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!(attribute(batch, "db.operation.batch.size").as_deref(), Some("1"));
    assert!(request.start_time_unix_nano <= batch.start_time_unix_nano);
    assert!(batch.end_time_unix_nano <= request.end_time_unix_nano);
    assert!(collector.heads().to_lowercase().contains("x-key: a,b"), "{}", collector.heads());
}

#[tokio::test]
async fn every_event_of_a_batch_is_linked_to_it() {
    let collector = Collector::start();
    run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url)], async |program| {
        let starts = join_all((0..50).map(|_| start(program, "01").send())).await;
        assert!(starts.into_iter().all(|answer| answer.unwrap().status() == 201));
    })
    .await;
    let spans = collector.spans();
    let linked = named(&spans, "write batch").into_iter().flat_map(|batch| {
        let links = batch.links.iter().map(|link| link.span_id.clone());
        links.chain([batch.parent_span_id.clone()])
    });
    let mut linked: Vec<_> = linked.collect();
    let mut requests: Vec<_> = named(&spans, "POST /services/start").iter().map(|span| span.span_id.clone()).collect();
    linked.sort();
    requests.sort();
    assert_eq!(requests.len(), 50);
    assert_eq!(linked, requests);
}

#[tokio::test]
async fn a_request_whose_caller_is_not_traced_is_not_either() {
    let collector = Collector::start();
    run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url)], async |program| {
        start(program, "00").send().await.unwrap().error_for_status().unwrap();
    })
    .await;
    let spans = collector.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE), "{spans:#?}");
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")], async |program| {
        assert_eq!(start(program, "01").send().await.unwrap().status(), 201);
        let dropped = async || program.metric("context_services_spans_dropped_total").await > 0.0;
        until("spans are counted as dropped", dropped).await;
        assert_eq!(start(program, "01").send().await.unwrap().status(), 201);
    })
    .await;
}
