//! Databases as they are found: the same responses on every accepted database, and one clear sentence about every
//! other.

use std::sync::Arc;

use context_services::domain::clock::SystemClock;
use context_services::store::Store;
use serde_json::{Value, json};

use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{Database, refusal, settings};
use crate::support::world::{proposal, reference_end, survey};
use crate::support::{TestApp, until};

/// Settings of a role and of a database that change the meaning of statements, or end or hold up a session.
const SETTINGS: [(&str, &str); 44] = [
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_isolation", "repeatable read"),
    ("default_transaction_deferrable", "on"),
    ("search_path", "pg_catalog"),
    ("search_path", "no_such_schema"),
    ("row_security", "off"),
    ("restrict_nonsystem_relation_kind", "view"),
    ("standard_conforming_strings", "off"),
    ("escape_string_warning", "off"),
    ("backslash_quote", "on"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("quote_all_identifiers", "on"),
    ("datestyle", "SQL, DMY"),
    ("datestyle", "German"),
    ("intervalstyle", "sql_standard"),
    ("timezone", "Pacific/Apia"),
    ("timezone_abbreviations", "India"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("xmlbinary", "hex"),
    ("xmloption", "document"),
    ("gin_fuzzy_search_limit", "1"),
    ("check_function_bodies", "off"),
    ("client_min_messages", "error"),
    ("exit_on_error", "on"),
    ("lock_timeout", "1ms"),
    ("idle_session_timeout", "250ms"),
    ("idle_in_transaction_session_timeout", "1ms"),
    ("plan_cache_mode", "force_custom_plan"),
    ("enable_seqscan", "off"),
    ("enable_indexscan", "off"),
    ("enable_hashagg", "off"),
    ("enable_nestloop", "off"),
    ("force_parallel_mode", "on"),
    ("from_collapse_limit", "1"),
    ("join_collapse_limit", "1"),
    ("geqo_threshold", "2"),
    ("jit_above_cost", "0"),
    ("work_mem", "64kB"),
    ("synchronize_seqscans", "off"),
    ("constraint_exclusion", "on"),
    ("default_text_search_config", "pg_catalog.turkish"),
    ("synchronous_commit", "local"),
];

/// What the story of the README answers, without identifiers.
pub(crate) async fn story(app: &TestApp) -> Vec<Value> {
    app.post("/metadata/tasks/extensions", &survey()).await.is(201);
    app.post("/metadata/tasks/extensions", &proposal()).await.is(201);
    let start = json!({"customer_id": "00K7", "service_type": "book a hotel"});
    let service = app.start("/services/start", &start).await;
    let state = app.start(&format!("/services/{service}/states/start"), &json!({"state_type": "payment"})).await;
    let body = json!({"task_type": "survey\\'x'", "state_id": state});
    let task =
        format!("/services/{service}/tasks/{}", app.start(&format!("/services/{service}/tasks/start"), &body).await);
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);
    app.post(&format!("{task}/end"), &reference_end(state)).await.is(204);
    app.post(&format!("{task}/end"), &json!({"disposition": 11})).await.refused(409, "already_completed");
    let period = "from=2026-02-05T00:00:00.000Z&to=2026-02-06T00:00:00.000Z";
    let mut answers = Vec::new();
    for path in [
        format!("{task}?extensions=survey,PROPOSAL"),
        format!("/services/{service}/tasks?task_types=survey%5C%27x%27"),
        "/customers/00K7/services?active_states=true&extensions=*".to_owned(),
        format!("/reports/outcomes?{period}"),
        format!("/reports/activity?{period}"),
        "/metadata/tasks/extensions/SURVEY".to_owned(),
    ] {
        answers.push(without_identifiers(app.get(&path).await.is(200).body));
    }
    app.delete(&format!("/services/{service}")).await.is(200);
    app.get(&task).await.refused(404, "unknown_service");
    app.delete("/metadata/tasks/extensions/survey").await.is(204);
    app.delete("/metadata/tasks/extensions/Proposal").await.is(204);
    answers
}

fn without_identifiers(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| !matches!(name.as_str(), "service_id" | "state_id" | "task_id"));
            members.values_mut().for_each(|member| *member = without_identifiers(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_identifiers(item.take())),
        _ => {}
    }
    value
}

#[tokio::test]
async fn no_setting_of_role_or_database_changes_an_answer() {
    let database = Arc::new(Database::of_a_role().await);
    let name = database.name();
    // PostgreSQL's own default puts a schema of the role's name ahead of public.
    let decoys = ["create table %.services (nothing int)", "create table %._sqlx_migrations (version int)"];
    database.administer_inside(&format!("create schema authorization {name}")).await;
    for decoy in decoys {
        database.administer_inside(&decoy.replace('%', name)).await;
    }
    let app = TestApp::on(Arc::clone(&database)).await;
    let expected = story(&app).await;
    app.stop().await;
    let of_database = format!("alter database {name}");
    let of_role = format!("alter role {name}");
    for (at, (setting, value)) in SETTINGS.into_iter().enumerate() {
        let scope = if at % 2 == 0 { &of_database } else { &of_role };
        database.administer(&format!("{scope} set {setting} = '{value}'")).await;
        let app = TestApp::on(Arc::clone(&database)).await;
        assert_eq!(story(&app).await, expected, "{scope} set {setting} = {value}");
        app.stop().await;
        database.administer(&format!("{scope} reset {setting}")).await;
    }
}

