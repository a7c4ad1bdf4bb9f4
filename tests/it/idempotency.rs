//! `Idempotency-Key`: starts and transitions that can be repeated safely.

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::Answer;

const HOUR: i64 = 60 * 60 * 1000;

async fn post(app: &TestApp, key: &str, path: &str, body: &Value) -> Answer {
    app.send_with(Method::POST, path, &[("Idempotency-Key", key)], Some(body.to_string())).await
}

#[tokio::test]
async fn the_same_key_ten_times_at_once_on_two_nodes_starts_one_service() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    let body = json!({"customer_id": "00K7"});
    let calls = (0..10).map(|at| post(if at % 2 == 0 { &app } else { &node }, "key 1", "/services/start", &body));
    let answers = join_all(calls).await;
    let ids: BTreeSet<_> = answers.into_iter().map(|answer| answer.is(201).body["service_id"].as_i64()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.value::<i64>("select count(*) from services").await, 1);
}

#[tokio::test]
async fn every_start_and_the_transition_are_answered_again_as_they_were() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let state = app.a_state(service).await;
    let transition = json!({"from": {"state_id": state}, "to": {"state_type": "b"}});
    for (key, route, body, table) in [
        ("a", "/services/start".to_owned(), json!({"contact_key": "k"}), "services"),
        ("b", format!("{path}/states/start"), json!({"state_type": "a"}), "states"),
        ("c", format!("{path}/tasks/start"), json!({"task_type": "a"}), "tasks"),
        ("d", format!("{path}/states/transition"), transition, "states"),
    ] {
        let first = post(&app, key, &route, &body).await.is(201);
        let count = format!("select count(*) from {table}");
        let rows = app.value::<i64>(&count).await;
        for _ in 0..2 {
            app.clock.advance(HOUR);
            let again = post(&app, key, &route, &body).await.is(201);
            assert_eq!((&again.body, again.header("location")), (&first.body, first.header("location")), "{route}");
        }
        post(&app, key, &format!("/genesys/1/cs{route}"), &body).await.is(201);
        assert_eq!(app.value::<i64>(&count).await, rows, "{route} started nothing more");
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_route_and_body() {
    let app = TestApp::spawn().await;
    let (one, other) = (app.a_service().await, app.a_service().await);
    let start = |service: i64| format!("/services/{service}/tasks/start");
    let body = json!({"task_type": "a", "resource_id": 1});
    let first = post(&app, "k", &start(one), &body).await.is(201).body;
    let reordered = r#" {"resource_id":1, "session_id":null, "task_type":"a"}"#;
    let again = post(&app, "k", &start(one), &serde_json::from_str(reordered).unwrap()).await.is(201).body;
    assert_eq!(again, first);
    post(&app, "k", &start(one), &json!({"task_type": "a"})).await.refused(422, "idempotency_mismatch");
    post(&app, "k", &start(other), &body).await.refused(422, "idempotency_mismatch");
    let state = format!("/services/{one}/states/start");
    post(&app, "k", &state, &json!({})).await.refused(422, "idempotency_mismatch");
    assert_eq!(app.value::<i64>("select count(*) from tasks").await, 1);
}

#[tokio::test]
async fn of_different_requests_with_one_key_at_once_one_wins() {
    let app = TestApp::spawn().await;
    let start = format!("/services/{}/tasks/start", app.a_service().await);
    let bodies: Vec<_> = (0..40).map(|at| json!({"resource_id": at % 4})).collect();
    let answers = join_all(bodies.iter().map(|body| post(&app, "k", &start, body))).await;
    let won = bodies.iter().zip(&answers).filter(|(_, answer)| answer.status == 201);
    let won: BTreeSet<_> =
        won.map(|(body, answer)| (body["resource_id"].as_i64(), answer.body["task_id"].as_i64())).collect();
    assert_eq!(won.len(), 1, "one body, one task");
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 422).count(), 30);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let start = format!("/services/{service}/tasks/start");
    post(&app, "k", "/services/77/tasks/start", &json!({})).await.refused(404, "unknown_service");
    post(&app, "k", &start, &json!({"state_id": 77})).await.refused(400, "invalid_event");
    post(&app, "k", &start, &json!({"nothing": {}})).await.refused(400, "invalid_event");
    assert_eq!(app.value::<i64>("select count(*) from idempotency_keys").await, 0);
    post(&app, "k", &start, &json!({})).await.is(201);
}

#[tokio::test]
async fn a_repeat_is_answered_though_the_schema_of_its_extension_is_gone() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let start = format!("/services/{}/tasks/start", app.a_service().await);
    let body = json!({"Survey": {"url": "u"}});
    let first = post(&app, "k", &start, &body).await.is(201).body;
    app.delete("/metadata/tasks/extensions/Survey").await.is(204);
    assert_eq!(post(&app, "k", &start, &body).await.is(201).body, first);
    post(&app, "other", &start, &body).await.refused(400, "invalid_event");
    assert_eq!(app.value::<i64>("select count(*) from tasks").await, 1);
}

#[tokio::test]
async fn a_key_is_free_again_after_24_hours() {
    let app = TestApp::spawn().await;
    let body = json!({"customer_id": "00K7"});
    let start = async || post(&app, "k", "/services/start", &body).await.is(201).body["service_id"].as_i64();
    let first = start().await;
    app.clock.advance(24 * HOUR);
    assert_eq!(start().await, first);
    app.clock.advance(1);
    assert_ne!(start().await, first);
    assert_eq!(app.store.expire_idempotency_keys().await.unwrap(), 0, "it is in use again");
    app.clock.advance(24 * HOUR + 1);
    assert_eq!(app.store.expire_idempotency_keys().await.unwrap(), 1);
}

#[tokio::test]
async fn a_key_has_1_to_255_printable_ascii_characters() {
    let app = TestApp::spawn().await;
    let body = json!({"customer_id": "00K7"});
    for key in ["", &"k".repeat(256), "é", "a\tb"] {
        let refused = post(&app, key, "/services/start", &body).await.refused(400, "invalid_query");
        assert_eq!(refused.body["errors"][0]["parameter"], "Idempotency-Key", "{key:?}");
    }
    post(&app, &"~".repeat(255), "/services/start", &body).await.is(201);
    assert_eq!(app.value::<i64>("select count(*) from services").await, 1);
}
