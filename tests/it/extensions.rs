//! Extension schemas, and validation of records against them.

use std::sync::Arc;

use context_services::store::StoreSettings;
use serde_json::{Value, json};

use crate::support::postgres::{Database, settings};
use crate::support::world::{proposal, survey};
use crate::support::{Answer, TestApp, until};

const TASKS: &str = "/metadata/tasks/extensions";

/// Ends a new task with one extension.
async fn end_with(app: &TestApp, name: &str, value: &Value) -> (String, Answer) {
    let path = app.a_task_path().await;
    let mut body = json!({});
    body[name] = value.clone();
    let answer = app.post(&format!("{path}/end"), &body).await;
    (path, answer)
}

/// Creates the schema `One` with a single attribute `a`. Replaces an existing one.
async fn one_attribute(app: &TestApp, attribute: &Value) {
    app.delete(&format!("{TASKS}/One")).await;
    let mut attribute = attribute.clone();
    attribute["name"] = json!("a");
    app.a_schema(&json!({"name": "One", "type": "single-valued", "attributes": [attribute]})).await;
}

#[tokio::test]
async fn a_schema_is_created_queried_and_deleted() {
    let app = TestApp::spawn().await;
    let created = app.post(TASKS, &proposal()).await.is(201);
    assert_eq!(created.body, json!({"name": "Proposal"}));
    assert_eq!(created.header("location"), Some("/metadata/tasks/extensions/Proposal"));
    app.a_schema(&survey()).await;

    let read = app.get(&format!("{TASKS}/PROPOSAL")).await.is(200).body;
    assert_eq!(
        read,
        json!({"name": "Proposal", "type": "multi-valued", "unique": ["car type"], "attributes": [
            {"name": "car type", "type": "string", "length": 40, "mandatory": true},
            {"name": "price", "type": "integer", "mandatory": false},
            {"name": "seats", "type": "integer", "mandatory": false, "default": 4},
            {"name": "comments", "type": "string", "length": 256, "mandatory": false}]})
    );
    let list = app.get(TASKS).await.is(200).body;
    let names: Vec<_> = list.as_array().unwrap().iter().map(|schema| schema["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Proposal", "Survey"]);
    assert_eq!(app.get("/metadata/states/extensions").await.is(200).body, json!([]));

    app.delete(&format!("{TASKS}/proposal")).await.is(204);
    app.get(&format!("{TASKS}/Proposal")).await.refused(404, "unknown_extension");
    app.delete(&format!("{TASKS}/Proposal")).await.refused(404, "unknown_extension");
    app.get("/metadata/things/extensions").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_name_is_unique_within_its_elements_without_regard_to_case() {
    let app = TestApp::spawn().await;
    app.a_schema(&survey()).await;
    let mut again = survey();
    again["name"] = json!("SURVEY");
    app.post(TASKS, &again).await.refused(409, "schema_exists");
    app.post("/metadata/states/extensions", &again).await.is(201);
}

#[tokio::test]
async fn mandatory_and_length_may_come_quoted_and_read_back_unquoted() {
    let app = TestApp::spawn().await;
    one_attribute(&app, &json!({"type": "string", "length": "10", "mandatory": "true"})).await;
    let read = app.get(&format!("{TASKS}/One")).await.body;
    assert_eq!(read["attributes"], json!([{"name": "a", "type": "string", "length": 10, "mandatory": true}]));
}

#[tokio::test]
async fn what_is_wrong_with_a_schema_is_said_at_its_place() {
    let app = TestApp::spawn().await;
    let attribute = |attribute: Value| json!({"name": "X", "type": "single-valued", "attributes": [attribute]});
    let named =
        |name: &str| json!({"name": name, "type": "single-valued", "attributes": [{"name": "a", "type": "json"}]});
    let many: Vec<_> = (0..257).map(|at| json!({"name": format!("a{at}"), "type": "json"})).collect();
    let a = json!({"name": "a", "type": "integer"});
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &["/name", "/type", "/attributes"]),
        (named(""), &["/name"]),
        (named("1st"), &["/name"]),
        (named("_a"), &["/name"]),
        (named("a b"), &["/name"]),
        (named("é"), &["/name"]),
        (named("A23456789012345678901234567"), &["/name"]),
        (named("Disposition"), &["/name"]),
        (named("completed_tasks"), &["/name"]),
        (json!({"name": "X", "type": "double", "attributes": [a]}), &["/type"]),
        (json!({"name": "X", "type": "single-valued", "attributes": []}), &["/attributes"]),
        (json!({"name": "X", "type": "single-valued", "attributes": many}), &["/attributes"]),
        (
            json!({"name": "X", "type": "single-valued", "attributes": [7, a, a]}),
            &["/attributes/0", "/attributes/2/name"],
        ),
        (json!({"name": "X", "type": "single-valued", "attributes": [a], "extra": 1}), &["/extra"]),
        (attribute(json!({"name": "", "type": "text"})), &["/attributes/0/name", "/attributes/0/type"]),
        (attribute(json!({"name": "a\u{1}", "type": "json"})), &["/attributes/0/name"]),
        (attribute(json!({"name": "é".repeat(65), "type": "json"})), &["/attributes/0/name"]),
        (attribute(json!({"name": "a", "type": "string", "length": 0})), &["/attributes/0/length"]),
        (attribute(json!({"name": "a", "type": "string", "length": 65536})), &["/attributes/0/length"]),
        (attribute(json!({"name": "a", "type": "integer", "length": 5})), &["/attributes/0/length"]),
        (attribute(json!({"name": "a", "type": "integer", "mandatory": 1})), &["/attributes/0/mandatory"]),
        (attribute(json!({"name": "a", "type": "integer", "default": "4"})), &["/attributes/0/default"]),
        (attribute(json!({"name": "a", "type": "string", "length": 2, "default": "abc"})), &["/attributes/0/default"]),
        (
            json!({"name": "X", "type": "multi-valued", "attributes": [a], "unique": ["b", ["a", "c"], 7, [], ["a", "a"]]}),
            &["/unique/0", "/unique/1/1", "/unique/2", "/unique/3", "/unique/4"],
        ),
    ];
    for (schema, pointers) in cases {
        let answer = app.post(TASKS, &schema).await.refused(400, "invalid_schema");
        assert_eq!(answer.pointers(), pointers, "{schema}");
    }
    assert_eq!(app.get(TASKS).await.body, json!([]));
    app.post(TASKS, &named("A2345678901234567890123456")).await.is(201);
}

