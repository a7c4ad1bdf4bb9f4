//! Start Service, Service by ID.

use serde_json::json;

use crate::support::TestApp;
use crate::support::app::START;

#[tokio::test]
async fn a_service_is_started_and_read_back() {
    let app = TestApp::spawn().await;
    let body = json!({"customer_id": "00K7", "contact_key": "pin-77", "service_type": 12, "est_duration": 600,
        "interaction_id": "0000CSS0", "media_type": "voice"});
    let started = app.post("/services/start", &body).await.is(201);
    assert_eq!(started.body, json!({"service_id": 1}));
    assert_eq!(started.header("location"), Some("/services/1"));
    assert_eq!(
        app.get("/services/1").await.is(200).body,
        json!({"service_id": 1, "customer_id": "00K7", "contact_key": "pin-77", "service_type": 12,
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
    app.post("/services/start", &json!({"contact_key": 77})).await.is(201);
    assert_eq!(app.get("/services/1").await.body["contact_key"], "77", "an integer is kept as its text");
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
    app.a_service().await;
    let refused = app.get("/services/1?extension=Survey").await.refused(400, "invalid_query");
    assert_eq!(refused.body["errors"][0]["parameter"], "extension");
    app.get("/services/1?extensions=Nothing,%20Else&extensions=*").await.is(200);
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
