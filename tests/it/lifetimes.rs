//! Expiry and removal (docs/api.md §7).

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;

use crate::support::lifetimes::{service_ttl, with_lifetimes};
use crate::support::postgres::{Database, schema_of};
use crate::support::world::reference_end;
use crate::support::{TestApp, until};

#[tokio::test]
async fn a_service_is_there_until_the_millisecond_of_its_expiry() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"ttl": 60})).await;
    app.clock.advance(59_999);
    app.jobs_have_run().await;
    assert!(app.is_there(service).await);
    app.clock.advance(1);
    app.until_gone(service).await;
}

#[tokio::test]
async fn an_expired_service_is_unknown_to_every_call_and_in_no_list() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service_with(json!({"ttl": 60, "service_type": "short"})).await;
    let path = format!("/services/{service}");
    let state = app.a_state(service).await;
    let task = app.start(&format!("{path}/tasks/start"), &json!({"state_id": state})).await;
    app.post(&format!("{path}/tasks/{task}/end"), &reference_end(state)).await.is(204);
    let open = app.a_task(service).await;
    // What is left of it must not be seen either: removal is held up by a lock on its row.
    let mut holder = app.sql().await;
    sqlx::query("begin").execute(&mut holder).await.unwrap();
    sqlx::query("select from services for key share").execute(&mut holder).await.unwrap();
    app.clock.advance(60_000);
    app.until_gone(service).await;
    assert!(app.rows().await > 0);
    let empty = json!({});
    for read in ["", "/states", "/tasks", "/tasks/active", "/states/completed"] {
        app.get(&format!("{path}{read}")).await.refused(404, "unknown_service");
    }
    for element in [format!("/states/{state}"), format!("/tasks/{task}")] {
        app.get(&format!("{path}{element}")).await.refused(404, "unknown_service");
    }
    for event in [
        "/end".to_owned(),
        "/states/start".to_owned(),
        format!("/states/{state}/end"),
        "/tasks/start".to_owned(),
        format!("/tasks/{open}/end"),
        format!("/tasks/{task}/end"),
    ] {
        app.post(&format!("{path}{event}"), &empty).await.refused(404, "unknown_service");
    }
    let transition = json!({"from": {"state_id": state}, "to": {}});
    app.post(&format!("{path}/states/transition"), &transition).await.refused(404, "unknown_service");
    app.post(&format!("/customers/other{path}"), &empty).await.refused(404, "unknown_service");
    app.put(&path, &json!({"ttl": 600})).await.refused(404, "unknown_service");
    app.delete(&path).await.refused(404, "unknown_service");
    app.put(&format!("{path}/tasks/{task}/extensions/Survey"), &json!({"url": "u"}))
        .await
        .refused(404, "unknown_service");
    app.delete(&format!("{path}/tasks/{task}/extensions/Survey")).await.refused(404, "unknown_service");
    for list in ["", "/active", "/completed"] {
        assert_eq!(app.get(&format!("/customers/00K7/services{list}")).await.is(200).body, json!([]));
    }
    for view in ["services", "states", "tasks", "extensions", "task_survey", "task_proposal"] {
        assert_eq!(app.value::<i64>(&format!("select count(*) from reporting.{view}")).await, 0, "{view}");
    }
    let page = app.get("/journey?q=00K7").await.is(200).body;
    assert!(!page.as_str().unwrap().contains("short"), "{page}");
    sqlx::query("rollback").execute(&mut holder).await.unwrap();
    until("all rows are removed", async || app.rows().await == 0).await;
}

#[tokio::test]
async fn expiry_holds_on_every_node() {
    let app = TestApp::spawn().await;
    let other = app.another_node().await;
    let service = app.a_service_with(json!({"ttl": 60})).await;
    let task = app.a_task(service).await;
    assert!(other.is_there(service).await);
    app.clock.advance(60_000);
    app.until_gone(service).await;
    assert!(!other.is_there(service).await, "the horizon is the same for all nodes, whatever their clocks say");
    other.post(&format!("/services/{service}/tasks/{task}/end"), &json!({})).await.refused(404, "unknown_service");
}

