//! The table of event fields: each field in each event that accepts it, and in each event that does not.

use context_services::domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::TestApp;

/// The events with fields.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    StartService,
    StartState,
    StartTask,
    CompleteTask,
}

use Event::{CompleteTask, StartService, StartState, StartTask};

const ALL: [Event; 4] = [StartService, StartState, StartTask, CompleteTask];
const STARTS: [Event; 3] = [StartService, StartState, StartTask];

/// A field, the events that accept it, valid values with what is read back, and invalid values.
struct Row {
    field: &'static str,
    events: &'static [Event],
    good: Vec<(Value, Value)>,
    bad: Vec<Value>,
}

fn same(value: Value) -> (Value, Value) {
    (value.clone(), value)
}

fn not_texts() -> Vec<Value> {
    vec![json!("é".repeat(256)), json!(true), json!(1.5), json!([]), json!({})]
}

fn texts(field: &'static str, events: &'static [Event]) -> Row {
    let good = vec![same(json!("é".repeat(255))), same(json!("")), (json!(-12), json!("-12"))];
    Row { field, events, good, bad: not_texts() }
}

fn long_or_strings(field: &'static str, events: &'static [Event]) -> Row {
    let good = vec![same(json!(i64::MAX)), same(json!(i64::MIN)), same(json!("10")), same(json!("é".repeat(255)))];
    let bad = vec![json!("é".repeat(256)), json!(""), json!(u64::MAX), json!(1.5), json!(true), json!([]), json!({})];
    Row { field, events, good, bad }
}

fn longs(field: &'static str, events: &'static [Event]) -> Row {
    let good = vec![
        same(json!(i64::MAX)),
        same(json!(i64::MIN)),
        same(json!(0)),
        (json!(24.0), json!(24)),
        (json!(1.5e10), json!(15_000_000_000_i64)),
        (json!("-24"), json!(-24)),
        (json!("9223372036854775807"), json!(i64::MAX)),
    ];
    Row { field, events, good, bad: [not_integers(), vec![json!(u64::MAX), json!("9223372036854775808")]].concat() }
}

fn not_integers() -> Vec<Value> {
    let texts = ["", "1.0", "+1", " 1", "1e3", "x"].map(|text| json!(text));
    [texts.to_vec(), vec![json!(1.5), json!(1e-3), json!(true), json!([]), json!({})]].concat()
}

fn rows() -> Vec<Row> {
    let mut rows = vec![
        texts("session_id", &ALL),
        texts("interaction_id", &ALL),
        long_or_strings("application_type", &ALL),
        long_or_strings("resource_type", &ALL),
        long_or_strings("media_type", &ALL),
        longs("application_id", &ALL),
        longs("resource_id", &ALL),
        long_or_strings("service_type", &[StartService]),
        long_or_strings("state_type", &[StartState]),
        long_or_strings("task_type", &[StartTask]),
        long_or_strings("disposition", &[CompleteTask]),
        keys("customer_id"),
        keys("contact_key"),
    ];
    rows.extend(times());
    rows.extend(references());
    rows.push(Row {
        field: "disposition_desc",
        events: &[CompleteTask],
        good: vec![same(json!("𝄞".repeat(64))), same(json!("é̂".repeat(32))), same(json!(""))],
        bad: vec![json!("x".repeat(65)), json!("é".repeat(65)), json!(10), json!(true), json!([]), json!({})],
    });
    rows
}

fn keys(field: &'static str) -> Row {
    let good = vec![same(json!("é".repeat(255))), (json!(77), json!("77"))];
    Row { field, events: &[StartService], good, bad: [not_texts(), vec![json!("")]].concat() }
}

fn references() -> [Row; 2] {
    let others = vec![json!(77), json!("77"), json!(2_147_483_648_i64), json!("-2147483649"), json!(2_147_483_648.0)];
    let bad = [not_integers(), others].concat();
    let good = vec![same(json!(1)), (json!("1"), json!(1)), (json!(1.0), json!(1))];
    let reference = |field, events| Row { field, events, good: good.clone(), bad: bad.clone() };
    [reference("state_id", &[StartTask, CompleteTask]), reference("previous_state_id", &[StartState])]
}

