//! Expiry, removal, automatic completion and purges (docs/api.md §7).

use std::sync::Arc;

use chrono::TimeDelta;
use context_services::store::{LifetimeSettings, StoreSettings};
use futures::future::join_all;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::app::START;
use crate::support::postgres::{Database, settings};
use crate::support::world::{reference_end, survey};
use crate::support::{TestApp, until};

/// All tables that hold anything of a service.
const ROWS: &str = "select (select count(*) from services) + (select count(*) from states)
    + (select count(*) from tasks) + (select count(*) from dispositions) + (select count(*) from extensions)
    + (select count(*) from deleted_services) + (select count(*) from auto_completions)";

async fn with_lifetimes(database: &Arc<Database>, lifetimes: LifetimeSettings) -> TestApp {
    let settings = StoreSettings { lifetimes, ..settings(database.options.clone()) };
    TestApp::with_settings(Arc::clone(database), settings).await
}

fn service_ttl(seconds: i64) -> LifetimeSettings {
    LifetimeSettings { service_ttl: Some(TimeDelta::seconds(seconds)), ..LifetimeSettings::default() }
}

fn auto_complete_after(seconds: i64) -> LifetimeSettings {
    LifetimeSettings { auto_complete_after: Some(TimeDelta::seconds(seconds)), ..LifetimeSettings::default() }
}

impl TestApp {
    async fn a_service_with(&self, fields: Value) -> i64 {
        let mut body = json!({"customer_id": "00K7"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.start("/services/start", &body).await
    }

    async fn is_there(&self, service: i64) -> bool {
        self.get(&format!("/services/{service}")).await.status == 200
    }

    async fn until_gone(&self, service: i64) {
        until("the service is gone", async || !self.is_there(service).await).await;
    }

    async fn until_auto_completed(&self, service: i64) -> Value {
        let path = format!("/services/{service}");
        until("the service has ended by itself", async || self.get(&path).await.body["auto_completed"] == true).await;
        self.get(&path).await.body
    }

    async fn rows(&self) -> i64 {
        self.value(ROWS).await
    }

    /// Has background jobs look at everything once more: a service that expires now is out of sight after that.
    async fn jobs_have_run(&self) {
        let witness = self.a_service_with(json!({"ttl": 0})).await;
        self.until_gone(witness).await;
    }
}

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
async fn an_idle_service_ends_with_all_that_is_open_in_it() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let [open_state, ended_state] = [app.a_state(service).await, app.a_state(service).await];
    let [open_task, ended_task] = [app.a_task(service).await, app.a_task(service).await];
    app.post(&format!("{path}/states/{ended_state}/end"), &json!({"disposition": 1})).await.is(204);
    app.post(&format!("{path}/tasks/{ended_task}/end"), &json!({"disposition": 1})).await.is(204);
    app.clock.advance(59_999);
    app.jobs_have_run().await;
    assert!(app.get(&path).await.body.get("completed").is_none());
    app.clock.advance(1);
    let completed = app.until_auto_completed(service).await;
    assert_eq!(completed["completed"], json!({"timestamp": "2026-02-05T09:12:00.000Z"}));
    assert_eq!((completed.get("disposition"), &completed["duration"]), (None, &json!(60_000)));
    for (kind, open, ended) in [("states", open_state, ended_state), ("tasks", open_task, ended_task)] {
        let read = async |id: i64| app.get(&format!("{path}/{kind}/{id}")).await.is(200).body;
        assert_eq!(read(open).await["auto_completed"], true);
        assert_eq!(read(ended).await.get("auto_completed"), None);
        let automatic: i64 = app.value(&format!("select count(*) from reporting.{kind} where auto_completed")).await;
        assert_eq!(automatic, 1);
    }
    assert_eq!(app.value::<i64>("select count(*) from auto_completions").await, 0);
    let listed = app.get("/customers/00K7/services/completed").await.body;
    assert_eq!(listed[0]["auto_completed"], true);
}

#[tokio::test]
async fn the_last_event_of_any_element_keeps_a_service_open() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let empty = json!({});
    let (mut state, mut task) = (0, 0);
    for step in 0..6 {
        app.clock.advance(59_999);
        match step {
            0 => state = app.a_state(service).await,
            1 => task = app.a_task(service).await,
            2 => drop(app.post(&format!("{path}/tasks/{task}/end"), &empty).await.is(204)),
            3 => drop(app.post(&format!("{path}/states/{state}/end"), &empty).await.is(204)),
            4 => drop(app.post(&format!("/customers/other{path}"), &empty).await.is(204)),
            _ => {}
        }
        app.jobs_have_run().await;
        assert!(app.get(&path).await.body.get("completed").is_none(), "step {step}");
    }
    app.clock.advance(1);
    app.until_auto_completed(service).await;
}

