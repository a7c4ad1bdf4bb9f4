//! Business attributes: definition, mapped fields, defaults, names and retired values.

use std::sync::Arc;

use context_services::store::StoreSettings;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::postgres::settings;

const OUTCOME: &str = "/metadata/business-attributes/Outcome";

fn outcome() -> Value {
    json!({"display_name": "Outcome of a task", "cv_attributes": ["Task.disposition"],
        "values": [{"dbid": 10, "name": "SUCCESS", "display_name": "All is well"}, {"dbid": 11, "name": "FAILED"}]})
}

#[tokio::test]
async fn an_attribute_is_defined_queried_replaced_and_removed() {
    let app = TestApp::spawn().await;
    let created = app.put(OUTCOME, &outcome()).await.is(201);
    assert_eq!(created.header("location"), Some(OUTCOME));
    let read = app.get("/metadata/business-attributes/OUTCOME").await.is(200).body;
    assert_eq!(created.body, read);
    let dbid = read["dbid"].clone();
    assert_eq!(
        read,
        json!({"name": "Outcome", "dbid": dbid, "display_name": "Outcome of a task", "map_name": false,
            "cv_attributes": ["Task.disposition"],
            "values": [{"dbid": 10, "name": "SUCCESS", "display_name": "All is well"}, {"dbid": 11, "name": "FAILED"}]})
    );
    let drawn = json!({"default": "NEW", "cv_attributes": ["Service.type", "State.media_type"],
        "values": [{"name": "NEW"}, {"name": "FAILED"}]});
    let replaced = app.put(OUTCOME, &drawn).await.is(200).body;
    assert_eq!(replaced["dbid"], dbid);
    assert_eq!(replaced["cv_attributes"], json!(["Service.service_type", "State.media_type"]));
    assert_eq!(replaced["values"][0], json!({"dbid": 11, "name": "FAILED"}), "a value without a number keeps its own");
    let number = replaced["values"][1]["dbid"].as_i64().unwrap();
    assert!(number > 1_000_000 && replaced["default"] == number, "{replaced}");

    let list = "/metadata/business-attributes";
    assert_eq!(app.get(list).await.is(200).body, json!([replaced]));
    assert_eq!(app.get(&format!("{list}?cv-attribute=Service.service_type")).await.body, json!([replaced]));
    assert_eq!(app.get(&format!("{list}?cv-attribute=Service.type")).await.body, json!([replaced]));
    assert_eq!(app.get(&format!("{list}?cv-attribute=Task.disposition")).await.body, json!([]));
    app.get(&format!("{list}?cv-attribute=Task.type")).await.refused(400, "invalid_query");
    let index = app.get("/genesys/1/cs/metadata").await.is(200).body;
    assert_eq!(index["links"]["business-attributes"], "/genesys/1/cs/metadata/business-attributes");

    app.delete("/metadata/business-attributes/outcome").await.is(204);
    app.delete(OUTCOME).await.refused(404, "unknown_business_attribute");
    app.get(OUTCOME).await.refused(404, "unknown_business_attribute");
    app.put(OUTCOME, &outcome()).await.is(201);
}

#[tokio::test]
async fn a_value_has_a_tone_until_a_definition_leaves_it_out() {
    let app = TestApp::spawn().await;
    let defined = |failed: Value| json!({"cv_attributes": ["Task.disposition"], "values": [{"dbid": 1, "name": "ok", "tone": "good"}, failed]});
    let bad = json!({"dbid": 2, "name": "failed", "tone": "bad"});
    assert_eq!(app.put(OUTCOME, &defined(bad.clone())).await.is(201).body["values"][1], bad);
    let path = app.a_task_path().await;
    app.post(&format!("{path}/end"), &json!({"disposition": "failed"})).await.is(204);
    let tone = async || app.value::<Option<String>>("select disposition_tone from reporting.tasks").await;
    assert_eq!(tone().await.as_deref(), Some("bad"));
    let plain = json!({"dbid": 2, "name": "failed"});
    let replaced = app.put(OUTCOME, &defined(plain.clone())).await.is(200).body;
    assert_eq!((&replaced["values"][0]["tone"], &replaced["values"][1]), (&json!("good"), &plain));
    assert_eq!(tone().await, None);
}

