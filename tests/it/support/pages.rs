//! Test data with which every page shows something of each kind.

use context_services::domain::access::{CredentialKind, Role, SecretHash};
use serde_json::{Value, json};
use sqlx::Executor;

use super::TestApp;
use super::world::{proposal, survey};

/// A function that turns a plain name into the name that applications use.
pub(crate) type Name<'a> = &'a dyn Fn(&str) -> String;

/// Fills the pages: services that are open, late and ended well and badly, one with very many tasks, refused requests,
/// metadata and a user. Returns the addresses of all pages.
pub(crate) async fn every_page(app: &TestApp, name: Name<'_>) -> Vec<String> {
    metadata(app, name).await;
    let busy = a_busy_service(app, name).await;
    for (kind, outcome) in [("book a hotel", "solved"), ("book a hotel", "declined"), ("complain", "moved")] {
        let service = a_service(app, name, kind).await;
        app.clock.advance(200_000);
        app.post(&format!("/services/{service}/end"), &json!({"disposition": name(outcome)})).await.is(204);
    }
    let start = json!({"contact_key": name("+49 30 123456"), "service_type": name("call")});
    app.start("/services/start", &start).await;
    let large = a_service(app, name, "sync").await;
    many_tasks(app, large).await;
    app.post("/services/9999999/end", &json!({})).await.is(404);
    app.post(&format!("/services/{busy}/end"), &json!({"disposition": [], name("unknown"): 1})).await.is(400);
    let hash = SecretHash::of_token("t");
    app.store.add_credential(&name("ann"), CredentialKind::Token, Role::Writer, &hash).await.unwrap();
    app.clock.advance(90_000);
    addresses(name, busy, large)
}

fn addresses(name: Name<'_>, busy: i64, large: i64) -> Vec<String> {
    let with = |path: &str, parameters: &[(&str, &str)]| {
        format!("{path}?{}", serde_urlencoded::to_string(parameters).unwrap())
    };
    let (customer, hotel) = (name("00K7"), name("book a hotel"));
    let mut addresses: Vec<_> = [
        "/",
        "/?q=nobody",
        "/list?status=all",
        "/journey",
        "/journey?q=nobody",
        "/dashboard",
        "/problems/invalid_event",
        "/administration/refused",
        "/administration/schemas",
        "/administration/business-attributes",
        "/administration/users",
    ]
    .map(str::to_owned)
    .into();
    addresses.extend([
        with("/", &[("q", &customer)]),
        with("/list", &[("status", "all"), ("type", &hotel), ("channel", &name("voice"))]),
        with("/journey", &[("q", &customer)]),
        with("/journey", &[("by", "service"), ("q", &large.to_string())]),
        with("/dashboard", &[("period", "hour"), ("service_type", &hotel)]),
    ]);
    addresses.extend(["", "/states/1", "/tasks/2"].map(|part| format!("/journey/services/{busy}{part}")));
    addresses
}

/// Extension schemas, and outcomes with tones.
async fn metadata(app: &TestApp, name: Name<'_>) {
    let note = json!({"name": "Note", "type": "multi-valued", "unique": [], "attributes": [
        {"name": attribute(name, "text"), "type": "string"},
        {"name": attribute(name, "stars"), "type": "integer", "default": 3}]});
    for schema in [survey(), proposal(), note] {
        app.a_schema(&schema).await;
    }
    let outcome = json!({"display_name": name("How it ended"), "description": name("Set by the agent"),
        "cv_attributes": ["Service.disposition", "Task.disposition"], "default": name("moved"), "values": [
            {"name": name("solved"), "tone": "good"},
            {"name": name("declined"), "tone": "bad", "description": name("The customer did not agree")},
            {"name": name("moved")}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
}

/// The name of an attribute, cut to the longest that is allowed.
fn attribute(name: Name<'_>, plain: &str) -> String {
    let (name, most) = (name(plain), 64);
    name.chars().skip(name.chars().count().saturating_sub(most)).collect()
}

/// Starts a service of the customer.
async fn a_service(app: &TestApp, name: Name<'_>, kind: &str) -> i64 {
    let start = json!({"customer_id": name("00K7"), "service_type": name(kind), "media_type": name("voice"),
        "resource_type": name("agent"), "resource_id": 7, "session_id": name("S-1"), "est_duration": 120});
    app.start("/services/start", &start).await
}

/// An open service with two states, in which tasks have ended, overlap, are late and have times that cannot be right.
async fn a_busy_service(app: &TestApp, name: Name<'_>) -> i64 {
    let service = a_service(app, name, "book a hotel").await;
    let path = format!("/services/{service}");
    let state = app.start(&format!("{path}/states/start"), &json!({"state_type": name("advice")})).await;
    let start = async |kind: &str, estimate: i64| {
        let body = json!({"state_id": state, "task_type": name(kind), "est_duration": estimate});
        app.start(&format!("{path}/tasks/start"), &body).await
    };
    let end = async |task: i64, event: Value| app.post(&format!("{path}/tasks/{task}/end"), &event).await.is(204);
    let menu = start("menu", 60).await;
    app.clock.advance(5_000);
    end(
        menu,
        json!({"disposition": name("declined"), "disposition_desc": name("no").chars().take(64).collect::<String>()}),
    )
    .await;
    app.clock.advance(60_000);
    let (card, letter) = (start("card", 10).await, start("letter", 600).await);
    app.clock.advance(30_000);
    let records = json!([{attribute(name, "text"): name("a text"), attribute(name, "stars"): 5}, {attribute(name, "text"): name("another")}]);
    let survey = json!({"url": name("http://ourServer/storage/userAnswers"), "question1": 7});
    end(card, json!({"disposition": name("solved"), "Note": records, "Survey": survey})).await;
    let back = start("back", 10).await;
    end(back, json!({"timestamp": "1999-02-05T09:11:00Z"})).await;
    app.post(&format!("{path}/states/{state}/end"), &json!({"disposition": name("agreed")})).await.is(204);
    app.start(&format!("{path}/states/start"), &json!({"state_type": name("payment")})).await;
    assert_eq!((state, card, letter), (1, 2, 3), "as the addresses have them");
    service
}

/// Adds so many tasks that their rows are grouped.
async fn many_tasks(app: &TestApp, service: i64) {
    app.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": "step"})).await;
    let insert = format!(
        "insert into tasks (service_id, task_id, started_at, task_type)
         select {service}, 1000 + n, (select started_at from services where service_id = {service}) + n * interval '1 millisecond',
           (select task_type from tasks where service_id = {service})
         from generate_series(1, 301) as n"
    );
    app.sql().await.execute(insert.as_str()).await.unwrap();
}