#[tokio::test]
async fn a_timestamp_in_the_future_counts_as_now() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60, "timestamp": "2026-02-05T09:13:00Z"})).await;
    app.clock.advance(120_000);
    app.jobs_have_run().await;
    assert!(app.get(&format!("/services/{service}")).await.body.get("completed").is_none());
    app.clock.advance(60_000);
    app.until_auto_completed(service).await;
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
async fn a_late_end_takes_the_place_of_the_automatic_one() {
    let app = TestApp::spawn().await;
    app.a_schema(&survey()).await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let (state, task, other) = (app.a_state(service).await, app.a_task(service).await, app.a_task(service).await);
    app.clock.advance(60_000);
    app.until_auto_completed(service).await;
    let end = json!({"timestamp": "2026-02-05T09:11:30Z", "disposition": 10, "Survey": {"url": "u"}});
    app.post(&format!("{path}/tasks/{task}/end"), &end).await.is(204);
    app.post(&format!("{path}/tasks/{task}/end"), &end).await.is(204);
    app.post(&format!("{path}/tasks/{task}/end"), &json!({"disposition": 11})).await.refused(409, "already_completed");
    let read = app.get(&format!("{path}/tasks/{task}?extensions=*")).await.body;
    assert_eq!(read["completed"]["timestamp"], "2026-02-05T09:11:30.000Z");
    assert_eq!((&read["disposition"], read.get("auto_completed")), (&json!(10), None));
    assert_eq!(read["Survey"], json!({"url": "u"}));
    app.post(&format!("{path}/end"), &json!({"disposition": "done"})).await.is(204);
    assert_eq!(app.get(&path).await.body.get("auto_completed"), None);
    let next = json!({"from": {"state_id": state, "disposition": 1}, "to": {"state_type": 2}});
    app.post(&format!("{path}/states/transition"), &next).await.is(201);
    assert_eq!(app.get(&format!("{path}/states/{state}")).await.body.get("auto_completed"), None);
    assert_eq!(app.get(&format!("{path}/tasks/{other}")).await.body["auto_completed"], true);
    app.a_task(service).await;
}

#[tokio::test]
async fn a_service_that_has_ended_does_not_end_again() {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let task = app.a_task(service).await;
    app.post(&format!("/services/{service}/end"), &json!({"disposition": 1})).await.is(204);
    app.clock.advance(60_000);
    until("nothing is due any more", async || app.value::<i64>("select count(*) from auto_completions").await == 0)
        .await;
    assert_eq!(app.get(&format!("/services/{service}")).await.body.get("auto_completed"), None);
    assert_eq!(app.get(&format!("/services/{service}/tasks/{task}")).await.body.get("completed"), None);
}

#[tokio::test]
async fn the_general_window_holds_for_services_that_exist_and_their_own_wins() {
    let app = TestApp::spawn().await;
    let general = app.a_service().await;
    let own = app.a_service_with(json!({"auto_complete_after": 3600})).await;
    let ended = app.a_service().await;
    app.post(&format!("/services/{ended}/end"), &json!({})).await.is(204);
    let node = with_lifetimes(&app.database, auto_complete_after(120)).await;
    let newer = node.a_service().await;
    node.clock.advance(120_000);
    node.until_auto_completed(general).await;
    node.until_auto_completed(newer).await;
    let shorter = with_lifetimes(&app.database, auto_complete_after(30)).await;
    let last = shorter.a_service().await;
    shorter.clock.advance(30_000);
    shorter.until_auto_completed(last).await;
    assert_eq!(app.get(&format!("/services/{own}")).await.body.get("completed"), None);
    assert_eq!(app.get(&format!("/services/{ended}")).await.body.get("auto_completed"), None);
}

#[tokio::test]
async fn two_nodes_end_an_idle_service_once() {
    let app = TestApp::spawn().await;
    let other = app.another_node().await;
    let services = join_all((0..50).map(|_| app.a_service_with(json!({"auto_complete_after": 60})))).await;
    app.clock.advance(60_000);
    other.clock.advance(61_000);
    for service in &services {
        app.until_auto_completed(*service).await;
    }
    assert_eq!(app.value::<i64>("select count(*) from dispositions").await, 50);
}

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
    app.start("/services/start", &json!({"contact_key": "k"})).await;
    app.jobs_have_run().await;
    // Another node has executed the statement of Associate Service, but has not committed yet.
    let mut event = app.sql().await;
    sqlx::query("begin").execute(&mut event).await.unwrap();
    sqlx::query("select pg_advisory_xact_lock_shared(5329)").execute(&mut event).await.unwrap();
    sqlx::query("update services set customer_id = 'vip' where service_id = 1").execute(&mut event).await.unwrap();
    let purge = json!({"operation": "purge.service.started.anonymous", "limit": "2027-01-01T00:00:00Z"});
    let commit = async {
        until("the purge is accepted", async || app.value::<i64>("select count(*) from purges").await == 1).await;
        sqlx::query("commit").execute(&mut event).await.unwrap();
    };
    let (purged, ()) = tokio::join!(app.post("/maintenance/purge", &purge), commit);
    assert_eq!(purged.is(200).body, json!({"purged": 0}));
    assert_eq!(app.get("/services/1").await.is(200).body["customer_id"], "vip");
}

