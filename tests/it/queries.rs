//! Queries: lists, nested elements, filters and paging.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::TestApp;

/// The identifiers of a list, in order.
fn ids(list: &Value, member: &str) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|element| element[member].as_i64().unwrap()).collect()
}

async fn listed(app: &TestApp, path: &str, member: &str) -> Vec<i64> {
    ids(&app.get(path).await.is(200).body, member)
}

/// Ends an element.
async fn end(app: &TestApp, path: &str) {
    app.post(&format!("{path}/end"), &json!({})).await.is(204);
}

#[tokio::test]
async fn a_service_has_its_states_and_tasks_nested_as_asked() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let (first, second) = (app.a_state(service).await, app.a_state(service).await);
    end(&app, &format!("{path}/states/{first}")).await;
    let in_state = app.start(&format!("{path}/tasks/start"), &json!({"state_id": second, "task_type": "a"})).await;
    let (active, ended) = (app.a_task(service).await, app.a_task(service).await);
    app.post(&format!("{path}/tasks/{ended}/end"), &json!({"state_id": first, "disposition": 10})).await.is(204);
    app.clock.advance(1000);

    let plain = app.get(&path).await.is(200).body;
    for member in ["active_states", "completed_states", "active_tasks", "completed_tasks"] {
        assert!(plain.get(member).is_none(), "{member} is only given when asked for");
    }
    let all = "active_states=true&completed_states=true&active_tasks=true&completed_tasks=true";
    let nested = app.get(&format!("{path}?{all}")).await.is(200).body;
    assert_eq!(ids(&nested["active_states"], "state_id"), [second]);
    assert_eq!(ids(&nested["completed_states"], "state_id"), [first]);
    assert_eq!(ids(&nested["active_tasks"], "task_id"), [in_state, active], "those within states, too");
    let ended_task = &nested["completed_tasks"][0];
    assert_eq!((&ended_task["state_id"], &ended_task["disposition"]), (&json!(first), &json!(10)));
    assert!(ended_task.get("service_id").is_none(), "nested elements leave it out");
    let some = app.get(&format!("{path}?completed_tasks=TRUE&active_states=false")).await.is(200).body;
    assert_eq!(ids(&some["completed_tasks"], "task_id"), [ended]);
    assert!(some.get("active_tasks").is_none() && some.get("active_states").is_none());

    let state = app.get(&format!("{path}/states/{first}?active_tasks=true&completed_tasks=true")).await.is(200).body;
    assert_eq!((ids(&state["completed_tasks"], "task_id"), &state["active_tasks"]), (vec![ended], &json!([])));
    assert_eq!(state["service_id"], service);
    let states = app.get(&format!("{path}/states?active_tasks=true")).await.is(200).body;
    assert_eq!(ids(&states[1]["active_tasks"], "task_id"), [in_state]);
    assert_eq!(states[0]["active_tasks"], json!([]));
}

#[tokio::test]
async fn states_and_tasks_are_listed_by_status_type_and_state() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}");
    let state = app.start(&format!("{path}/states/start"), &json!({"state_type": 8})).await;
    let named = app.start(&format!("{path}/states/start"), &json!({"state_type": "payment"})).await;
    end(&app, &format!("{path}/states/{named}")).await;
    let number = app.start(&format!("{path}/tasks/start"), &json!({"task_type": 12, "state_id": state})).await;
    let name = app.start(&format!("{path}/tasks/start"), &json!({"task_type": "12"})).await;
    let other = app.a_task(service).await;
    end(&app, &format!("{path}/tasks/{name}")).await;

    for (query, expected) in [
        ("states", vec![state, named]),
        ("states/active", vec![state]),
        ("states/completed", vec![named]),
        ("states?state_types=payment,9", vec![named]),
        ("states?state_types=8&state_types=payment", vec![state, named]),
        ("states/active?state_types=payment", vec![]),
    ] {
        assert_eq!(listed(&app, &format!("{path}/{query}"), "state_id").await, expected, "{query}");
    }
    for (query, expected) in [
        ("tasks", vec![number, name, other]),
        ("tasks/active", vec![number, other]),
        ("tasks/completed", vec![name]),
        ("tasks?task_types=12", vec![number, name]),
        (&format!("tasks?state_id={state}"), vec![number]),
        (&format!("tasks?state_id={state},{named}&task_types=13"), vec![]),
    ] {
        assert_eq!(listed(&app, &format!("{path}/{query}"), "task_id").await, expected, "{query}");
    }
    assert_eq!(app.get(&format!("{path}/states/{named}")).await.is(200).body["state_type"], "payment");
    app.get("/services/77/tasks").await.refused(404, "unknown_service");
    app.get("/services/77/states/active").await.refused(404, "unknown_service");
    app.get("/services/77/states/1").await.refused(404, "unknown_service");
    app.get(&format!("{path}/states/77")).await.refused(404, "unknown_state");
    let empty = app.a_service().await;
    assert_eq!(app.get(&format!("/services/{empty}/tasks")).await.is(200).body, json!([]));
}

