//! Queries, reports and pages alongside events: their connections, their limits, and the size of their responses.

use std::sync::Arc;
use std::time::Duration;

use context_services::store::{ReadSettings, StoreSettings};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::support::postgres::{Database, settings};
use crate::support::proxy::{Line, Proxy};
use crate::support::{TestApp, until};

/// Holds every read of tasks up.
const LOCK: &str = "lock table tasks in access exclusive mode";

/// A node with a single connection for reads.
async fn with_one_read(timeout: u64) -> TestApp {
    let database = Arc::new(Database::create().await);
    let reads = ReadSettings { connections: 1, timeout: Duration::from_secs(timeout) };
    let settings = StoreSettings { reads, ..settings(database.options.clone()) };
    TestApp::with_settings(database, settings).await
}

/// Whether a query of tasks is running.
async fn is_reading(app: &TestApp) -> bool {
    let running = "select exists (select from pg_stat_activity where datname = current_database() and state = 'active'
        and query like '-- query_tasks%')";
    app.value(running).await
}

async fn insert_tasks(app: &TestApp, service: i64, tasks: u32) {
    let insert = format!(
        "insert into tasks (service_id, task_id, started_at)
         select {service}, n, timestamptz '2026-02-05 09:00Z' + n * interval '1 second' from generate_series(1, {tasks}) n"
    );
    app.sql().await.execute(&*insert).await.unwrap();
}

#[tokio::test]
async fn reads_that_wait_keep_neither_events_nor_readiness_nor_metadata_waiting() {
    let app = with_one_read(60).await;
    let service = app.a_service().await;
    let (mut connection, tasks) = (app.sql().await, format!("/services/{service}/tasks"));
    let mut lock = connection.begin().await.unwrap();
    lock.execute(LOCK).await.unwrap();
    let others = async {
        until("the first is being read", async || is_reading(&app).await).await;
        app.get(&format!("/services/{service}")).await.refused(503, "overloaded");
        app.get("/reports/outcomes").await.refused(503, "overloaded");
        app.a_service().await;
        app.post(&format!("/services/{service}/end"), &json!({"disposition": "new"})).await.is(204);
        app.get("/health/ready").await.is(200);
        app.get("/metadata/tasks/extensions").await.is(200);
        lock.rollback().await.unwrap();
    };
    let (first, ()) = tokio::join!(app.get(&tasks), others);
    first.is(200);
    app.get(&format!("/services/{service}")).await.is(200);
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_refused_and_cancelled() {
    let app = with_one_read(1).await;
    let service = app.a_service().await;
    let mut connection = app.sql().await;
    let mut lock = connection.begin().await.unwrap();
    lock.execute(LOCK).await.unwrap();
    app.get(&format!("/services/{service}/tasks")).await.refused(503, "read_timeout");
    until("its statement is cancelled", async || !is_reading(&app).await).await;
    app.get(&format!("/services/{service}")).await.is(200);
    lock.rollback().await.unwrap();
    app.get(&format!("/services/{service}/tasks")).await.is(200);
}

#[tokio::test]
async fn a_dashboard_shows_the_rest_if_waits_and_funnels_take_too_long() {
    let database = Arc::new(Database::create().await);
    let proxy = Proxy::before(&database.options).await;
    let reads = ReadSettings { connections: 2, timeout: Duration::from_secs(2) };
    let settings = StoreSettings { reads, ..settings(proxy.options(&database.options)) };
    let app = TestApp::with_settings(database, settings).await;
    app.a_state(app.a_service().await).await;
    app.clock.advance(1);
    let panels = async || {
        let html = app.get("/dashboard").await.is(200).body.as_str().unwrap().to_owned();
        let panels = html.split("<section class=\"panel\" aria-labelledby=\"").skip(1);
        let slow = panels.filter(|panel| panel.contains("Measuring this took too long."));
        let slow: Vec<_> = slow.map(|panel| panel.split('"').next().unwrap().to_owned()).collect();
        assert!(html.contains("Services over time") && html.contains("1 started"), "the rest is shown: {html}");
        slow
    };
    proxy.set(Line::Without(&["-- measure_waits", "-- measure_reached"]));
    assert_eq!(panels().await, ["funnels", "waits"]);
    for figure in ["waits", "funnels"] {
        let refused = app.get(&format!("/dashboard?figure={figure}&format=csv")).await.is(503).body.to_string();
        assert!(refused.contains("read_timeout"), "{figure}: {refused}");
    }
    proxy.set(Line::Open);
    assert_eq!(panels().await, [""; 0]);
}

#[tokio::test]
async fn a_read_ends_with_its_client() {
    let app = with_one_read(60).await;
    let service = app.a_service().await;
    let mut connection = app.sql().await;
    let mut lock = connection.begin().await.unwrap();
    lock.execute(LOCK).await.unwrap();
    let read = tokio::spawn(reqwest::get(format!("{}/services/{service}/tasks", app.url)));
    until("it is being read", async || is_reading(&app).await).await;
    read.abort();
    until("its statement is cancelled", async || !is_reading(&app).await).await;
    app.get(&format!("/services/{service}")).await.is(200);
    lock.rollback().await.unwrap();
}

#[tokio::test]
async fn of_a_service_with_very_many_tasks_the_newest_are_nested() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    insert_tasks(&app, service, 6000).await;
    let read = app.get(&format!("/services/{service}?active_tasks=true&active_states=true")).await.is(200).body;
    let tasks = read["active_tasks"].as_array().unwrap();
    assert_eq!((tasks.len(), &tasks[0]["task_id"], &tasks[4999]["task_id"]), (5000, &json!(1001), &json!(6000)));
    assert_eq!((&read["omitted_tasks"], read.get("omitted_states")), (&json!(1000), None));
    let page = app.get(&format!("/journey?q={service}&by=service")).await.is(200).body;
    let page = page.as_str().unwrap();
    assert!(page.contains("1000 older tasks are left out") && page.len() < 100_000, "{} bytes", page.len());
}

