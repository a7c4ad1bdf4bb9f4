//! Group commit as callers see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use context_services::store::WriterSettings;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{TestApp, until};

#[tokio::test]
async fn many_commands_at_once_are_each_answered_with_their_own_identifier() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let start = format!("/services/{service}/tasks/start");
    let bodies: Vec<_> = (0..300).map(|at| json!({"application_id": at})).collect();
    let answers = join_all(bodies.iter().map(|body| app.post(&start, body))).await;
    let ids: BTreeSet<_> = answers.into_iter().map(|answer| answer.is(201).body["task_id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 300);
    let mut connection = app.sql().await;
    let mixed: Vec<Value> = sqlx::query_scalar("select to_jsonb(t) from tasks t where application_id is null")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(mixed, Vec::<Value>::new());
    assert_eq!(app.value::<i64>("select count(distinct application_id) from tasks").await, 300);
}

#[tokio::test]
async fn a_command_that_the_database_refuses_does_not_fail_its_neighbours() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let refuse = "alter table tasks add constraint tasks_none_of_666 check (application_id <> 666)";
    app.database.administer_lanes(refuse).await;
    let start = format!("/services/{service}/tasks/start");
    let bodies: Vec<_> = (600..700).map(|at| json!({"application_id": at})).collect();
    let answers = join_all(bodies.iter().map(|body| app.post(&start, body))).await;
    for (body, answer) in bodies.iter().zip(answers) {
        if body["application_id"] == 666 {
            let problem = answer.refused(500, "internal");
            assert!(!problem.body.to_string().contains("tasks"), "no internal name leaks: {}", problem.body);
        } else {
            answer.is(201);
        }
    }
    assert_eq!(app.value::<i64>("select count(*) from tasks").await, 99);
}

#[tokio::test]
async fn a_start_and_end_of_the_same_service_may_share_a_moment() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let tasks = join_all((0..50).map(|_| app.a_task(service))).await;
    let (state_start, task_start) =
        (format!("/services/{service}/states/start"), format!("/services/{service}/tasks/start"));
    let ends: Vec<_> = tasks.iter().map(|task| format!("/services/{service}/tasks/{task}/end")).collect();
    let empty = json!({});
    let key = json!({"contact_key": "k"});
    let mixed = ends.iter().map(|end| async {
        app.post(end, &empty).await.is(204);
        app.post(&state_start, &empty).await.is(201);
        app.post(&task_start, &empty).await.is(201);
        app.post("/services/start", &key).await.is(201);
    });
    join_all(mixed).await;
    let counts: String = app
        .value(
            "select concat_ws(',', (select count(*) from services), (select count(*) from states),
                  (select count(*) from tasks), (select count(*) from dispositions))",
        )
        .await;
    assert_eq!(counts, "51,50,100,50");
}

#[tokio::test]
async fn stopping_writes_and_answers_all_that_was_taken() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let start = format!("{}/services/{service}/tasks/start", app.url);
    let client = reqwest::Client::new();
    let requests: Vec<_> = (0..50).map(|_| tokio::spawn(client.post(&start).json(&json!({})).send())).collect();
    let database = Arc::clone(&app.database);
    // Some requests are in progress, some not yet sent. Each is answered or its connection is refused; none is lost.
    tokio::task::yield_now().await;
    app.stop().await;
    let mut acknowledged = 0;
    for answer in join_all(requests).await {
        acknowledged += i64::from(answer.unwrap().is_ok_and(|answer| answer.status() == 201));
    }
    let mut connection = database.connect().await;
    let written: i64 = sqlx::query_scalar("select count(*) from tasks").fetch_one(&mut connection).await.unwrap();
    assert_eq!(written, acknowledged);
}

#[tokio::test]
async fn a_full_queue_is_answered_as_overload() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let writer = WriterSettings { batch: 1, queue: 1 };
    let node = TestApp::with_writer(Arc::clone(&app.database), writer).await;
    node.a_task(service).await;
    // Nothing can be written while the lock is held.
    let mut connection = app.sql().await;
    let mut lock = sqlx::Connection::begin(&mut connection).await.unwrap();
    sqlx::query("lock table tasks in exclusive mode").execute(&mut *lock).await.unwrap();
    let (start, body) = (format!("/services/{service}/tasks/start"), json!({}));
    let waits = "select exists (select from pg_locks where not granted and relation::regclass::text ~ 'tasks$'
        and database = (select oid from pg_database where datname = current_database()))";
    let others = async {
        until("the first is being written", async || app.value::<bool>(waits).await).await;
        let mut requests: Vec<_> = (0..4).map(|_| Box::pin(node.post(&start, &body))).collect();
        for _ in 0..3 {
            let (answer, _, rest) = futures::future::select_all(requests).await;
            answer.refused(503, "overloaded");
            requests = rest;
        }
        lock.rollback().await.unwrap();
        requests.remove(0).await.is(201);
    };
    let (first, ()) = tokio::join!(node.post(&start, &body), others);
    first.is(201);
}

#[tokio::test]
async fn tables_that_have_grown_are_not_read_whole_for_an_event() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let body = json!({"state_id": app.a_state(service).await});
    let tasks = format!("/services/{service}/tasks");
    let a_task_ends = async || {
        let task = app.start(&format!("{tasks}/start"), &body).await;
        app.post(&format!("{tasks}/{task}/end"), &json!({})).await.is(204);
    };
    // With few rows, a sequential scan is the best plan.
    for _ in 0..5 {
        a_task_ends().await;
    }
    let numbers = "from generate_series(1000001, 1020000) as id";
    for others in [
        format!(
            "insert into services (service_id, started_at, customer_id) select {service} + id, '2026-02-05', 'c' {numbers}"
        ),
        format!(
            "insert into states (service_id, state_id, started_at) select {service} + id, id, '2026-02-05' {numbers}"
        ),
        format!(
            "insert into tasks (service_id, task_id, started_at) select {service} + id, id, '2026-02-05' {numbers}"
        ),
    ] {
        sqlx::query(&others).execute(&mut app.sql().await).await.unwrap();
    }
    for _ in 0..100 {
        a_task_ends().await;
    }
    let database = Arc::clone(&app.database);
    app.stop().await;
    let mut connection = database.connect().await;
    let alone = "select count(*) = 1 from pg_stat_activity where datname = current_database()";
    // PostgreSQL has complete statistics of a connection only after it is closed.
    until("all others are gone", async || sqlx::query_scalar(alone).fetch_one(&mut connection).await.unwrap()).await;
    let read =
        "select sum(seq_tup_read)::bigint from pg_stat_user_tables where relname in ('services', 'states', 'tasks')";
    let read: i64 = sqlx::query_scalar(read).fetch_one(&mut connection).await.unwrap();
    assert!(read < 1_000_000, "200 events read {read} rows");
}
