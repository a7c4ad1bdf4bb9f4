//! The `reporting` views, and names and comments in the schema.

use std::fs;

use serde_json::{Value, json};
use sqlx::Row;

use crate::support::TestApp;
use crate::support::world::reference_end;

#[tokio::test]
async fn every_table_view_and_column_is_commented() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "select c.relnamespace::regnamespace || '.' || c.relname || coalesce('.' || a.attname, '')
         from pg_class c
         cross join lateral (
           select null::name as attname, 0 as attnum
           union all select attname, attnum from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
         ) a
         where c.relnamespace::regnamespace::text in ('public', 'reporting') and c.relkind in ('r', 'v')
           and c.relname <> '_sqlx_migrations' and col_description(c.oid, a.attnum) is null
           and not (a.attnum = 0 and obj_description(c.oid, 'pg_class') is not null)",
    )
    .fetch_all(&mut app.sql().await)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}

#[tokio::test]
async fn every_constraint_and_index_has_a_name_of_our_own() {
    let app = TestApp::spawn().await;
    let generated: i64 = app
        .value(
            "select count(*) from pg_constraint where connamespace = 'public'::regnamespace
            and conrelid <> '_sqlx_migrations'::regclass and conname ~ '_(pkey|key|fkey|check)$'",
        )
        .await;
    assert_eq!(generated, 0);
}

#[tokio::test]
async fn the_views_show_a_journey_with_names_durations_and_outcomes() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.start("/services/start", &json!({"customer_id": "00K7", "service_type": "hotel"})).await;
    let state = app.a_state(service).await;
    let body = json!({"task_type": "survey", "state_id": state, "media_type": "voice", "est_duration": 45});
    let task = app.start(&format!("/services/{service}/tasks/start"), &body).await;
    app.a_task(service).await;
    app.clock.advance(47_754);
    app.post(&format!("/services/{service}/tasks/{task}/end"), &reference_end(state)).await.is(204);

    let tasks: Value = app
        .value("select jsonb_agg(jsonb_strip_nulls(to_jsonb(t) - 'started' - 'ended') order by task_id) from reporting.tasks t")
        .await;
    assert_eq!(
        tasks,
        json!([
            {"service_id": service, "task_id": task, "state_id": state, "task_type": "survey", "status": "completed",
             "duration_ms": 47754, "est_duration_s": 45, "disposition": "10", "disposition_name": "10",
             "disposition_desc": "SUCCESS", "start_media_type": "voice", "end_interaction_id": "0000CSS0FXZUP6UR", "auto_completed": false},
            {"service_id": service, "task_id": task + 1, "status": "active", "auto_completed": false}
        ])
    );
    let services: Value = app.value("select to_jsonb(s) - 'started' from reporting.services s").await;
    assert_eq!(services["service_type"], "hotel");
    assert_eq!((&services["status"], &services["duration_ms"]), (&json!("active"), &Value::Null));
    let records: Value = app
        .value(
            "select jsonb_agg(jsonb_build_array(extension, record_number, record ->> 'car type', record -> 'price')
                  order by extension, record_number) from reporting.extensions",
        )
        .await;
    assert_eq!(
        records,
        json!([["Proposal", 1, "cabriolet", 25000], ["Proposal", 2, "S.U.V.", 70000], ["Survey", 1, null, null]])
    );
}

#[tokio::test]
async fn the_reports_of_the_data_model_run_and_find_what_is_there() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.start("/services/start", &json!({"customer_id": "00K7", "service_type": "hotel"})).await;
    let state = app.start(&format!("/services/{service}/states/start"), &json!({"state_type": "payment"})).await;
    let path = format!("/services/{service}/tasks");
    let task = app.start(&format!("{path}/start"), &json!({"task_type": "survey", "state_id": state})).await;
    app.clock.advance(1000);
    app.post(&format!("{path}/{task}/end"), &reference_end(state)).await.is(204);

    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/data-model.md")).unwrap();
    let reports: Vec<_> = document.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(reports.len(), 5);
    let mut connection = app.sql().await;
    for report in reports {
        let rows =
            sqlx::query(report).fetch_all(&mut connection).await.unwrap_or_else(|error| panic!("{report}: {error}"));
        assert!(!rows.is_empty() && !rows[0].is_empty(), "{report}");
    }
}