#[tokio::test]
async fn a_page_of_a_list_ends_before_more_is_nested_in_it_than_an_answer_holds() {
    let app = TestApp::spawn().await;
    let mut services = Vec::new();
    for _ in 0..3 {
        services.push(app.a_service().await);
        insert_tasks(&app, services[services.len() - 1], 2400).await;
        app.clock.advance(1000);
    }
    let ids = |body: &Value| -> Vec<_> {
        body.as_array().unwrap().iter().map(|service| service["service_id"].as_i64().unwrap()).collect()
    };
    let newest = app.get("/customers/00K7/services?active_tasks=true").await.is(200);
    assert_eq!(ids(&newest.body), services[1..]);
    assert!(newest.body.as_array().unwrap().iter().all(|one| one["active_tasks"].as_array().unwrap().len() == 2400));
    let link = newest.header("link").unwrap();
    let older = app.get(link.split(['<', '>']).nth(1).unwrap()).await.is(200);
    assert_eq!((ids(&older.body), older.header("link")), (services[..1].to_vec(), None));
}

#[tokio::test]
async fn a_dashboard_of_very_many_dispositions_shows_some_and_counts_the_rest() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    insert_tasks(&app, service, 3000).await;
    let end =
        "with attribute as (select attribute_id from business_attributes where name = 'Task.disposition'), learned as (
          insert into business_attribute_values (attribute_id, name)
          select attribute_id, 'outcome ' || n from attribute, generate_series(1, 3000) n
          returning value_id, substr(name, 9)::int as n
        )
        insert into dispositions (service_id, element, element_id, ended_at, disposition, digest)
        select service_id, 'task', n, '2026-02-05 09:10Z', value_id, '' from learned, services";
    app.sql().await.execute(end).await.unwrap();
    let page = app.get("/dashboard").await.is(200).body;
    let page = page.as_str().unwrap();
    assert!(page.contains("with 2\u{202f}976 other dispositions"), "the bar has an end");
    assert!(page.contains("and 2\u{202f}900 more, in the CSV"), "the table has an end");
    assert!(page.len() < 100_000, "{} bytes", page.len());
    let csv = app.get("/reports/outcomes?format=csv").await.is(200).body;
    assert_eq!(csv.as_str().unwrap().lines().count(), 3001);
}

#[tokio::test]
async fn a_page_of_a_list_ends_before_its_extensions_are_larger_than_an_answer_may_be() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service().await;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let task = app.a_task(service).await;
        let ended = json!({"Survey": {"url": "u"}});
        app.post(&format!("/services/{service}/tasks/{task}/end"), &ended).await.is(204);
        tasks.push(task);
    }
    let grow = |bytes| format!("update extensions set records = jsonb_build_object('url', repeat('u', {bytes}))");
    app.sql().await.execute(&*grow(6_000_000)).await.unwrap();
    let ids = |page: &Value| -> Vec<_> {
        page.as_array().unwrap().iter().map(|task| task["task_id"].as_i64().unwrap()).collect()
    };
    let page = app.get(&format!("/services/{service}/tasks?extensions=*")).await.is(200);
    assert_eq!(ids(&page.body), tasks[1..]);
    let older = page.header("link").unwrap().trim_start_matches('<').split('>').next().unwrap().to_owned();
    let page = app.get(&older).await.is(200);
    assert_eq!((ids(&page.body), page.header("link")), (tasks[..1].to_vec(), None));
    let nested = format!("/services/{service}?completed_tasks=true&extensions=*");
    let refused = app.get(&nested).await.refused(400, "invalid_query");
    assert_eq!(refused.body["errors"][0]["parameter"], "extensions");
    app.get(&format!("/services/{service}?completed_tasks=true&extensions=Service.*")).await.is(200);
    app.sql().await.execute(&*grow(17_000_000)).await.unwrap();
    app.get(&format!("/services/{service}/tasks/{}?extensions=*", tasks[0])).await.refused(400, "invalid_query");
}