/// An attribute, the values that it accepts with what is read back, and values that it refuses.
struct TypeCase {
    attribute: Value,
    good: Vec<(Value, Value)>,
    bad: Vec<Value>,
}

fn type_cases() -> Vec<TypeCase> {
    let case = |attribute: Value, good: &[Value], bad: &[Value]| TypeCase {
        attribute,
        good: good.iter().map(|value| (value.clone(), value.clone())).collect(),
        bad: bad.to_vec(),
    };
    let texts = [json!("äöü"), json!("")];
    let no_texts = [json!("abcd"), json!(1), json!(true), json!([]), json!({})];
    let integers = [json!(25000), json!(i64::MIN), json!(i64::MAX)];
    let no_dates = [json!("2026-02-29"), json!("2026-2-1"), json!("2026-02-05T00:00:00Z"), json!(20_260_205)];
    let any = [json!({"b": [1, null, {"a": "x"}], "a": 1.50}), json!(7), json!([])];
    let mut cases = vec![
        case(json!({"type": "string", "length": 3}), &texts, &no_texts),
        case(json!({"type": "boolean"}), &[json!(true), json!(false)], &[json!("true"), json!(1)]),
        case(json!({"type": "integer"}), &integers, &[json!(u64::MAX), json!(25000.0), json!("25000"), json!(true)]),
        case(json!({"type": "float"}), &[json!(25000), json!(0.1), json!(-1.5e300)], &[json!("1.5"), json!(true)]),
        case(json!({"type": "date"}), &[json!("2024-02-29")], &no_dates),
        case(json!({"type": "datetime"}), &[], &[json!("2026-02-05"), json!(1)]),
        case(json!({"type": "json"}), &any, &[]),
    ];
    cases[5].good.push((json!("2026-02-05T10:11:12.3456+01:00"), json!("2026-02-05T09:11:12.345Z")));
    cases
}