#[tokio::test]
async fn services_are_found_by_customer_and_by_contact_key_while_they_have_no_customer() {
    let app = TestApp::spawn().await;
    let anonymous = app.start("/services/start", &json!({"contact_key": "pin/77 +%"})).await;
    let key = "/services/anonymous/pin%2F77%20+%25";
    let known = app.start("/services/start", &json!({"customer_id": "ä/b", "contact_key": "pin/77 +%"})).await;
    let customer = "/customers/%C3%A4%2Fb/services";
    assert_eq!(listed(&app, key, "service_id").await, [anonymous]);
    assert_eq!(listed(&app, customer, "service_id").await, [known]);

    app.post(&format!("{customer}/{anonymous}"), &json!({})).await.is(204);
    end(&app, &format!("/services/{known}")).await;
    assert_eq!(app.get(key).await.is(200).body, json!([]));
    assert_eq!(listed(&app, customer, "service_id").await, [anonymous, known]);
    assert_eq!(listed(&app, &format!("{customer}/active"), "service_id").await, [anonymous]);
    assert_eq!(listed(&app, &format!("{customer}/completed"), "service_id").await, [known]);
    app.post(&format!("/customers/last/services/{anonymous}"), &json!({})).await.is(204);
    assert_eq!(listed(&app, customer, "service_id").await, [known], "the last association wins");

    assert_eq!(app.get("/customers/nobody/services").await.is(200).body, json!([]));
    for word in ["states", "tasks", "active", "start"] {
        let service = app.start("/services/start", &json!({"contact_key": word})).await;
        assert_eq!(listed(&app, &format!("/services/anonymous/{word}"), "service_id").await, [service]);
        assert_eq!(listed(&app, &format!("/services/anonymous/{word}/active"), "service_id").await, [service]);
        assert_eq!(app.get(&format!("/services/anonymous/{word}/completed")).await.is(200).body, json!([]));
    }
}

#[tokio::test]
async fn extensions_are_chosen_for_each_kind_of_element() {
    let app = TestApp::spawn().await;
    let schema =
        |name: &str| json!({"name": name, "type": "single-valued", "attributes": [{"name": "a", "type": "json"}]});
    for elements in ["services", "states", "tasks"] {
        for name in ["One", "Two"] {
            app.post(&format!("/metadata/{elements}/extensions"), &schema(name)).await.is(201);
        }
    }
    let both = json!({"customer_id": "c", "one": {"a": 1}, "two": {"a": 2}});
    let service = app.start("/services/start", &both).await;
    let both = json!({"one": {"a": 1}, "two": {"a": 2}});
    app.start(&format!("/services/{service}/states/start"), &both).await;
    app.start(&format!("/services/{service}/tasks/start"), &both).await;
    for (query, [of_service, of_state, of_task]) in [
        ("", ["", "", ""]),
        ("&extensions=ONE", ["One", "One", "One"]),
        ("&extensions=*", ["OneTwo", "OneTwo", "OneTwo"]),
        ("&extensions=one,State.two", ["One", "OneTwo", "One"]),
        ("&extensions=task", ["", "", "OneTwo"]),
        ("&extensions=Service,STATE", ["OneTwo", "OneTwo", ""]),
        ("&extensions=State.one,task.*", ["", "One", "OneTwo"]),
        ("&extensions=Service.Two&extensions=Task.Two,Nothing", ["Two", "", "Two"]),
    ] {
        let path = format!("/services/{service}?active_states=true&active_tasks=true{query}");
        let read = app.get(&path).await.is(200).body;
        for (element, expected) in
            [(&read, of_service), (&read["active_states"][0], of_state), (&read["active_tasks"][0], of_task)]
        {
            let names: String = ["One", "Two"].into_iter().filter(|name| element.get(name).is_some()).collect();
            assert_eq!(names, expected, "{query}: {element}");
        }
    }
}