#[tokio::test]
async fn what_is_wrong_with_a_definition_is_said_at_its_place() {
    let app = TestApp::spawn().await;
    let with = |member: &str, value: Value| {
        let mut body = outcome();
        body[member] = value;
        body
    };
    for (body, pointers) in [
        (json!({}), &["/values"][..]),
        (with("values", json!([])), &["/values"]),
        (with("values", json!([{"dbid": 1}, 7])), &["/values/0/name", "/values/1"]),
        (
            with("values", json!([{"name": "a", "dbid": "1"}, {"name": "b", "x": 1}])),
            &["/values/0/dbid", "/values/1/x"],
        ),
        (
            with("values", json!([{"name": "a", "dbid": 1}, {"name": "a", "dbid": 1}])),
            &["/values/1/name", "/values/1/dbid"],
        ),
        (with("values", json!([{"name": "a\u{1}"}, {"name": " a"}])), &["/values/0/name", "/values/1/name"]),
        (
            with("values", json!([{"name": "a", "tone": "Bad"}, {"name": "b", "tone": 1}])),
            &["/values/0/tone", "/values/1/tone"],
        ),
        (with("default", json!("NOTHING")), &["/default"]),
        (with("cv_attributes", json!(["Task.type", 7])), &["/cv_attributes/0", "/cv_attributes/1"]),
        (with("cv_attributes", json!(["Service.type", "Service.service_type"])), &["/cv_attributes/1"]),
        (with("valeus", json!(1)), &["/valeus"]),
    ] {
        assert_eq!(app.put(OUTCOME, &body).await.refused(400, "invalid_schema").pointers(), pointers, "{body}");
    }
    let field = "/metadata/business-attributes/task.Disposition";
    for name in [field, "/metadata/business-attributes/%20a", "/metadata/business-attributes/%09"] {
        app.put(name, &outcome()).await.refused(400, "invalid_schema");
    }
    app.put(OUTCOME, &outcome()).await.is(201);
    let again = app.put("/metadata/business-attributes/Other", &outcome()).await;
    assert_eq!(
        again.refused(400, "invalid_schema").pointers(),
        ["/cv_attributes/0"],
        "a field has at most one attribute"
    );
}

#[tokio::test]
async fn a_mapped_field_takes_number_or_name_of_its_values_and_nothing_else() {
    let app = TestApp::spawn().await;
    app.put(OUTCOME, &outcome()).await.is(201);
    let path = app.a_task_path().await;
    let end = format!("{path}/end");
    for wrong in [json!(12), json!("success"), json!("10"), json!(true), json!([])] {
        let refused = app.post(&end, &json!({"disposition": wrong})).await.refused(400, "invalid_event");
        assert_eq!(refused.pointers(), ["/disposition"]);
        let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
        assert_eq!(detail, "expected a value of Outcome: 10 (SUCCESS), 11 (FAILED)", "it lists the valid values");
    }
    app.post(&end, &json!({"disposition": "SUCCESS"})).await.is(204);
    app.post(&end, &json!({"disposition": 10})).await.is(204);
    app.post(&end, &json!({"disposition": 11})).await.refused(409, "already_completed");
    assert_eq!(app.get(&path).await.body["disposition"], 10);
    let row: Value = app.value("select to_jsonb(t) from reporting.tasks t").await;
    assert_eq!((&row["disposition"], &row["disposition_name"]), (&json!("10"), &json!("All is well")));
}

