//! The values that fields learn: their limit, their look-up, and the removal of those that nothing refers to.

use std::cell::Cell;
use std::sync::Arc;

use context_services::store::StoreSettings;
use futures::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor};

use crate::support::postgres::{Database, settings};
use crate::support::proxy::Proxy;
use crate::support::{TestApp, until};

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn with_limit(limit: u32) -> TestApp {
    let database = Arc::new(Database::create().await);
    let settings = StoreSettings { max_learned_values: limit, ..settings(database.options.clone()) };
    TestApp::with_settings(database, settings).await
}

/// An event with this disposition, which is refused because there is no such task.
async fn refused_event(app: &TestApp, service: i64, disposition: &str) {
    let path = format!("/services/{service}/tasks/2147483647/end");
    app.post(&path, &json!({"disposition": disposition})).await.refused(404, "unknown_task");
}

#[tokio::test]
async fn a_field_learns_no_more_values_than_it_may() {
    let app = with_limit(2).await;
    let service = app.a_service().await;
    let end = async |disposition: serde_json::Value| {
        let task = app.a_task(service).await;
        app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({"disposition": disposition})).await
    };
    end(json!("a")).await.is(204);
    end(json!(10)).await.is(204);
    let refused = end(json!("b")).await.refused(400, "invalid_event");
    assert_eq!(refused.pointers(), ["/disposition"]);
    assert!(refused.body["errors"][0]["detail"].as_str().unwrap().contains("2 different values"), "{}", refused.body);
    end(json!("10")).await.refused(400, "invalid_event");
    end(json!("a")).await.is(204);
    end(json!(10)).await.is(204);
    let counted = "select learned_values from business_attributes where name = 'Task.disposition'";
    assert_eq!(app.value::<i32>(counted).await, 2);
}

#[tokio::test]
async fn all_values_that_are_too_many_are_named_at_once() {
    let app = with_limit(1).await;
    let service = app.a_service().await;
    let start = json!({"state_type": "a", "media_type": "a"});
    let state = app.start(&format!("/services/{service}/states/start"), &start).await;
    app.post(&format!("/services/{service}/states/{state}/end"), &json!({"disposition": "a"})).await.is(204);
    let state = app.start(&format!("/services/{service}/states/start"), &start).await;
    let transition =
        json!({"from": {"state_id": state, "disposition": "b"}, "to": {"state_type": "b"}, "media_type": "b"});
    let refused = app.post(&format!("/services/{service}/states/transition"), &transition).await;
    assert_eq!(
        refused.refused(400, "invalid_event").pointers(),
        ["/from/disposition", "/to/state_type", "/media_type"]
    );
}

#[tokio::test]
async fn a_known_value_is_found_without_reading_all_others() {
    let app = TestApp::spawn().await;
    let learned = "insert into business_attribute_values (attribute_id, name, dbid)
        select attribute_id, case when n % 2 = 0 then 'type ' || n end, case when n % 2 = 1 then n end
        from business_attributes, generate_series(1, 20000) n where business_attributes.name = 'Task.task_type'";
    app.sql().await.execute(learned).await.unwrap();
    let service = app.a_service().await;
    let node = app.another_node().await;
    for n in 1..=100 {
        let kind = if n % 2 == 0 { json!(format!("type {n}")) } else { json!(n) };
        node.start(&format!("/services/{service}/tasks/start"), &json!({"task_type": kind})).await;
        node.get(&format!("/services/{service}/tasks?task_types=type%20{n}")).await.is(200);
    }
    let database = Arc::clone(&app.database);
    app.stop().await;
    node.stop().await;
    let mut connection = database.connect().await;
    let alone = "select count(*) = 1 from pg_stat_activity where datname = current_database()";
    until("all others are gone", async || sqlx::query_scalar(alone).fetch_one(&mut connection).await.unwrap()).await;
    let read = "select seq_tup_read from pg_stat_user_tables where relname = 'business_attribute_values'";
    let read: i64 = sqlx::query_scalar(read).fetch_one(&mut connection).await.unwrap();
    assert!(read < 200_000, "200 look-ups read {read} rows");
}

