//! Start Task, Complete Task and Query Task by ID.

use serde_json::json;

use crate::support::TestApp;
use crate::support::app::START;
use crate::support::world::reference_end;

#[tokio::test]
async fn the_reference_example_is_stored_and_read_back() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service().await;
    let state = app.a_state(service).await;
    let body = json!({"state_id": state, "task_type": "survey", "est_duration": 45});
    let task = app.start(&format!("/services/{service}/tasks/start"), &body).await;
    app.clock.advance(47_754);
    let path = format!("/services/{service}/tasks/{task}");

    let answer = app.post(&format!("{path}/end"), &reference_end(state)).await.is(204);
    assert!(answer.body.is_null(), "204 has no body");

    let read = app.get(&format!("{path}?extensions=survey,PROPOSAL")).await.is(200);
    assert_eq!(
        read.body,
        json!({"service_id": service, "task_id": task, "state_id": state, "task_type": "survey", "est_duration": 45,
            "started": {"timestamp": START},
            "completed": {"timestamp": "2026-02-05T09:11:47.754Z", "interaction_id": "0000CSS0FXZUP6UR"},
            "duration": 47754, "disposition": 10, "disposition_desc": "SUCCESS",
            "Survey": reference_end(state)["Survey"], "Proposal": reference_end(state)["Proposal"]})
    );
    let plain = app.get(&path).await.is(200);
    assert!(plain.body.get("Survey").is_none(), "extensions are only given when asked for");
}

#[tokio::test]
async fn both_prefixes_serve_the_same_and_location_repeats_the_one_that_was_called() {
    let app = TestApp::spawn().await;
    let started = app.post("/genesys/1/cs/services/start", &json!({"customer_id": "00K7"})).await.is(201);
    let tasks = format!("/services/{}/tasks", started.body["service_id"]);
    assert_eq!(started.header("location").map(|location| format!("{location}/tasks")), Some(prefixed(&tasks)));
    let started = app.post(&prefixed(&format!("{tasks}/start")), &json!({})).await.is(201);
    let task = format!("{tasks}/{}", started.body["task_id"]);
    assert_eq!(started.header("location"), Some(&*prefixed(&task)));
    app.post(&prefixed(&format!("{task}/end")), &json!({})).await.is(204);

    assert_eq!(app.get(&prefixed(&task)).await.is(200).body, app.get(&task).await.is(200).body);
    let second = app.post(&format!("{tasks}/start"), &json!({})).await.is(201);
    assert_eq!(second.header("location"), Some(&*format!("{tasks}/{}", second.body["task_id"])));
}

/// The path with the prefix of the reference API.
fn prefixed(path: &str) -> String {
    format!("/genesys/1/cs{path}")
}

#[tokio::test]
async fn an_empty_or_absent_body_ends_a_task_and_does_not_start_one() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    for body in [None, Some(("application/json", String::new())), Some(("application/json", " \n".to_owned()))] {
        let task = app.a_task(service).await;
        let path = format!("/services/{service}/tasks/{task}");
        app.send(reqwest::Method::POST, &format!("{path}/end"), body).await.is(204);
        assert_eq!(app.get(&path).await.body["completed"], json!({"timestamp": START}));
    }
    let start = format!("/services/{service}/tasks/start");
    app.send(reqwest::Method::POST, &start, None).await.refused(400, "invalid_json");
}

#[tokio::test]
async fn the_state_of_an_end_may_stand_in_the_body_or_in_the_query() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let state = app.a_state(service).await;
    for (query, body) in [
        (String::new(), json!({"state_id": state})),
        (format!("?state_id={state}"), json!({})),
        (format!("?state_id={state}"), json!({"state_id": state})),
    ] {
        let task = app.a_task(service).await;
        let path = format!("/services/{service}/tasks/{task}");
        app.post(&format!("{path}/end{query}"), &body).await.is(204);
        assert_eq!(app.get(&path).await.body["state_id"], state, "a task without a state adopts it");
    }
    let task = app.a_task(service).await;
    let end = format!("/services/{service}/tasks/{task}/end");
    let differing = app.post(&format!("{end}?state_id=77"), &json!({"state_id": state})).await;
    assert_eq!(differing.refused(400, "invalid_event").pointers(), ["/state_id"]);
    for query in ["state_id=x", "state_id=2147483648", "state_id=1&state_id=2", "stateid=1"] {
        app.post(&format!("{end}?{query}"), &json!({})).await.refused(400, "invalid_query");
    }
    assert!(app.get(&format!("/services/{service}/tasks/{task}")).await.body.get("completed").is_none());
}

#[tokio::test]
async fn a_task_ends_only_in_the_state_that_it_has() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let (own, other) = (app.a_state(service).await, app.a_state(service).await);
    let task = app.start(&format!("/services/{service}/tasks/start"), &json!({"state_id": own})).await;
    let path = format!("/services/{service}/tasks/{task}");
    app.post(&format!("{path}/end"), &json!({"state_id": other})).await.refused(409, "state_mismatch");
    app.post(&format!("{path}/end"), &json!({"state_id": 77})).await.refused(409, "state_mismatch");
    app.post(&format!("{path}/end"), &json!({})).await.is(204);
    assert_eq!(app.get(&path).await.body["state_id"], own);
}