#[tokio::test]
async fn a_default_fills_an_absent_field_of_starts_and_ends_and_leaves_an_association_alone() {
    let app = TestApp::spawn().await;
    let kind = json!({"default": 2, "cv_attributes": ["Service.type", "State.state_type", "Task.task_type"],
        "values": [{"dbid": 1, "name": "one"}, {"dbid": 2, "name": "two"}]});
    app.put("/metadata/business-attributes/Kind", &kind).await.is(201);
    let mut ended = outcome();
    ended["default"] = json!("FAILED");
    app.put(OUTCOME, &ended).await.is(201);

    let service = app.start("/services/start", &json!({"customer_id": "c", "service_type": "one"})).await;
    app.post(&format!("/customers/d/services/{service}"), &json!({})).await.is(204);
    assert_eq!(app.get(&format!("/services/{service}")).await.body["service_type"], 1);
    let state = app.a_state(service).await;
    let next =
        app.start(&format!("/services/{service}/states/transition"), &json!({"from": {"state_id": state}})).await;
    assert_eq!(app.get(&format!("/services/{service}/states/{next}")).await.body["state_type"], 2);
    let path = format!("/services/{service}/tasks/{}", app.a_task(service).await);
    app.post(&format!("{path}/end"), &json!({})).await.is(204);
    let task = app.get(&path).await.body;
    assert_eq!((&task["task_type"], &task["disposition"]), (&json!(2), &json!(11)));
    let of_type = app.get(&format!("/services/{service}/tasks?task_types=two")).await.body;
    assert_eq!(of_type.as_array().unwrap().len(), 1, "filters take names");
}

#[tokio::test]
async fn recorded_events_read_back_as_before_whatever_becomes_of_the_attribute() {
    let app = TestApp::spawn().await;
    let end = async |disposition: Value| {
        let path = app.a_task_path().await;
        app.post(&format!("{path}/end"), &json!({"disposition": disposition})).await.is(204);
        path
    };
    let before = end(json!("as sent")).await;
    app.put(OUTCOME, &outcome()).await.is(201);
    let mapped = end(json!("FAILED")).await;
    let mut renamed = outcome();
    renamed["values"] = json!([{"dbid": 11, "name": "ABANDONED"}]);
    app.put(OUTCOME, &renamed).await.is(200);
    let renamed = end(json!("ABANDONED")).await;
    let refused = app.post(&format!("{}/end", app.a_task_path().await), &json!({"disposition": "FAILED"})).await;
    refused.refused(400, "invalid_event");
    app.delete(OUTCOME).await.is(204);
    let after = end(json!(11)).await;
    let node = {
        let settings = StoreSettings { map_names: true, ..settings(app.database.options.clone()) };
        TestApp::with_settings(Arc::clone(&app.database), settings).await
    };
    for (path, number, name) in [
        (before, json!("as sent"), json!("as sent")),
        (mapped, json!(11), json!("FAILED")),
        (renamed, json!(11), json!("ABANDONED")),
        (after, json!(11), json!(11)),
    ] {
        assert_eq!(app.get(&path).await.body["disposition"], number);
        assert_eq!(node.get(&path).await.body["disposition"], name, "with MAP_NAMES");
    }
}

#[tokio::test]
async fn a_definition_is_in_force_on_another_node_at_once() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    let end = format!("{}/end", app.a_task_path().await);
    app.put(OUTCOME, &outcome()).await.is(201);
    node.post(&end, &json!({"disposition": "unheard of"})).await.refused(400, "invalid_event");
    node.delete(OUTCOME).await.is(204);
    app.post(&end, &json!({"disposition": "unheard of"})).await.is(204);
}

#[tokio::test]
async fn numbers_that_are_taken_are_not_drawn_for_values_without_one() {
    let app = TestApp::spawn().await;
    let mut values: Vec<_> = (0..50).map(|n| json!({"dbid": 1_000_001 + n, "name": format!("given {n}")})).collect();
    values.insert(10, json!({"name": "drawn 1"}));
    values.push(json!({"name": "drawn 2"}));
    let answer = app.put("/metadata/business-attributes/Outcome", &json!({"values": values})).await.is(201);
    let mut numbers: Vec<_> =
        answer.body["values"].as_array().unwrap().iter().map(|value| value["dbid"].as_i64()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 52);
}
