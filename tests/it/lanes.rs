//! Lanes: services spread over schemas, and every answer is that of a deployment with one.

use std::collections::BTreeSet;
use std::sync::Arc;

use context_services::store::StoreSettings;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor};

use crate::databases::story;
use crate::support::audit::{self, Load};
use crate::support::lifetimes::{auto_complete_after, service_ttl, with_lifetimes};
use crate::support::postgres::{Database, add_lanes, lanes, schema_of, url};
use crate::support::program::output;
use crate::support::world::some_journeys;
use crate::support::{Answer, TestApp, until};

/// A database with this many lanes.
async fn database(count: u32) -> Arc<Database> {
    let database = Database::create().await;
    if count > lanes() {
        add_lanes(&database.options, count - lanes()).await;
    }
    Arc::new(database)
}

/// The service on a database with this many lanes.
async fn with(count: u32) -> TestApp {
    TestApp::on(database(count).await).await
}

/// Starts a service of each of some customers. Returns their identifiers.
async fn services_of_customers(app: &TestApp, customers: usize) -> Vec<i64> {
    let start = async |at| app.start("/services/start", &json!({"customer_id": format!("customer {at}")})).await;
    join_all((0..customers).map(start)).await
}

/// The lanes of services, by their identifiers.
fn lanes_of(services: &[i64]) -> BTreeSet<i64> {
    services.iter().map(|service| service / 1_000_000_000_000).collect()
}

/// The identifiers of the services in a list.
fn listed(answer: &Answer) -> BTreeSet<i64> {
    answer.body.as_array().unwrap().iter().map(|service| service["service_id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn services_spread_and_those_of_a_customer_are_in_one_lane() {
    let app = with(4).await;
    let services = services_of_customers(&app, 40).await;
    assert_eq!(lanes_of(&services), BTreeSet::from([0, 1, 2, 3]));
    for (at, first) in services.into_iter().enumerate() {
        let customer = format!("customer {at}");
        let more = app.start("/services/start", &json!({"customer_id": customer})).await;
        assert_eq!(lanes_of(&[first]), lanes_of(&[more]));
        let list = app.get(&format!("/customers/{customer}/services")).await.is(200);
        assert_eq!(listed(&list), BTreeSet::from([first, more]));
    }
    assert_eq!(app.get("/services/4000000000001").await.status, 404, "there is no such lane");
}

#[tokio::test]
async fn the_answers_are_those_of_one_lane() {
    let (one, four) = (TestApp::spawn().await, with(4).await);
    assert_eq!(story(&one).await, story(&four).await);
    some_journeys(&one, 40).await;
    some_journeys(&four, 40).await;
    let period = "from=2026-02-05T00:00:00.000Z&to=2026-02-06T00:00:00.000Z";
    let dated = ["activity", "outcomes", "durations", "stops"].map(|report| format!("/reports/{report}?{period}"));
    for path in dated.into_iter().chain(["/reports/lifetimes".to_owned()]) {
        let (of_one, of_four) = (app_body(&one, &path).await, app_body(&four, &path).await);
        assert_eq!(of_one, of_four, "{path}");
    }
    for customer in 0..7 {
        for query in ["", "/active", "/completed?active_tasks=true&extensions=*", "?limit=3", "?service_types=type%201"]
        {
            let path = format!("/customers/c{customer}/services{query}");
            let (of_one, of_four) = (app_body(&one, &path).await, app_body(&four, &path).await);
            assert_eq!(without_numbers(&of_one), without_numbers(&of_four), "{path}");
        }
    }
    for page in ["/", "/list?status=active", "/dashboard", "/journey?q=c3", "/journey?q=C3"] {
        let (of_one, of_four) = (one.get(page).await.is(200), four.get(page).await.is(200));
        assert_eq!(without_digits(&of_one.body).len(), without_digits(&of_four.body).len(), "{page}");
    }
}

async fn app_body(app: &TestApp, path: &str) -> Value {
    app.get(path).await.is(200).body
}

/// Without identifiers, which differ.
fn without_numbers(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| !name.ends_with("_id"));
            kept.map(|(name, member)| (name.clone(), without_numbers(member))).collect()
        }
        Value::Array(items) => items.iter().map(without_numbers).collect(),
        other => other.clone(),
    }
}

