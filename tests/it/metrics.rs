//! Metrics, and the files in `deploy/` that use them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::postgres::open_directory;
use crate::support::program::Program;
use crate::support::until;

/// Sends requests of each kind. Returns the page of metrics.
async fn measured(program: &Program) -> String {
    let client = reqwest::Client::new();
    let post =
        async |path: &str, body: Value| client.post(format!("{}{path}", program.url)).json(&body).send().await.unwrap();
    post("/services/start", json!({"customer_id": "00K7"})).await;
    post("/genesys/1/cs/services/1/tasks/start", json!({})).await;
    post("/services/1/tasks/1/end", json!({"disposition": 10})).await;
    post("/services/1/tasks/1/end", json!({"disposition": 11})).await;
    post("/services/start", json!({})).await;
    for path in [
        "/services/1",
        "/services/99",
        "/nothing/at/all",
        "/nor/this",
        "/journey",
        "/journey/nothing",
        "/customers/a%20b/services",
    ] {
        client.get(format!("{}{path}", program.url)).send().await.unwrap();
    }
    client.request("MADEUP".parse().unwrap(), format!("{}/services/1", program.url)).send().await.unwrap();
    client.get(format!("{}/metrics", program.url)).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn requests_and_events_are_counted_by_what_they_are_and_what_came_of_them() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let text = measured(&program).await;
    for line in [
        r#"context_services_http_requests_total{method="POST",route="/services/start",status="201"} 1"#,
        r#"context_services_http_requests_total{method="POST",route="/services/start",status="400"} 1"#,
        r#"context_services_http_requests_total{method="POST",route="/services/{service_id}/tasks/start",status="201"} 1"#,
        r#"context_services_http_requests_total{method="POST",route="/services/{service_id}/tasks/{task_id}/end",status="409"} 1"#,
        r#"context_services_http_requests_total{method="GET",route="/services/{service_id}",status="404"} 1"#,
        r#"context_services_http_requests_total{method="GET",route="unknown",status="404"} 3"#,
        r#"context_services_http_requests_total{method="GET",route="/journey",status="200"} 1"#,
        r#"context_services_http_requests_total{method="GET",route="/customers/{customer_id}/services",status="200"} 1"#,
        r#"context_services_http_requests_total{method="other",route="unknown",status="405"} 1"#,
        r#"context_services_http_request_seconds_count{method="POST",route="/services/start"} 2"#,
        r#"context_services_events_total{kind="start_service",outcome="done"} 1"#,
        r#"context_services_events_total{kind="complete_task",outcome="done"} 1"#,
        r#"context_services_events_total{kind="complete_task",outcome="refused"} 1"#,
        "context_services_writer_one_by_one_total 0",
        r#"context_services_job_interval_seconds{name="idempotency_keys"} 60"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    let least = r#"context_services_http_request_seconds_bucket{method="POST",route="/services/start",le="0.0005"}"#;
    assert!(text.contains(least), "{text}");
    assert!(
        !text.contains("nothing") && !text.contains("MADEUP"),
        "paths and methods of clients are not labels: {text}"
    );
}

#[tokio::test]
async fn every_background_job_says_when_it_last_succeeded() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let jobs = [
        "advance_horizon",
        "complete_idle_services",
        "deleted_schemas",
        "deployment",
        "embedded_postgresql",
        "idempotency_keys",
        "measure_removal",
        "measure_values",
        "metrics_upkeep",
        "outdated_views",
        "primary",
        "remove_services",
        "remove_unused_values",
        "run_purges",
    ];
    until("every job has succeeded", async || {
        let text = reqwest::get(format!("{}/metrics", program.url)).await.unwrap().text().await.unwrap();
        let last_success = |line: &str| {
            let (name, value) =
                line.strip_prefix("context_services_job_last_success_seconds{name=\"")?.split_once("\"} ")?;
            Some((name.to_owned(), value.parse::<f64>().unwrap()))
        };
        let found: Vec<_> = text.lines().filter_map(last_success).collect();
        let names: BTreeSet<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.is_subset(&BTreeSet::from(jobs)), "{names:?}");
        names.len() == jobs.len() && found.iter().all(|(_, seconds)| *seconds > 1.7e9)
    })
    .await;
}

#[tokio::test]
async fn the_dashboard_and_alerts_have_only_names_that_are_measured() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let text = measured(&program).await;
    let known: BTreeSet<_> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()).collect();
    let of_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    for (file, least) in
        [("deploy/grafana-dashboard.json", 10), ("deploy/prometheus-alerts.yml", 5), ("docs/operating.md", 10)]
    {
        let document = fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let words: BTreeSet<_> = document.split(|letter| !of_name(letter)).collect();
        let is_name = |word: &&str| {
            (word.starts_with("context_services_") || word.starts_with("process_")) && !word.ends_with('_')
        };
        let named: Vec<_> = words.into_iter().filter(is_name).collect();
        assert!(named.len() >= least, "{file}: {named:?}");
        for name in named {
            let whole = known.contains(name) || known.contains(format!("{name}_count").as_str());
            assert!(whole, "{file} names {name}, which is not a metric: {known:#?}");
        }
    }
    let dashboard = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().iter().all(|panel| panel["title"].is_string()));
}

#[tokio::test]
async fn a_trace_is_taken_over_into_the_log() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("LOG_FORMAT", "json")];
    let mut program = Program::start_with(&settings);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let url = format!("{}/nothing", program.url);
    let sent = Command::new("curl").args(["-s", "-H", &format!("traceparent: {parent}"), &url]).output().unwrap();
    assert!(sent.status.success());
    let line: Value = serde_json::from_str(&program.line_with("no_such_route")).unwrap();
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}
