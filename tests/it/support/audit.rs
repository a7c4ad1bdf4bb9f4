//! Proof that nothing acknowledged is lost: clients start and end tasks and remember every acknowledgement; these are
//! then compared with the tables.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use sqlx::PgConnection;

/// The schema of the extension in every event of a client.
pub(crate) fn schema() -> Value {
    json!({"name": "Mark", "type": "single-valued", "attributes": [{"name": "mark", "type": "string"}]})
}

/// The acknowledgements for a mark, the number that identifies a task to its client.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// The task, once its start was acknowledged.
    task: Option<i64>,
    /// Whether the end was acknowledged.
    ended: bool,
}

/// Clients that send events, and the acknowledgements they received.
pub(crate) struct Load {
    client: Client,
    nodes: Vec<String>,
    service: i64,
    known: Mutex<HashMap<u64, Known>>,
    next: AtomicU64,
    acknowledged: AtomicU64,
    stopped: AtomicBool,
    refused: Mutex<Vec<String>>,
}

impl Load {
    /// Clients of one service, on nodes that share a database.
    pub(crate) fn on(nodes: Vec<String>, service: i64) -> Arc<Self> {
        Arc::new(Self {
            client: Client::builder().timeout(Duration::from_secs(10)).build().unwrap(),
            nodes,
            service,
            known: Mutex::default(),
            next: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            refused: Mutex::default(),
        })
    }

    /// The number of acknowledged events so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Starts and ends tasks, one after another, until stopped. Repeats each event until it is acknowledged.
    pub(crate) async fn run(self: Arc<Self>) {
        while !self.stopped.load(Ordering::SeqCst) {
            let mark = self.next.fetch_add(1, Ordering::SeqCst);
            self.know(mark, Known::default());
            let start = format!("/services/{}/tasks/start", self.service);
            let Some(answer) = self.until_acknowledged(&start, mark).await else { return };
            let task = answer["task_id"].as_i64();
            self.know(mark, Known { task, ended: false });
            let end = format!("/services/{}/tasks/{}/end", self.service, task.unwrap());
            if self.until_acknowledged(&end, mark).await.is_none() {
                return;
            }
            self.know(mark, Known { task, ended: true });
        }
    }

    fn know(&self, mark: u64, known: Known) {
        self.known.lock().unwrap().insert(mark, known);
    }

    /// Sends an event to the nodes in turn until one acknowledges it. Returns `None` if it was refused for good or the
    /// clients were stopped.
    async fn until_acknowledged(&self, path: &str, mark: u64) -> Option<Value> {
        let text = mark.to_string();
        let key = format!("{path} {mark}");
        let body = json!({"interaction_id": text, "Mark": {"mark": text}});
        for attempt in mark.. {
            let url = format!("{}{path}", self.nodes[usize::try_from(attempt).unwrap() % self.nodes.len()]);
            let request = self.client.post(url).header("Idempotency-Key", &key).json(&body);
            match request.send().await {
                Ok(answer) if answer.status().is_success() => {
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                    return answer.json().await.ok().or(Some(Value::Null));
                }
                Ok(answer) if answer.status() == 503 => assert!(answer.headers().contains_key("retry-after")),
                Ok(answer) => return self.refuse(answer).await,
                // The connection broke: the event may have been written.
                Err(_) => {}
            }
            if self.stopped.load(Ordering::SeqCst) {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    async fn refuse(&self, answer: Response) -> Option<Value> {
        let refusal = format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default());
        self.refused.lock().unwrap().push(refusal);
        None
    }

    /// Stops each client after its current request.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Compares the acknowledgements with the tables. Returns the number of acknowledged ends. Call it after all
    /// clients have stopped.
    pub(crate) async fn audit(&self, connection: &mut PgConnection) -> usize {
        assert_eq!(*self.refused.lock().unwrap(), Vec::<String>::new(), "nothing is refused");
        let rows: Vec<Recorded> = sqlx::query_as(RECORDED).bind(self.service).fetch_all(connection).await.unwrap();
        let known = self.known.lock().unwrap();
        let mut on_disk = HashMap::new();
        for row in rows {
            let mark: u64 = row.start.parse().unwrap();
            assert_eq!(row.start_record.as_ref(), Some(&row.start), "the record of task {} is its own", row.task_id);
            assert!(row.end.is_none() || row.end.as_ref() == Some(&row.start), "the end of {} is its own", row.task_id);
            assert!(known.contains_key(&mark), "task {} was never sent", row.task_id);
            assert!(on_disk.insert(mark, (row.task_id, row.end.is_some())).is_none(), "{mark} is on record twice");
        }
        for (mark, known) in known.iter() {
            let found = on_disk.get(mark);
            if let Some(task) = known.task {
                let (recorded, ended) = found.unwrap_or_else(|| panic!("the acknowledged start {mark} is lost"));
                assert_eq!(i64::from(*recorded), task, "{mark} is recorded as the acknowledged task");
                assert!(*ended || !known.ended, "the acknowledged end of {mark} is lost");
            }
        }
        known.values().filter(|known| known.ended).count()
    }
}

/// A task as recorded in the tables.
#[derive(sqlx::FromRow)]
struct Recorded {
    task_id: i32,
    start: String,
    start_record: Option<String>,
    end: Option<String>,
}

const RECORDED: &str = "
    select t.task_id, t.interaction_id as start, x.records ->> 'mark' as start_record, d.interaction_id as end
    from tasks t
    left join dispositions d on d.service_id = t.service_id and d.element = 'task' and d.element_id = t.task_id
    left join extensions x on x.service_id = t.service_id and x.element = 'task' and x.element_id = t.task_id
    where t.service_id = $1";