#[tokio::test]
async fn a_kind_of_element_selects_its_extensions_unless_an_extension_has_that_name() {
    let app = TestApp::spawn().await;
    let schema =
        |name: &str| json!({"name": name, "type": "single-valued", "attributes": [{"name": "a", "type": "json"}]});
    app.post("/metadata/services/extensions", &schema("Task")).await.is(201);
    app.a_schema(&schema("One")).await;
    let service = app.start("/services/start", &json!({"customer_id": "c", "Task": {"a": 1}})).await;
    let task = app.start(&format!("/services/{service}/tasks/start"), &json!({"One": {"a": 1}})).await;
    let read = async || app.get(&format!("/services/{service}?active_tasks=true&extensions=Task")).await.is(200).body;
    let named = read().await;
    assert_eq!((named.get("Task").is_some(), named["active_tasks"][0].get("One")), (true, None), "{named}");
    app.delete("/metadata/services/extensions/Task").await.is(204);
    let of_kind = read().await;
    assert_eq!((of_kind.get("Task"), of_kind["active_tasks"][0].get("One").is_some()), (None, true), "{of_kind}");
    assert_eq!(of_kind["active_tasks"][0]["task_id"], task);
}

#[tokio::test]
async fn types_with_blanks_commas_and_quotes_are_found() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    let path = format!("/services/{service}/tasks");
    let mut ids_of = std::collections::BTreeMap::new();
    for kind in ["book a hotel", "hotel, flight", " outer ", "5\" disk", "\"quoted\"", "a+b", "1;2"] {
        ids_of.insert(kind, app.start(&format!("{path}/start"), &json!({"task_type": kind})).await);
    }
    for (query, kinds) in [
        ("book%20a%20hotel", vec!["book a hotel"]),
        ("book+a+hotel", vec!["book a hotel"]),
        ("a%2Bb", vec!["a+b"]),
        ("%22hotel,%20flight%22", vec!["hotel, flight"]),
        ("%22hotel%2C+flight%22%2Cbook+a+hotel", vec!["book a hotel", "hotel, flight"]),
        ("%22%20outer%20%22", vec![" outer "]),
        ("5%22%20disk", vec!["5\" disk"]),
        ("%22%22%22quoted%22%22%22", vec!["\"quoted\""]),
        ("1;2", vec!["1;2"]),
        ("hotel,flight", vec![]),
    ] {
        let mut expected: Vec<_> = kinds.iter().map(|kind| ids_of[kind]).collect();
        expected.sort_unstable();
        assert_eq!(listed(&app, &format!("{path}?task_types={query}"), "task_id").await, expected, "{query}");
    }
    let link = app.get(&format!("{path}?task_types=%22hotel,%20flight%22,a%2Bb&limit=1&_=1")).await.is(200);
    let older = link.header("link").unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    assert!(!older.contains("_=1"), "{older}");
    assert_eq!(listed(&app, &older, "task_id").await, [ids_of["hotel, flight"]]);
}

#[tokio::test]
async fn an_empty_list_is_none_and_a_cache_buster_is_ignored() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    for query in ["service_types=", "service_types=&service_types=", "extensions=", "_=1770282660", "_=1&_=2", "_"] {
        let path = format!("/customers/00K7/services?{query}");
        assert_eq!(listed(&app, &path, "service_id").await, [service], "{query}");
    }
    for path in ["/metadata/tasks/extensions?_=1", "/server/status?_=1", "/journey?_=1", "/reports/stops?_=1"] {
        app.get(path).await.is(200);
    }
    app.get("/customers/00K7/services?__=1").await.refused(400, "invalid_query");
}