#[tokio::test]
async fn each_type_takes_its_values_and_gives_them_back() {
    let app = TestApp::spawn().await;
    for TypeCase { attribute, good, bad } in type_cases() {
        one_attribute(&app, &attribute).await;
        for (sent, expected) in good {
            let (path, answer) = end_with(&app, "One", &json!({"a": sent})).await;
            answer.is(204);
            assert_eq!(app.get(&format!("{path}?extensions=one")).await.body["One"], json!({"a": expected}));
        }
        for value in bad {
            let (_, answer) = end_with(&app, "One", &json!({"a": value})).await;
            assert_eq!(answer.refused(400, "invalid_event").pointers(), ["/One/a"], "{attribute} {value}");
        }
        let (path, answer) = end_with(&app, "One", &json!({"a": null})).await;
        answer.is(204);
        assert_eq!(app.get(&format!("{path}?extensions=one")).await.body["One"], json!({}), "null is absent");
    }
}

#[tokio::test]
async fn numbers_are_kept_as_they_were_sent() {
    let app = TestApp::spawn().await;
    let attributes =
        json!([{"name": "f", "type": "float"}, {"name": "j", "type": "json"}, {"name": "i", "type": "integer"}]);
    app.a_schema(&json!({"name": "N", "type": "single-valued", "attributes": attributes})).await;
    let path = app.a_task_path().await;
    let body = r#"{"N": {"f": 25000, "j": [1.10, 123456789012345678901234567890, 1e2], "i": 25000}}"#;
    app.post_text(&format!("{path}/end"), "application/json", body).await.is(204);
    let stored: String = app.value("select records::text from extensions").await;
    assert_eq!(stored, r#"{"f": 25000, "i": 25000, "j": [1.10, 123456789012345678901234567890, 100]}"#);
}

#[tokio::test]
async fn a_single_valued_extension_is_an_object_and_a_multi_valued_one_an_array() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    for (name, value, pointer) in [
        ("Survey", json!([{"url": "u"}]), "/Survey"),
        ("Survey", json!("u"), "/Survey"),
        ("Proposal", json!({"car type": "a"}), "/Proposal"),
        ("Proposal", json!([[]]), "/Proposal/0"),
        ("Proposal", json!([{"car type": "a"}, {"seats": 1}]), "/Proposal/1/car type"),
        ("Survey", json!({}), "/Survey/url"),
        ("Survey", json!({"url": "u", "URL": "u"}), "/Survey/URL"),
    ] {
        let (_, answer) = end_with(&app, name, &value).await;
        assert_eq!(answer.refused(400, "invalid_event").pointers(), [pointer], "{value}");
    }
    let (path, answer) = end_with(&app, "Proposal", &json!([])).await;
    answer.is(204);
    assert_eq!(app.get(&format!("{path}?extensions=*")).await.body["Proposal"], json!([]), "an array may be empty");
    let (path, answer) = end_with(&app, "Survey", &Value::Null).await;
    answer.is(204);
    assert!(app.get(&format!("{path}?extensions=*")).await.body.get("Survey").is_none(), "null attaches nothing");
}

#[tokio::test]
async fn an_extension_stands_in_an_event_once_whatever_its_case() {
    let app = TestApp::spawn().await;
    app.a_schema(&survey()).await;
    let path = app.a_task_path().await;
    let body = json!({"SURVEY": {"url": "a"}, "survey": {"url": "b"}});
    let answer = app.post(&format!("{path}/end"), &body).await.refused(400, "invalid_event");
    assert_eq!(answer.pointers(), ["/survey"]);
}

