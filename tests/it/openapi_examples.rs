//! The examples of the OpenAPI document: each of them can be tried in the demo world.

use serde_json::Value;

use crate::openapi::{document, operations, resolved};
use crate::support::postgres::open_directory;
use crate::support::program::{Program, example};

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

    /// Sends the request with these parameters of the query, and asserts that it succeeds.
    async fn send(&self, service: &str, query: &[(&str, String)]) {
        let target = reqwest::Url::parse_with_params(&format!("{service}{}", self.path), query).unwrap();
        let method = self.method.to_uppercase().parse().unwrap();
        let mut request = reqwest::Client::new().request(method, target.clone());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = self.body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{} {target}: {status}: {text}", self.name);
    }
}

fn text(example: &Value) -> String {
    example.as_str().map_or_else(|| example.to_string(), str::to_owned)
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

/// What the demo world has of its own: its metadata, and the completed services of its customers with all their data.
async fn own_data(demo: &Program) -> Value {
    let metadata = ["business-attributes", "services/extensions", "states/extensions", "tasks/extensions"];
    let mut all = serde_json::Map::new();
    for path in metadata.map(|kind| format!("/metadata/{kind}")) {
        all.insert(path.clone(), demo.get(&path).await.1);
    }
    for customer in ["ada", "ben", "olga", "yuki"] {
        let path = format!("/customers/{customer}/services/completed?extensions=*&completed_tasks=true");
        let services = demo.get(&path).await.1;
        for service in services.as_array().unwrap() {
            all.insert(format!("service {}", service["service_id"]), service.clone());
        }
    }
    Value::Object(all)
}

#[tokio::test]
async fn every_example_can_be_tried_in_the_demo_world_and_leaves_its_data_alone() {
    let directory = open_directory();
    let mut demo = Program::spawn(example("demo", &[]).current_dir(directory.path()));
    demo.line_with("The demo world is ready");
    let before = own_data(&demo).await;
    let document = document();
    let mut calls: Vec<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| Call::new(&document, method, path, operation))
        .collect();
    calls.sort_by_key(order);
    for call in &calls {
        call.send(&demo.url, &call.query).await;
        for parameter in call.query.iter().filter(|_| call.method == "get") {
            call.send(&demo.url, std::slice::from_ref(parameter)).await;
        }
    }
    assert!(calls.len() > 50 && calls.iter().filter(|call| call.body.is_some()).count() > 15);
    let after = own_data(&demo).await;
    let before = before.as_object().unwrap();
    assert!(before.len() > 12, "there is something to spoil: {before:#?}");
    for (name, value) in before {
        assert_eq!(after[name], *value, "{name}");
    }
    demo.stop();
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
