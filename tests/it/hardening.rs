//! Slow, ambiguous and hostile requests.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::support::TestApp;

/// The answer to raw bytes. Empty if the connection is closed without one.
fn raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = connect(app);
    // The server may close the connection before it has read everything.
    drop(stream.write_all(bytes));
    read(&mut stream)
}

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads the head of the next answer.
fn read(stream: &mut TcpStream) -> String {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_two_servers_could_read_differently_are_refused() {
    let app = TestApp::spawn().await;
    let post =
        |headers: &str, body: &str| format!("POST /services/start HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}");
    let start = r#"{"contact_key":"k"}"#;
    for request in [
        post("Content-Length: 19\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Content-Length: 19\r\nContent-Length: 20\r\n", start),
        post("Content-Length: 19, 19\r\n", start),
        post("Content-Length: +19\r\n", start),
        post("Content-Length: -1\r\n", start),
        post("Transfer-Encoding: xchunked\r\n", "13\r\n{\"contact_key\":\"k\"}\r\n0\r\n\r\n"),
        post(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "13\r\n{\"contact_key\":\"k\"}\r\n0\r\n\r\n",
        ),
        post("Transfer-Encoding : chunked\r\n", "13\r\n{\"contact_key\":\"k\"}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "zz\r\n{\"contact_key\":\"k\"}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{\"contact_key\":\"k\"}\r\n0\r\n\r\n"),
        post("X: a\r\n b\r\n", start),
        "GET /health/live HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n".to_owned(),
    ] {
        let answer = raw(&app, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{request}: {answer}");
    }
    assert_eq!(app.value::<i64>("select count(*) from services").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_a_limit() {
    let app = TestApp::spawn().await;
    let long = "a".repeat(200_000);
    let many = (0..500).map(|at| format!("X-{at}: a\r\n")).collect::<Vec<_>>().concat();
    for head in [
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
    ] {
        let answer = raw(&app, head.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    app.get("/health/live").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_slowly_is_cut_off() {
    let app = TestApp::spawn().await;
    let head = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n";
    let mut first = connect(&app);
    first.write_all(head.as_bytes()).unwrap();
    let answer = read(&mut first);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "the head of a first request: {answer}");

    let mut second = connect(&app);
    second.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    assert!(read(&mut second).starts_with("HTTP/1.1 200"));
    second.write_all(head.as_bytes()).unwrap();
    assert_eq!(read(&mut second), "", "the head of a later request");

    let body = "POST /services/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 19\r\n\r\n{\"contact";
    let answer = raw(&app, body.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408"), "a body: {answer}");
    assert_eq!(app.value::<i64>("select count(*) from services").await, 0);
}

#[tokio::test]
async fn hostile_events_in_the_middle_of_a_batch_are_refused_and_harm_no_neighbour() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service().await;
    let start = format!("/services/{service}/tasks/start");
    let nested = format!("{{\"Survey\":{}{}}}", "[".repeat(3000), "]".repeat(3000));
    let long = format!(r#"{{"session_id":"{}"}}"#, "x".repeat(60 * 1024));
    let hostile = [
        r#"{"session_id":"\u0000"}"#,
        r#"{"session_id":"\ud800"}"#,
        r#"{"disposition_desc":1e999}"#,
        r#"{"application_id":99999999999999999999}"#,
        r#"{"application_id":-0.5}"#,
        r#"{"application_id":1,"application_id":2}"#,
        r#"{"est_duration":-1}"#,
        r#"{"Survey":{"url":"u","question1":1e400}}"#,
        r#"{"Survey":{"url":"u\u0000"}}"#,
        r#"{"'; drop table tasks; --":1}"#,
        r#"{"state_id":"1 or 1=1"}"#,
        "\u{feff}\u{feff}{}",
        "{\"session_id\":\"\u{7}\"}",
        &nested,
        &long,
    ];
    let good = r#"{"session_id":"<script>alert('x')</script>'; drop table tasks; --"}"#;
    let bodies: Vec<_> = hostile.iter().flat_map(|hostile| [good, *hostile, good]).collect();
    let answers = join_all(bodies.iter().map(|body| app.post_text(&start, "application/json", *body))).await;
    for (body, answer) in bodies.iter().zip(answers) {
        assert_eq!(answer.status, if *body == good { 201 } else { 400 }, "{body:.80}: {}", answer.body);
    }
    let latin = app.post_text(&start, "application/json; charset=latin1", "{}").await;
    latin.refused(415, "unsupported_media_type");
    assert_eq!(app.value::<i64>("select count(*) from tasks").await, 2 * i64::try_from(hostile.len()).unwrap());
    let kept: String = app.value("select distinct session_id from tasks").await;
    assert_eq!(json!({ "session_id": kept }).to_string(), good, "text stays text");
}