#[tokio::test]
async fn the_plus_of_an_offset_may_stand_for_itself_in_a_query_string() {
    let app = TestApp::spawn().await;
    let service = app.start("/services/start", &json!({"customer_id": "c"})).await;
    for (query, expected) in [
        ("started_from=2026-02-05T10:11:00+01:00", vec![service]),
        ("started_from=2026-02-05T10:11:00%2B01:00", vec![service]),
        ("started_from=2026-02-05T10:11:00.001+01:00", vec![]),
        ("started_to=2026-02-05T10:11+0100", vec![]),
        ("started_from=2026-02-05+10:11:00+01:00", vec![service]),
    ] {
        assert_eq!(listed(&app, &format!("/customers/c/services?{query}"), "service_id").await, expected, "{query}");
    }
    for query in ["2026-02-05+10:11:00", "2026-02-05T10:11:00", "2026-02-05T10:11:00++01:00"] {
        app.get(&format!("/customers/c/services?started_from={query}")).await.refused(400, "invalid_query");
    }
}

#[tokio::test]
async fn a_parameter_that_does_not_parse_or_does_not_exist_is_refused() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    for (path, parameter) in [
        ("/customers/c/services?limit=0", "limit"),
        ("/customers/c/services?limit=10001", "limit"),
        ("/customers/c/services?limit=x", "limit"),
        ("/customers/c/services?limit=1&limit=2", "limit"),
        ("/customers/c/services?before=x", "before"),
        ("/customers/c/services?before=99999999999999999.1", "before"),
        ("/customers/c/services?started_from=yesterday", "started_from"),
        ("/customers/c/services?completed_to=2026-02-05", "completed_to"),
        ("/customers/c/services?active_tasks=1", "active_tasks"),
        ("/metadata/tasks/extensions?x=1", "x"),
        ("/customers/c/services?service_types=a,", "service_types"),
        ("/customers/c/services?service_types=%22a", "service_types"),
        ("/customers/c/services?task_types=1", "task_types"),
        (&format!("/services/{service}/tasks?state_id=x"), "state_id"),
        (&format!("/services/{service}/tasks?state_id=1,,2"), "state_id"),
        (&format!("/services/{service}/tasks?active_tasks=true"), "active_tasks"),
        (&format!("/services/{service}/states?started_from=2026-02-05T00:00:00Z"), "started_from"),
        (&format!("/services/{service}?limit=1"), "limit"),
        (&format!("/services/{service}?extensions=Foo.*"), "extensions"),
        (&format!("/services/{service}?extensions=Survey,Task."), "extensions"),
    ] {
        let refused = app.get(path).await.refused(400, "invalid_query");
        assert_eq!(refused.body["errors"][0]["parameter"], parameter, "{path}");
    }
}

#[tokio::test]
async fn names_that_are_not_utf_8_are_refused_rather_than_taken_for_one_another() {
    let app = TestApp::spawn().await;
    let service = app.a_service().await;
    for name in ["%ff", "M%FCller", "%c3", "%", "%zz", "a%2"] {
        app.get(&format!("/customers/{name}/services")).await.refused(400, "invalid_id");
        app.get(&format!("/services/anonymous/{name}")).await.refused(400, "invalid_id");
        app.post(&format!("/customers/{name}/services/{service}"), &json!({})).await.refused(400, "invalid_id");
        app.get(&format!("/customers/c/services?service_types={name}")).await.refused(400, "invalid_query");
    }
}

/// A service in the model.
#[derive(Debug, Clone)]
struct Model {
    /// Minutes after noon.
    started: i64,
    ended: Option<i64>,
    kind: Option<usize>,
}

const KINDS: [&str; 3] = ["hotel", "flight", "12"];

/// The parameters of a query.
#[derive(Debug, Clone)]
struct Asked {
    status: usize,
    kinds: Vec<usize>,
    spans: [Option<i64>; 4],
    limit: usize,
}

const PARAMETERS: [&str; 4] = ["started_from", "started_to", "completed_from", "completed_to"];

fn model() -> impl Strategy<Value = Model> {
    let minutes = || 0..8_i64;
    (minutes(), prop::option::of(minutes()), prop::option::of(0..KINDS.len()))
        .prop_map(|(started, ended, kind)| Model { started, ended, kind })
}