#[tokio::test]
async fn the_reports_of_the_data_model_have_exact_figures() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.start("/services/start", &json!({"customer_id": "00K7", "service_type": "hotel"})).await;
    let state = app.start(&format!("/services/{service}/states/start"), &json!({"state_type": "payment"})).await;
    let path = format!("/services/{service}/tasks");
    for (millis, end) in [(1000, reference_end(state)), (3000, json!({"disposition": "failed"})), (0, Value::Null)] {
        let task = app.start(&format!("{path}/start"), &json!({"task_type": "survey", "state_id": state})).await;
        app.clock.advance(millis);
        if !end.is_null() {
            app.post(&format!("{path}/{task}/end"), &end).await.is(204);
        }
    }
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/data-model.md")).unwrap();
    let mut reports = document.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut figures = async || {
        let report = reports.next().unwrap().trim_end().trim_end_matches(';');
        app.value::<Value>(&format!("select jsonb_agg(to_jsonb(r)) from ({report}) r")).await
    };
    assert_eq!(
        figures().await,
        json!([{"task_type": "survey", "disposition_name": "10", "tasks": 1, "percent": 50.0},
               {"task_type": "survey", "disposition_name": "failed", "tasks": 1, "percent": 50.0}])
    );
    assert_eq!(
        figures().await,
        json!([{"task_type": "survey", "tasks": 2, "p50_ms": 2000, "p90_ms": 2800, "longest_ms": 3000}])
    );
    let mut standing = figures().await;
    standing[0].as_object_mut().unwrap().remove("started");
    assert_eq!(
        standing,
        json!([{"service_id": service, "customer_id": "00K7", "service_type": "hotel", "in_states": "payment",
                "in_tasks": "survey"}])
    );
    assert_eq!(figures().await, json!([{"disposition_name": "10", "surveys": 1, "question1": 7.00}]));
    let journey = figures().await;
    let moments: Vec<_> =
        journey.as_array().unwrap().iter().map(|row| (&row["element"], &row["event"], &row["outcome"])).collect();
    let (start, end, none) = (json!("start"), json!("end"), Value::Null);
    let (of_service, of_state, of_task) = (json!("service"), json!("state"), json!("task"));
    assert_eq!(
        moments,
        [
            (&of_service, &start, &none),
            (&of_state, &start, &none),
            (&of_task, &start, &none),
            (&of_task, &end, &json!("10")),
            (&of_task, &start, &none),
            (&of_task, &end, &json!("failed")),
            (&of_task, &start, &none),
        ]
    );
}

#[tokio::test]
async fn each_schema_has_a_typed_view_for_as_long_as_it_lives() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let all = json!({"name": "All", "type": "single-valued", "attributes": [
        {"name": "s", "type": "string"}, {"name": "b", "type": "boolean"}, {"name": "i", "type": "integer"},
        {"name": "f", "type": "float"}, {"name": "d", "type": "date"}, {"name": "t", "type": "datetime"},
        {"name": "j", "type": "json"}, {"name": "service_id", "type": "integer"},
        {"name": "a \"quoted\" 'name'; --\\", "type": "string"}, {"name": "é".repeat(64), "type": "string"},
        {"name": format!("{}x", "é".repeat(63)), "type": "string"}]});
    app.post("/metadata/services/extensions", &all).await.is(201);
    let record = json!({"s": "x", "b": true, "i": 7, "f": 1.5, "d": "2026-02-05", "t": "2026-02-05T09:11:00Z",
        "j": [1], "service_id": 9, "a \"quoted\" 'name'; --\\": "odd"});
    let service = app.start("/services/start", &json!({"customer_id": "c", "All": record})).await;
    let state = app.a_state(service).await;
    let task = app.a_task(service).await;
    app.post(&format!("/services/{service}/tasks/{task}/end"), &reference_end(state)).await.is(204);

    let types: Value = app
        .value(
            "select jsonb_object_agg(attname, format_type(atttypid, null)) from pg_attribute
             where attrelid = 'reporting.service_all'::regclass",
        )
        .await;
    for (column, expected) in [
        ("s", "text"),
        ("b", "boolean"),
        ("i", "bigint"),
        ("f", "numeric"),
        ("d", "date"),
        ("j", "jsonb"),
        ("t", "timestamp with time zone"),
        ("service_id", "bigint"),
        ("service_id_2", "bigint"),
    ] {
        assert_eq!(types[column], expected, "{column}");
    }
    let odd: String = app.value(r#"select "a ""quoted"" 'name'; --\" from reporting.service_all where i = 7"#).await;
    assert_eq!(odd, "odd");
    let cars: Value = app
        .value(
            r#"select jsonb_agg(jsonb_build_array(service_id, task_id, record_number, "car type", price)
                  order by record_number) from reporting.task_proposal"#,
        )
        .await;
    assert_eq!(cars, json!([[service, task, 1, "cabriolet", 25000], [service, task, 2, "S.U.V.", 70000]]));
    assert_eq!(app.value::<i64>("select question1 from reporting.task_survey where question2").await, 7);

    app.delete("/metadata/tasks/extensions/SURVEY").await.is(204);
    let left = "select count(*) from pg_views where schemaname = 'reporting' and viewname = 'task_survey'";
    assert_eq!(app.value::<i64>(left).await, 0);
    app.a_schema(&crate::support::world::survey()).await;
    assert_eq!(app.value::<i64>("select count(*) from reporting.task_survey").await, 0, "a new schema starts empty");
}