#[tokio::test]
async fn through_pgbouncer_in_session_mode_nothing_is_different() {
    let database = Arc::new(Database::create().await);
    let expected = story(&TestApp::on(Arc::clone(&database)).await).await;
    for (setting, value) in [("search_path", "pg_catalog"), ("default_transaction_isolation", "serializable")] {
        database.administer(&format!("alter database {} set {setting} = '{value}'", database.name())).await;
    }
    let pooler = PgBouncer::before(&database.options).await;
    let settings = settings(pooler.options(&database.options));
    let app = TestApp::with_settings(database, settings).await;
    assert_eq!(story(&app).await, expected);
    app.get("/health/ready").await.is(200);
    app.stop().await;
}

#[tokio::test]
async fn two_nodes_write_side_by_side_whatever_isolation_is_the_default() {
    let database = Arc::new(Database::create().await);
    database
        .administer(&format!("alter database {} set default_transaction_isolation = 'serializable'", database.name()))
        .await;
    let (one, other) = (TestApp::on(Arc::clone(&database)).await, TestApp::on(Arc::clone(&database)).await);
    let service = one.a_service().await;
    let journeys = (0..60).map(|at| {
        let app = if at % 2 == 0 { &one } else { &other };
        async move {
            let body = json!({"task_type": format!("kind {}", at / 2)});
            let task = app.start(&format!("/services/{service}/tasks/start"), &body).await;
            app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({"disposition": at / 2})).await.is(204);
        }
    });
    futures::future::join_all(journeys).await;
    other.delete(&format!("/services/{service}")).await.is(200);
    one.get(&format!("/services/{service}")).await.refused(404, "unknown_service");
}

#[tokio::test]
async fn names_are_compared_without_the_locale_of_the_database() {
    let turkish = "locale_provider icu icu_locale 'tr-TR' locale 'C' template template0";
    let app = TestApp::on(Arc::new(Database::empty(turkish).await)).await;
    assert_eq!(app.value::<String>("select lower('INFO')").await, "ınfo", "the database compares otherwise");
    let schema =
        |name: &str| json!({"name": name, "type": "single-valued", "attributes": [{"name": "a", "type": "integer"}]});
    app.post("/metadata/tasks/extensions", &schema("Interview")).await.is(201);
    app.post("/metadata/tasks/extensions", &schema("info")).await.is(201);
    app.post("/metadata/tasks/extensions", &schema("INFO")).await.refused(409, "schema_exists");
    app.get("/metadata/tasks/extensions/INTERVIEW").await.is(200);
    let path = app.a_task_path().await;
    app.post(&format!("{path}/end"), &json!({"INTERVIEW": {"a": 1}})).await.is(204);
    for name in ["Interview", "interview", "INTERVIEW"] {
        assert_eq!(
            app.get(&format!("{path}?extensions={name}")).await.is(200).body["Interview"],
            json!({"a": 1}),
            "{name}"
        );
    }
    app.delete("/metadata/tasks/extensions/INFO").await.is(204);
    assert_eq!(story(&app).await.len(), 6);
    // Names of business attributes may have any letters.
    let attribute =
        json!({"display_name": "x", "cv_attributes": ["Task.disposition"], "values": [{"dbid": 1, "name": "a"}]});
    app.put("/metadata/business-attributes/Iİşlem", &attribute).await.is(201);
    app.put("/metadata/business-attributes/INFO", &json!({"cv_attributes": [], "values": [{"dbid": 1, "name": "a"}]}))
        .await
        .is(201);
    app.delete("/metadata/business-attributes/iİŞLEM").await.is(204);
    app.delete("/metadata/business-attributes/info").await.is(204);
}