fn without_digits(page: &Value) -> String {
    page.as_str().unwrap().chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[tokio::test]
async fn a_list_has_what_a_customer_had_before_lanes_were_added_and_what_was_associated_later() {
    let app = TestApp::spawn().await;
    let mut all: Vec<BTreeSet<i64>> = services_of_customers(&app, 12).await.into_iter().map(|id| [id].into()).collect();
    for added in [1, 2] {
        add_lanes(&app.database.options, added).await;
        let node = app.another_node().await;
        for (known, id) in all.iter_mut().zip(services_of_customers(&node, 12).await) {
            known.insert(id);
        }
        let ids = services_of_customers(&node, 40).await;
        // The last service goes to the customer before, wherever those of that customer are.
        for (at, service) in ids.into_iter().enumerate().take(12) {
            let to = (at + 1) % 12;
            node.post(&format!("/customers/customer {to}/services/{service}"), &json!({})).await.is(204);
            all[to].insert(service);
        }
        // No lane is waited for here. A node learns of new ones at the latest when it is asked for a service in one.
        let newest = all.iter().flatten().max().unwrap();
        app.get(&format!("/services/{newest}")).await.is(200);
        for (at, known) in all.iter().enumerate() {
            for node in [&app, &node] {
                let list = node.get(&format!("/customers/customer {at}/services?limit=100")).await.is(200);
                assert_eq!(&listed(&list), known, "customer {at}");
            }
        }
    }
    assert!(lanes_of(&all.into_iter().flatten().collect::<Vec<_>>()).len() > 2);
}

#[tokio::test]
async fn a_page_of_services_in_several_lanes_has_what_is_nested_in_them() {
    let (one, four) = (TestApp::spawn().await, with(4).await);
    for app in [&one, &four] {
        app.reference_schemas().await;
        for at in 0..12 {
            let service = app.start("/services/start", &json!({"customer_id": format!("customer {at}")})).await;
            let path = format!("/services/{service}");
            let state = app.start(&format!("{path}/states/start"), &json!({"state_type": at})).await;
            for step in 0..=at % 3 {
                app.clock.advance(1000);
                let task = json!({"state_id": state, "task_type": step, "Survey": {"url": format!("u{at}")}});
                app.start(&format!("{path}/tasks/start"), &task).await;
            }
            app.post(&format!("/customers/all/services/{service}"), &json!({})).await.is(204);
            app.clock.advance(1000);
        }
    }
    let nested = "active_states=true&active_tasks=true&extensions=*";
    let all = four.get(&format!("/customers/all/services?{nested}")).await.is(200);
    let services: Vec<_> = listed(&all).into_iter().collect();
    assert_eq!((services.len(), lanes_of(&services).len()), (12, 4));
    for query in [nested.to_owned(), format!("limit=5&{nested}"), "active_tasks=true&limit=1".to_owned()] {
        let path = format!("/customers/all/services?{query}");
        let (of_one, of_four) = (app_body(&one, &path).await, app_body(&four, &path).await);
        assert_eq!(without_numbers(&of_one), without_numbers(&of_four), "{path}");
    }
    let (of_one, of_four) = (one.get("/journey?q=all").await.is(200), four.get("/journey?q=all").await.is(200));
    assert_eq!(without_digits(&of_one.body).len(), without_digits(&of_four.body).len());
}

#[tokio::test]
async fn a_lane_whose_events_are_waited_for_does_not_hold_up_the_others() {
    let app = with(4).await;
    let services = services_of_customers(&app, 20).await;
    // A first deletion turns lifetimes on.
    app.delete(&format!("/services/{}", services[0])).await.is(200);
    let held = schema_of(services[1]);
    // Another node waits for the events of a lane, or removes what they would see.
    let mut other = app.database.options.connect().await.unwrap();
    other.execute(&*format!("begin; select pg_advisory_xact_lock({held}.events_lock())")).await.unwrap();
    let others: Vec<_> = services[1..].iter().filter(|service| schema_of(**service) != held).collect();
    assert!(others.len() > 5, "{services:?}");
    for service in others {
        app.a_task(*service).await;
    }
    let waits = "select exists (select from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and not granted
        and database = (select oid from pg_database where datname = current_database()))";
    let release = async {
        until("an event of the lane waits", async || app.value::<bool>(waits).await).await;
        other.execute("commit").await.unwrap();
    };
    tokio::join!(app.a_task(services[1]), release);
}

#[tokio::test]
async fn a_node_is_not_ready_while_a_lane_has_an_older_schema() {
    let app = with(2).await;
    app.get("/health/ready").await.is(200);
    app.database.administer_inside("update lanes set version = version - 1 where lane = 1").await;
    let refused = app.get("/health/ready").await.refused(503, "database_unavailable");
    assert!(refused.body["detail"].as_str().unwrap().ends_with("in these lanes: 1"), "{:?}", refused.body);
}

