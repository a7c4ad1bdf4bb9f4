//! Start, Associate, Complete and Delete Service, Update Expiration, and Query Service by ID.

use serde_json::json;

use crate::support::app::START;
use crate::support::postgres::schema_of;
use crate::support::{TestApp, until};

#[tokio::test]
async fn a_service_is_started_and_read_back() {
    let app = TestApp::spawn().await;
    let body = json!({"customer_id": "00K7", "contact_key": "pin-77", "service_type": 12, "est_duration": 600,
        "interaction_id": "0000CSS0", "media_type": "voice"});
    let started = app.post("/services/start", &body).await.is(201);
    let service = started.body["service_id"].as_i64().unwrap();
    assert_eq!(started.body, json!({"service_id": service}));
    assert_eq!(started.header("location"), Some(&*format!("/services/{service}")));
    assert_eq!(
        app.get(&format!("/services/{service}")).await.is(200).body,
        json!({"service_id": service, "customer_id": "00K7", "contact_key": "pin-77", "service_type": 12,
            "est_duration": 600,
            "started": {"timestamp": START, "interaction_id": "0000CSS0", "media_type": "voice"}})
    );
}

#[tokio::test]
async fn a_customer_or_a_contact_key_must_be_given() {
    let app = TestApp::spawn().await;
    let refused = app.post("/services/start", &json!({"customer_id": null})).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/customer_id"]);
    let refused = app.post("/services/start", &json!({"contact_key": ""})).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/contact_key"]);
    let service = app.start("/services/start", &json!({"contact_key": 77})).await;
    assert_eq!(
        app.get(&format!("/services/{service}")).await.body["contact_key"],
        "77",
        "an integer is kept as its text"
    );
    assert_eq!(app.value::<i64>("select count(*) from services").await, 1);
}

#[tokio::test]
async fn extensions_of_services_are_recorded_with_their_start() {
    let app = TestApp::spawn().await;
    let schema = json!({"name": "Origin", "type": "single-valued", "attributes": [{"name": "page", "type": "string"}]});
    app.post("/metadata/services/extensions", &schema).await.is(201);
    let service = app.start("/services/start", &json!({"customer_id": "c", "origin": {"page": "/hotels"}})).await;
    let read = app.get(&format!("/services/{service}?extensions=ORIGIN")).await;
    assert_eq!(read.body["Origin"], json!({"page": "/hotels"}));
    let of_tasks = app.post(&format!("/services/{service}/tasks/start"), &json!({"origin": {}})).await;
    assert_eq!(of_tasks.refused(400, "invalid_event").pointers(), ["/origin"], "it is no extension of tasks");
}

#[tokio::test]
async fn queries_refuse_parameters_that_they_do_not_have() {
    let app = TestApp::spawn().await;
    let path = format!("/services/{}", app.a_service().await);
    let refused = app.get(&format!("{path}?extension=Survey")).await.refused(400, "invalid_query");
    assert_eq!(refused.body["errors"][0]["parameter"], "extension");
    app.get(&format!("{path}?extensions=Nothing,%20Else&extensions=*")).await.is(200);
}

#[tokio::test]
async fn the_expiration_is_recorded_and_ttl_wins() {
    let app = TestApp::spawn().await;
    let body =
        json!({"customer_id": "c", "ttl": 60, "expiration_time": "2030-01-01T00:00:00Z", "auto_complete_after": 5});
    app.post("/services/start", &body).await.is(201);
    let expires: String = app.value("select to_json(expires_at at time zone 'UTC') #>> '{}' from services").await;
    assert_eq!(expires, "2026-02-05T09:12:00");
    assert_eq!(app.value::<i64>("select auto_complete_after from services").await, 5);
    let refused = app.post("/services/start", &json!({"customer_id": "c", "ttl": i64::MAX})).await;
    assert_eq!(refused.refused(400, "invalid_event").pointers(), ["/ttl"]);
}

