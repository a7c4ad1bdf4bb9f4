//! Builders for test data.

use serde_json::{Value, json};

use super::TestApp;

impl TestApp {
    /// A service of customer 00K7.
    pub(crate) async fn a_service(&self) -> i64 {
        self.start("/services/start", &json!({"customer_id": "00K7"})).await
    }

    /// A state of a service.
    pub(crate) async fn a_state(&self, service: i64) -> i64 {
        self.start(&format!("/services/{service}/states/start"), &json!({})).await
    }

    /// A task of a service, without a state.
    pub(crate) async fn a_task(&self, service: i64) -> i64 {
        self.start(&format!("/services/{service}/tasks/start"), &json!({})).await
    }

    /// A service with a task. Returns the path of the task.
    pub(crate) async fn a_task_path(&self) -> String {
        let service = self.a_service().await;
        format!("/services/{service}/tasks/{}", self.a_task(service).await)
    }

    /// Starts an element and returns its identifier.
    pub(crate) async fn start(&self, path: &str, body: &Value) -> i64 {
        let answer = self.post(path, body).await.is(201);
        let members = answer.body.as_object().unwrap();
        members.values().next().and_then(Value::as_i64).unwrap()
    }

    /// Creates an extension schema for tasks.
    pub(crate) async fn a_schema(&self, schema: &Value) {
        self.post("/metadata/tasks/extensions", schema).await.is(201);
    }

    /// Creates the schemas of the reference example.
    pub(crate) async fn reference_schemas(&self) {
        self.a_schema(&survey()).await;
        self.a_schema(&proposal()).await;
    }
}

/// Services of three types with states and tasks, most of them ended; they start one after the other over about an
/// hour.
pub(crate) async fn some_journeys(app: &TestApp, services: i64) {
    for number in 0..services {
        let start = json!({"customer_id": format!("c{}", number % 7), "service_type": format!("type {}", number % 3)});
        let path = format!("/services/{}", app.start("/services/start", &start).await);
        let state = app.start(&format!("{path}/states/start"), &json!({"state_type": number % 2})).await;
        for step in 0..number % 5 {
            let body = json!({"state_id": state, "task_type": format!("task {step}")});
            let task = app.start(&format!("{path}/tasks/start"), &body).await;
            app.clock.advance(1000 * (1 + (number * 7 + step * 3) % 23));
            if (number + step) % 6 != 0 {
                let end = if step == 2 { json!({}) } else { json!({"disposition": format!("outcome {}", number % 4)}) };
                app.post(&format!("{path}/tasks/{task}/end"), &end).await.is(204);
            }
        }
        app.clock.advance(1000 * (number % 60));
        if number % 4 != 0 {
            app.post(&format!("{path}/states/{state}/end"), &json!({"disposition": 1})).await.is(204);
            app.post(&format!("{path}/end"), &json!({"disposition": number % 3})).await.is(204);
        }
    }
}

/// The single-valued schema of the reference example.
pub(crate) fn survey() -> Value {
    json!({"name": "Survey", "type": "single-valued", "attributes": [
        {"name": "url", "type": "string", "length": 256, "mandatory": true},
        {"name": "question1", "type": "integer"},
        {"name": "question2", "type": "boolean"},
        {"name": "question3", "type": "string", "length": 256},
    ]})
}

/// The multi-valued schema of the reference example.
pub(crate) fn proposal() -> Value {
    json!({"name": "Proposal", "type": "multi-valued", "unique": ["car type"], "attributes": [
        {"name": "car type", "type": "string", "length": 40, "mandatory": true},
        {"name": "price", "type": "integer"},
        {"name": "seats", "type": "integer", "default": 4},
        {"name": "comments", "type": "string", "length": 256},
    ]})
}

/// The reference example of Complete Task, for a task of `state`.
pub(crate) fn reference_end(state: i64) -> Value {
    json!({"interaction_id": "0000CSS0FXZUP6UR", "state_id": state, "disposition": 10, "disposition_desc": "SUCCESS",
        "Survey": {"url": "http://ourServer/storage/userAnswers", "question1": 7, "question2": true,
                   "question3": "will be better with cable tv and on-demand video"},
        "Proposal": [{"car type": "cabriolet", "price": 25000, "seats": 2, "comments": "200 cv, hardtop"},
                     {"car type": "S.U.V.", "price": 70000, "seats": 8, "comments": "4wd, leather seats"}]})
}