#[tokio::test]
async fn a_state_in_the_body_must_be_one_of_the_service() {
    let app = TestApp::spawn().await;
    let (service, stranger) = (app.a_service().await, app.a_service().await);
    let strange_state = app.a_state(stranger).await;
    let start = format!("/services/{service}/tasks/start");
    let refused = app.post(&start, &json!({"state_id": strange_state})).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/state_id"]);
    let task = app.a_task(service).await;
    let end = format!("/services/{service}/tasks/{task}/end");
    let refused = app.post(&end, &json!({"state_id": strange_state})).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/state_id"]);
    app.post(&end, &json!({})).await.is(204);
}

#[tokio::test]
async fn an_end_before_the_start_is_kept_and_its_duration_is_zero() {
    let app = TestApp::spawn().await;
    let path = app.a_task_path().await;
    app.post(&format!("{path}/end"), &json!({"timestamp": "2026-02-05T09:10:59.000Z"})).await.is(204);
    let task = app.get(&path).await.body;
    assert_eq!(task["completed"]["timestamp"], "2026-02-05T09:10:59.000Z");
    assert_eq!(task["duration"], 0);
}

#[tokio::test]
async fn identifiers_in_the_path_are_checked_by_width_before_they_are_looked_up() {
    let app = TestApp::spawn().await;
    let (service, largest) = (app.a_service().await, i64::MAX);
    for (path, status, code) in [
        ("/services/x/tasks/1".to_owned(), 400, "invalid_id"),
        ("/services/9223372036854775808/tasks/1".to_owned(), 400, "invalid_id"),
        (format!("/services/{service}/tasks/2147483648"), 400, "invalid_id"),
        (format!("/services/{service}/tasks/1.0"), 400, "invalid_id"),
        (format!("/services/{service}/tasks/2147483647"), 404, "unknown_task"),
        (format!("/services/{service}/tasks/-1"), 404, "unknown_task"),
        (format!("/services/{largest}/tasks/1"), 404, "unknown_service"),
    ] {
        app.get(&path).await.refused(status, code);
        app.post(&format!("{path}/end"), &json!({})).await.refused(status, code);
    }
}

#[tokio::test]
async fn the_sequence_of_tasks_may_wrap_round() {
    let app = TestApp::spawn().await;
    let _: i64 = app.value("select setval('task_id_seq', 2147483646)").await;
    let service = app.a_service().await;
    let tasks = [app.a_task(service).await, app.a_task(service).await];
    assert_eq!(tasks, [2_147_483_647, 1]);

    // The sequence repeats its first numbers. The existing task keeps its number, and the new one gets another.
    let node = app.another_node().await;
    let _: i64 = app.value("select setval('task_id_seq', 2147483646)").await;
    let tasks = [node.a_task(service).await, node.a_task(service).await];
    assert_eq!(tasks, [2, 3], "numbers in use within the service are skipped");
    let other = app.a_service().await;
    app.post(&format!("/services/{other}/tasks/2147483647/end"), &json!({})).await.refused(404, "unknown_task");
}

#[tokio::test]
async fn a_service_that_has_the_next_thousands_of_identifiers_finds_free_ones() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    for taken in [
        format!("insert into tasks (service_id, task_id, started_at) select {service}, n, now() from generate_series(1, 5000) n"),
        format!("insert into states (service_id, state_id, started_at) select {service}, n, now() from generate_series(1, 5000) n"),
        "insert into services (service_id, started_at, customer_id) select n, now(), 'c' from generate_series(10, 5000) n".into(),
    ] {
        sqlx::query(&taken).execute(&mut app.sql().await).await.unwrap();
    }
    let mut tasks = futures::future::join_all((0..50).map(|_| app.a_task(service))).await;
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!(tasks.len(), 50);
    assert!(tasks[0] > 5000 && app.a_state(service).await > 5000);
    let mut services = futures::future::join_all((0..30).map(|_| app.a_service())).await;
    services.sort_unstable();
    services.dedup();
    assert_eq!(services.len(), 30);
}

#[tokio::test]
async fn an_end_replaces_what_the_start_recorded_under_the_same_extension() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service().await;
    let start = json!({"Survey": {"url": "a", "question1": 1}, "Proposal": [{"car type": "van"}]});
    let task = app.start(&format!("/services/{service}/tasks/start"), &start).await;
    let path = format!("/services/{service}/tasks/{task}");
    app.post(&format!("{path}/end"), &json!({"survey": {"url": "b"}})).await.is(204);
    let read = app.get(&format!("{path}?extensions=*")).await.body;
    assert_eq!(read["Survey"], json!({"url": "b"}));
    assert_eq!(read["Proposal"], json!([{"car type": "van", "seats": 4}]));
}

#[tokio::test]
async fn an_unknown_service_or_task_is_told_apart() {
    let app = TestApp::spawn().await;
    app.post("/services/7/tasks/start", &json!({})).await.refused(404, "unknown_service");
    app.post("/services/7/tasks/7/end", &json!({})).await.refused(404, "unknown_service");
    let service = app.a_service().await;
    app.post(&format!("/services/{service}/tasks/7/end"), &json!({})).await.refused(404, "unknown_task");
    app.get(&format!("/services/{service}/tasks/7")).await.refused(404, "unknown_task");
    app.get("/services/7/tasks/7").await.refused(404, "unknown_service");
}