fn times() -> Vec<Row> {
    let seconds = |field| Row {
        field,
        events: &[StartService],
        good: vec![],
        bad: [not_integers(), vec![json!(-1), json!("-1"), json!(-1.0), json!(u64::MAX)]].concat(),
    };
    vec![
        Row {
            field: "timestamp",
            events: &ALL,
            good: vec![
                (json!("2026-02-05T10:11:12.3456+01:00"), json!("2026-02-05T09:11:12.345Z")),
                (json!("0000-01-01T00:00:00Z"), json!("0000-01-01T00:00:00.000Z")),
                same(json!("9999-12-31T23:59:59.999Z")),
                (json!("2026-02-05T09:11Z"), json!("2026-02-05T09:11:00.000Z")),
                (json!("2026-02-05T10:11:12+0100"), json!("2026-02-05T09:11:12.000Z")),
                (json!("2026-02-05T09:11:12.3Z[UTC]"), json!("2026-02-05T09:11:12.300Z")),
            ],
            bad: vec![
                json!("2026-02-05"),
                json!("now"),
                json!(""),
                json!(1),
                json!([]),
                json!("2026-02-30T00:00:00Z"),
                json!("2026-02-05T09:11:00"),
                json!("2026-02-05T09:11:00[Europe/Berlin]"),
            ],
        },
        Row {
            field: "est_duration",
            events: &STARTS,
            good: vec![same(json!(0)), same(json!(i64::MAX)), (json!("60"), json!(60)), (json!(60.0), json!(60))],
            bad: [not_integers(), vec![json!(-1), json!("-1"), json!(u64::MAX)]].concat(),
        },
        Row {
            field: "expiration_time",
            events: &[StartService],
            good: vec![],
            bad: vec![json!("tomorrow"), json!(60), json!(true)],
        },
        seconds("ttl"),
        seconds("auto_complete_after"),
    ]
}

/// A service to which events are sent.
struct World {
    app: TestApp,
    service: i64,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::spawn().await;
        let service = app.a_service().await;
        app.a_state(service).await;
        Self { app, service }
    }

    /// Sends an event with one field. Returns the status, the pointers of violations, and the created or ended element.
    async fn send(&self, event: Event, field: &str, value: &Value) -> (u16, Vec<String>, String) {
        let service = self.service;
        let mut body = json!({});
        if event == StartService && field != "contact_key" {
            body["contact_key"] = json!("pin-77");
        } else if event == StartService {
            body["customer_id"] = json!("00K7");
        }
        body[field] = value.clone();
        let path = match event {
            StartService => "/services/start".to_owned(),
            StartState => format!("/services/{service}/states/start"),
            StartTask => format!("/services/{service}/tasks/start"),
            CompleteTask => format!("/services/{service}/tasks/{}/end", self.app.a_task(service).await),
        };
        let answer = self.app.post(&path, &body).await;
        let pointers = answer.pointers().into_iter().map(str::to_owned).collect();
        let made = answer.header("location").map_or_else(|| path.trim_end_matches("/end").to_owned(), str::to_owned);
        (answer.status, pointers, made)
    }

    /// Reads a field back: through the API, or for a state from the tables.
    async fn read(&self, event: Event, field: &str, made: &str) -> Value {
        if event == StartState {
            return self.read_state(field, made).await;
        }
        let element = self.app.get(made).await.is(200).body;
        let part = if event == CompleteTask { "completed" } else { "started" };
        element[part].get(field).or_else(|| element.get(field)).cloned().unwrap_or_default()
    }

    async fn read_state(&self, field: &str, made: &str) -> Value {
        let value = match field {
            "timestamp" => "to_jsonb((extract(epoch from s.started_at) * 1000)::bigint)".to_owned(),
            _ if field.ends_with("_type") => format!(
                "(select coalesce(to_jsonb(dbid), to_jsonb(name)) from business_attribute_values where value_id = s.{field})"
            ),
            _ => format!("to_jsonb(s.{field})"),
        };
        let state_id = made.rsplit('/').next().unwrap();
        let read: Value = self.app.value(&format!("select {value} from states s where state_id = {state_id}")).await;
        match (field, read.as_i64()) {
            ("timestamp", Some(millis)) => json!(Timestamp::from_millis(millis)),
            _ => read,
        }
    }
}

#[tokio::test]
async fn every_field_takes_its_values_up_to_the_limit_and_gives_them_back() {
    let world = World::new().await;
    for row in rows() {
        for &event in row.events {
            for (sent, expected) in &row.good {
                let (status, pointers, made) = world.send(event, row.field, sent).await;
                assert!(status == 201 || status == 204, "{event:?} {} {sent}: {status} {pointers:?}", row.field);
                let read = world.read(event, row.field, &made).await;
                assert_eq!(read, *expected, "{event:?} {}", row.field);
            }
        }
    }
}

#[tokio::test]
async fn null_is_absent_for_every_field() {
    let world = World::new().await;
    for row in rows() {
        for &event in row.events {
            let (status, pointers, _) = world.send(event, row.field, &Value::Null).await;
            assert!(status == 201 || status == 204, "{event:?} {}: {status} {pointers:?}", row.field);
        }
    }
}