#[tokio::test]
async fn the_latest_lifetime_wins_and_ttl_wins_over_expiration_time() {
    let app = TestApp::spawn().await;
    let at = |second: u32| json!({"expiration_time": format!("2026-02-05T09:12:{second:02}Z")});
    let [updated, ended, both, kept] = [
        app.a_service_with(json!({"ttl": 1})).await,
        app.a_service_with(json!({"ttl": 1})).await,
        app.a_service_with(json!({"ttl": 120, "expiration_time": "2026-02-05T09:11:01Z"})).await,
        app.a_service_with(json!({"ttl": 120})).await,
    ];
    app.put(&format!("/services/{updated}"), &at(0)).await.is(200);
    app.post(&format!("/services/{ended}/end"), &at(30)).await.is(204);
    app.post(&format!("/services/{kept}/end"), &json!({})).await.is(204);
    app.clock.advance(60_000);
    app.until_gone(updated).await;
    assert!(app.is_there(ended).await && app.is_there(both).await && app.is_there(kept).await);
    app.clock.advance(30_000);
    app.until_gone(ended).await;
    assert!(app.is_there(both).await && app.is_there(kept).await);
    app.clock.advance(30_000);
    app.until_gone(both).await;
    app.until_gone(kept).await;
    until("all rows are removed", async || app.rows().await == 0).await;
}

#[tokio::test]
async fn a_lifetime_is_at_most_a_hundred_years() {
    let app = TestApp::spawn().await;
    let hundred_years: i64 = 100 * 366 * 24 * 60 * 60;
    for ttl in [-1, hundred_years + 1, i64::MAX] {
        let refused = app.post("/services/start", &json!({"customer_id": "c", "ttl": ttl})).await;
        assert_eq!(refused.refused(400, "invalid_event").pointers(), ["/ttl"]);
    }
    for seconds in [-1, 0, hundred_years + 1, i64::MAX] {
        let refused = app.post("/services/start", &json!({"customer_id": "c", "auto_complete_after": seconds})).await;
        assert_eq!(refused.refused(400, "invalid_event").pointers(), ["/auto_complete_after"]);
    }
}

#[tokio::test]
async fn the_general_lifetime_holds_for_services_that_exist_and_not_for_those_with_their_own() {
    let app = TestApp::spawn().await;
    let general = app.a_service().await;
    let own = app.a_service_with(json!({"ttl": 3600})).await;
    let back_dated = app.a_service_with(json!({"timestamp": "2026-02-05T09:09:00Z"})).await;
    app.clock.advance(60_000);
    app.jobs_have_run().await;
    assert!(app.is_there(general).await && app.is_there(back_dated).await, "SERVICE_TTL is off");

    let shorter = with_lifetimes(&app.database, service_ttl(120)).await;
    shorter.clock.advance(60_000);
    shorter.until_gone(back_dated).await;
    assert!(shorter.is_there(general).await && shorter.is_there(own).await);
    shorter.clock.advance(60_000);
    shorter.until_gone(general).await;
    assert!(shorter.is_there(own).await);
    until("the services are removed", async || {
        shorter.value::<i64>("select count(*) from services where expires_at is null").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_longer_general_lifetime_holds_for_services_that_exist() {
    let database = Arc::new(Database::create().await);
    let app = with_lifetimes(&database, service_ttl(60)).await;
    let service = app.a_service().await;
    app.stop().await;
    let longer = with_lifetimes(&database, service_ttl(120)).await;
    longer.clock.advance(119_999);
    longer.jobs_have_run().await;
    assert!(longer.is_there(service).await);
    longer.clock.advance(1);
    longer.until_gone(service).await;
}

#[tokio::test]
async fn deleting_takes_everything_off_the_disk() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let kept = app.a_service().await;
    let service = app.a_service_with(json!({"auto_complete_after": 600})).await;
    let state = app.a_state(service).await;
    let task = app.start(&format!("/services/{service}/tasks/start"), &json!({"state_id": state})).await;
    app.post(&format!("/services/{service}/tasks/{task}/end"), &reference_end(state)).await.is(204);
    app.delete(&format!("/services/{service}")).await.is(200);
    app.get(&format!("/services/{service}")).await.refused(404, "unknown_service");
    app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({})).await.refused(404, "unknown_service");
    until("all rows are removed", async || app.rows().await == 1).await;
    assert!(app.is_there(kept).await);
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_finished_by_the_next_node() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let task = app.a_task(service).await;
    app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({})).await.is(204);
    let database = Arc::clone(&app.database);
    app.stop().await;
    // As a node leaves it that dies between the two steps.
    for statement in [
        "insert into deleted_services select service_id from services",
        "delete from services",
        "update deployment set lifetimes = true",
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let next = TestApp::on(database).await;
    until("all rows are removed", async || next.rows().await == 0).await;
}

#[tokio::test]
async fn many_services_expire_at_once_and_are_removed_whole() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let kept = app.a_service().await;
    let services = join_all((0..250).map(|_| app.a_service_with(json!({"ttl": 60, "auto_complete_after": 30})))).await;
    join_all(services.iter().map(async |service| {
        let path = format!("/services/{service}");
        let state = app.a_state(*service).await;
        let task = app.start(&format!("{path}/tasks/start"), &json!({"state_id": state})).await;
        app.post(&format!("{path}/tasks/{task}/end"), &reference_end(state)).await.is(204);
    }))
    .await;
    app.clock.advance(60_000);
    until("all rows are removed", async || app.rows().await == 1).await;
    assert!(app.is_there(kept).await);
}