#[tokio::test]
async fn a_service_ends_once_and_still_takes_late_events() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let (path, task) = (format!("/services/{service}"), app.a_task(service).await);
    app.clock.advance(490_250);
    let end = json!({"disposition": 10, "disposition_desc": "SUCCESS", "ttl": 60});
    app.post(&format!("{path}/end"), &end).await.is(204);
    app.clock.advance(1000);
    app.post(&format!("{path}/end"), &end).await.is(204);
    let refused = app.post(&format!("{path}/end"), &json!({"disposition": 10})).await;
    refused.refused(409, "already_completed");
    let read = app.get(&path).await.body;
    assert_eq!(read["completed"], json!({"timestamp": "2026-02-05T09:19:10.250Z"}));
    assert_eq!((&read["duration"], &read["disposition"]), (&json!(490_250), &json!(10)));
    let expires: String = app.value("select to_json(expires_at at time zone 'UTC') #>> '{}' from services").await;
    assert_eq!(expires, "2026-02-05T09:20:10.25", "of the event that ended it, not of its repeat");

    app.post(&format!("{path}/tasks/{task}/end"), &json!({})).await.is(204);
    app.a_state(service).await;
    app.a_task(service).await;
    app.post("/services/77/end", &json!({})).await.refused(404, "unknown_service");
    app.send(reqwest::Method::POST, &format!("/services/{}/end", app.a_service().await), None).await.is(204);
}

#[tokio::test]
async fn associating_gives_a_service_to_the_last_customer_and_replaces_given_fields() {
    let app = TestApp::spawn().await;
    let schema = json!({"name": "Origin", "type": "single-valued", "attributes": [{"name": "page", "type": "string"}]});
    app.post("/metadata/services/extensions", &schema).await.is(201);
    let start = json!({"contact_key": "pin-77", "session_id": "a", "service_type": 12, "Origin": {"page": "/a"}});
    let service = app.start("/services/start", &start).await;
    app.clock.advance(1000);
    app.send(reqwest::Method::POST, &format!("/customers/first/services/{service}"), None).await.is(204);
    let body = json!({"session_id": "b", "est_duration": 9, "origin": {"page": "/b"}});
    app.post(&format!("/customers/00%20K7/services/{service}"), &body).await.is(204);
    let read = app.get(&format!("/services/{service}?extensions=*")).await.body;
    assert_eq!(
        read,
        json!({"service_id": service, "customer_id": "00 K7", "contact_key": "pin-77", "service_type": 12,
            "est_duration": 9, "started": {"timestamp": START, "session_id": "b"}, "Origin": {"page": "/b"}})
    );
    let at = json!({"timestamp": "2026-02-05T08:00:00Z"});
    app.post(&format!("/customers/c/services/{service}"), &at).await.is(204);
    assert_eq!(app.get(&format!("/services/{service}")).await.body["started"]["timestamp"], "2026-02-05T08:00:00.000Z");

    let keys = json!({"customer_id": "d", "contact_key": "e"});
    app.post(&format!("/customers/c/services/{service}"), &keys).await.is(204);
    let read = app.get(&format!("/services/{service}")).await.body;
    assert_eq!((&read["customer_id"], &read["contact_key"]), (&json!("c"), &json!("pin-77")), "they are ignored");
    app.post("/customers/c/services/77", &json!({})).await.refused(404, "unknown_service");
    let long = format!("/customers/{}/services/{service}", "x".repeat(256));
    app.post(&long, &json!({})).await.refused(400, "invalid_id");
}

#[tokio::test]
async fn the_expiration_is_updated() {
    let app = TestApp::spawn().await;
    let path = format!("/services/{}", app.a_service().await);
    let updated = app.put(&path, &json!({"ttl": 60, "expiration_time": "2030-01-01T00:00:00Z"})).await.is(200);
    assert_eq!(updated.body, json!({}));
    let expires = "select to_json(expires_at at time zone 'UTC') #>> '{}' from services";
    assert_eq!(app.value::<String>(expires).await, "2026-02-05T09:12:00");
    app.put(&path, &json!({"expiration_time": "2030-01-01T00:00:00Z"})).await.is(200);
    assert_eq!(app.value::<String>(expires).await, "2030-01-01T00:00:00");
    for (body, pointer) in [(json!({}), "/ttl"), (json!({"ttl": -1}), "/ttl"), (json!({"ttl": 1, "x": 1}), "/x")] {
        assert_eq!(app.put(&path, &body).await.refused(400, "invalid_event").pointers(), [pointer]);
    }
    app.put("/services/77", &json!({"ttl": 1})).await.refused(404, "unknown_service");
}

