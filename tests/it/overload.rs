//! More to do than the database can: that is overload, and not an outage.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor};

use crate::support::postgres::Database;
use crate::support::{TestApp, until};

#[tokio::test]
async fn events_whose_look_ups_wait_for_others_are_overload_and_the_node_stays_ready() {
    let app = TestApp::spawn().await;
    let mut connection = app.sql().await;
    let mut lock = connection.begin().await.unwrap();
    lock.execute("lock table business_attribute_values in access exclusive mode").await.unwrap();
    let bodies: Vec<_> = (0..20).map(|at| json!({"customer_id": "00K7", "service_type": at})).collect();
    for answer in join_all(bodies.iter().map(|body| app.post("/services/start", body))).await {
        answer.refused(503, "overloaded");
    }
    app.get("/health/ready").await.is(200);
    app.post("/services/start", &bodies[0]).await.refused(503, "overloaded");
    lock.rollback().await.unwrap();
    until("events flow again", async || app.post("/services/start", &bodies[0]).await.status == 201).await;
}

#[tokio::test]
async fn a_batch_that_takes_long_is_waited_for_even_if_the_database_accepts_no_further_connection() {
    let database = Arc::new(Database::of_a_role().await);
    let app = TestApp::on(Arc::clone(&database)).await;
    let service = app.a_service().await;
    let mut connection = app.sql().await;
    let mut lock = connection.begin().await.unwrap();
    lock.execute("lock table tasks in exclusive mode").await.unwrap();
    let mut observer = app.sql().await;
    database.administer(&format!("alter database {} connection limit 0", database.name())).await;
    let (start, body) = (format!("/services/{service}/tasks/start"), json!({}));
    let release = async {
        let waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and state = 'active'
            and datname = current_database() and clock_timestamp() - query_start > '2 s')";
        until("the batch has waited for two seconds", async || {
            sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut observer).await.unwrap()
        })
        .await;
        app.get("/health/ready").await.is(200);
        lock.rollback().await.unwrap();
    };
    let (started, ()) = tokio::join!(app.post(&start, &body), release);
    started.is(201);
}
