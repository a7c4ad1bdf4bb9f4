//! Every error is a problem document of one form, including those of the framework.

use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn the_published_form_of_the_example_is_refused_at_the_exact_place() {
    let app = TestApp::spawn().await;
    let end = format!("{}/end", app.a_task_path().await);
    let published = "{\n \"interaction_id\":0000CSS0FXZUP6UR,\n \"Proposal\":[{\"price\":25 000}]\n}";
    let answer = app.post_text(&end, "application/json", published).await.refused(400, "invalid_json");
    assert_eq!(
        answer.body["detail"],
        "line 2, column 20: expected a number without leading zeros, or a string in double quotes, found `0`"
    );
    let half_mended = published.replace("0000CSS0FXZUP6UR", "\"0000CSS0FXZUP6UR\"");
    let answer = app.post_text(&end, "application/json", half_mended).await.refused(400, "invalid_json");
    assert_eq!(answer.body["detail"], "line 3, column 26: expected `,` or `}`, found `0`");
}

#[tokio::test]
async fn the_type_of_a_problem_is_the_address_of_a_page_that_explains_it() {
    let app = TestApp::spawn().await;
    let refused = app.post("/services/start", &json!({})).await.refused(400, "invalid_event");
    let kind = refused.body["type"].as_str().unwrap();
    for mode in ["production", "maintenance"] {
        app.post("/server/mode", &json!({"mode": mode})).await.is(200);
        let page = app.get(kind).await.is(200).body.to_string();
        for text in
            ["The event is not valid", "nothing was written", "correct everything that <code>errors</code> lists"]
        {
            assert!(page.contains(text), "{text} is not in {page}");
        }
    }
    app.get("/problems/nothing").await.is(404);
    app.get("/problems/invalid_event?x=1").await.is(400);
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_harm_nobody() {
    let app = TestApp::spawn().await;
    let end = format!("{}/end", app.a_task_path().await);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    for body in [
        "[]",
        "7",
        "null",
        "\"\"",
        "{",
        "{\"a\":1",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":1}{}",
        "\u{feff}\u{feff}{}",
        "{\"a\":NaN}",
        r#"{"disposition":1,"disposition":2}"#,
        r#"{"session_id":"\u0000"}"#,
        r#"{"session_id":"\ud800"}"#,
        r#"{"application_id":1e999}"#,
        r#"{"application_id":01}"#,
        "{\"a\":\"\u{1}\"}",
        &deep,
    ] {
        app.post_text(&end, "application/json", body).await.refused(400, "invalid_json");
    }
    app.post(&end, &json!({})).await.is(204);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let app = TestApp::spawn().await;
    let end = format!("{}/end", app.a_task_path().await);
    for content_type in ["text/plain", "application/xml", "application/json; charset=latin1", "nonsense"] {
        app.post_text(&end, content_type, "{}").await.refused(415, "unsupported_media_type");
    }
    for content_type in
        ["application/x-www-form-urlencoded", "text/plain", "nonsense", "application/json; charset=utf8"]
    {
        let end = format!("{}/end", app.a_task_path().await);
        app.post_text(&end, content_type, "").await.is(204);
        let associate = format!("/customers/c{}", end.split("/tasks").next().unwrap());
        app.post_text(&associate, content_type, " \r\n").await.is(204);
        app.post_text("/services/start", content_type, "").await.refused(400, "invalid_json");
    }
    app.post_text(&end, "application/json; charset=UTF-8", "{}").await.is(204);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_and_without_its_length_announced() {
    let app = TestApp::spawn().await;
    let end = format!("{}/end", app.a_task_path().await);
    let body = |size: usize| format!("{{\"session_id\":\"{}\"}}", "x".repeat(size));
    app.post_text(&end, "application/json", body(64 * 1024)).await.refused(413, "payload_too_large");

    let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    let head = format!("POST {end} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    stream.write_all(format!("{chunk}{chunk}{chunk}0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_told_apart() {
    let app = TestApp::spawn().await;
    for path in
        ["/nothing", "/services/1/tasks/1/end//", "/genesys/1/cs", "/genesys/1/cs/nothing", "/services//tasks/1"]
    {
        app.get(path).await.refused(404, "not_found");
    }
    for (method, path, allow) in [
        (Method::PATCH, "/services/start", "DELETE, GET, HEAD, POST, PUT"),
        (Method::GET, "/services/1/tasks/1/end", "POST"),
        (Method::PATCH, "/genesys/1/cs/services/1/tasks/1", "GET, HEAD"),
        (Method::PUT, "/metadata/tasks/extensions", "GET, HEAD, POST"),
        (Method::POST, "/health/live", "GET, HEAD"),
    ] {
        let answer = app.send(method, path, None).await.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[tokio::test]
async fn every_answer_bears_an_id_and_the_callers_own_if_it_sent_one() {
    let app = TestApp::spawn().await;
    let first = app.get("/health/live").await.is(200);
    let second = app.get("/nothing").await.is(404);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let sent = reqwest::Client::new().get(format!("{}/nothing", app.url)).header("x-request-id", "mine-7");
    assert_eq!(sent.send().await.unwrap().headers()["x-request-id"], "mine-7");
}

#[tokio::test]
async fn without_the_database_answers_are_503_and_the_service_recovers_by_itself() {
    let app = TestApp::spawn().await;
    let end = format!("{}/end", app.a_task_path().await);
    app.post(&end, &json!({"disposition": 1})).await.is(204);
    let name: String = app.value("select current_database()::text").await;
    let mut admin = sqlx::ConnectOptions::connect(&app.database.options.clone().database("postgres")).await.unwrap();
    let mut execute = async |statement: String| {
        sqlx::query(&statement).execute(&mut admin).await.unwrap();
    };
    execute(format!("alter database {name} allow_connections false")).await;
    execute(format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")).await;
    app.post(&end, &json!({"disposition": 1})).await.refused(503, "database_unavailable");
    app.get("/health/ready").await.refused(503, "database_unavailable");
    app.get("/health/live").await.is(200);

    execute(format!("alter database {name} allow_connections true")).await;
    app.post(&end, &json!({"disposition": 1})).await.is(204);
    app.get("/health/ready").await.is(200);
}

#[tokio::test]
async fn a_role_that_gives_up_durability_is_not_ready() {
    let app = TestApp::spawn().await;
    let name: String = app.value("select current_database()::text").await;
    sqlx::query(&format!("alter database {name} set synchronous_commit = off"))
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let node = context_services::store::Store::open(
        crate::support::postgres::settings(app.database.options.clone()),
        std::sync::Arc::new(context_services::domain::clock::SystemClock),
    );
    let refused = node.await.err().expect("it does not open").to_string();
    assert!(refused.contains("synchronous_commit is off"), "{refused}");
}

#[tokio::test]
async fn an_answer_stays_small_whatever_is_wrong() {
    let app = TestApp::spawn().await;
    let end = format!("{}/end", app.a_task_path().await);
    let many: Vec<_> = (0..5000).map(|at| format!("\"k{at}\":1")).collect();
    let body = format!("{{{}}}", many.join(","));
    let answer = app.post_text(&end, "application/json", body).await.refused(400, "invalid_event");
    assert_eq!(answer.pointers().len(), 1000);
    assert!(answer.body["detail"].as_str().unwrap().ends_with(" and 4990 more"), "{}", answer.body["detail"]);
    // Each of these records lacks fifty attributes.
    let attributes: Vec<_> =
        (0..50).map(|at| json!({"name": format!("a{at}"), "type": "integer", "mandatory": true})).collect();
    app.a_schema(&json!({"name": "Wide", "type": "multi-valued", "attributes": attributes})).await;
    let body = format!("{{\"Wide\":[{}]}}", vec!["{}"; 20_000].join(","));
    let answer = app.post_text(&end, "application/json", body).await.refused(400, "invalid_event");
    assert_eq!(answer.pointers().len(), 1000);
    assert!(
        answer.body["detail"].as_str().unwrap().starts_with("1000000 fields are not valid"),
        "{}",
        answer.body["detail"]
    );
    let answer = app.post_text(&end, "application/json", format!("{{\"{}\":1}}", "k".repeat(9999))).await;
    assert!(answer.refused(400, "invalid_event").body["detail"].as_str().unwrap().len() < 200);
}

#[tokio::test]
async fn a_parameter_that_an_event_does_not_have_is_not_ignored() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let start = format!("/services/{service}/tasks/start?state_id=1");
    app.post(&start, &json!({})).await.refused(400, "invalid_query");
    app.post("/services/start?ttl=1", &json!({"customer_id": "c"})).await.refused(400, "invalid_query");
}