#[tokio::test]
async fn a_key_is_that_of_the_deployment() {
    let app = with(4).await;
    let node = app.another_node().await;
    let post = async |node: &TestApp, path: &str, body: Value| {
        node.send_with(Method::POST, path, &[("Idempotency-Key", "one")], Some(body.to_string())).await
    };
    let first = post(&app, "/services/start", json!({"customer_id": "customer 0"})).await.is(201).body;
    for at in 1..10 {
        let other = json!({"customer_id": format!("customer {at}")});
        post(&node, "/services/start", other).await.refused(422, "idempotency_mismatch");
    }
    assert_eq!(post(&node, "/services/start", json!({"customer_id": "customer 0"})).await.is(201).body, first);
    assert_eq!(app.value::<i64>("select count(*) from reporting.services").await, 1);
}

#[tokio::test]
async fn lanes_are_added_while_events_come_and_none_is_lost() {
    let app = TestApp::spawn().await;
    let node = app.another_node().await;
    app.a_schema(&audit::schema()).await;
    let loads: Vec<_> = services_of_customers(&app, 4)
        .await
        .into_iter()
        .map(|service| Load::on(vec![app.url.clone(), node.url.clone()], service))
        .collect();
    let clients: Vec<_> = loads.iter().map(|load| tokio::spawn(Arc::clone(load).run())).collect();
    let acknowledged = || loads.iter().map(|load| load.acknowledged()).sum::<u64>();
    until("events are acknowledged", async || acknowledged() > 20).await;
    add_lanes(&app.database.options, 3).await;
    let before = acknowledged();
    let mut started = Vec::new();
    until("services start in new lanes on both nodes", async || {
        started.extend(services_of_customers(&app, 20).await);
        let own = services_of_customers(&node, 20).await;
        let is_new = |lane: &i64| *lane >= i64::from(lanes());
        let spread = lanes_of(&own).iter().any(is_new) && lanes_of(&started).iter().any(is_new);
        // A service is found on the other node at once.
        for service in own {
            app.get(&format!("/services/{service}")).await.is(200);
            app.a_task(service).await;
        }
        spread
    })
    .await;
    until("events are acknowledged after that", async || acknowledged() > before + 20).await;
    for load in &loads {
        load.stop();
    }
    join_all(clients).await;
    let mut all = app.database.options.connect().await.unwrap();
    all.execute("set search_path = all_lanes, public").await.unwrap();
    for load in loads {
        assert!(load.audit(&mut all).await > 0);
    }
}

#[tokio::test]
async fn services_of_all_lanes_expire_end_by_themselves_and_are_deleted_and_purged() {
    let database = database(4).await;
    let app = with_lifetimes(&database, auto_complete_after(60)).await;
    let services = services_of_customers(&app, 20).await;
    assert_eq!(lanes_of(&services).len(), 4);
    for service in &services {
        app.a_task(*service).await;
    }
    app.clock.advance(61_000);
    until("every service has ended by itself", async || {
        app.value::<i64>("select count(*) from reporting.services where auto_completed").await == 20
    })
    .await;
    for service in &services[..8] {
        app.delete(&format!("/services/{service}")).await.is(200);
        app.get(&format!("/services/{service}")).await.refused(404, "unknown_service");
    }
    assert_eq!(app.value::<i64>("select count(*) from reporting.tasks").await, 12);
    let purge = json!({"operation": "purge.service.completed", "limit": "2026-02-05T09:12:00.000Z"});
    assert_eq!(app.post("/maintenance/purge", &purge).await.is(200).body["purged"], 12);
    assert_eq!(app.value::<i64>("select count(*) from reporting.services").await, 0);
    services_of_customers(&app, 20).await;
    let node = with_lifetimes(&database, service_ttl(30)).await;
    node.clock.advance(120_000);
    until("every row is removed", async || {
        let rows = "select (select count(*) from all_lanes.services) + (select count(*) from all_lanes.tasks)
            + (select count(*) from all_lanes.dispositions) + (select count(*) from all_lanes.deleted_services)";
        app.value::<i64>(rows).await == 0
    })
    .await;
}