#[tokio::test]
async fn the_page_of_a_service_says_when_it_expires_and_ends_by_itself() {
    let app = TestApp::spawn().await;
    let own = app.a_service_with(json!({"ttl": 3600, "auto_complete_after": 60})).await;
    let page = async |service: i64| {
        let page = app.get(&format!("/journey/services/{service}")).await.is(200).body;
        page.as_str().unwrap().to_owned()
    };
    let open = page(own).await;
    assert!(open.contains("Expires") && open.contains("2026-02-05T10:11:00.000Z"), "{open}");
    assert!(open.contains("without an event"), "{open}");
    app.clock.advance(60_000);
    app.until_auto_completed(own).await;
    let completed = page(own).await;
    assert!(completed.contains("automatically") && !completed.contains("without an event"), "{completed}");
    let plain = page(app.a_service().await).await;
    assert!(!plain.contains("Expires") && !plain.contains("automatically"), "{plain}");
}

#[tokio::test]
async fn a_report_counts_the_services_that_are_about_to_leave() {
    let app = TestApp::spawn().await;
    app.a_service_with(json!({"ttl": 3600, "auto_complete_after": 3600})).await;
    app.a_service_with(json!({"ttl": 3601, "auto_complete_after": 86_400})).await;
    app.a_service_with(json!({"ttl": 7 * 86_400 + 1})).await;
    let ended = app.a_service_with(json!({"auto_complete_after": 60})).await;
    app.post(&format!("/services/{ended}/end"), &json!({})).await.is(204);
    let rows = app.get("/reports/lifetimes").await.is(200).body["rows"].clone();
    assert_eq!(
        rows,
        json!([{"within_s": 3600, "expiring": 1, "completing": 1}, {"within_s": 86_400, "expiring": 2, "completing": 2},
               {"within_s": 604_800, "expiring": 2, "completing": 2}])
    );
    let csv = app.get("/reports/lifetimes?format=csv").await.is(200).body;
    assert_eq!(csv, "within_s,expiring,completing\n3600,1,1\n86400,2,2\n604800,2,2\n");
    app.get("/reports/lifetimes?from=2026-02-05T09:00:00Z").await.refused(400, "invalid_query");
    let page = app.get("/dashboard").await.is(200).body;
    assert!(page.as_str().unwrap().contains("Services that expire"), "{page}");
}

#[tokio::test]
async fn the_report_of_what_leaves_takes_the_general_lifetime_into_account() {
    let database = Arc::new(Database::create().await);
    let app = with_lifetimes(&database, service_ttl(86_400)).await;
    app.a_service().await;
    app.a_service_with(json!({"ttl": 60})).await;
    let rows = app.get("/reports/lifetimes").await.is(200).body["rows"].clone();
    let expiring: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["expiring"].clone()).collect();
    assert_eq!(expiring, [1, 2, 2]);
}

#[tokio::test]
async fn a_removal_that_is_held_up_by_a_lock_is_measured_and_finished_after_it() {
    let app = TestApp::spawn().await;
    let [locked, free] = [app.a_service().await, app.a_service().await];
    let task = app.a_task(locked).await;
    let mut holder = app.database.connect().await;
    sqlx::query("begin").execute(&mut holder).await.unwrap();
    let tasks = format!("{}.tasks", schema_of(locked));
    let hold = format!("select from {tasks} where service_id = {locked} and task_id = {task} for update");
    sqlx::query(&hold).execute(&mut holder).await.unwrap();
    for service in [locked, free] {
        app.delete(&format!("/services/{service}")).await.is(200);
    }
    app.get(&format!("/services/{locked}")).await.refused(404, "unknown_service");
    until("both are tried", async || app.rows().await == 3).await;
    sqlx::query("rollback").execute(&mut holder).await.unwrap();
    until("all rows are removed", async || app.rows().await == 0).await;
}

#[tokio::test]
async fn the_first_deletion_of_a_deployment_gives_way_to_events_while_an_analyst_holds_the_tables() {
    let app = TestApp::spawn().await;
    let [service, other] = [app.a_service().await, app.a_service().await];
    let mut analyst = app.database.connect().await;
    for statement in ["begin", "update services set est_duration = 1 where false"] {
        sqlx::query(statement).execute(&mut analyst).await.unwrap();
    }
    let path = format!("/services/{service}");
    let deletion = app.delete(&path);
    let events = async {
        for _ in 0..5 {
            app.a_task(other).await;
        }
        sqlx::query("rollback").execute(&mut analyst).await.unwrap();
    };
    let (deleted, ()) = futures::join!(deletion, events);
    deleted.is(200);
}