#[tokio::test]
async fn unique_attributes_do_not_repeat_among_the_records_of_one_element() {
    let app = TestApp::spawn().await;
    let attributes =
        json!([{"name": "a", "type": "float"}, {"name": "b", "type": "string"}, {"name": "c", "type": "integer"}]);
    app.a_schema(&json!({"name": "U", "type": "multi-valued", "unique": [["a", "b"], "c"], "attributes": attributes}))
        .await;
    let violations =
        [(json!([{"a": 1, "b": "x"}, {"a": 1.0, "b": "x"}]), "/U/1"), (json!([{"c": 1}, {"c": 2}, {"c": 1}]), "/U/2")];
    for (records, pointer) in violations {
        let (_, answer) = end_with(&app, "U", &records).await;
        assert_eq!(answer.refused(400, "invalid_event").pointers(), [pointer], "{records}");
    }
    for records in [
        json!([{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}]),
        json!([{"a": 1}, {"a": 1}, {}]),
        json!([{"c": 1}, {"c": 2}, {"c": null}]),
    ] {
        end_with(&app, "U", &records).await.1.is(204);
    }
}

#[tokio::test]
async fn a_schema_created_on_one_node_serves_on_the_other_at_once() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    let path = node.a_task_path().await;
    app.a_schema(&survey()).await;
    node.post(&format!("{path}/end"), &json!({"Survey": {"url": "u"}})).await.is(204);

    // The same name with other attributes: the other node must not use its cached schema.
    app.delete(&format!("{TASKS}/Survey")).await.is(204);
    let path = node.a_task_path().await;
    let end = format!("{path}/end");
    let unknown = node.post(&end, &json!({"Survey": {"url": "u"}})).await.refused(400, "invalid_event");
    assert_eq!(unknown.pointers(), ["/Survey"]);
    let other = json!({"name": "Survey", "type": "single-valued", "attributes": [{"name": "mark", "type": "integer"}]});
    app.a_schema(&other).await;
    let refused = node.post(&end, &json!({"Survey": {"url": "u"}})).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/Survey/url"]);
    node.post(&end, &json!({"Survey": {"mark": 1}})).await.is(204);
}

#[tokio::test]
async fn a_deleted_schema_takes_its_records_with_it_and_a_new_one_starts_empty() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let (path, answer) = end_with(&app, "Survey", &json!({"url": "u"})).await;
    answer.is(204);
    end_with(&app, "Proposal", &json!([])).await.1.is(204);
    app.delete(&format!("{TASKS}/Survey")).await.is(204);
    assert!(app.get(&format!("{path}?extensions=*")).await.body.get("Survey").is_none());
    assert_eq!(app.value::<i64>("select count(*) from reporting.extensions where extension = 'Survey'").await, 0);
    app.a_schema(&survey()).await;
    assert!(app.get(&format!("{path}?extensions=*")).await.body.get("Survey").is_none());

    let swept = "select (select count(*) from extensions) = 1 and bool_and(swept_at is not null)
        from extension_schemas where deleted_at is not null";
    until("the records are swept in the background", async || app.value(swept).await).await;
}

#[tokio::test]
async fn a_small_body_does_not_become_a_large_extension() {
    let app = TestApp::spawn().await;
    let attributes: Vec<_> = (0..100)
        .map(|at| json!({"name": format!("a{at}"), "type": "string", "length": 400, "default": "x".repeat(400)}))
        .collect();
    app.a_schema(&json!({"name": "Large", "type": "multi-valued", "attributes": attributes})).await;
    let (_, answer) = end_with(&app, "Large", &json!(vec![json!({}); 1000])).await;
    assert_eq!(answer.refused(400, "invalid_event").pointers(), ["/Large"]);
    end_with(&app, "Large", &json!(vec![json!({}); 10])).await.1.is(204);
}

