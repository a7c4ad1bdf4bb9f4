//! A whole journey from an application's point of view: a call drops, the caller calls again, is found by contact key,
//! identified, and served through three states; then the service is ended. Each query on the way is checked.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::world::{reference_end, survey};

/// An application's view of the API: paths and bodies.
struct Client<'a> {
    app: &'a TestApp,
    prefix: &'static str,
}

impl Client<'_> {
    async fn get(&self, path: &str) -> Value {
        self.app.get(&format!("{}{path}", self.prefix)).await.is(200).body
    }

    async fn start(&self, path: &str, body: &Value) -> i64 {
        self.app.start(&format!("{}{path}", self.prefix), body).await
    }

    async fn end(&self, path: &str, body: &Value) {
        self.app.post(&format!("{}{path}/end", self.prefix), body).await.is(204);
    }

    /// The identifiers in a list, under `member`.
    async fn ids(&self, path: &str, member: &str) -> Vec<i64> {
        let list = self.get(path).await;
        list.as_array().unwrap().iter().map(|element| element[member].as_i64().unwrap()).collect()
    }
}

/// An anonymous caller starts a booking, and the call drops.
async fn call_that_drops(client: &Client<'_>) -> i64 {
    let start = json!({"contact_key": "+49 89/1234", "service_type": "book a hotel", "media_type": "voice"});
    let service = client.start("/services/start", &start).await;
    let task = client.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": "menu"})).await;
    client.app.clock.advance(5_000);
    let dropped = json!({"disposition": "dropped"});
    client.end(&format!("/services/{service}/tasks/{task}"), &dropped).await;
    service
}

/// The caller is found by the contact key and identified as a customer.
async fn identify(client: &Client<'_>, service: i64) {
    let key = "/services/anonymous/%2B49%2089%2F1234";
    assert_eq!(client.ids(&format!("{key}/active"), "service_id").await, [service]);
    let found = client.get(&format!("{key}?active_tasks=true&completed_tasks=true")).await;
    assert_eq!(found[0]["completed_tasks"][0]["disposition"], "dropped", "the agent sees why it ended last time");
    assert_eq!(found[0]["active_tasks"], json!([]));
    let path = format!("{}/customers/00K7/services/{service}", client.prefix);
    client.app.post(&path, &json!({"interaction_id": "second call"})).await.is(204);
    assert_eq!(client.get(key).await, json!([]), "it is no longer anonymous");
    assert_eq!(client.ids("/customers/00K7/services/active", "service_id").await, [service]);
    assert_eq!(client.get(&format!("/services/{service}")).await["started"]["interaction_id"], "second call");
}

/// Runs one state with a task in it. Returns the state.
async fn stage(client: &Client<'_>, service: i64, state: i64, end: &Value) -> i64 {
    let path = format!("/services/{service}");
    assert_eq!(client.ids(&format!("{path}/states/active"), "state_id").await, [state]);
    let task = client.start(&format!("{path}/tasks/start"), &json!({"state_id": state, "task_type": "step"})).await;
    assert_eq!(client.ids(&format!("{path}/tasks/active"), "task_id").await, [task]);
    client.app.clock.advance(30_000);
    client.end(&format!("{path}/tasks/{task}"), end).await;
    assert_eq!(client.ids(&format!("{path}/tasks/completed?state_id={state}"), "task_id").await, [task]);
    state
}

#[tokio::test]
async fn a_caller_is_served_from_the_first_call_to_the_end() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    app.post("/metadata/services/extensions", &survey()).await.is(201);
    for prefix in ["", "/genesys/1/cs"] {
        let client = Client { app: &app, prefix };
        let service = call_that_drops(&client).await;
        identify(&client, service).await;

        let path = format!("/services/{service}");
        let choose = client.start(&format!("{path}/states/start"), &json!({"state_type": "choose"})).await;
        stage(&client, service, choose, &json!({"disposition": 10})).await;
        let mut states = vec![choose];
        for kind in ["pay", "confirm"] {
            let body = json!({"from": {"state_id": states.last(), "disposition": 10}, "to": {"state_type": kind}});
            let next = client.start(&format!("{path}/states/transition"), &body).await;
            states.push(stage(&client, service, next, &reference_end(next)).await);
        }
        client.end(&format!("{path}/states/{}", states[2]), &json!({"disposition": 10})).await;
        client.end(&path, &json!({"disposition": "booked", "Survey": {"url": "u"}})).await;

        let all = "completed_states=true&completed_tasks=true&active_states=true&active_tasks=true&extensions=*,Task.*";
        let read = client.get(&format!("{path}?{all}")).await;
        assert_eq!((&read["disposition"], &read["duration"]), (&json!("booked"), &json!(95_000)));
        assert_eq!((&read["active_states"], &read["active_tasks"]), (&json!([]), &json!([])));
        assert_eq!(read["Survey"], json!({"url": "u"}));
        let kinds: Vec<_> = read["completed_states"].as_array().unwrap().iter().map(|one| &one["state_type"]).collect();
        assert_eq!(kinds, ["choose", "pay", "confirm"]);
        assert_eq!(read["completed_states"][2]["previous_state_id"], states[1]);
        assert_eq!(read["completed_tasks"].as_array().unwrap().len(), 4);
        assert_eq!(read["completed_tasks"][3]["Proposal"], reference_end(0)["Proposal"]);
        assert_eq!(client.get("/customers/00K7/services/active").await, json!([]));
        assert!(client.ids("/customers/00K7/services/completed", "service_id").await.contains(&service));
    }
}