#[tokio::test]
async fn records_of_deleted_schemas_and_unused_values_go_from_every_lane() {
    let app = with(4).await;
    app.reference_schemas().await;
    let survey = json!({"url": "u"});
    for at in 0..12 {
        let body = json!({"customer_id": format!("customer {at}"), "service_type": format!("type {at}")});
        let service = app.start("/services/start", &body).await;
        app.start(&format!("/services/{service}/tasks/start"), &json!({"Survey": survey})).await;
    }
    assert_eq!(app.value::<i64>("select count(*) from reporting.task_survey").await, 12);
    app.delete("/metadata/tasks/extensions/Survey").await.is(204);
    until("the records are removed", async || app.value::<i64>("select count(*) from all_lanes.extensions").await == 0)
        .await;
    assert_eq!(app.store.remove_unused_values().await.unwrap(), (0, 0), "every type is in use, in some lane");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_lists_and_checks_lanes() {
    let database = Arc::new(Database::empty("").await);
    let app = TestApp::on(Arc::clone(&database)).await;
    let address = url(&database.options);
    let run = |arguments: &[&str]| {
        let ended = output(&[("DATABASE_URL", address.as_str())], arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ended.status.code(), text(ended.stdout), text(ended.stderr))
    };
    let (status, listed, said) = run(&["lanes", "list"]);
    assert_eq!((status, listed.lines().count(), &*said), (Some(0), 1, ""));
    let (status, listed, said) = run(&["lanes", "add", "3"]);
    assert_eq!((status, &*said), (Some(0), ""));
    assert!(listed.ends_with("\n3\t3000000000000\t3999999999999\topen\n"), "{listed}");
    services_of_customers(&app, 40).await;
    let (status, checked, _) = run(&["lanes", "check"]);
    assert!(status == Some(0) && checked.lines().count() == 4, "{checked}");
    let stranger = "insert into lane_2.services (service_id, started_at, customer_id) values (7, now(), 'c')";
    database.administer_inside(stranger).await;
    let (status, checked, _) = run(&["lanes", "check"]);
    assert!(
        status == Some(1) && checked.contains("lane 2\twrong\t1 services have identifiers of another"),
        "{checked}"
    );
    database.administer_inside("drop index lane_3.services_started_at_idx").await;
    let (_, checked, _) = run(&["lanes", "check"]);
    assert!(checked.contains("lane 1\tok") && checked.contains("lane 3\twrong\t1 definitions differ"), "{checked}");
}

#[tokio::test]
async fn a_lane_is_like_the_first_one() {
    let app = with(2).await;
    let columns = "select count(*) from information_schema.columns a
        full join information_schema.columns b on b.table_schema = 'lane_1' and b.table_name = a.table_name
          and b.column_name = a.column_name and b.data_type = a.data_type and b.is_nullable = a.is_nullable
          and b.ordinal_position = a.ordinal_position
        where a.table_schema = 'public' and a.table_name = any(lane_tables() || lane_views()) and b.table_name is null";
    assert_eq!(app.value::<i64>(columns).await, 0);
    let definitions = |schema: &str| {
        format!(
            "select jsonb_build_array(
              (select jsonb_agg(replace(indexdef, '{schema}.', '') order by indexname) from pg_indexes
               where schemaname = '{schema}' and tablename = any(lane_tables())),
              (select jsonb_agg(array[c.conname, replace(pg_get_constraintdef(c.oid), '{schema}.', '')] order by c.conname, t.relname)
               from pg_constraint c join pg_class t on t.oid = c.conrelid
               where t.relnamespace = '{schema}'::regnamespace and t.relname = any(lane_tables())),
              (select jsonb_agg(array[replace(pg_get_triggerdef(g.oid), '{schema}.', ''),
                 replace(pg_get_functiondef(g.tgfoid), '{schema}.', '')] order by g.tgname)
               from pg_trigger g join pg_class t on t.oid = g.tgrelid
               where not g.tgisinternal and t.relnamespace = '{schema}'::regnamespace))"
        )
    };
    let lane = app.value::<Value>(&definitions("lane_1")).await;
    assert_eq!(app.value::<Value>(&definitions("public")).await, lane);
}

#[tokio::test]
async fn views_that_a_step_has_made_anew_show_all_lanes() {
    let app = with(4).await;
    services_of_customers(&app, 20).await;
    let step = "create or replace view reporting.extensions as
        select x.service_id, x.element::text as element, x.element_id, 'x'::text as extension, 1 as record_number, x.records as record
        from unexpired_extensions x; update lanes set version = 30";
    app.database.administer_inside(step).await;
    let bound = "select pg_get_viewdef('reporting.extensions'::regclass) ~ 'FROM all_lanes' ";
    let mut first = app.database.options.connect().await.unwrap();
    assert!(!sqlx::query_scalar::<_, bool>(bound).fetch_one(&mut first).await.unwrap());
    app.another_node().await;
    assert!(sqlx::query_scalar::<_, bool>(bound).fetch_one(&mut first).await.unwrap());
    assert_eq!(app.value::<i64>("select count(*) from lanes where version < 40").await, 0);
}

#[tokio::test]
async fn nothing_is_written_elsewhere_if_the_schema_of_a_lane_is_missing() {
    let database = database(2).await;
    database.administer_inside("alter schema lane_1 rename to lost").await;
    let settings: StoreSettings = crate::support::postgres::settings(database.options.clone());
    let clock = Arc::new(context_services::domain::clock::SystemClock);
    let opened = context_services::store::Store::open(settings, clock).await;
    assert!(opened.is_err_and(|error| format!("{error:?}").contains("lane_1")));
}
