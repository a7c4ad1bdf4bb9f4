//! A database that is read-only for a while, several hosts, and a standby that becomes the primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use context_services::domain::clock::SystemClock;
use context_services::store::{DatabaseAddress, Store, StoreSettings};
use futures::future::join_all;
use serde_json::json;
use sqlx::{ConnectOptions, Executor};

use crate::support::cluster::Cluster;
use crate::support::postgres::{Database, settings};
use crate::support::proxy::{Line, Proxy};
use crate::support::world::survey;
use crate::support::{TestApp, until};

#[tokio::test]
async fn while_the_database_is_read_only_events_are_503_and_afterwards_they_flow_by_themselves() {
    let app = TestApp::spawn().await;
    let path = app.a_task_path().await;
    let name = app.database.name();
    // As by a failover to a standby: what is open is lost, and what is opened is read-only.
    app.database.administer(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let end_sessions = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    app.database.administer(&end_sessions).await;
    for _ in 0..3 {
        app.post(&format!("{path}/end"), &json!({})).await.refused(503, "database_unavailable");
        app.post("/metadata/tasks/extensions", &survey()).await.refused(503, "database_unavailable");
    }
    until("readiness names the reason", async || {
        let ready = app.get("/health/ready").await;
        ready.status == 503 && ready.body["detail"].as_str().unwrap().contains("read-only")
    })
    .await;
    app.get("/health/live").await.is(200);
    // What is open stays read-only: only new sessions accept writes.
    app.database.administer(&format!("alter database {name} reset default_transaction_read_only")).await;
    until("events flow again", async || app.post(&format!("{path}/end"), &json!({})).await.status == 204).await;
    until("it is ready again", async || app.get("/health/ready").await.status == 200).await;
    until("schemas are created again", async || app.post("/metadata/tasks/extensions", &survey()).await.status == 201)
        .await;
}

#[tokio::test]
async fn of_several_hosts_the_one_that_answers_is_used_and_the_other_when_it_is_gone() {
    let database = Arc::new(Database::create().await);
    let (one, other) = (Proxy::before(&database.options).await, Proxy::before(&database.options).await);
    let hosts = vec![one.options(&database.options), other.options(&database.options)];
    one.set(Line::Cut);
    let settings = StoreSettings { database: DatabaseAddress::new(hosts), ..settings(database.options.clone()) };
    let app = TestApp::with_settings(database, settings).await;
    let service = app.a_service().await;
    for (gone, there) in [(&other, &one), (&one, &other)] {
        let path = format!("/services/{service}/tasks/{}", app.a_task(service).await);
        there.set(Line::Open);
        gone.set(Line::Cut);
        until("events flow to the other host", async || {
            app.post(&format!("{path}/end"), &json!({})).await.status == 204
        })
        .await;
        until("it is ready", async || app.get("/health/ready").await.status == 200).await;
        app.get(&path).await.is(200);
    }
}

#[tokio::test]
async fn the_service_follows_a_failover_to_the_standby_and_loses_nothing() {
    let mut cluster = Cluster::start().await;
    let primary = cluster.primary_options();
    let hosts = DatabaseAddress::new(vec![cluster.copy_options("standby"), primary.clone()]);
    let database = Arc::new(Database::create().await);
    let settings = StoreSettings { database: hosts, ..settings(database.options.clone()) };
    let app = TestApp::with_settings(database, settings.clone()).await;
    cluster.start_standby().await;
    let service = app.a_service().await;
    let first = app.a_task(service).await;
    let end = async |task: i64| app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({})).await;
    end(first).await.is(204);

    let on_standby = StoreSettings { database: cluster.copy_options("standby").into(), ..settings };
    let Err(error) = Store::open(on_standby, Arc::new(SystemClock)).await else { panic!("it starts on a standby") };
    assert!(error.to_string().contains("the database is read-only: it is a standby"), "{error}");

    // A primary that is set read-only for a while keeps its sessions.
    let second = app.a_task(service).await;
    let mut administrator = primary.connect().await.unwrap();
    for (setting, status) in [("on", 503), ("off", 204)] {
        administrator.execute("set default_transaction_read_only = off").await.unwrap();
        let alter = format!("alter system set default_transaction_read_only = {setting}");
        administrator.execute(&*alter).await.unwrap();
        administrator.execute("select pg_reload_conf()").await.unwrap();
        until("events are answered otherwise", async || end(second).await.status == status).await;
        let ready = if status == 204 { 200 } else { 503 };
        until("so is readiness", async || app.get("/health/ready").await.status == ready).await;
    }

    let third = app.a_task(service).await;
    cluster.stop_primary().await;
    end(third).await.refused(503, "database_unavailable");
    until("the node sees a standby", async || {
        app.get("/health/ready").await.refused(503, "database_unavailable");
        end(third).await.status == 503
    })
    .await;
    cluster.promote("standby");
    until("events flow to the new primary", async || end(third).await.status == 204).await;
    until("it is ready", async || app.get("/health/ready").await.status == 200).await;
    for task in [first, second, third] {
        let read = app.get(&format!("/services/{service}/tasks/{task}")).await.is(200).body;
        assert!(read["completed"].is_object(), "{read:#}");
    }
}

