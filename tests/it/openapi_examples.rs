//! The examples of the OpenAPI document: the service accepts each of them.

use serde_json::{Value, json};

use crate::openapi::{document, operations, resolved};
use crate::support::TestApp;
use crate::support::world::survey;

/// An operation of the document, with the examples of its parameters and body.
struct Call<'a> {
    name: &'a str,
    method: &'a str,
    path: String,
    query: Vec<(&'a str, String)>,
    headers: Vec<(&'a str, String)>,
    body: Option<&'a Value>,
}

impl<'a> Call<'a> {
    fn new(document: &'a Value, method: &'a str, path: &str, operation: &'a Value) -> Self {
        let name = operation["operationId"].as_str().unwrap();
        let body = operation["requestBody"]["content"]["application/json"].get("example");
        let (mut path, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = resolved(document, parameter);
            let (key, example) = (parameter["name"].as_str().unwrap(), text(&parameter["example"]));
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{key}}}"), &example),
                "query" => query.push((key, example)),
                _ => headers.push((key, example)),
            }
        }
        Self { name, method, path, query, headers, body }
    }

    /// Sends the request with these parameters of the query.
    async fn send(&self, app: &TestApp, query: &[(&str, String)]) {
        let url = reqwest::Url::parse_with_params(&format!("{}{}", app.url, self.path), query).unwrap();
        let target = url.as_str().trim_start_matches(app.url.as_str());
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let method = self.method.to_uppercase().parse().unwrap();
        let answer = app.send_with(method, target, &headers, self.body.map(Value::to_string)).await;
        assert!((200..300).contains(&answer.status), "{} {target}: {:#}", self.name, answer.body);
    }
}

fn text(example: &Value) -> String {
    example.as_str().map_or_else(|| example.to_string(), str::to_owned)
}

/// The world of the examples: service 95 of customer 00K7 with state 24 and task 3, extension records of each, a business
/// attribute, and purge 1.
async fn world_of_the_examples() -> TestApp {
    let app = TestApp::spawn().await;
    for kind in ["services", "states", "tasks"] {
        app.post(&format!("/metadata/{kind}/extensions"), &survey()).await.is(201);
    }
    for _ in 0..95 {
        app.a_service().await;
    }
    for _ in 0..24 {
        app.a_state(95).await;
    }
    for _ in 0..3 {
        app.a_task(95).await;
    }
    let purge = json!({"limit": "2026-01-01T00:00:00Z", "operation": "purge.service.all"});
    app.post("/maintenance/purge", &purge).await.is(200);
    app
}

/// The order of the calls: what creates comes first, and deletions come last, those of services after all others.
fn order(call: &Call<'_>) -> u8 {
    match (call.name, call.method) {
        ("create_extension_schema" | "define_business_attribute", _) => 0,
        ("delete_extension_schema", _) => 3,
        ("delete_service", _) => 4,
        (_, "delete") => 2,
        _ => 1,
    }
}

#[tokio::test]
async fn the_service_accepts_every_example() {
    let app = world_of_the_examples().await;
    let document = document();
    let mut calls: Vec<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| Call::new(&document, method, path, operation))
        .collect();
    calls.sort_by_key(order);
    for call in &calls {
        call.send(&app, &call.query).await;
        for parameter in call.query.iter().filter(|_| call.method == "get") {
            call.send(&app, std::slice::from_ref(parameter)).await;
        }
    }
    assert!(calls.len() > 50 && calls.iter().filter(|call| call.body.is_some()).count() > 15);
}

#[test]
fn every_operation_with_an_idempotency_key_has_a_key_of_its_own() {
    let document = document();
    let calls = operations(&document).into_iter();
    let mut keys: Vec<_> =
        calls.flat_map(|(method, path, operation)| Call::new(&document, method, path, operation).headers).collect();
    assert_eq!(keys.len(), 4);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}