#[tokio::test]
async fn rules_of_uniqueness_are_few() {
    let app = TestApp::spawn().await;
    let a = json!({"name": "a", "type": "integer"});
    for unique in [json!(vec!["a"; 17]), json!([vec!["a"; 17]])] {
        let schema = json!({"name": "X", "type": "multi-valued", "attributes": [a], "unique": unique});
        app.post(TASKS, &schema).await.refused(400, "invalid_schema");
    }
}

#[tokio::test]
async fn no_extension_has_a_name_with_nul() {
    let app = TestApp::spawn().await;
    let path = app.a_task_path().await;
    app.get(&format!("{TASKS}/%00")).await.refused(404, "unknown_extension");
    app.delete(&format!("{TASKS}/a%00")).await.refused(404, "unknown_extension");
    app.get(&format!("{path}?extensions=a%00,b")).await.refused(400, "invalid_query");
}

#[tokio::test]
async fn with_optional_schemas_a_name_without_one_is_stored_as_sent() {
    let app = TestApp::spawn().await;
    let settings = StoreSettings { open_extensions: true, ..settings(app.database.options.clone()) };
    let open = TestApp::with_settings(Arc::clone(&app.database), settings).await;
    app.a_schema(&survey()).await;
    let path = app.a_task_path().await;
    let end = format!("{path}/end");
    for (body, pointer) in [
        (json!({"Free": 7}), "/Free"),
        (json!({"Free": [{}, 7]}), "/Free"),
        (json!({"not a name": {}}), "/not a name"),
        (json!({"task_kind": 7}), "/task_kind"),
        (json!({"Survey": {}, "Other": {}}), "/Survey/url"),
    ] {
        let refused = open.post(&end, &body).await.refused(400, "invalid_event");
        assert!(refused.pointers().contains(&pointer), "{body}: {:?}", refused.pointers());
    }
    app.post(&end, &json!({"Free": {}})).await.refused(400, "invalid_event");
    let body =
        json!({"Free": {"b": [1.50, null], "a": {"x": "y"}}, "Many": [{"a": 1}, {"b": 2}], "Survey": {"url": "u"}});
    open.post(&end, &body).await.is(204);
    open.post(&end, &body).await.is(204);
    let read = app.get(&format!("{path}?extensions=*")).await.is(200).body;
    for name in ["Free", "Many", "Survey"] {
        assert_eq!(read[name], body[name], "{name}");
    }
    let service = open.start("/services/start", &json!({"customer_id": "c", "Free": {"of": "a service"}})).await;
    open.put(&format!("/services/{service}/extensions/Late"), &json!([{"a": 1}])).await.is(200);
    open.put(&format!("/services/{service}/extensions/free"), &json!({"a": 2})).await.is(200);
    let read = open.get(&format!("/services/{service}?extensions=free,late")).await.body;
    assert_eq!((&read["Free"], &read["Late"]), (&json!({"a": 2}), &json!([{"a": 1}])));
    open.put(&format!("/services/{service}/extensions/Free/merge"), &json!({"b": 1}))
        .await
        .refused(400, "invalid_event");

    let listed = app.get("/metadata/services/extensions/Free").await.is(200).body;
    assert_eq!(listed, json!({"name": "Free", "type": "multi-valued", "open": true, "unique": [], "attributes": []}));
    let path = app.a_task_path().await;
    app.post(&format!("{path}/end"), &json!({"Free": {}})).await.refused(400, "invalid_event");
    app.delete("/metadata/tasks/extensions/Free").await.is(204);
    let fresh: Vec<_> = (0..20).map(|at| json!({"Fresh": {"a": at}})).collect();
    let start = format!("{}/start", path.rsplit_once('/').unwrap().0);
    for answer in futures::future::join_all(fresh.iter().map(|body| open.post(&start, body))).await {
        answer.is(201);
    }
}