#[tokio::test]
async fn events_with_known_values_are_written_while_many_events_take_turns_to_learn_new_ones() {
    let database = Arc::new(Database::create().await);
    let proxy = Proxy::before(&database.options).await;
    let settings = settings(proxy.options(&database.options));
    let turns = i64::from(settings.pool_size);
    let app = TestApp::with_settings(database, settings).await;
    let event = |kind: String| json!({"customer_id": "00K7", "service_type": kind});
    let known = event("known".to_owned());
    app.post("/services/start", &known).await.is(201);
    let (mut connection, mut observer) = (app.sql().await, app.sql().await);
    let mut lock = connection.begin().await.unwrap();
    // A value can still be looked for, and only learning it has to wait.
    lock.execute("select from business_attributes where name = 'Service.service_type' for update").await.unwrap();
    let before = proxy.statements();
    let bodies: Vec<_> = (0..200).map(|at| event(format!("new {at}"))).collect();
    let many = join_all(bodies.iter().map(|body| app.post("/services/start", body)));
    let honest = async {
        let learning = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query like '%learn_value%'";
        until("every turn is taken", async || {
            sqlx::query_scalar::<_, i64>(learning).fetch_one(&mut observer).await.unwrap() == turns
        })
        .await;
        for _ in 0..20 {
            app.post("/services/start", &known).await.is(201);
        }
    };
    let (refused, ()) = tokio::join!(many, honest);
    for answer in refused {
        answer.refused(503, "overloaded");
    }
    // An event has its turn until it has looked for its value and learned it, so the others have not asked for theirs.
    let statements = proxy.statements() - before;
    assert!(statements < 100, "{statements} statements for 200 events with new values and 20 with a known one");
    lock.rollback().await.unwrap();
    until("values are learned again", async || app.post("/services/start", &bodies[0]).await.status == 201).await;
}

#[tokio::test]
async fn a_value_that_nothing_refers_to_makes_room_and_is_removed_later() {
    let app = with_limit(2).await;
    let node = app.another_node().await;
    let service = app.a_service().await;
    for disposition in ["kept", "unused"] {
        refused_event(&app, service, disposition).await;
        refused_event(&node, service, disposition).await;
    }
    let task = app.a_task(service).await;
    app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({"disposition": "kept"})).await.is(204);
    let task = app.a_task(service).await;
    let end = format!("/services/{service}/tasks/{task}/end");
    app.post(&end, &json!({"disposition": "another"})).await.refused(400, "invalid_event");
    assert_eq!(app.store.remove_unused_values().await.unwrap(), (1, 0));
    app.post(&end, &json!({"disposition": "another"})).await.is(204);
    assert_eq!(app.store.remove_unused_values().await.unwrap(), (0, 0), "not on the same day");
    app.clock.advance(DAY);
    assert_eq!(app.store.remove_unused_values().await.unwrap(), (0, 1));
    let names: Vec<String> = sqlx::query_scalar(
        "select v.name from business_attribute_values v join business_attributes a using (attribute_id)
         where a.name = 'Task.disposition' order by v.name",
    )
    .fetch_all(&mut app.sql().await)
    .await
    .unwrap();
    assert_eq!(names, ["another", "kept"]);
}

#[tokio::test]
async fn a_node_that_remembers_a_value_does_not_use_it_once_it_is_retired() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    let service = app.a_service().await;
    for one in [&app, &node] {
        refused_event(one, service, "x").await;
    }
    assert_eq!(app.store.remove_unused_values().await.unwrap(), (1, 0));
    for one in [&node, &app] {
        let path = format!("/services/{service}/tasks/{}", one.a_task(service).await);
        one.post(&format!("{path}/end"), &json!({"disposition": "x"})).await.is(204);
    }
    app.clock.advance(DAY);
    assert_eq!(app.store.remove_unused_values().await.unwrap(), (0, 1));
    let unread = app.another_node().await;
    for task in unread.get(&format!("/services/{service}/tasks")).await.is(200).body.as_array().unwrap() {
        assert_eq!(task["disposition"], "x");
    }
}

