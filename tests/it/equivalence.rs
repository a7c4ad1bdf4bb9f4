//! Group commit is invisible: random concurrent commands, written in batches, leave the same tables and get the same
//! responses as commands sent one after another, each in its own transaction.

use std::sync::Arc;

use context_services::domain::ids::{ServiceId, StateId, TaskId};
use context_services::domain::json::read_object;
use context_services::store::WriterSettings;
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::postgres::Database;
use crate::support::world::survey;

const SERVICES: usize = 2;
const STATES: usize = 2;
const TASKS: usize = 3;

/// A command on elements, given by their index in the world of the case. The index past the last stands for an element
/// that does not exist.
#[derive(Debug, Clone)]
enum Command {
    StartState { service: usize, previous: Option<usize> },
    StartTask { service: usize, state: Option<usize>, body: usize },
    CompleteService { service: usize, body: usize },
    CompleteState { service: usize, state: usize, body: usize },
    TransitionState { service: usize, state: usize, body: usize },
    AssociateService { service: usize, customer: usize, body: usize },
    CompleteTask { service: usize, task: usize, state: Option<usize>, body: usize },
}

/// Bodies of end events: valid and invalid, repeated and conflicting, with and without timestamps and extensions.
const BODIES: [&str; 6] = [
    "{}",
    r#"{"disposition":10}"#,
    r#"{"disposition":10,"timestamp":"2026-02-05T12:00:00Z"}"#,
    r#"{"disposition":10,"Survey":{"url":"u","question1":7}}"#,
    r#"{"Survey":{"question1":"7"}}"#,
    r#"{"media_type":"voice","Survey":{"url":"v"}}"#,
];

fn command() -> impl Strategy<Value = Command> {
    let state = || prop::option::of(0..=STATES);
    let body = || 0..BODIES.len();
    prop_oneof![
        1 => (0..=SERVICES, state()).prop_map(|(service, previous)| Command::StartState { service, previous }),
        2 => (0..=SERVICES, state(), body()).prop_map(|(service, state, body)| Command::StartTask { service, state, body }),
        1 => (0..=SERVICES, body()).prop_map(|(service, body)| Command::CompleteService { service, body }),
        1 => (0..=SERVICES, 0..9_usize, body())
            .prop_map(|(service, customer, body)| Command::AssociateService { service, customer, body }),
        2 => (0..=SERVICES, 0..=STATES, body())
            .prop_map(|(service, state, body)| Command::CompleteState { service, state, body }),
        2 => (0..=SERVICES, 0..=STATES, body())
            .prop_map(|(service, state, body)| Command::TransitionState { service, state, body }),
        5 => (0..=SERVICES, 0..=TASKS, state(), body())
            .prop_map(|(service, task, state, body)| Command::CompleteTask { service, task, state, body }),
    ]
}

/// Services, each with its states and tasks.
struct World(Vec<(i64, Vec<i64>, Vec<i64>)>);

const NOTHING: i64 = 2_000_000_000;

impl World {
    async fn new(app: &TestApp) -> Self {
        let mut services = Vec::new();
        for _ in 0..SERVICES {
            let service = app.a_service().await;
            let states = [app.a_state(service).await, app.a_state(service).await];
            let path = format!("/services/{service}/tasks/start");
            let mut tasks = vec![app.start(&path, &json!({"state_id": states[0]})).await];
            tasks.extend([app.a_task(service).await, app.a_task(service).await]);
            services.push((service, states.to_vec(), tasks));
        }
        Self(services)
    }

    fn service(&self, at: usize) -> i64 {
        self.0.get(at).map_or(NOTHING, |service| service.0)
    }

    fn state(&self, service: usize, at: usize) -> i64 {
        self.0.get(service).and_then(|service| service.1.get(at)).copied().unwrap_or(NOTHING)
    }

    fn task(&self, service: usize, at: usize) -> i64 {
        self.0.get(service).and_then(|service| service.2.get(at)).copied().unwrap_or(NOTHING)
    }

    fn service_id(&self, at: usize) -> ServiceId {
        ServiceId(self.service(at))
    }

    /// Starts a state or task and describes the answer.
    async fn start(&self, app: &TestApp, command: &Command) -> String {
        match *command {
            Command::StartState { service, previous } => {
                let body = with(0, "previous_state_id", previous.map(|state| self.state(service, state)));
                let members = read_object(body.as_bytes()).unwrap();
                format!("{:?}", app.store.start_state(self.service_id(service), &members, None).await)
            }
            Command::StartTask { service, state, body } => {
                let body = with(body, "state_id", state.map(|state| self.state(service, state)));
                let members = read_object(body.as_bytes()).unwrap();
                format!("{:?}", app.store.start_task(self.service_id(service), &members, None).await)
            }
            _ => unreachable!("{command:?} starts nothing"),
        }
    }

