//! Server status and mode.

use serde_json::{Value, json};

use crate::openapi::resolved;
use crate::support::app::START;
use crate::support::{TestApp, until};

async fn change(app: &TestApp, mode: &str) {
    app.post("/server/mode", &json!({"mode": mode})).await.is(200);
}

#[tokio::test]
async fn the_status_has_true_figures() {
    let app = TestApp::spawn().await;
    let first = app.get("/server/status").await.is(200).body;
    assert!(first.get("last_request").is_none(), "this is the first");
    app.a_service().await;
    app.get("/nothing").await.is(404);
    app.clock.advance(1000);
    let status = app.get("/genesys/1/cs/server/status").await.is(200).body;
    let memory = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(
        status,
        json!({"version": env!("CARGO_PKG_VERSION"), "mode": "production", "system_time": "2026-02-05T09:11:01.000Z",
            "started": START, "last_request": START, "request_today": 3, "client_errors_today": 1,
            "server_errors_today": 0, "used_memory": memory("used_memory"), "free_memory": memory("free_memory"),
            "max_memory": memory("max_memory"), "allocated_memory": memory("allocated_memory")})
    );
    assert!(memory("used_memory") > 1024 && memory("used_memory") <= memory("allocated_memory"));
    assert!(memory("free_memory") < memory("max_memory"));
    app.clock.advance(24 * 60 * 60 * 1000);
    let next_day = app.get("/server/status").await.body;
    assert_eq!((&next_day["request_today"], &next_day["client_errors_today"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn maintenance_closes_lifecycle_and_queries_and_nothing_else() {
    let app = TestApp::spawn().await;
    let task = app.a_task_path().await;
    let changed = app.post("/genesys/1/cs/server/mode", &json!({"mode": "MAINTENANCE"})).await.is(200);
    assert_eq!(changed.body, json!({"server changed": "maintenance"}));
    assert_eq!(changed.header("location"), Some("/genesys/1/cs/server/status"));
    let document: Value = app.get("/openapi.json").await.is(200).body;
    let (mut closed, mut open) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            if name == "change_server_mode" {
                continue;
            }
            let url = path.replace("{elements}", "tasks").replace(['{', '}'], "");
            let answer = app.send(method.to_uppercase().parse().unwrap(), &url, None).await;
            let documented = resolved(&document, &operation["responses"]["503"]).to_string().contains("`maintenance`");
            if ["/services", "/customers", "/reports"].iter().any(|closed| path.starts_with(closed)) {
                let refused = answer.refused(503, "maintenance");
                assert!(refused.header("x-request-id").is_some(), "it is logged like any answer");
                assert!(documented, "{name}");
                closed += 1;
            } else {
                assert!(answer.status != 503 && !documented, "{name}: {}", answer.body);
                open += 1;
            }
        }
    }
    assert!(closed > 30 && open > 10, "{closed} {open}");
    assert_eq!(app.get("/server/status").await.body["mode"], "maintenance");
    change(&app, "Production").await;
    app.post(&format!("{task}/end"), &json!({})).await.is(204);
}

#[tokio::test]
async fn another_node_follows_the_mode() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    for (mode, status) in [("maintenance", 503), ("production", 200)] {
        change(&app, mode).await;
        until(mode, async || node.get("/customers/c/services").await.status == status).await;
    }
    change(&app, "maintenance").await;
    let late = app.another_node().await;
    late.get("/customers/c/services").await.refused(503, "maintenance");
}

#[tokio::test]
async fn a_mode_that_does_not_exist_is_refused() {
    let app = TestApp::spawn().await;
    for (body, pointer) in [
        (json!({}), "/mode"),
        (json!({"mode": "off"}), "/mode"),
        (json!({"mode": 1}), "/mode"),
        (json!({"mode": "production", "x": 1}), "/x"),
    ] {
        assert_eq!(app.post("/server/mode", &body).await.refused(400, "invalid_event").pointers(), [pointer]);
    }
}
