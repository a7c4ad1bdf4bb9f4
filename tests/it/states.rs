//! Start State, Complete State, State Transition.

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

#[tokio::test]
async fn a_state_ends_once() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let end = format!("/services/{service}/states/{}/end", app.a_state(service).await);
    app.clock.advance(500);
    let body = json!({"disposition": "paid", "disposition_desc": "in full"});
    app.post(&end, &body).await.is(204);
    app.post(&end, &body).await.is(204);
    app.post(&end, &json!({})).await.refused(409, "already_completed");
    let row: serde_json::Value = app.value("select to_jsonb(s) from reporting.states s").await;
    assert_eq!((&row["duration_ms"], &row["disposition"]), (&json!(500), &json!("paid")));
    app.post("/services/77/states/1/end", &json!({})).await.refused(404, "unknown_service");
    app.post(&format!("/services/{service}/states/77/end"), &json!({})).await.refused(404, "unknown_state");
    app.post(&format!("/services/{service}/states/x/end"), &json!({})).await.refused(400, "invalid_id");
    let stranger = app.a_service().await;
    app.post(&end.replace(&format!("/{service}/"), &format!("/{stranger}/")), &json!({}))
        .await
        .refused(404, "unknown_state");
}

#[tokio::test]
async fn a_transition_ends_one_state_and_starts_the_next() {
    let app = TestApp::spawn().await;
    let schema = json!({"name": "Note", "type": "single-valued", "attributes": [{"name": "a", "type": "integer"}]});
    app.post("/metadata/states/extensions", &schema).await.is(201);
    let service = app.a_service().await;
    let first = app.a_state(service).await;
    app.clock.advance(1000);
    let path = format!("/genesys/1/cs/services/{service}/states/transition");
    let body = json!({"session_id": "s", "media_type": "voice", "note": {"a": 1},
        "from": {"state_id": first, "disposition": 10, "disposition_desc": "PAID"},
        "to": {"state_type": 8, "est_duration": 60}});
    let answer = app.post(&path, &body).await.is(201);
    assert_eq!(answer.body, json!({"state_id": first + 1}));
    assert_eq!(answer.header("location"), Some(&*format!("/genesys/1/cs/services/{service}/states/{}", first + 1)));
    let rows: serde_json::Value =
        app.value("select jsonb_agg(jsonb_strip_nulls(to_jsonb(s)) order by state_id) from reporting.states s").await;
    assert_eq!((&rows[0]["disposition"], &rows[0]["disposition_desc"]), (&json!("10"), &json!("PAID")));
    assert_eq!((&rows[0]["end_session_id"], &rows[0]["end_media_type"]), (&json!("s"), &json!("voice")));
    assert_eq!(rows[0]["ended"], rows[1]["started"]);
    assert_eq!((&rows[1]["previous_state_id"], &rows[1]["state_type"]), (&json!(first), &json!("8")));
    assert_eq!((&rows[1]["start_session_id"], &rows[1]["est_duration_s"]), (&json!("s"), &json!(60)));
    let noted: i32 = app.value("select element_id from extensions").await;
    assert_eq!(i64::from(noted), first + 1, "extensions belong to the new state");

    app.post(&path, &body).await.refused(409, "already_completed");
    assert_eq!(app.value::<i64>("select count(*) from states").await, 2);
}

#[tokio::test]
async fn a_transition_that_is_not_valid_ends_and_starts_nothing() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let state = app.a_state(service).await;
    let path = format!("/services/{service}/states/transition");
    for (body, pointers) in [
        (json!({}), &["/from"][..]),
        (json!({"from": null}), &["/from"]),
        (json!({"from": {}}), &["/from/state_id"]),
        (json!({"from": {"state_id": 77}}), &["/from/state_id"]),
        (json!({"from": {"state_id": state, "x": 1}, "to": {"y": 1}}), &["/from/x", "/to/y"]),
        (
            json!({"from": {"state_id": "a", "disposition": []}, "to": 1}),
            &["/from/state_id", "/from/disposition", "/to"],
        ),
        (json!({"from": {"state_id": state}, "disposition": 1, "timestamp": 1}), &["/timestamp"]),
        (
            json!({"from": {"state_id": state, "est_duration": 1}, "to": {"disposition": 1}}),
            &["/from/est_duration", "/to/disposition"],
        ),
    ] {
        assert_eq!(app.post(&path, &body).await.refused(400, "invalid_event").pointers(), pointers, "{body}");
    }
    app.post("/services/77/states/transition", &json!({"from": {"state_id": 1}})).await.refused(404, "unknown_service");
    assert_eq!(app.value::<i64>("select count(*) from dispositions").await, 0);
    assert_eq!(app.value::<i64>("select count(*) from states").await, 1);
}

#[tokio::test]
async fn of_many_transitions_from_one_state_one_wins() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}/states/transition");
    let body = json!({"from": {"state_id": app.a_state(service).await}});
    let answers = futures::future::join_all((0..40).map(|_| app.post(&path, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 39);
    assert_eq!(app.value::<i64>("select count(*) from states").await, 2);
}
