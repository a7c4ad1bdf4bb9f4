//! Migrations: nodes of two releases on one database, and steps that do not hold up events.

use std::sync::Arc;

use serde_json::json;
use sqlx::Executor;

use crate::support::postgres::{Database, refusal};
use crate::support::{TestApp, until};

/// The step of a release that does not exist yet.
const NEWER_STEP: &str = "insert into _sqlx_migrations values (9000, 'newer', now(), true, '', 0)";

/// Steps from here on may run while nodes of the release before serve.
const FIRST_ROLLING: u32 = 25;

#[tokio::test]
async fn a_node_serves_on_the_schema_of_the_next_release() {
    let app = TestApp::spawn().await;
    app.database.administer_inside(NEWER_STEP).await;
    let older = app.another_node().await;
    older.get("/health/ready").await.is(200);
    older.a_service().await;
}

#[tokio::test]
async fn a_node_stops_taking_events_when_the_schema_no_longer_suits_it() {
    let app = TestApp::spawn().await;
    app.database.administer_inside(NEWER_STEP).await;
    app.database.administer_inside("update deployment set minimum_version = 9000").await;
    let problem = app.get("/health/ready").await.is(503).body;
    assert!(problem.to_string().contains("needs a program that knows version 9000"), "{problem}");
    let refused = refusal(&app.database).await;
    assert!(refused.contains("start a newer release"), "{refused}");
}

#[tokio::test]
async fn a_step_that_waits_for_a_lock_does_not_hold_up_events() {
    let database = Arc::new(Database::create().await);
    let newest = "delete from _sqlx_migrations where version = 25; alter table deployment drop column minimum_version";
    database.administer_inside(newest).await;
    let mut analyst = database.connect().await;
    analyst.execute("begin; select from deployment").await.unwrap();
    let mut events = database.connect().await;
    events.execute("set lock_timeout = '5s'").await.unwrap();
    let waiting = "select count(*) from pg_locks where relation = 'deployment'::regclass and not granted";
    let event = async {
        until("the step waits for the lock", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut events).await.unwrap() > 0
        })
        .await;
        events.execute("select from deployment").await.unwrap();
        analyst.execute("rollback").await.unwrap();
    };
    let (node, ()) = tokio::join!(TestApp::on(Arc::clone(&database)), event);
    node.post("/services/start", &json!({"customer_id": "00K7"})).await.is(201);
}

#[test]
fn steps_leave_what_the_release_before_needs_and_do_not_lock_large_tables() {
    for step in std::fs::read_dir("migrations").unwrap() {
        let path = step.unwrap().path();
        let number: u32 = path.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
        if number < FIRST_ROLLING {
            continue;
        }
        let step = std::fs::read_to_string(&path).unwrap();
        assert_eq!(complaints(&step), Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn a_step_that_is_not_fit_for_a_rolling_upgrade_is_found() {
    let complaint = |step: &str| complaints(step).len();
    assert_eq!(complaint("alter table tasks drop column x;"), 1);
    assert_eq!(complaint("-- contract: no release reads it\nalter table tasks drop column x;"), 0);
    assert_eq!(complaint("alter table tasks alter column x type bigint;"), 1);
    assert_eq!(complaint("alter table tasks add column x int not null;"), 1);
    assert_eq!(complaint("alter table tasks add column x int not null default 0;"), 0);
    assert_eq!(complaint("create index tasks_x on tasks (x);"), 1);
    assert_eq!(complaint("create table t (x int);\ncreate index t_x on t (x);"), 0);
    assert_eq!(complaint("-- no-transaction\ncreate index concurrently tasks_x on tasks (x);"), 0);
    assert_eq!(complaint("alter table tasks rename to jobs;"), 1);
}

/// What is wrong with a step that runs while nodes of the release before serve.
fn complaints(step: &str) -> Vec<&'static str> {
    let contracts = step.lines().any(|line| line.starts_with("-- contract:"));
    let code: Vec<_> = step.lines().filter(|line| !line.starts_with("--")).collect();
    let code = code.join(" ").to_lowercase();
    let is_new = |table: &str| code.contains(&format!("create table {table} "));
    let mut complaints = Vec::new();
    for statement in code.split(';').map(str::trim) {
        let removes = [" drop column ", "drop table ", " rename "].iter().any(|words| statement.contains(words));
        if removes && !contracts {
            complaints.push("it takes away what the release before needs");
        }
        if statement.contains(" alter column ") && statement.contains(" type ") {
            complaints.push("it rewrites a table");
        }
        if statement.contains(" add column ") && statement.contains(" not null") && !statement.contains(" default ") {
            complaints.push("it adds a column that the release before does not fill");
        }
        let indexed = statement.split_once(" on ").map_or("", |(_, on)| on.split([' ', '(']).next().unwrap_or(""));
        let locks = statement.starts_with("create index ") || statement.starts_with("create unique index ");
        if locks && !statement.contains(" concurrently ") && !is_new(indexed) {
            complaints.push("it builds an index and locks the table meanwhile");
        }
    }
    complaints
}
