//! The role `reporting_reader`, with which analysts can read the views and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use context_services::domain::clock::SystemClock;
use context_services::store::Store;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::support::TestApp;
use crate::support::postgres::settings;
use crate::support::world::reference_end;

static ROLES: AtomicUsize = AtomicUsize::new(0);

/// Creates a role that can log in. Roles belong to the whole server, so each test has its own.
async fn a_role(admin: &mut PgConnection, more: &str) -> String {
    let name = format!("role_{}_{}", std::process::id(), ROLES.fetch_add(1, Ordering::Relaxed));
    admin.execute(&*format!("create role {name} login password 'secret' {more}")).await.unwrap();
    name
}

fn login(options: &PgConnectOptions, name: &str) -> PgConnectOptions {
    options.clone().username(name).password("secret")
}

#[tokio::test]
async fn a_member_of_reporting_reader_reads_the_views_and_nothing_else() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let task = format!("/services/{service}/tasks/{}", app.a_task(service).await);
    app.reference_schemas().await;
    let state = app.a_state(service).await;
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);

    let mut admin = app.sql().await;
    let name = a_role(&mut admin, "in role reporting_reader").await;
    let mut reader = login(&app.database.options, &name).connect().await.unwrap();
    for (view, rows) in [("services", 1), ("states", 1), ("tasks", 1), ("extensions", 3), ("task_proposal", 2)] {
        let statement = format!("select count(*) from reporting.{view}");
        let count: i64 = sqlx::query_scalar(&statement).fetch_one(&mut reader).await.unwrap();
        assert_eq!(count, rows, "{view}, made before or after the role");
    }
    let tables: Vec<String> = sqlx::query_scalar("select tablename from pg_tables where schemaname = 'public'")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    assert!(tables.len() > 8, "{tables:?}");
    let readings = tables.iter().map(|table| format!("select from public.{table}"));
    let writings = [
        "create table public.x ()",
        "create table reporting.x ()",
        "insert into reporting.services (service_id) values (9)",
    ];
    for statement in readings.chain(writings.map(str::to_owned)) {
        let error = reader.execute(&*statement).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        assert!(matches!(code.as_deref(), Some("42501" | "55000")), "{statement}: {error}");
    }
    reader.close().await.unwrap();
    admin.execute(&*format!("drop role {name}")).await.unwrap();
}

#[tokio::test]
async fn an_owner_that_may_not_create_roles_can_migrate() {
    let app = TestApp::spawn().await;
    let mut admin = app.sql().await;
    let owner = a_role(&mut admin, "nocreaterole").await;
    admin.execute(&*format!("create database {owner} owner {owner}")).await.unwrap();
    let options = login(&app.database.options, &owner).database(&owner);
    let store = Store::open(settings(options.clone()), Arc::new(SystemClock)).await.unwrap();
    store.close().await;
    let mut connection = options.connect().await.unwrap();
    let may: bool = sqlx::query_scalar("select has_table_privilege('reporting_reader', 'reporting.tasks', 'select')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(may, "the role existed before, and the owner grants it access");
    connection.close().await.unwrap();
    for statement in [format!("drop database {owner} with (force)"), format!("drop role {owner}")] {
        admin.execute(&*statement).await.unwrap();
    }
}