#[tokio::test]
async fn many_new_names_in_one_event_are_one_change_of_the_metadata() {
    let database = Arc::new(Database::create().await);
    let settings = StoreSettings { open_extensions: true, ..settings(database.options.clone()) };
    let app = TestApp::with_settings(database, settings).await;
    let path = app.a_task_path().await;
    let version = "select metadata_version from deployment";
    let before = app.value::<i64>(version).await;
    let body: serde_json::Map<_, _> = (0..200).map(|n| (format!("Name{n}"), json!({"n": n}))).collect();
    app.post(&format!("{path}/end"), &Value::Object(body)).await.is(204);
    assert_eq!(app.value::<i64>(version).await, before + 1);
    let read = app.get(&format!("{path}?extensions=*")).await.is(200).body;
    assert_eq!(read["Name199"], json!({"n": 199}));
}

#[tokio::test]
async fn events_create_open_schemas_for_a_limited_number_of_names() {
    let database = Arc::new(Database::create().await);
    let mut connection = database.connect().await;
    let app = TestApp::on(Arc::clone(&database)).await;
    let insert =
        "insert into extension_schemas (element, name, multi_valued, open, attributes, unique_attributes, created_at)
        select 'task', 'Name' || n, true, true, '[]', '[]', now() from generate_series(1, 999) n";
    sqlx::query(insert).execute(&mut connection).await.unwrap();
    let settings = StoreSettings { open_extensions: true, ..settings(database.options.clone()) };
    let open = TestApp::with_settings(database, settings).await;
    let path = app.a_task_path().await;
    let refused = open.post(&format!("{path}/end"), &json!({"Name7": {}, "Fresh": {}, "Fresher": {}})).await;
    let refused = refused.refused(400, "invalid_event");
    assert!(refused.pointers().contains(&"/Fresher"), "{:?}", refused.pointers());
    let names: Vec<_> = (0..9).map(|n| json!({format!("Last{n}"): {}})).collect();
    let start = format!("{}/start", path.rsplit_once('/').unwrap().0);
    let started = futures::future::join_all(names.iter().map(|body| open.post(&start, body))).await;
    assert_eq!(started.iter().filter(|answer| answer.status == 201).count(), 1);
    open.put(&format!("{path}/extensions/Fresh"), &json!([{}])).await.refused(404, "unknown_extension");
    open.post(&format!("{path}/end"), &json!({"Name7": {}})).await.is(204);
    open.start("/services/start", &json!({"customer_id": "c", "Fresh": {"of": "a service"}})).await;
}

#[tokio::test]
async fn while_a_view_is_being_read_its_schema_stays_and_other_readers_do_not_wait() {
    let app = TestApp::spawn().await;
    app.a_schema(&survey()).await;
    let read = "select count(*) from reporting.task_survey";
    let mut connection = app.sql().await;
    let mut analyst = sqlx::Connection::begin(&mut connection).await.unwrap();
    sqlx::query(read).execute(&mut *analyst).await.unwrap();
    let schema = format!("{TASKS}/Survey");
    let others = async {
        let mut other = app.sql().await;
        sqlx::query("set statement_timeout = '2s'").execute(&mut other).await.unwrap();
        for _ in 0..50 {
            sqlx::query(read).execute(&mut other).await.unwrap();
        }
    };
    let (deleted, ()) = tokio::join!(app.delete(&schema), others);
    let refused = deleted.refused(503, "view_in_use");
    assert!(refused.body["detail"].as_str().unwrap().contains("reporting.task_survey"), "{}", refused.body);
    app.get(&schema).await.is(200);
    analyst.rollback().await.unwrap();
    app.database.administer_inside("create view stars as select * from reporting.task_survey").await;
    let refused = app.delete(&schema).await;
    let refused = refused.refused(503, "view_in_use");
    assert!(refused.body["detail"].as_str().unwrap().contains("another view depends"), "{}", refused.body);
    app.database.administer_inside("drop view stars").await;
    app.delete(&schema).await.is(204);
}
