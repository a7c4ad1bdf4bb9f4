//! Update, merge and deletion of extension records outside events.

use serde_json::{Value, json};

use crate::support::world::{proposal, survey};
use crate::support::{Answer, TestApp};

/// A service, a state and a task with the schemas of the reference example. Returns their paths.
async fn elements(app: &TestApp) -> [String; 3] {
    for elements in ["services", "states", "tasks"] {
        for schema in [survey(), proposal()] {
            app.post(&format!("/metadata/{elements}/extensions"), &schema).await.is(201);
        }
    }
    let service = app.a_service().await;
    let (state, task) = (app.a_state(service).await, app.a_task(service).await);
    let path = format!("/services/{service}");
    [path.clone(), format!("{path}/states/{state}"), format!("{path}/tasks/{task}")]
}

async fn recorded(app: &TestApp, path: &str) -> Value {
    let mut element = app.get(&format!("{path}?extensions=*")).await.is(200).body;
    json!({"Survey": element["Survey"].take(), "Proposal": element["Proposal"].take()})
}

#[tokio::test]
async fn records_of_services_states_and_tasks_are_replaced_merged_and_deleted() {
    let app = TestApp::spawn().await;
    for path in elements(&app).await {
        let survey = format!("{path}/extensions/survey");
        let updated = app.put(&survey, &json!({"url": "a", "question1": 1})).await.is(200);
        assert_eq!(updated.body, json!({}));
        app.put(&survey, &json!({"url": "b", "question2": true})).await.is(200);
        assert_eq!(recorded(&app, &path).await["Survey"], json!({"url": "b", "question2": true}), "replaces all");
        app.put(&format!("{survey}/merge"), &json!({"question1": 7, "question2": false, "url": null})).await.is(200);
        assert_eq!(
            recorded(&app, &path).await["Survey"],
            json!({"url": "b", "question1": 7, "question2": false}),
            "null is not given"
        );
        let cars = json!([{"car type": "van"}, {"car type": "bus", "seats": 40}]);
        app.put(&format!("{path}/extensions/Proposal"), &cars).await.is(200);
        let stored = json!([{"car type": "van", "seats": 4}, {"car type": "bus", "seats": 40}]);
        assert_eq!(recorded(&app, &path).await["Proposal"], stored, "defaults are filled in");

        app.post(&format!("{path}/end"), &json!({})).await.is(204);
        app.put(&format!("{path}/extensions/Proposal"), &json!([])).await.is(200);
        assert_eq!(recorded(&app, &path).await["Proposal"], json!([]), "an ended element takes it too");
        app.delete(&survey).await.is(204);
        assert_eq!(recorded(&app, &path).await["Survey"], Value::Null);
        app.delete(&survey).await.refused(404, "unknown_extension");
        app.delete(&format!("/genesys/1/cs{path}/extensions/PROPOSAL")).await.is(204);
    }
    assert_eq!(app.value::<i64>("select count(*) from extensions").await, 0);
}

