//! The form of the OpenAPI document: code generators must understand it (`.ci/generators` runs them).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::openapi::{document, operations, resolved};
use crate::support::TestApp;

/// Calls `visit` on the value, and on every value within it.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn every_body_with_extensions_is_open_and_so_is_each_of_its_parts() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut open = BTreeSet::new();
    for (name, schema) in schemas {
        let parts = schema["allOf"].as_array().into_iter().flatten();
        let marks = ["#/components/schemas/EventFields", "#/components/schemas/LifecycleBody"];
        if !parts.clone().any(|part| marks.iter().any(|mark| part["$ref"] == *mark)) {
            continue;
        }
        assert_eq!(schema["additionalProperties"], true, "{name}");
        for part in parts {
            assert_eq!(resolved(&document, part)["additionalProperties"], true, "{name}: {part}");
        }
        open.insert(name.as_str());
    }
    let expected = [
        "AssociateServiceBody",
        "CompleteServiceBody",
        "CompleteStateBody",
        "CompleteTaskBody",
        "ServiceBody",
        "StartServiceBody",
        "StartStateBody",
        "StartTaskBody",
        "StateBody",
        "TaskBody",
        "TransitionStateBody",
    ];
    assert_eq!(open, expected.into());
}

#[test]
fn nothing_is_nullable_and_alternatives_are_any_of() {
    let document = document();
    walk(&document, &mut |value| {
        assert!(value["type"] != "null" && !value["type"].is_array() && value["oneOf"].is_null(), "{value}");
    });
    let kinds = &document["components"]["schemas"]["LongOrString"]["anyOf"];
    assert_eq!((&kinds[0]["type"], &kinds[1]["type"]), (&json!("integer"), &json!("string")));
}

#[test]
fn a_body_is_optional_where_an_absent_one_is_accepted() {
    let document = document();
    let optional: BTreeSet<_> = operations(&document)
        .into_iter()
        .filter(|(_, _, operation)| operation["requestBody"].is_object())
        .filter(|(_, _, operation)| !operation["requestBody"]["required"].as_bool().unwrap())
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(optional, ["associate_service", "complete_service", "complete_state", "complete_task"].into());
}

#[test]
fn tags_are_described_in_the_order_of_the_page_and_each_is_used() {
    let document = document();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(tags, ["Tasks", "Services", "States", "Queries", "Extensions", "Metadata", "Server"]);
    assert!(document["tags"].as_array().unwrap().iter().all(|tag| tag["description"].is_string()));
    let used: BTreeSet<_> =
        operations(&document).into_iter().map(|(_, _, operation)| operation["tags"][0].as_str().unwrap()).collect();
    assert_eq!(used, tags.into_iter().collect());
}

#[test]
fn credentials_are_required_everywhere_but_for_health() {
    let document = document();
    assert_eq!(document["security"], json!([{"basic": []}, {"bearer": []}]));
    for (_, path, operation) in operations(&document) {
        let role = operation["description"].as_str().unwrap().contains("Requires the role `");
        let expected = if path.starts_with("/health") { (json!([]), false) } else { (Value::Null, true) };
        assert_eq!((operation["security"].clone(), role), expected, "{path}");
    }
}

#[test]
fn every_response_documents_its_headers() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let headers = resolved(&document, response)["headers"].as_object().unwrap();
            assert!(headers.contains_key("X-Request-Id"), "{method} {path} {status}");
            assert_eq!(
                headers.contains_key("Retry-After"),
                matches!(status.as_str(), "429" | "503"),
                "{path} {status}"
            );
            assert_eq!(headers.contains_key("WWW-Authenticate"), status == "401", "{path} {status}");
        }
    }
    assert_eq!(document["components"]["headers"]["Retry-After"]["schema"]["type"], "integer");
}

#[test]
fn examples_of_problems_with_violations_show_them() {
    let document = document();
    let examples = &document["components"]["examples"];
    for (code, place) in [("invalid_event", "pointer"), ("invalid_schema", "pointer"), ("invalid_query", "parameter")] {
        let problem = &examples[code]["value"];
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| error[place].is_string() && error["detail"].is_string()), "{problem}");
        assert_eq!(problem["message"], problem["detail"]);
    }
}

#[test]
fn the_document_stays_below_250_kb() {
    let size = context_services::http::document().to_pretty_json().unwrap().len();
    assert!(size < 250_000, "{size}");
}

#[tokio::test]
async fn the_same_document_is_served_as_3_0() {
    let app = TestApp::spawn().await;
    let served = app.get("/openapi-3.0.json").await.is(200).body;
    assert_eq!(served, context_services::http::document_3_0());
    assert_eq!(app.get("/genesys/1/cs/openapi-3.0.json").await.is(200).body, served);
    assert_eq!(served["openapi"], "3.0.3");
    let names = |document| operations(document).iter().map(|one| one.2["operationId"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&served), names(&document()));
}

/// The keywords of a schema in OpenAPI 3.0.3 that the document uses.
const KEYWORDS_3_0: &[&str] = &[
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
];

/// Checks a schema and all schemas within it.
fn check_3_0(schema: &Value) {
    let Some(keywords) = schema.as_object() else { return assert!(schema.is_boolean(), "{schema}") };
    if keywords.contains_key("$ref") {
        return assert_eq!(keywords.len(), 1, "a reference stands alone: {schema}");
    }
    let known = keywords.keys().all(|keyword| KEYWORDS_3_0.contains(&keyword.as_str()));
    assert!(known, "{schema}");
    let types = ["array", "boolean", "integer", "number", "object", "string"];
    let type_is_known = keywords.get("type").is_none_or(|one| types.iter().any(|known| one == known));
    assert!(type_is_known && (schema["type"] != "array" || keywords.contains_key("items")), "{schema}");
    let lists = ["allOf", "anyOf"].into_iter().flat_map(|name| schema[name].as_array().into_iter().flatten());
    let properties = schema["properties"].as_object().into_iter().flat_map(|properties| properties.values());
    let single = ["items", "additionalProperties"].into_iter().filter_map(|name| keywords.get(name));
    lists.chain(properties).chain(single).for_each(check_3_0);
}

#[test]
fn schemas_of_the_3_0_document_are_schemas_of_3_0() {
    let document = context_services::http::document_3_0();
    let license = &document["info"]["license"];
    assert!(license["identifier"].is_null() && license["url"].is_string(), "{license}");
    document["components"]["schemas"].as_object().unwrap().values().for_each(check_3_0);
    let mut found = 0;
    walk(&document, &mut |value| {
        if let Some(schema) = value.as_object().and_then(|members| members.get("schema")) {
            check_3_0(schema);
            found += 1;
        }
    });
    assert!(found > 100, "{found}");
}
