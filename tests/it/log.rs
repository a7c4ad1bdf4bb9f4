//! The log: what it says of requests, and what happens when standard output does not accept it: the service is not
//! affected, and dropped lines are counted.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::postgres::open_directory;
use crate::support::program::Program;
use crate::support::until;

const DROPPED: &str = "context_services_log_lines_dropped_total";

/// The device that fails every write, like a full disk.
fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Sends requests with long lines in the log: `mebibytes` of it.
async fn fill_log(program: &Program, mebibytes: usize) {
    let path = format!("/services/{}", "9".repeat(16 * 1024));
    for _ in 0..mebibytes * 64 {
        assert_eq!(program.get(&path).await.0, 400);
    }
}

/// Asserts that the program is healthy and takes events, stops on SIGTERM, and stops PostgreSQL.
async fn works_and_stops(program: Program, data_dir: &Path) {
    assert_eq!(program.get("/health/ready").await.0, 200);
    for _ in 0..40 {
        program.journey().await;
    }
    program.stop();
    assert!(!data_dir.join("postgres/data/postmaster.pid").exists(), "PostgreSQL has stopped");
}

#[tokio::test]
async fn a_log_on_a_full_disk_stops_nothing_and_its_lines_are_counted() {
    let directory = open_directory();
    let program = Program::start_unread(directory.path(), full_disk(), full_disk()).await;
    program.journey().await;
    until("each request's line is counted", async || program.metric(DROPPED).await >= 3.0).await;
    works_and_stops(program, directory.path()).await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let directory = open_directory();
    let program = Program::start_unread(directory.path(), Stdio::piped(), Stdio::piped()).await;
    fill_log(&program, 2).await;
    works_and_stops(program, directory.path()).await;
}

#[tokio::test]
async fn a_log_that_is_read_again_reports_the_lines_that_were_dropped() {
    let directory = open_directory();
    let mut program = Program::start_unread(directory.path(), Stdio::piped(), Stdio::piped()).await;
    fill_log(&program, 10).await;
    assert!(program.metric(DROPPED).await > 0.0);
    let mut lines = BufReader::new(program.stdout()).lines().map_while(Result::ok);
    let report = lines.find(|line| line.contains("log lines dropped")).unwrap();
    let total = program.metric(DROPPED).await;
    assert!(report.ends_with(&format!("dropped={total} total={total}")), "{report}: {total}");
    program.journey().await;
    program.signal("TERM");
    assert!(lines.last().unwrap().ends_with("stopped"), "the log is complete to its end");
    assert!(program.end().0.success());
}

#[tokio::test]
async fn the_log_has_one_line_per_request_and_never_what_was_sent() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("LOG_FORMAT", "json")];
    let mut program = Program::start_with(&settings);
    let secret = json!({"customer_id": "secret-customer", "interaction_id": "secret-interaction", "secret-name": {},
        "est_duration": "secret"});
    program.post("/services/start", &secret).await;
    let task = program.journey().await;
    program.post(&format!("{task}/end"), &json!({"disposition_desc": "secret-outcome"})).await;
    let details = refused_requests(&program, &task).await;
    program.signal("TERM");
    let refused = program.line_with("invalid_event");
    let line: Value = serde_json::from_str(&program.line_with("complete_task")).unwrap();
    assert_eq!((&line["method"], &line["status"]), (&json!("POST"), &json!(204)));
    assert_eq!(line["route"], "/services/{service_id}/tasks/{task_id}/end");
    assert_eq!((&line["service.id"], &line["task.id"]), (&json!("1"), &json!("1")));
    assert!(line["elapsed_ms"].is_f64() && line["request.id"].is_string() && line["level"] == "INFO");
    let (_, rest) = program.end();
    assert_eq!(rest.iter().filter(|line| line.contains("complete_task")).count(), 2, "{rest:#?}");
    assert!(!rest.iter().chain([&refused]).any(|line| line.contains("secret")), "{refused} {rest:#?}");
    assert!(refused.contains(r#""pointers":"/est_duration, /…""#), "{refused}");
    let detail = "/est_duration: expected a 64-bit integer; /…: neither a field of this event nor the name of a service extension";
    let line: Value = serde_json::from_str(&refused).unwrap();
    assert_eq!(line["detail"], detail);
    let lines: Vec<Value> = rest.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for detail in details {
        assert!(lines.iter().any(|line| line["detail"] == *detail), "{detail} is not in {rest:#?}");
    }
}

/// Sends requests with secrets in every place, which are refused. Returns the details of their lines in the log.
async fn refused_requests(program: &Program, task: &str) -> Vec<&'static str> {
    let end = &*format!("{task}/end");
    let start = "/services/start";
    let refused = [
        ("/service/secret", "{}", "expected the path of an operation or page"),
        ("/services/secret/end", "{}", "service_id: expected a 64-bit decimal integer"),
        ("/services/77/end", "{}", "no such service"),
        ("/services/start?secret=secret", "{}", "?…: the operation does not have this parameter"),
        (start, r#"{"secret": 1, "secret": 2}"#, "line 1, column 15: expected each name once in an object"),
        (start, r#"{"customer_id": secret}"#, "line 1, column 17: expected a value (strings need double quotes)"),
        (
            start,
            r#"{"customer_id": "00K7", "timestamp": "secret"}"#,
            "/timestamp: expected a date and time with an offset, such as 2026-02-05T09:11:00.000Z",
        ),
        (end, r#"{"state_id": "secret"}"#, "/state_id: expected a 32-bit integer"),
    ];
    for (path, body, _) in refused {
        let request = reqwest::Client::new().post(format!("{}{path}", program.url));
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
    }
    refused.into_iter().map(|(_, _, detail)| detail).collect()
}