#[tokio::test]
async fn deleting_a_service_leaves_nothing_of_it_and_all_of_its_neighbour() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let mut paths = Vec::new();
    for _ in 0..2 {
        let service = app.a_service().await;
        let state = app.a_state(service).await;
        let end = crate::support::world::reference_end(state);
        app.post(&format!("/services/{service}/tasks/{}/end", app.a_task(service).await), &end).await.is(204);
        app.post(&format!("/services/{service}/states/{state}/end"), &json!({})).await.is(204);
        app.post(&format!("/services/{service}/end"), &json!({})).await.is(204);
        paths.push(format!("/services/{service}"));
    }
    assert_eq!(app.delete(&paths[0]).await.is(200).body, json!({}));
    app.get(&paths[0]).await.refused(404, "unknown_service");
    app.delete(&paths[0]).await.refused(404, "unknown_service");
    app.post(&format!("{}/tasks/start", paths[0]), &json!({})).await.refused(404, "unknown_service");
    app.get(&paths[1]).await.is(200);
    let counts = "select concat_ws(',', (select count(*) from services), (select count(*) from states),
        (select count(*) from tasks), (select count(*) from dispositions), (select count(*) from extensions))";
    until("its rows are removed", async || app.value::<String>(counts).await == "1,1,1,3,2").await;
}

#[tokio::test]
async fn what_two_nodes_write_of_a_service_while_it_is_deleted_does_not_outlive_it() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    for _ in 0..10 {
        let service = app.a_service().await;
        let tasks = futures::future::join_all((0..20).map(|_| app.a_task(service))).await;
        let ends: Vec<_> = tasks.iter().map(|task| format!("/services/{service}/tasks/{task}/end")).collect();
        let (empty, path) = (json!({}), format!("/services/{service}"));
        let ending = futures::future::join_all(ends.iter().map(|end| node.post(end, &empty)));
        let (answers, deleted) = tokio::join!(ending, app.delete(&path));
        deleted.is(200);
        assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 404)), "{answers:?}");
    }
    nothing_is_left(&app).await;
}

#[tokio::test]
async fn what_is_not_yet_committed_when_a_service_is_deleted_does_not_outlive_it_either() {
    let app = TestApp::spawn().await;
    let path = app.a_task_path().await;
    app.post(&format!("{path}/end"), &json!({})).await.is(204);
    // A first deletion turns lifetimes on, and waits for all events that are being written.
    let first = app.a_service().await;
    app.delete(&format!("/services/{first}")).await.is(200);
    // Another node has executed the statement of an end, but has not committed yet.
    let mut connection = app.sql().await;
    let mut transaction = sqlx::Connection::begin(&mut connection).await.unwrap();
    let lock = format!("select pg_advisory_xact_lock_shared({}.events_lock())", schema_of(first));
    sqlx::query(&lock).execute(&mut *transaction).await.unwrap();
    let copy = "create temporary table late on commit drop as select * from dispositions";
    sqlx::query(copy).execute(&mut *transaction).await.unwrap();
    sqlx::query("update late set element_id = 99").execute(&mut *transaction).await.unwrap();
    sqlx::query("insert into dispositions select * from late").execute(&mut *transaction).await.unwrap();
    app.delete(path.split("/tasks").next().unwrap()).await.is(200);
    let is_removed = "select not exists (select from services) and exists (select from deleted_services)";
    until("the service is removed", async || app.value::<bool>(is_removed).await).await;
    transaction.commit().await.unwrap();
    nothing_is_left(&app).await;
}

/// Waits until the rest of a deleted service is gone, after the transactions that saw the service have ended.
async fn nothing_is_left(app: &TestApp) {
    let orphans = "select count(*) from dispositions where service_id not in (select service_id from services)";
    until("no end is left", async || app.value::<i64>(orphans).await == 0).await;
    until("no deletion is left", async || app.value::<i64>("select count(*) from deleted_services").await == 0).await;
    assert_eq!(app.value::<i64>(orphans).await, 0);
}