#[tokio::test]
async fn values_of_business_attributes_are_never_removed() {
    let app = TestApp::spawn().await;
    let outcome = json!({"cv_attributes": ["Task.disposition"], "values": [{"dbid": 10, "name": "SUCCESS"}]});
    app.put("/metadata/business-attributes/Outcome", &outcome).await.is(201);
    let other = json!({"cv_attributes": ["Task.disposition"], "values": [{"dbid": 11, "name": "FAILED"}]});
    app.put("/metadata/business-attributes/Outcome", &other).await.is(200);
    app.clock.advance(2 * DAY);
    for _ in 0..2 {
        assert_eq!(app.store.remove_unused_values().await.unwrap(), (0, 0));
    }
    assert_eq!(app.value::<i64>("select count(*) from business_attribute_values").await, 2);
}

#[tokio::test]
async fn whatever_is_written_while_values_are_removed_keeps_its_values() {
    let app = TestApp::spawn().await;
    let nodes = [app.another_node().await, app.another_node().await];
    let service = app.a_service().await;
    refused_event(&app, service, "never written").await;
    let writing = Cell::new(nodes.len());
    let events = async |node: &TestApp| {
        for n in 0..120 {
            let disposition = format!("value {}", n % 7);
            if n % 3 != 0 {
                refused_event(node, service, &disposition).await;
                continue;
            }
            let task = node.a_task(service).await;
            let end = json!({"disposition": disposition, "media_type": format!("medium {}", n % 11)});
            node.post(&format!("/services/{service}/tasks/{task}/end"), &end).await.is(204);
        }
        writing.update(|nodes| nodes - 1);
    };
    let removal = async {
        let (mut retired, mut removed) = (0, 0);
        while writing.get() > 0 {
            app.clock.advance(DAY);
            let (some, others) = app.store.remove_unused_values().await.unwrap();
            (retired, removed) = (retired + some, removed + others);
        }
        (retired, removed)
    };
    let ((), (), (retired, removed)) = tokio::join!(events(&nodes[0]), events(&nodes[1]), removal);
    assert!(retired > 0 && removed > 0, "{retired} {removed}");
    let lost = "select count(*) from dispositions d
        left join business_attribute_values v on v.value_id = d.disposition
        left join business_attribute_values m on m.value_id = d.media_type
        where v.value_id is null or m.value_id is null";
    assert_eq!(app.value::<i64>("select count(*) from dispositions").await, 80);
    assert_eq!(app.value::<i64>(lost).await, 0);
    let counts = "select count(*) from business_attributes a where a.learned and learned_values <> (
        select count(*) from business_attribute_values v where v.attribute_id = a.attribute_id and v.retired_at is null)";
    assert_eq!(app.value::<i64>(counts).await, 0, "the counts are exact");
}

#[tokio::test]
async fn identifiers_of_values_and_schemas_that_come_round_pass_over_those_in_use() {
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    app.start("/services/start", &json!({"customer_id": "c", "service_type": "first"})).await;
    let last = "select setval('value_id_seq', 2147483647), setval('schema_id_seq', 2147483647)";
    app.sql().await.execute(last).await.unwrap();
    app.start("/services/start", &json!({"customer_id": "c", "service_type": "second"})).await;
    app.a_schema(&json!({"name": "Later", "type": "single-valued", "attributes": [{"name": "a", "type": "string"}]}))
        .await;
    let attribute = json!({"values": [{"name": "third"}, {"name": "fourth"}]});
    app.put("/metadata/business-attributes/Types", &attribute).await.is(201);
    assert_eq!(app.value::<i64>("select count(*) from extension_schemas").await, 3);
}
