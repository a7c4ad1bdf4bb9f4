//! The OpenAPI document and its page.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

pub(crate) fn document() -> Value {
    serde_json::from_str(&context_services::http::document().to_json().unwrap()).unwrap()
}

/// The operations of the API: name, method, path.
pub(crate) const OPERATIONS: &[(&str, &str, &str)] = &[
    ("associate_service", "post", "/customers/{customer_id}/services/{service_id}"),
    ("change_server_mode", "post", "/server/mode"),
    ("complete_service", "post", "/services/{service_id}/end"),
    ("complete_state", "post", "/services/{service_id}/states/{state_id}/end"),
    ("complete_task", "post", "/services/{service_id}/tasks/{task_id}/end"),
    ("create_extension_schema", "post", "/metadata/{elements}/extensions"),
    ("define_business_attribute", "put", "/metadata/business-attributes/{name}"),
    ("delete_extension_schema", "delete", "/metadata/{elements}/extensions/{name}"),
    ("delete_service", "delete", "/services/{service_id}"),
    ("delete_service_extension", "delete", "/services/{service_id}/extensions/{name}"),
    ("delete_state_extension", "delete", "/services/{service_id}/states/{state_id}/extensions/{name}"),
    ("delete_task_extension", "delete", "/services/{service_id}/tasks/{task_id}/extensions/{name}"),
    ("get_document", "get", "/openapi.json"),
    ("get_document_3_0", "get", "/openapi-3.0.json"),
    ("get_business_attribute", "get", "/metadata/business-attributes/{name}"),
    ("get_extension_schema", "get", "/metadata/{elements}/extensions/{name}"),
    ("get_metadata", "get", "/metadata"),
    ("get_server_status", "get", "/server/status"),
    ("list_refused", "get", "/refused"),
    ("get_service", "get", "/services/{service_id}"),
    ("get_state", "get", "/services/{service_id}/states/{state_id}"),
    ("get_task", "get", "/services/{service_id}/tasks/{task_id}"),
    ("list_active_anonymous_services", "get", "/services/anonymous/{contact_key}/active"),
    ("list_active_services", "get", "/customers/{customer_id}/services/active"),
    ("list_active_states", "get", "/services/{service_id}/states/active"),
    ("list_active_tasks", "get", "/services/{service_id}/tasks/active"),
    ("list_anonymous_services", "get", "/services/anonymous/{contact_key}"),
    ("list_business_attributes", "get", "/metadata/business-attributes"),
    ("list_completed_anonymous_services", "get", "/services/anonymous/{contact_key}/completed"),
    ("list_completed_services", "get", "/customers/{customer_id}/services/completed"),
    ("list_completed_states", "get", "/services/{service_id}/states/completed"),
    ("list_completed_tasks", "get", "/services/{service_id}/tasks/completed"),
    ("list_extension_schemas", "get", "/metadata/{elements}/extensions"),
    ("list_services", "get", "/customers/{customer_id}/services"),
    ("list_states", "get", "/services/{service_id}/states"),
    ("list_tasks", "get", "/services/{service_id}/tasks"),
    ("live", "get", "/health/live"),
    ("merge_service_extension", "put", "/services/{service_id}/extensions/{name}/merge"),
    ("merge_state_extension", "put", "/services/{service_id}/states/{state_id}/extensions/{name}/merge"),
    ("merge_task_extension", "put", "/services/{service_id}/tasks/{task_id}/extensions/{name}/merge"),
    ("metrics", "get", "/metrics"),
    ("ready", "get", "/health/ready"),
    ("remove_business_attribute", "delete", "/metadata/business-attributes/{name}"),
    ("report_activity", "get", "/reports/activity"),
    ("report_durations", "get", "/reports/durations"),
    ("report_lifetimes", "get", "/reports/lifetimes"),
    ("report_outcomes", "get", "/reports/outcomes"),
    ("report_stops", "get", "/reports/stops"),
    ("start_service", "post", "/services/start"),
    ("start_state", "post", "/services/{service_id}/states/start"),
    ("start_task", "post", "/services/{service_id}/tasks/start"),
    ("transition_state", "post", "/services/{service_id}/states/transition"),
    ("update_expiration", "put", "/services/{service_id}"),
    ("update_service_extension", "put", "/services/{service_id}/extensions/{name}"),
    ("update_state_extension", "put", "/services/{service_id}/states/{state_id}/extensions/{name}"),
    ("purge_services", "post", "/maintenance/purge"),
    ("get_purge", "get", "/maintenance/purges/{purge_id}"),
    ("update_task_extension", "put", "/services/{service_id}/tasks/{task_id}/extensions/{name}"),
];

/// The part of the document itself, or the one it refers to.
pub(crate) fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => part,
    }
}

/// All operations: method, path, and the operation object.
pub(crate) fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, op)| (method.as_str(), path.as_str(), op))
        })
        .collect()
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let generated = context_services::http::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(committed, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(committed).unwrap();
    assert!(committed == generated, "openapi.json is out of date: run `make openapi`");
}

#[test]
fn every_operation_has_a_name_a_summary_and_its_problems() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} stands twice");
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        let problems = responses.iter().filter(|(status, _)| status.as_str() >= "400");
        for (status, response) in problems {
            let content = &resolved(&document, response)["content"]["application/problem+json"];
            let examples = content["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{name} {status}");
            for example in examples.values() {
                assert_eq!(resolved(&document, example)["value"]["status"].to_string(), *status, "{name}");
            }
        }
    }
}