#[tokio::test]
async fn a_service_recorded_with_a_longer_window_than_is_taken_holds_up_no_other() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let long = app.a_service().await;
    let longest = format!("update services set auto_complete_after = {} where service_id = {long}", i64::MAX);
    sqlx::query(&longest).execute(&mut app.sql().await).await.unwrap();
    let node = with_lifetimes(&app.database, auto_complete_after(60)).await;
    node.clock.advance(60_000);
    node.until_auto_completed(service).await;
    assert_eq!(app.get(&format!("/services/{long}")).await.body.get("completed"), None);
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

/// What happens in a service that may end by itself, at which second.
#[derive(Debug, Clone)]
enum Happening {
    StartTask,
    EndTask,
    StartState,
    Associate,
    EndService,
}

fn happenings() -> impl Strategy<Value = Vec<(u32, Happening)>> {
    let happening = prop_oneof![
        Just(Happening::StartTask),
        Just(Happening::EndTask),
        Just(Happening::StartState),
        Just(Happening::Associate),
        Just(Happening::EndService),
    ];
    proptest::collection::vec((0..90_u32, happening), 1..6)
}

/// Plays a schedule: each happening comes so many seconds after the last one, and the window is a minute.
async fn play(schedule: Vec<(u32, Happening)>) {
    let app = TestApp::spawn().await;
    let service = app.a_service_with(json!({"auto_complete_after": 60})).await;
    let path = format!("/services/{service}");
    let task = app.a_task(service).await;
    let empty = json!({});
    let (mut idle_since, mut now, mut ended) = (0, 0, false);
    let mut automatic_at = None;
    for (pause, happening) in &schedule {
        if !ended && automatic_at.is_none() && now + pause >= idle_since + 60 {
            app.clock.advance(i64::from(*pause) * 1000);
            app.until_auto_completed(service).await;
            automatic_at = Some(now + pause);
        } else {
            app.clock.advance(i64::from(*pause) * 1000);
            app.jobs_have_run().await;
        }
        now += pause;
        let status = app.get(&path).await.body;
        assert_eq!(status["auto_completed"] == true, automatic_at.is_some() && !ended, "{schedule:?} at {now}");
        match happening {
            Happening::StartTask => drop(app.a_task(service).await),
            Happening::StartState => drop(app.a_state(service).await),
            Happening::Associate => drop(app.post(&format!("/customers/x{path}"), &empty).await.is(204)),
            // A repeat without a timestamp is the same event: it does not happen again.
            Happening::EndTask => drop(app.post(&format!("{path}/tasks/{task}/end"), &empty).await.is(204)),
            Happening::EndService => {
                app.post(&format!("{path}/end"), &empty).await.is(204);
                ended = true;
            }
        }
        let last: i64 = app
            .value(
                "select (extract(epoch from greatest(
                   (select max(greatest(started_at, associated_at)) from services), (select max(started_at) from states),
                   (select max(started_at) from tasks),
                   (select max(ended_at) from dispositions where auto_completed is null))
                   - timestamptz '2026-02-05T09:11:00Z'))::bigint",
            )
            .await;
        idle_since = u32::try_from(last).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 8, ..ProptestConfig::default() })]
    #[test]
    fn a_service_ends_by_itself_exactly_when_nothing_has_happened_in_it_for_its_window(schedule in happenings()) {
        tokio::runtime::Runtime::new().unwrap().block_on(play(schedule));
    }
}

#[tokio::test]
async fn an_event_that_races_the_automatic_end_is_acknowledged_and_never_lost() {
    let app = TestApp::spawn().await;
    let other = app.another_node().await;
    let services = join_all((0..40).map(|_| app.a_service_with(json!({"auto_complete_after": 60})))).await;
    let tasks = join_all(services.iter().map(|service| app.a_task(*service))).await;
    other.clock.advance(60_000);
    app.clock.advance(60_000);
    let ends = services.iter().zip(&tasks).map(async |(service, task)| {
        let end = json!({"disposition": 7});
        other.post(&format!("/services/{service}/tasks/{task}/end"), &end).await.is(204);
    });
    join_all(ends).await;
    let ended: i64 = app
        .value(
            "select count(*) from reporting.tasks where disposition = '7' and not auto_completed and status = 'completed'",
        )
        .await;
    assert_eq!(ended, 40);
    app.clock.advance(60_000);
    other.clock.advance(60_000);
    for service in services {
        app.until_auto_completed(service).await;
    }
    let twice: i64 = app.value("select count(*) from dispositions where element = 'service'").await;
    assert_eq!(twice, 40);
}
