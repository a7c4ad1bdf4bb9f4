//! What the examples in the description of the API refer to, so that they can be tried in the demo world: service 95 of
//! customer 00K7, with the open states 23 and 24 and the open task 3; service 96 of nobody, which may expire or be deleted;
//! and purge 1. Schemas and business attributes that the examples create or delete are not in the demo world.

use anyhow::Result;
use serde_json::{Value, json};

use super::client::Client;

/// The number of the service, counted from 1: identifiers are assigned in the order of starts.
pub(crate) const SERVICE: usize = 95;

/// The number of states that start before those of the service.
pub(crate) const STATES_BEFORE: usize = 22;

fn survey() -> Value {
    json!({"url": "http://ourServer/storage/userAnswers", "question1": 7, "question2": true})
}

/// Starts the service, and returns its path.
pub(crate) async fn start(client: &Client) -> Result<String> {
    let start =
        json!({"customer_id": "00K7", "service_type": "book a hotel", "media_type": "voice", "Survey": survey()});
    let service = client.post("/services/start", &start).await?;
    client.post("/services/start", &json!({"contact_key": "pin-77", "service_type": "book a hotel"})).await?;
    Ok(format!("/services/{}", service["service_id"]))
}

/// Starts its states and tasks, which are the first tasks of all, and makes the purge.
pub(crate) async fn play(client: &Client, service: &str) -> Result<()> {
    let mut state = Value::Null;
    for kind in ["find a hotel", "payment"] {
        let body = json!({"state_type": kind, "media_type": "voice", "Survey": survey()});
        state = client.post(&format!("{service}/states/start"), &body).await?["state_id"].take();
    }
    for kind in ["identify customer", "choose room", "survey"] {
        let body = json!({"task_type": kind, "state_id": state, "Survey": survey()});
        let task = client.post(&format!("{service}/tasks/start"), &body).await?["task_id"].take();
        if kind != "survey" {
            client.post(&format!("{service}/tasks/{task}/end"), &json!({"disposition": "SUCCESS"})).await?;
        }
    }
    // No service is so old.
    let purge = json!({"limit": "2026-01-01T00:00:00Z", "operation": "purge.service.completed"});
    client.post("/maintenance/purge", &purge).await?;
    Ok(())
}
