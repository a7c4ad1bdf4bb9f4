//! An element ends once. A repeat of the same end event is acknowledged again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::world::reference_end;

/// Ends a task with `first`, and with `second` two seconds later. Returns the status of the second.
async fn repeated(app: &TestApp, first: &Value, second: &Value) -> u16 {
    let path = app.a_task_path().await;
    app.post(&format!("{path}/end"), first).await.is(204);
    let before = app.get(&format!("{path}?extensions=*")).await.body;
    app.clock.advance(2000);
    let answer = app.post(&format!("{path}/end"), second).await;
    if answer.status != 204 {
        let ended_at = before["completed"]["timestamp"].as_str().unwrap();
        assert!(answer.body["detail"].as_str().unwrap().contains(ended_at), "it says when it ended");
    }
    assert_eq!(app.get(&format!("{path}?extensions=*")).await.body, before, "nothing is changed");
    answer.status
}

#[tokio::test]
async fn the_same_end_again_is_acknowledged_again() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let mut end = reference_end(0);
    end.as_object_mut().unwrap().remove("state_id");
    assert_eq!(repeated(&app, &end, &end).await, 204);
    assert_eq!(repeated(&app, &json!({}), &json!({})).await, 204);
    assert_eq!(repeated(&app, &json!({"disposition": 10}), &json!({"disposition": 10, "media_type": null})).await, 204);
}

#[tokio::test]
async fn a_timestamp_is_compared_where_the_repeat_has_one() {
    let app = TestApp::spawn().await;
    let at = |time: &str| json!({"timestamp": time});
    let noon = at("2026-02-05T12:00:00Z");
    assert_eq!(repeated(&app, &noon, &json!({})).await, 204, "an absent one matches any");
    assert_eq!(repeated(&app, &noon, &at("2026-02-05T13:00:00.0009+01:00")).await, 204, "the same moment");
    assert_eq!(repeated(&app, &noon, &at("2026-02-05T12:00:00.001Z")).await, 409);
    assert_eq!(repeated(&app, &json!({}), &noon).await, 409);
}

#[tokio::test]
async fn another_field_is_another_event() {
    let app = TestApp::spawn().await;
    let end = json!({"disposition": 10, "disposition_desc": "SUCCESS", "session_id": "a"});
    for (field, value) in [
        ("disposition", json!(11)),
        ("disposition", json!("10")),
        ("disposition", Value::Null),
        ("disposition_desc", json!("success")),
        ("session_id", json!("b")),
        ("interaction_id", json!("a")),
        ("application_id", json!(1)),
        ("media_type", json!("voice")),
    ] {
        let mut other = end.clone();
        other[field] = value;
        assert_eq!(repeated(&app, &end, &other).await, 409, "{other}");
    }
}

#[tokio::test]
async fn extensions_are_compared_by_value_and_records_in_order() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let end = json!({"Survey": {"url": "u", "question1": 7}, "Proposal": [{"car type": "a"}, {"car type": "b"}]});
    let same = [
        json!({"PROPOSAL": [{"car type": "a"}, {"car type": "b"}], "survey": {"question1": 7, "url": "u"}}),
        json!({"Survey": {"url": "u", "question1": 7, "question2": null},
            "Proposal": [{"car type": "a", "seats": 4}, {"car type": "b"}]}),
    ];
    for other in same {
        assert_eq!(repeated(&app, &end, &other).await, 204, "{other}");
    }
    let different = [
        json!({"Survey": {"url": "u", "question1": 7}, "Proposal": [{"car type": "b"}, {"car type": "a"}]}),
        json!({"Survey": {"url": "u", "question1": 8}, "Proposal": [{"car type": "a"}, {"car type": "b"}]}),
        json!({"Survey": {"url": "u", "question1": 7}, "Proposal": [{"car type": "a"}]}),
        json!({"Survey": {"url": "u", "question1": 7}}),
    ];
    for other in different {
        assert_eq!(repeated(&app, &end, &other).await, 409, "{other}");
    }
}

#[tokio::test]
async fn of_two_hundred_ends_at_once_one_wins_and_its_repeats_agree_with_it() {
    let app = TestApp::spawn().await;
    let path = app.a_task_path().await;
    let end = format!("{path}/end");
    let bodies: Vec<_> = (0..200).map(|at| json!({"disposition": at % 4})).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| app.post(&end, body))).await;

    let winner = app.get(&path).await.body["disposition"].clone();
    let mut statuses = BTreeMap::<(bool, u16), usize>::new();
    for (body, answer) in bodies.iter().zip(&answers) {
        *statuses.entry((body["disposition"] == winner, answer.status)).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([((true, 204), 50), ((false, 409), 150)]));
    assert_eq!(app.value::<i64>("select count(*) from dispositions").await, 1);
}

#[tokio::test]
async fn a_repeat_is_one_whatever_has_become_of_the_metadata_it_was_read_with() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let attribute = "/metadata/business-attributes/Outcome";
    let values = |values: Value, default: Value| json!({"cv_attributes": ["Task.disposition"], "values": values, "default": default});
    let (good, bad) = (json!({"dbid": 10, "name": "GOOD"}), json!({"dbid": 11, "name": "BAD"}));
    app.put(attribute, &values(json!([good, bad]), Value::Null)).await.is(201);
    let end = json!({"disposition": "GOOD", "Proposal": [{"car type": "a"}], "timestamp": "2026-02-05T12:00:00Z"});
    let silent = json!({"Survey": {"url": "u"}});
    let (path, silent_path) = (app.a_task_path().await, app.a_task_path().await);
    app.post(&format!("{path}/end"), &end).await.is(204);
    app.post(&format!("{silent_path}/end"), &silent).await.is(204);

    let other = json!({"disposition": "BAD", "Proposal": [{"car type": "a"}]});
    let later = json!({"disposition": "GOOD", "Proposal": [{"car type": "a"}], "timestamp": "2026-02-05T12:00:01Z"});
    let repeats = async |refusal: u16| {
        app.post(&format!("{path}/end"), &end).await.is(204);
        app.post(&format!("{silent_path}/end"), &silent).await.is(204);
        app.post(&format!("{path}/end"), &later).await.is(refusal);
        app.post(&format!("{path}/end"), &other).await.is(refusal);
    };
    repeats(409).await;
    app.put(attribute, &values(json!([bad]), json!(11))).await.is(200);
    app.post(&format!("{path}/end"), &other).await.is(409);
    app.delete("/metadata/tasks/extensions/Proposal").await.is(204);
    app.delete("/metadata/tasks/extensions/Survey").await.is(204);
    repeats(400).await;
    app.delete(attribute).await.is(204);
    repeats(400).await;
}