/// Starts and ends tasks of a service, each request until it is accepted, and returns the tasks whose end was acknowledged.
async fn keep_ending_tasks(app: &TestApp, service: i64, stop: &AtomicBool, acknowledged: &AtomicBool) -> Vec<i64> {
    let mut ended = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = app.post(&format!("/services/{service}/tasks/start"), &json!({})).await;
        if started.status == 503 {
            continue;
        }
        let task = started.is(201).body["task_id"].as_i64().unwrap();
        let path = format!("/services/{service}/tasks/{task}/end");
        until("the end is acknowledged", async || {
            let status = app.post(&path, &json!({"disposition": "done"})).await.status;
            assert!(status == 204 || status == 503, "{status}");
            status == 204
        })
        .await;
        ended.push(task);
        acknowledged.store(true, Ordering::Relaxed);
    }
    ended
}

#[tokio::test]
async fn with_a_synchronous_standby_a_primary_that_dies_under_load_takes_no_acknowledged_event_with_it() {
    let mut cluster = Cluster::start().await;
    let hosts = DatabaseAddress::new(vec![cluster.primary_options(), cluster.copy_options("standby")]);
    let database = Arc::new(Database::create().await);
    let settings = StoreSettings { database: hosts, ..settings(database.options.clone()) };
    let app = TestApp::with_settings(database, settings).await;
    cluster.start_standby().await;
    let mut administrator = cluster.primary_options().connect().await.unwrap();
    administrator.execute("alter system set synchronous_standby_names = '*'").await.unwrap();
    administrator.execute("select pg_reload_conf()").await.unwrap();
    until("the standby is synchronous", async || {
        let synchronous = "select exists (select from pg_stat_replication where sync_state = 'sync')";
        sqlx::query_scalar(synchronous).fetch_one(&mut administrator).await.unwrap()
    })
    .await;

    let service = app.a_service().await;
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicBool::new(false));
    let clients = join_all((0..8).map(|_| keep_ending_tasks(&app, service, &stop, &acknowledged)));
    let disaster = async {
        until("events flow", async || acknowledged.load(Ordering::Relaxed)).await;
        cluster.kill_primary();
        cluster.promote("standby");
        acknowledged.store(false, Ordering::Relaxed);
        until("events flow to the new primary", async || acknowledged.load(Ordering::Relaxed)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (ended, ()) = tokio::join!(clients, disaster);
    let mut promoted = cluster.copy_options("standby").connect().await.unwrap();
    for task in ended.concat() {
        let found = "select count(*) from reporting.tasks where task_id = $1 and ended is not null";
        let count: i64 = sqlx::query_scalar(found).bind(task).fetch_one(&mut promoted).await.unwrap();
        assert_eq!(count, 1, "task {task}");
    }
}