    /// Runs a command and describes the answer.
    async fn run(&self, app: &TestApp, command: &Command) -> String {
        match *command {
            Command::StartState { .. } | Command::StartTask { .. } => self.start(app, command).await,
            Command::CompleteService { service, body } => {
                let members = read_object(BODIES[body].as_bytes()).unwrap();
                format!("{:?}", app.store.complete_service(self.service_id(service), &members).await)
            }
            Command::AssociateService { service, customer, body } => {
                let members = read_object(BODIES[body].as_bytes()).unwrap();
                let (service, customer) = (self.service_id(service), format!("customer {customer}"));
                format!("{:?}", app.store.associate_service(service, &customer, &members).await)
            }
            Command::CompleteState { service, state, body } => {
                let members = read_object(BODIES[body].as_bytes()).unwrap();
                let state = StateId(i32::try_from(self.state(service, state)).unwrap());
                format!("{:?}", app.store.complete_state(self.service_id(service), state, &members).await)
            }
            Command::TransitionState { service, state, body } => {
                let mut body: Value = serde_json::from_str(BODIES[body]).unwrap();
                let disposition = body.as_object_mut().unwrap().remove("disposition");
                body["from"] = json!({"state_id": self.state(service, state), "disposition": disposition});
                let body = body.to_string();
                let members = read_object(body.as_bytes()).unwrap();
                format!("{:?}", app.store.transition_state(self.service_id(service), &members, None).await)
            }
            Command::CompleteTask { service, task, state, body } => {
                let body = with(body, "state_id", state.map(|state| self.state(service, state)));
                let members = read_object(body.as_bytes()).unwrap();
                let task = TaskId(i32::try_from(self.task(service, task)).unwrap());
                format!("{:?}", app.store.complete_task(self.service_id(service), task, None, &members).await)
            }
        }
    }
}

/// A body with a state as `member`.
fn with(body: usize, member: &str, id: Option<i64>) -> String {
    let mut body: Value = serde_json::from_str(BODIES[body]).unwrap();
    body[member] = json!(id);
    body.to_string()
}

async fn node(writer: WriterSettings) -> TestApp {
    let app = TestApp::with_writer(Arc::new(Database::create().await), writer).await;
    for elements in ["services", "states", "tasks"] {
        app.post(&format!("/metadata/{elements}/extensions"), &survey()).await.is(201);
    }
    // Values are cached beforehand, so that both nodes allocate identifiers in the order of the commands.
    let path = app.a_task_path().await;
    let start = format!("{}/start", path.rsplit_once('/').unwrap().0);
    app.post(&start, &json!({"media_type": "voice"})).await.is(201);
    app.post(&format!("{path}/end"), &json!({"disposition": 10})).await.is(204);
    let service = app.start("/services/start", &json!({"contact_key": "k", "media_type": "voice"})).await;
    let start = format!("/services/{service}/states/start");
    let state = app.start(&start, &json!({"media_type": "voice"})).await;
    app.post(&format!("/services/{service}/states/{state}/end"), &json!({"disposition": 10})).await.is(204);
    app.post(&format!("/services/{service}/end"), &json!({"disposition": 10})).await.is(204);
    app
}

async fn tables(app: &TestApp) -> Value {
    let rows = |table: &str, key: &str| format!("(select jsonb_agg(to_jsonb(t) order by {key}) from {table} t)");
    let all = [
        rows("services", "service_id"),
        rows("states", "service_id, state_id"),
        rows("tasks", "service_id, task_id"),
        rows("dispositions", "service_id, element, element_id"),
        rows("extensions", "service_id, element, element_id, schema_id"),
    ];
    app.value(&format!("select jsonb_build_array({})", all.join(", "))).await
}

#[test]
fn batches_leave_the_tables_and_give_the_answers_of_one_command_at_a_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (batched, single) = runtime.block_on(async {
        let batched = node(WriterSettings { batch: 64, queue: 512 }).await;
        (batched, node(WriterSettings { batch: 1, queue: 512 }).await)
    });
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let outcome = runner.run(&prop::collection::vec(command(), 1..40), |commands| {
        runtime.block_on(async {
            let (at_once, in_turn) = (World::new(&batched).await, World::new(&single).await);
            let answers = join_all(commands.iter().map(|command| at_once.run(&batched, command))).await;
            for (command, answer) in commands.iter().zip(answers) {
                prop_assert_eq!(answer, in_turn.run(&single, command).await, "{:?}", command);
            }
            prop_assert_eq!(tables(&batched).await, tables(&single).await);
            Ok(())
        })
    });
    outcome.unwrap();
    let ended = runtime.block_on(batched.value::<i64>("select count(*) from dispositions"));
    assert!(ended > 48, "commands of all kinds were run: {ended}");
}
