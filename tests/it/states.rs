//! Start State.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_state_is_started_after_another_of_the_service() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let first = app.a_state(service).await;
    let path = format!("/services/{service}/states/start");
    let second = app.post(&path, &json!({"previous_state_id": first, "state_type": 8})).await.is(201);
    assert_eq!(second.body, json!({"state_id": 2}));
    assert_eq!(second.header("location"), Some(&*format!("/services/{service}/states/2")));
    let row: serde_json::Value = app.value("select to_jsonb(s) from reporting.states s where state_id = 2").await;
    assert_eq!(row["previous_state_id"], first);
    assert_eq!(row["state_type"], "8");
    assert_eq!(row["status"], "active");
}

#[tokio::test]
async fn the_previous_state_must_be_one_of_the_service() {
    let app = TestApp::spawn().await;
    let (service, stranger) = (app.a_service().await, app.a_service().await);
    let strange_state = app.a_state(stranger).await;
    let body = json!({"previous_state_id": strange_state});
    let refused = app.post(&format!("/services/{service}/states/start"), &body).await;
    assert_eq!(refused.refused(400, "invalid_event").pointers(), ["/previous_state_id"]);
    app.post("/services/77/states/start", &json!({})).await.refused(404, "unknown_service");
    app.post("/services/x/states/start", &json!({})).await.refused(400, "invalid_id");
}