fn asked() -> impl Strategy<Value = Asked> {
    let moment = || prop::option::weighted(0.15, 0..9_i64);
    let kinds = prop::collection::vec(0..KINDS.len(), 0..3);
    (0..3_usize, kinds, [moment(), moment(), moment(), moment()], 1..5_usize)
        .prop_map(|(status, kinds, spans, limit)| Asked { status, kinds, spans, limit })
}

fn at(minute: i64) -> String {
    format!("2026-02-05T12:{minute:02}:00Z")
}

impl Asked {
    fn matches(&self, service: &Model) -> bool {
        let [started_from, started_to, completed_from, completed_to] = self.spans;
        let ended = |holds: &dyn Fn(i64) -> bool| service.ended.is_some_and(holds);
        [true, service.ended.is_none(), service.ended.is_some()][self.status]
            && (self.kinds.is_empty() || service.kind.is_some_and(|kind| self.kinds.contains(&kind)))
            && started_from.is_none_or(|from| service.started >= from)
            && started_to.is_none_or(|to| service.started < to)
            && completed_from.is_none_or(|from| ended(&|end| end >= from))
            && completed_to.is_none_or(|to| ended(&|end| end < to))
    }

    fn path(&self, customer: &str) -> String {
        let status = ["", "/active", "/completed"][self.status];
        let spans = PARAMETERS.iter().zip(self.spans);
        let spans =
            spans.filter_map(|(name, minute)| Some(format!("&{name}={}", at(minute?)))).collect::<Vec<_>>().concat();
        let kinds =
            self.kinds.iter().map(|kind| format!("&service_types={}", KINDS[*kind])).collect::<Vec<_>>().concat();
        format!("/customers/{customer}/services{status}?limit={}{kinds}{spans}", self.limit)
    }
}

async fn make(app: &TestApp, customer: &str, service: &Model) -> i64 {
    let kind = service.kind.map(|kind| KINDS[kind]);
    let body = json!({"customer_id": customer, "service_type": kind, "timestamp": at(service.started)});
    let id = app.start("/services/start", &body).await;
    if let Some(ended) = service.ended {
        app.post(&format!("/services/{id}/end"), &json!({"timestamp": at(ended)})).await.is(204);
    }
    id
}

/// Fetches all pages of a list, newest first, and joins them in ascending order.
async fn all_pages(app: &TestApp, path: &str, limit: usize) -> Vec<i64> {
    let (mut next, mut all) = (Some(path.to_owned()), Vec::new());
    while let Some(path) = next {
        let answer = app.get(&path).await.is(200);
        let page = ids(&answer.body, "service_id");
        let link = answer.header("link").map(|link| link.split(['<', '>']).nth(1).unwrap().to_owned());
        assert!(page.len() <= limit && (link.is_none() || page.len() == limit), "{path}: {page:?}");
        all.splice(0..0, page);
        next = link;
    }
    all
}

#[test]
fn lists_of_services_and_their_pages_are_what_a_plain_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::spawn());
    let mut runner = TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let (mut case, mut found) = (0, 0);
    let case_of = std::cell::RefCell::new((&mut case, &mut found));
    let strategy = (prop::collection::vec(model(), 2..10), prop::collection::vec(asked(), 4));
    let outcome = runner.run(&strategy, |(services, queries)| {
        let (case, found) = &mut *case_of.borrow_mut();
        **case += 1;
        let customer = format!("c{case}");
        runtime.block_on(async {
            let mut known = Vec::new();
            for service in &services {
                known.push((service.started, make(&app, &customer, service).await, service.clone()));
            }
            known.sort_by_key(|(started, id, _)| (*started, *id));
            for asked in &queries {
                let expected: Vec<_> =
                    known.iter().filter(|(.., service)| asked.matches(service)).map(|(_, id, _)| *id).collect();
                **found += expected.len();
                let pages = all_pages(&app, &asked.path(&customer), asked.limit).await;
                prop_assert_eq!(pages, expected, "{:?}", asked);
            }
            Ok(())
        })
    });
    outcome.unwrap();
    assert!(found > 20, "queries find something: {found}");
}