#[test]
fn every_parameter_body_and_answer_has_an_example() {
    let document = document();
    let has = |place: &Value| {
        !place["example"].is_null() || !place["examples"].is_null() || !place["schema"]["example"].is_null()
    };
    let mut lacking = Vec::new();
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| resolved(&document, parameter));
        lacking.extend(parameters.filter(|one| !has(one)).map(|one| format!("{method} {path} {}", one["name"])));
        let responses = operation["responses"].as_object().unwrap().iter();
        let bodies = responses.map(|(status, response)| (status.as_str(), resolved(&document, response)));
        for (what, holder) in bodies.chain([("body", &operation["requestBody"])]) {
            let contents = holder["content"].as_object().into_iter().flatten();
            lacking.extend(contents.filter(|(_, content)| !has(content)).map(|_| format!("{method} {path} {what}")));
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}

#[test]
fn every_operation_of_the_api_is_documented_and_no_other() {
    let document = document();
    let documented: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| (operation["operationId"].as_str().unwrap(), method, path))
        .collect();
    assert_eq!(documented, OPERATIONS.iter().copied().collect());
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference);
                }
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    assert!(found.iter().any(|reference| reference.starts_with("#/components/responses/")));
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_documented_operation_is_routed_under_both_prefixes() {
    let app = TestApp::spawn().await;
    let document = document();
    for (method, path, _) in operations(&document) {
        let path = path.replace("{service_id}", "1").replace("{task_id}", "1").replace("{elements}", "tasks");
        let path = path.replace("{name}", "Survey").replace("{state_id}", "1").replace("{customer_id}", "00K7");
        let path = path.replace("{contact_key}", "k");
        for prefix in ["", "/genesys/1/cs"] {
            let method = method.to_uppercase().parse().unwrap();
            let answer = app.send(method, &format!("{prefix}{path}"), None).await;
            assert!(answer.body["code"] != "not_found" && answer.status != 405, "{prefix}{path}: {}", answer.body);
        }
    }
}

/// The properties of an event's documented body, with references resolved.
fn properties(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolved(document, schema);
    let own = schema["properties"].as_object().into_iter().flat_map(|members| members.keys().cloned());
    let parts = ["allOf", "anyOf"].into_iter().flat_map(|kind| schema[kind].as_array().into_iter().flatten());
    own.chain(parts.flat_map(|part| properties(document, part))).collect()
}

#[tokio::test]
async fn every_documented_field_of_an_event_is_one_that_the_service_reads() {
    let app = TestApp::spawn().await;
    let document = document();
    let path = app.a_task_path().await;
    let mut checked = 0;
    for (method, template, operation) in operations(&document) {
        let is_event = !["/metadata", "/server", "/maintenance"].iter().any(|root| template.starts_with(root));
        if method != "post" || !is_event {
            continue;
        }
        let url = template.replace("/services/{service_id}/tasks/{task_id}", &path).replace("{service_id}", "1");
        let url = url.replace("{state_id}", "1").replace("{customer_id}", "00K7");
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        for property in properties(&document, schema) {
            let answer = app.post(&url, &json!({&property: [[]]})).await;
            let expected = format!("/{property}");
            let errors = answer.body["errors"].as_array().unwrap();
            let error = errors.iter().find(|error| error["pointer"] == expected).expect(&property);
            let detail = error["detail"].as_str().unwrap();
            assert!(
                detail.starts_with("expected ") && detail.ends_with("found an array"),
                "{url} {property}: {detail}"
            );
            checked += 1;
        }
    }
    assert!(checked > 80, "all events were found: {checked}");
}

#[tokio::test]
async fn the_document_and_its_page_are_served_with_nothing_from_elsewhere() {
    let app = TestApp::spawn().await;
    for prefix in ["", "/genesys/1/cs"] {
        assert_eq!(app.get(&format!("{prefix}/openapi.json")).await.is(200).body, document());
        let page = app.get(&format!("{prefix}/docs/")).await.is(200);
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
        let html = page.body.as_str().unwrap();
        assert!(html.contains("swagger-ui-bundle.js") && !html.contains("https://"), "{html}");
        assert!(html.contains("href=\"/journey\""), "pages are at the root alone: {html}");
        let headers = [("x-forwarded-prefix", "/context")];
        let behind = app.send_with(Method::GET, &format!("{prefix}/docs/"), &headers, None).await.is(200);
        assert!(behind.body.as_str().unwrap().contains("href=\"/context/journey\""));
        let start = app.get(&format!("{prefix}/docs/docs.js")).await.is(200);
        assert!(start.body.as_str().unwrap().contains("../openapi.json"));
        for file in ["nothing.js", "index.html", "swagger-ui-es-bundle.js"] {
            app.get(&format!("{prefix}/docs/{file}")).await.refused(404, "not_found");
        }
    }
}

#[tokio::test]
async fn the_page_of_the_api_lists_every_operation_by_its_tag_without_scripts() {
    let app = TestApp::spawn().await;
    let html = app.get("/docs/").await.is(200).body.as_str().unwrap().to_owned();
    let document = document();
    for (method, path, operation) in operations(&document) {
        let tag = operation["tags"][0].as_str().unwrap();
        let (_, of_tag) = html.split_once(&format!("<h2>{tag}</h2>")).unwrap();
        let of_tag = of_tag.split("<h2>").next().unwrap();
        let line = format!("<code>{} {path}</code> {}", method.to_uppercase(), operation["summary"].as_str().unwrap());
        assert!(of_tag.contains(&line), "{line} is not in {of_tag}");
    }
}