#[tokio::test]
async fn a_setting_that_the_service_cannot_change_is_named_at_the_start() {
    let database = Database::of_a_role().await;
    for (setting, value, sentence) in [
        ("session_replication_role", "replica", "session_replication_role is replica"),
        ("track_activities", "off", "track_activities is off"),
        ("zero_damaged_pages", "on", "zero_damaged_pages is on"),
        ("ignore_checksum_failure", "on", "ignore_checksum_failure is on"),
        ("synchronous_commit", "off", "synchronous_commit is off"),
        ("default_transaction_read_only", "on", "the database is read-only"),
    ] {
        database.administer(&format!("alter database {} set {setting} = '{value}'", database.name())).await;
        let refusal = refusal(&database).await;
        assert!(refusal.contains(sentence), "{setting}: {refusal}");
        database.administer(&format!("alter database {} reset {setting}", database.name())).await;
    }
    Store::open(settings(database.options.clone()), Arc::new(SystemClock)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = Database::empty(&format!("encoding '{encoding}' locale 'C' template template0")).await;
        let refusal = refusal(&database).await;
        assert!(refusal.contains(&format!("is {encoding}, but must be UTF8")), "{refusal}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_do_what_a_migration_needs_is_told_what_to_run() {
    let database = Database::of_a_role().await;
    let name = database.name();
    database.administer(&format!("alter database {name} owner to current_user")).await;
    assert!(refusal(&database).await.contains("grant create on schema public to"));
    database.administer_inside(&format!("grant create on schema public to {name}")).await;
    assert!(refusal(&database).await.contains("create schema reporting authorization"));
    database.administer_inside("create schema reporting").await;
    assert!(refusal(&database).await.contains("alter schema reporting owner to"));
    database.administer_inside(&format!("alter schema reporting owner to {name}")).await;
    let store = Store::open(settings(database.options.clone()), Arc::new(SystemClock)).await.unwrap();
    store.close().await;
    // A second start checks what the first one has recorded.
    Store::open(settings(database.options.clone()), Arc::new(SystemClock)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let database = Database::empty("").await;
    database.administer_inside("create table services (id int)").await;
    assert!(refusal(&database).await.contains("\"services\" of another program"));
    database.administer_inside("drop table services").await;
    let table = "create table _sqlx_migrations (version bigint primary key, description text not null,
        installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null,
        execution_time bigint not null)";
    database.administer_inside(table).await;
    database.administer_inside("insert into _sqlx_migrations values (7000, 'theirs', now(), true, '', 0)").await;
    assert!(refusal(&database).await.contains("migrations of another program"));
    database.administer_inside("select 1 / (select count(*) = 1 from _sqlx_migrations)::int").await;
}

#[tokio::test]
async fn no_date_that_is_accepted_breaks_a_view_and_none_that_was_accepted_before() {
    let app = TestApp::spawn().await;
    let schema = json!({"name": "Visit", "type": "multi-valued", "attributes": [
        {"name": "day", "type": "date"}, {"name": "at", "type": "datetime"}]});
    app.post("/metadata/tasks/extensions", &schema).await.is(201);
    let path = app.a_task_path().await;
    for (record, pointer) in [
        (json!({"day": "0000-01-01"}), "/Visit/0/day"),
        (json!({"at": "0000-06-01T00:00:00Z"}), "/Visit/0/at"),
        (json!({"at": "0001-01-01T00:00:00+01:00"}), "/Visit/0/at"),
    ] {
        let refused = app.post(&format!("{path}/end"), &json!({"Visit": [record]})).await.refused(400, "invalid_event");
        assert_eq!(refused.pointers(), [pointer]);
        assert!(refused.body["errors"][0]["detail"].as_str().unwrap().contains("SQL has no year 0"));
    }
    let extremes = json!([{"day": "0001-01-01", "at": "0001-01-01T00:00:00Z"},
        {"day": "9999-12-31", "at": "9999-12-31T23:59:59.999Z"}, {"day": "2000-02-29", "at": "2016-12-31T23:59:60Z"}]);
    app.post(&format!("{path}/end"), &json!({"Visit": extremes})).await.is(204);
    let count = "select count(*) from reporting.task_visit where day is not null and at is not null";
    assert_eq!(app.value::<i64>(count).await, 3);
    // What an earlier version has made: the old form of the view, and a record that it cannot read.
    let old = r#"create or replace view reporting.task_visit as select x.service_id, x.element_id as task_id,
          e.record_number::integer as record_number, (e.record ->> 'day')::date as "day", (e.record ->> 'at')::timestamptz as "at"
        from extensions x cross join lateral jsonb_array_elements(x.records) with ordinality as e(record, record_number)
        where x.element = 'task' and x.schema_id = 1;
        update extension_schemas set view_version = 1;
        update extensions set records = records || '[{"day": "0000-01-01", "at": "0000-12-31T23:00:00.000Z"}]'"#;
    app.database.administer_inside(old).await;
    let _newer_node = app.another_node().await;
    let outdated = "select count(*) from extension_schemas where view_version < 2";
    until("the view is replaced", async || app.value::<i64>(outdated).await == 0).await;
    assert_eq!(app.value::<i64>(count).await, 3);
    assert_eq!(app.value::<i64>("select count(*) from reporting.task_visit where day is null and at is null").await, 1);
}

#[tokio::test]
async fn nodes_that_start_together_on_an_empty_database_all_start() {
    let database = Arc::new(Database::empty("").await);
    let nodes = futures::future::join_all((0..4).map(|_| TestApp::on(Arc::clone(&database)))).await;
    for node in &nodes {
        node.a_service().await;
    }
}
