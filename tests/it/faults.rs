//! Faults between the service and the database. Nothing acknowledged is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor;

use crate::support::audit::{Load, schema};
use crate::support::postgres::{Database, lanes, settings};
use crate::support::proxy::{Line, Proxy};
use crate::support::{TestApp, until};

/// A service that is connected to its database through a proxy.
async fn behind_proxy() -> (TestApp, Proxy) {
    let database = Arc::new(Database::create().await);
    let proxy = Proxy::before(&database.options).await;
    let settings = settings(proxy.options(&database.options));
    (TestApp::with_settings(database, settings).await, proxy)
}

#[tokio::test]
async fn whatever_happens_between_service_and_database_nothing_acknowledged_is_lost() {
    let (app, proxy) = behind_proxy().await;
    app.a_schema(&schema()).await;
    let load = Load::on(vec![app.url.clone()], app.a_service().await);
    let clients: Vec<_> = (0..16).map(|_| tokio::spawn(Arc::clone(&load).run())).collect();
    let more = async |what: &str| {
        let before = load.acknowledged();
        until(what, async || load.acknowledged() > before + 50).await;
    };
    let slow = Line::Slow(Duration::from_millis(20));
    for (fault, name) in [(Line::Cut, "cut"), (Line::Silent, "silent"), (slow, "slow"), (Line::Cut, "cut again")] {
        more("events are acknowledged").await;
        proxy.set(fault);
        if fault == slow {
            more("slowly").await;
        } else {
            until("readiness is false", async || app.get("/health/ready").await.status == 503).await;
        }
        proxy.set(Line::Open);
        more(&format!("it goes on by itself after {name}")).await;
    }
    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity \
                     where datname = current_database() and pid <> pg_backend_pid()";
    app.sql().await.execute(terminate).await.unwrap();
    more("it goes on after its backends were terminated").await;
    load.stop();
    for client in clients {
        client.await.unwrap();
    }
    assert!(load.audit(&mut app.sql().await).await > 100);
}

#[tokio::test]
async fn while_the_database_is_away_the_answer_is_503_and_soon() {
    let (app, proxy) = behind_proxy().await;
    let path = app.a_task_path().await;
    for away in [Line::Cut, Line::Silent] {
        proxy.set(away);
        let asked = Instant::now();
        app.post(&format!("{path}/end"), &json!({"disposition": 10})).await.refused(503, "database_unavailable");
        app.get(&path).await.refused(503, "database_unavailable");
        // The first state makes the node allocate identifiers.
        app.post("/services/1/states/start", &json!({})).await.refused(503, "database_unavailable");
        app.get("/health/ready").await.refused(503, "database_unavailable");
        app.get("/health/live").await.is(200);
        assert!(asked.elapsed() < Duration::from_secs(10), "no caller waits long");
        proxy.set(Line::Open);
        until("it is ready again", async || app.get("/health/ready").await.status == 200).await;
    }
    until("the retry is settled", async || {
        app.post(&format!("{path}/end"), &json!({"disposition": 10})).await.status == 204
    })
    .await;
    assert_eq!(app.value::<i64>("select count(*) from dispositions").await, 1);
}

#[tokio::test]
async fn an_idle_writer_finds_out_that_its_connection_was_cut_before_an_event_does() {
    let (app, proxy) = behind_proxy().await;
    let path = app.a_task_path().await;
    let backends = async |query: &str| {
        let count = "select count(*) from pg_stat_activity where application_name = 'context-services'";
        app.value::<i64>(&format!("{count} and datname = current_database() and query like '%{query}%'")).await
    };
    proxy.set(Line::Cut);
    until("every connection is gone", async || backends("").await == 0).await;
    proxy.set(Line::Open);
    until("each writer is back", async || backends("own_backend").await == i64::from(lanes())).await;
    app.post(&format!("{path}/end"), &json!({})).await.is(204);
}

#[tokio::test]
async fn an_answer_costs_the_same_statements_however_much_there_is() {
    let (app, proxy) = behind_proxy().await;
    app.a_schema(&schema()).await;
    let nested = "active_states=true&completed_states=true&active_tasks=true&completed_tasks=true&extensions=*,Task.*";
    let few = app.a_service().await;
    app.a_task(few).await;
    let many = app.a_service().await;
    for _ in 0..5 {
        let state = app.a_state(many).await;
        for _ in 0..4 {
            let body = json!({"state_id": state, "task_type": "t", "Mark": {"mark": "m"}});
            let task = app.start(&format!("/services/{many}/tasks/start"), &body).await;
            app.post(&format!("/services/{many}/tasks/{task}/end"), &json!({"disposition": task})).await.is(204);
        }
    }
    let cost = async |path: String| {
        app.get(&path).await.is(200);
        let before = proxy.statements();
        app.get(&path).await.is(200);
        proxy.statements() - before
    };
    let quiet = async |path: &str| {
        // The node also polls for the mode. The minimum of several counts is that of the query alone.
        let mut least = usize::MAX;
        for _ in 0..5 {
            least = least.min(cost(path.to_owned()).await);
        }
        least
    };
    let of_one = quiet(&format!("/services/{few}?{nested}")).await;
    assert_eq!(quiet(&format!("/services/{many}?{nested}")).await, of_one);
    let list = quiet(&format!("/customers/00K7/services?limit=1&{nested}")).await;
    assert_eq!(quiet(&format!("/customers/00K7/services?{nested}")).await, list);
    let tasks = quiet(&format!("/services/{few}/tasks?extensions=*")).await;
    assert_eq!(quiet(&format!("/services/{many}/tasks?extensions=*")).await, tasks);
    assert!(of_one <= 6 && list <= 6 && tasks <= 4, "{of_one} {list} {tasks}");
}

#[tokio::test]
async fn values_that_many_events_need_at_once_are_asked_for_once() {
    let (app, proxy) = behind_proxy().await;
    let start = format!("/services/{}/tasks/start", app.a_service().await);
    let body = json!({"task_type": "t", "application_type": "a", "resource_type": "r", "media_type": "m"});
    let before = proxy.statements();
    let starts = (0..100).map(|_| app.post(&start, &body));
    for answer in futures::future::join_all(starts).await {
        answer.is(201);
    }
    let statements = proxy.statements() - before;
    assert!(statements < 100, "{statements} statements for 100 events");
}