#[tokio::test]
async fn a_merge_where_nothing_is_recorded_must_make_a_whole_record() {
    let app = TestApp::spawn().await;
    let [.., task] = elements(&app).await;
    let merge = format!("{task}/extensions/Survey/merge");
    let refused = app.put(&merge, &json!({"question1": 7})).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/url"]);
    app.put(&merge, &json!({"url": "a"})).await.is(200);
    app.put(&merge, &json!({"question1": 7})).await.is(200);
    assert_eq!(recorded(&app, &task).await["Survey"], json!({"url": "a", "question1": 7}));
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_refused_at_its_place_and_changes_nothing() {
    let app = TestApp::spawn().await;
    let [.., task] = elements(&app).await;
    app.put(&format!("{task}/extensions/Survey"), &json!({"url": "a"})).await.is(200);
    let pointers = |answer: Answer| -> Vec<String> {
        answer.refused(400, "invalid_event").pointers().into_iter().map(str::to_owned).collect()
    };
    for (path, body, expected) in [
        ("Survey", json!([]), &[""][..]),
        ("Survey", json!({"question1": "7", "x": 1}), &["/x", "/url", "/question1"]),
        ("Survey/merge", json!([]), &[""]),
        ("Survey/merge", json!({"question1": "7", "x": 1}), &["/question1", "/x"]),
        ("Proposal", json!({}), &[""]),
        ("Proposal", json!([{"car type": "a"}, {"car type": "a", "price": "b"}]), &["/1/price", "/1"]),
        ("Proposal/merge", json!({"car type": "a"}), &[""]),
    ] {
        assert_eq!(pointers(app.put(&format!("{task}/extensions/{path}"), &body).await), expected, "{path} {body}");
    }
    for body in ["", "7", "\"a\"", "null", "{", "[{\"a\":1,\"a\":2}]"] {
        let answer = app
            .send(
                reqwest::Method::PUT,
                &format!("{task}/extensions/Survey"),
                Some(("application/json", body.to_owned())),
            )
            .await;
        answer.refused(400, "invalid_json");
    }
    assert_eq!(recorded(&app, &task).await, json!({"Survey": {"url": "a"}, "Proposal": null}));
}

#[tokio::test]
async fn unknown_extensions_and_elements_are_told_apart() {
    let app = TestApp::spawn().await;
    let [service, ..] = elements(&app).await;
    let body = json!({"url": "a"});
    app.put(&format!("{service}/extensions/Nothing"), &body).await.refused(404, "unknown_extension");
    app.put("/services/77/extensions/Survey", &body).await.refused(404, "unknown_service");
    app.put(&format!("{service}/states/77/extensions/Survey/merge"), &body).await.refused(404, "unknown_state");
    app.delete(&format!("{service}/tasks/77/extensions/Survey")).await.refused(404, "unknown_task");
    app.delete(&format!("{service}/tasks/x/extensions/Survey")).await.refused(400, "invalid_id");
    app.put(&format!("{service}/extensions/Survey?x=1"), &body).await.refused(400, "invalid_query");
}

#[tokio::test]
async fn a_schema_created_on_another_node_serves_at_once() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    let path = app.a_task_path().await;
    app.a_schema(&survey()).await;
    node.put(&format!("{path}/extensions/Survey"), &json!({"url": "a"})).await.is(200);
    assert_eq!(app.get(&format!("{path}?extensions=*")).await.body["Survey"], json!({"url": "a"}));
    app.delete("/metadata/tasks/extensions/Survey").await.is(204);
    node.put(&format!("{path}/extensions/Survey"), &json!({"url": "a"})).await.refused(404, "unknown_extension");
}

#[tokio::test]
async fn merges_at_once_lose_nothing() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    let attributes: Vec<_> = (0..20).map(|at| json!({"name": format!("a{at}"), "type": "integer"})).collect();
    app.a_schema(&json!({"name": "Many", "type": "single-valued", "attributes": attributes})).await;
    let path = app.a_task_path().await;
    let (merge, bodies): (_, Vec<_>) =
        (format!("{path}/extensions/Many/merge"), (0..20).map(|at| json!({format!("a{at}"): at})).collect());
    let merges = bodies.iter().enumerate().map(|(at, body)| [&app, &node][at % 2].put(&merge, body));
    for answer in futures::future::join_all(merges).await {
        answer.is(200);
    }
    let many = app.get(&format!("{path}?extensions=*")).await.body["Many"].clone();
    assert_eq!(many.as_object().unwrap().len(), 20, "{many}");
}

#[tokio::test]
async fn a_record_does_not_grow_beyond_its_limit_by_merges() {
    let app = TestApp::spawn().await;
    let attributes: Vec<_> = (0..100).map(|at| json!({"name": format!("a{at}"), "type": "json"})).collect();
    app.a_schema(&json!({"name": "Big", "type": "single-valued", "attributes": attributes})).await;
    let merge = format!("{}/extensions/Big/merge", app.a_task_path().await);
    let mut merged = 0;
    let refused = loop {
        let answer = app.put(&merge, &json!({format!("a{merged}"): "x".repeat(60_000)})).await;
        if answer.status != 200 {
            break answer;
        }
        merged += 1;
    };
    assert_eq!(refused.refused(400, "invalid_event").pointers(), [""]);
    assert_eq!(merged, 4 * 1024 * 1024 / 60_010, "as many as fit into 4 MiB");
}
