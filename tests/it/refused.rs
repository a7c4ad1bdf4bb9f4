//! Refused requests as administrators see them: their causes and places, without values.

use std::sync::Arc;

use context_services::domain::access::{CredentialKind, Role, SecretHash};
use context_services::http::AccessSettings;
use reqwest::Method;
use serde_json::json;

use crate::support::TestApp;
use crate::support::postgres::Database;

#[tokio::test]
async fn refused_requests_are_listed_with_their_places_and_without_values() {
    let app = TestApp::spawn().await;
    let task = app.a_task_path().await;
    let end = format!("{task}/end");
    for wrong in [json!({"disposition": ["secret"], "unknown": 1}), json!({"disposition": {"x": "secret"}})] {
        app.post(&end, &wrong).await.refused(400, "invalid_event");
    }
    app.post("/services/999999/end", &json!({})).await.refused(404, "unknown_service");
    app.post(&format!("{end}?secret=secret"), &json!({})).await.refused(400, "invalid_query");
    // Not refused, or not changes.
    app.get("/services/999999").await.refused(404, "unknown_service");
    app.post(&end, &json!({})).await.is(204);

    let refused = app.get("/refused").await.is(200).body;
    let causes: Vec<_> = refused["causes"].as_array().unwrap().iter().collect();
    let of = |code: &str, pointer: Option<&str>| {
        let found = causes.iter().find(|cause| cause["code"] == code && cause["pointer"].as_str() == pointer);
        found.map(|cause| cause["requests"].as_u64().unwrap())
    };
    assert_eq!(of("invalid_event", Some("/disposition")), Some(2));
    assert_eq!(of("invalid_event", Some("/unknown")), Some(1));
    assert_eq!(of("unknown_service", None), Some(1));
    assert_eq!(of("invalid_query", Some("?secret")), Some(1));
    assert_eq!(causes[0]["pointer"], "/disposition", "the most frequent cause is the first");

    let requests = refused["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 4);
    let first = &requests[3];
    assert_eq!(
        (&first["operation"], &first["method"], &first["route"], &first["pointers"]),
        (
            &json!("complete_task"),
            &json!("POST"),
            &json!("/services/{service_id}/tasks/{task_id}/end"),
            &json!(["/disposition", "/unknown"])
        )
    );
    assert_eq!(
        first["detail"],
        "/disposition: expected a 64-bit integer or a string; /…: neither a field of this event nor the name of a task extension"
    );
    assert!(!refused.to_string().contains("\"secret\""), "no value is kept: {refused}");

    let page = app.get("/administration/refused").await.is(200).body.to_string();
    for shown in [
        "/docs/#/Tasks/complete_task",
        "There is no such service",
        "/problems/unknown_service",
        "/disposition",
        "expected a 64-bit integer or a string",
        "no such service",
        first["request_id"].as_str().unwrap(),
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    let docs = app.get("/docs/").await.is(200).body.to_string();
    assert!(docs.contains("/Tasks/complete_task"), "the link leads to a place in {docs}");
}

#[tokio::test]
async fn requests_to_unknown_routes_are_listed_without_their_paths() {
    let app = TestApp::spawn().await;
    app.post("/service/1/task/jane.doe/end", &json!({})).await.refused(404, "not_found");
    app.put("/genesys/1/cs/customer/jane.doe", &json!({})).await.refused(404, "not_found");
    app.delete("/services/7/tasks/9").await.refused(405, "method_not_allowed");
    app.send(Method::from_bytes(b"JANE").unwrap(), "/services/start", None).await.refused(405, "method_not_allowed");
    // Not a change.
    app.get("/service/1/task/jane.doe").await.refused(404, "not_found");

    let refused = app.get("/refused").await.is(200).body;
    let requests = refused["requests"].as_array().unwrap();
    let of: Vec<_> = requests
        .iter()
        .map(|one| ["operation", "method", "route", "code"].map(|member| one[member].as_str().unwrap()))
        .collect();
    assert_eq!(
        of,
        [
            ["no_such_route", "other", "/services/start", "method_not_allowed"],
            ["no_such_route", "DELETE", "/services/{service_id}/tasks/{task_id}", "method_not_allowed"],
            ["no_such_route", "PUT", "unknown route", "not_found"],
            ["no_such_route", "POST", "unknown route", "not_found"],
        ]
    );
    let page = app.get("/administration/refused").await.is(200).body.to_string();
    for shown in ["There is no such route", "no operation", "POST unknown route"] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    for text in [refused.to_string(), page] {
        assert!(!text.to_lowercase().contains("jane"), "nothing of the request is kept: {text}");
    }
}

#[tokio::test]
async fn the_last_thousand_are_kept() {
    let app = TestApp::spawn().await;
    for _ in 0..1001 {
        app.post("/services/999999/end", &json!({})).await.refused(404, "unknown_service");
    }
    let refused = app.get("/refused").await.is(200).body;
    assert_eq!(refused["requests"].as_array().unwrap().len(), 1000);
    assert_eq!(refused["causes"][0]["requests"], 1000);
}

#[tokio::test]
async fn strangers_do_not_displace_others_and_only_administrators_look() {
    let access = AccessSettings { authentication: true, ..AccessSettings::default() };
    let app = TestApp::with_access(Arc::new(Database::create().await), access).await;
    for (name, role) in [("ann", Role::Writer), ("root", Role::Administrator)] {
        app.store.add_credential(name, CredentialKind::Token, role, &SecretHash::of_token(name)).await.unwrap();
    }
    let call = async |user: &str, method: Method, path: &str| {
        let header = format!("Bearer {user}");
        app.send_with(method, path, &[("authorization", header.as_str())], None).await
    };
    call("nobody", Method::POST, "/services/1/end").await.refused(401, "unauthenticated");
    call("ann", Method::POST, "/services/999/end").await.refused(404, "unknown_service");
    call("ann", Method::DELETE, "/services/999").await.refused(403, "forbidden");
    call("nobody", Method::POST, "/service/1/end").await.refused(401, "unauthenticated");
    // Judged before the password: a page's form that a browser sends.
    let form = [("authorization", "Basic bm9ib2R5Ong="), ("sec-ch-ua", "x"), ("content-type", "text/plain")];
    let answer = app.send_with(Method::POST, "/services/1/end", &form, Some("{}".to_owned())).await;
    answer.refused(415, "unsupported_media_type");
    call("ann", Method::POST, "/service/1/end").await.refused(403, "forbidden");
    call("ann", Method::POST, "/services/1/tasks/2/ended").await.refused(404, "not_found");
    for path in ["/refused", "/administration/refused", "/administration/schemas", "/administration/users"] {
        call("ann", Method::GET, path).await.is(403);
        call("root", Method::GET, path).await.is(200);
    }
    let requests = call("root", Method::GET, "/refused").await.body["requests"].clone();
    let of: Vec<_> = requests.as_array().unwrap().iter().map(|one| (&one["user"], &one["code"])).collect();
    let wanted = ["not_found", "forbidden", "forbidden", "unknown_service"].map(|code| (json!("ann"), json!(code)));
    assert_eq!(of, wanted.iter().map(|(user, code)| (user, code)).collect::<Vec<_>>());
    let users = call("root", Method::GET, "/administration/users").await.body.to_string();
    assert!(users.contains("ann") && users.contains("writer"), "{users}");
    assert!(!users.contains(&SecretHash::of_token("ann").0), "hashes are not shown: {users}");
}

#[tokio::test]
async fn metadata_can_be_read_on_pages_in_maintenance_too() {
    let app = TestApp::spawn().await;
    let survey = json!({"name": "Survey", "type": "multi-valued", "unique": ["call"], "attributes": [
        {"name": "call", "type": "string", "length": 20, "mandatory": true},
        {"name": "<b>stars</b>", "type": "integer", "default": 5}]});
    app.post("/metadata/tasks/extensions", &survey).await.is(201);
    let outcome = json!({"display_name": "How it ended", "cv_attributes": ["Task.disposition"], "default": "ok",
        "values": [{"dbid": 1, "name": "ok", "tone": "good"}, {"dbid": 2, "name": "<i>bad</i>", "tone": "bad"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    app.post("/server/mode", &json!({"mode": "maintenance"})).await.is(200);
    let schemas = app.get("/administration/schemas").await.is(200).body.as_str().unwrap().to_owned();
    for shown in
        ["Survey", "reporting.", "task_survey", "string up to 20", "unique: ", "&lt;b&gt;stars&lt;/b&gt;", "integer"]
    {
        assert!(schemas.contains(shown), "{shown} is not in {schemas}");
    }
    let attributes = app.get("/administration/business-attributes").await.is(200).body.as_str().unwrap().to_owned();
    for shown in ["How it ended", "Task.disposition", "✓", "✗", "&lt;i&gt;bad&lt;/i&gt;", "Default", "yes"] {
        assert!(attributes.contains(shown), "{shown} is not in {attributes}");
    }
    app.get("/dashboard").await.is(503);
}
