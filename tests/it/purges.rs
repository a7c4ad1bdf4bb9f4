//! Purges (docs/api.md §7).

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;

use crate::support::app::START;
use crate::support::postgres::schema_of;
use crate::support::{TestApp, until};

#[tokio::test]
async fn purges_delete_what_started_before_the_limit_and_meets_their_condition() {
    let app = TestApp::spawn().await;
    let purge = async |operation: &str, limit: &str| {
        let answer = app.post("/maintenance/purge", &json!({"operation": operation, "limit": limit})).await.is(200);
        answer.body["purged"].as_i64().unwrap()
    };
    let service = async |anonymous: bool, completed: bool| {
        let owner = if anonymous { json!({"contact_key": "k"}) } else { json!({"customer_id": "c"}) };
        let id = app.start("/services/start", &owner).await;
        if completed {
            app.post(&format!("/services/{id}/end"), &json!({})).await.is(204);
        }
        id
    };
    let mut world = Vec::new();
    for anonymous in [true, false] {
        for completed in [true, false] {
            world.push(service(anonymous, completed).await);
        }
    }
    let [anonymous_completed, anonymous_open, completed, open] = world[..] else { unreachable!() };
    assert_eq!(purge("purge.service.all", START).await, 0, "they did not start before the limit");
    let later = "2026-02-05T09:11:00.001Z";
    assert_eq!(purge("purge.service.completed.anonymous", later).await, 1);
    assert!(!app.is_there(anonymous_completed).await && app.is_there(anonymous_open).await);
    assert_eq!(purge("purge.service.started.anonymous", later).await, 1);
    assert!(!app.is_there(anonymous_open).await && app.is_there(open).await);
    assert_eq!(purge("purge.service.completed", later).await, 1);
    assert!(!app.is_there(completed).await && app.is_there(open).await);
    let newer = service(false, false).await;
    assert_eq!(purge("purge.service.started", later).await, 2);
    assert!(!app.is_there(open).await && !app.is_there(newer).await);
    app.clock.advance(1);
    let newest = service(false, true).await;
    assert_eq!(purge("purge.service.all", later).await, 0);
    assert!(app.is_there(newest).await);
    until("all rows are removed", async || app.rows().await == 2).await;
}

#[tokio::test]
async fn a_purge_spares_what_an_event_excludes_that_it_has_to_wait_for() {
    let app = TestApp::spawn().await;
    let service = app.start("/services/start", &json!({"contact_key": "k"})).await;
    app.jobs_have_run().await;
    // Another node has executed the statement of Associate Service, but has not committed yet.
    let (mut event, lane) = (app.sql().await, schema_of(service));
    sqlx::query("begin").execute(&mut event).await.unwrap();
    sqlx::query(&format!("select pg_advisory_xact_lock_shared({lane}.events_lock())"))
        .execute(&mut event)
        .await
        .unwrap();
    sqlx::query(&format!("update {lane}.services set customer_id = 'vip'")).execute(&mut event).await.unwrap();
    let purge = json!({"operation": "purge.service.started.anonymous", "limit": "2027-01-01T00:00:00Z"});
    let commit = async {
        until("the purge is accepted", async || app.value::<i64>("select count(*) from purges").await == 1).await;
        sqlx::query("commit").execute(&mut event).await.unwrap();
    };
    let (purged, ()) = tokio::join!(app.post("/maintenance/purge", &purge), commit);
    assert_eq!(purged.is(200).body, json!({"purged": 0}));
    assert_eq!(app.get(&format!("/services/{service}")).await.is(200).body["customer_id"], "vip");
}

#[tokio::test]
async fn a_purge_is_on_record_and_finished_by_another_node() {
    let app = TestApp::spawn().await;
    join_all((0..300).map(|_| app.a_service())).await;
    let database = Arc::clone(&app.database);
    app.post("/maintenance/purge", &json!({"operation": "purge.service.started", "limit": START})).await.is(200);
    app.stop().await;
    // As a node leaves it that dies after the first step.
    let cut = "update purges set ended_at = null, before = '2027-01-01Z', purged = 0, reached_at = '-infinity'";
    sqlx::query(cut).execute(&mut database.connect().await).await.unwrap();
    let next = TestApp::on(database).await;
    let path = "/maintenance/purges/1";
    until("the purge is done", async || next.get(path).await.is(200).body["state"] == "done").await;
    let purge = next.get(path).await.body;
    assert_eq!(
        purge,
        json!({"purge_id": 1, "operation": "purge.service.started", "limit": "2027-01-01T00:00:00.000Z",
            "state": "done", "purged": 300, "started": START, "ended": START})
    );
    until("all rows are removed", async || next.rows().await == 0).await;
    next.get("/maintenance/purges/2").await.refused(404, "not_found");
    next.get("/maintenance/purges/x").await.refused(400, "invalid_id");
}

#[tokio::test]
async fn a_malformed_purge_is_refused_with_every_violation() {
    let app = TestApp::spawn().await;
    let refused = app.post("/maintenance/purge", &json!({"operation": "purge.all", "limit": "yesterday"})).await;
    assert_eq!(refused.refused(400, "invalid_event").pointers(), ["/limit", "/operation"]);
    let refused = app.post("/maintenance/purge", &json!({})).await;
    assert_eq!(refused.refused(400, "invalid_event").pointers(), ["/limit", "/operation"]);
    let unknown = json!({"operation": "purge.service.all", "limit": START, "dry_run": true});
    assert_eq!(app.post("/maintenance/purge", &unknown).await.refused(400, "invalid_event").pointers(), ["/dry_run"]);
}