#[tokio::test]
async fn every_field_refuses_other_values_at_its_place_and_nothing_is_written() {
    let world = World::new().await;
    for row in rows() {
        for &event in row.events {
            for value in &row.bad {
                let (status, pointers, made) = world.send(event, row.field, value).await;
                assert_eq!(
                    (status, pointers),
                    (400, vec![format!("/{}", row.field)]),
                    "{event:?} {} {value}",
                    row.field
                );
                if event == CompleteTask {
                    assert!(world.app.get(&made).await.body.get("completed").is_none());
                }
            }
        }
    }
    let counts: String =
        world.app.value("select concat_ws(',', (select count(*) from services), (select count(*) from states))").await;
    assert_eq!(counts, "1,1");
}

#[tokio::test]
async fn a_field_of_another_event_is_ignored() {
    let world = World::new().await;
    for row in rows() {
        for event in ALL.into_iter().filter(|event| !row.events.contains(event)) {
            for value in [json!(1), json!("x".repeat(300)), json!({"a": [1]})] {
                let (status, pointers, made) = world.send(event, row.field, &value).await;
                assert!(status == 201 || status == 204, "{event:?} {}: {status} {pointers:?}", row.field);
                if event != StartState {
                    assert_eq!(world.read(event, row.field, &made).await, Value::Null, "{event:?} {}", row.field);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_start_event_sent_again_as_the_end_ends_the_task_and_is_the_same_end_without_its_fields() {
    let world = World::new().await;
    let task = world.app.a_task(world.service).await;
    let end = format!("/services/{}/tasks/{task}/end", world.service);
    let event = json!({"timestamp": "2026-02-05T09:12:00Z", "customer_id": "00K7", "contact_key": "pin-77",
        "service_type": "booking", "state_type": 7, "task_type": "survey", "previous_state_id": 99, "est_duration": -1,
        "ttl": "soon", "disposition": 10});
    let answer = world.app.post(&end, &event).await.is(204);
    assert_eq!(answer.header("warning"), None);
    world.app.post(&end, &json!({"disposition": 10})).await.is(204);
    world.app.post(&end, &json!({"disposition": 10, "task_type": "another"})).await.is(204);
    world.app.post(&end, &json!({"disposition": 11})).await.refused(409, "already_completed");
    world.app.post(&end, &json!({"disposition": 10, "task_typo": 1})).await.refused(400, "invalid_event");
}

#[tokio::test]
async fn a_time_without_an_offset_is_refused_in_words_that_say_so() {
    let world = World::new().await;
    let body = json!({"timestamp": "2026-02-05T09:11:00"});
    let answer = world.app.post(&format!("/services/{}/tasks/start", world.service), &body).await;
    let detail = answer.refused(400, "invalid_event").body["errors"][0]["detail"].clone();
    let expected =
        "expected a date and time with an offset, such as 2026-02-05T09:11:00.000Z, found one whose offset is missing";
    assert_eq!(detail, expected);
    let answer = world.app.get("/customers/c/services?started_from=2026-02-05T09:11:00").await;
    let detail = answer.refused(400, "invalid_query").body["errors"][0]["detail"].clone();
    let expected = "expected a date and time with an offset, such as 2026-02-05T09:11:00.000Z, \
                    found \"2026-02-05T09:11:00\", whose offset is missing";
    assert_eq!(detail, expected);
}

#[tokio::test]
async fn all_violations_come_at_once_in_the_form_that_is_documented() {
    let world = World::new().await;
    world.app.reference_schemas().await;
    let task = world.app.a_task(world.service).await;
    let body = json!({"disposition_desc": "x".repeat(70), "application_id": "seven",
        "Survey": {"url": "u", "question1": "7", "question9": 1},
        "Proposal": [{"car type": "a", "price": 1}, {"price": 25000.5, "car type": "a"}, 7], "Nothing": {}});
    let end = format!("/services/{}/tasks/{task}/end", world.service);
    let answer = world.app.post(&end, &body).await.refused(400, "invalid_event");
    let errors = answer.body["errors"].as_array().unwrap().clone();
    let expected = [
        ("/application_id", "expected a 64-bit integer, found a string"),
        ("/disposition_desc", "expected at most 64 characters, found 70"),
        ("/Nothing", "neither a field of this event nor the name of a task extension"),
        ("/Proposal/1/price", "expected an integer, found 25000.5"),
        ("/Proposal/1", "an earlier record has the same value of car type"),
        ("/Proposal/2", "expected a record (an object), found 7"),
        ("/Survey/question9", "unknown attribute of the extension"),
        ("/Survey/question1", "expected an integer, found a string"),
    ];
    let mut found: Vec<_> =
        errors.iter().map(|error| (error["pointer"].as_str().unwrap(), error["detail"].as_str().unwrap())).collect();
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(answer.body["detail"].as_str().unwrap().starts_with("8 fields are not valid: application_id, "));
    assert_eq!(world.app.value::<i64>("select count(*) from dispositions").await, 0);
}
