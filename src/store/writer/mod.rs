//! Group commit: the one door for every lifecycle write.
//!
//! Callers await what looks like a plain write. Behind it a queue feeds a loop that writes whatever is waiting, as one
//! transaction, the moment the last one has ended. There is no timer: an idle server adds no latency, and a busy one
//! forms larger batches by itself. Each caller gets its own answer, after the commit.

mod connection;
mod replies;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::RwLock;
use std::time::{Duration, Instant};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::command::{Answer, Write};
use super::error::{StoreError, is_outage};
use super::metrics;
use crate::background::Jobs;
use crate::domain::ids::ServiceId;
use crate::domain::refusal::Verdict;

use connection::WriterConnection;
use replies::Caller;

pub(super) use replies::deliver_answers;

/// How long a loop may be idle before it looks whether its connection is still there.
const IDLE: Duration = Duration::from_secs(1);

/// The most bytes of extension records in one batch, unless a single command has more.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How events are gathered.
#[derive(Debug, Clone, Copy)]
pub struct WriterSettings {
    /// The most commands in one transaction.
    pub batch: usize,
    /// The most commands waiting, for each writer.
    pub queue: usize,
    /// Loops, each with a connection of its own. All commands of a service go through the same one.
    pub writers: usize,
}

/// Names of what is measured here, for the page of metrics.
mod measured {
    pub(super) const WAITING: &str = "context_services_writer_waiting";
    pub(super) const BATCH: &str = "context_services_writer_batch_commands";
    pub(super) const FLUSH: &str = "context_services_writer_flush_seconds";
    pub(super) const REFUSED: &str = "context_services_writer_refused_total";
    pub(super) const ALONE: &str = "context_services_writer_one_by_one_total";
}

struct Job {
    write: Write,
    caller: Caller,
}

/// The queues and loops.
pub(super) struct Writer {
    queues: RwLock<Vec<mpsc::Sender<Job>>>,
    spread: RandomState,
    loops: TaskTracker,
}

impl Writer {
    /// Starts the loops, each connected: the first event waits no longer than others.
    pub(super) async fn start(
        database: &PgConnectOptions,
        settings: WriterSettings,
        jobs: &Jobs,
    ) -> Result<Self, sqlx::Error> {
        Self::describe();
        let loops = TaskTracker::new();
        let mut queues = Vec::new();
        for _ in 0..settings.writers.max(1) {
            let (sender, queue) = mpsc::channel(settings.queue.max(1));
            let connection = WriterConnection::open(database.clone()).await?;
            let flusher = Loop { queue, connection, batch: settings.batch.max(1) };
            let alarm = jobs.alarm("writer");
            loops.spawn(async move {
                flusher.run().await;
                // Only a loop that ends in order does not raise the alarm.
                alarm.disarm();
            });
            queues.push(sender);
        }
        loops.close();
        Ok(Self { queues: RwLock::new(queues), spread: RandomState::new(), loops })
    }

    /// Says what the measurements mean.
    fn describe() {
        describe_gauge!(measured::WAITING, "Commands waiting to be written.");
        describe_histogram!(measured::BATCH, "Commands of a transaction.");
        describe_histogram!(measured::FLUSH, Unit::Seconds, "From the begin of a batch to its commit.");
        describe_counter!(measured::REFUSED, "Commands that what is on record stood against.");
        describe_counter!(measured::ALONE, "Commands written again one by one, since their batch failed.");
        // It should stay at 0, which can only be seen where it is there.
        counter!(measured::ALONE).increment(0);
    }

    /// Brings those measurements up to date that are looked at rather than counted.
    pub(super) fn measure(&self) {
        let queues = self.queues.read();
        let waiting = |queue: &mpsc::Sender<Job>| queue.max_capacity() - queue.capacity();
        let waiting = queues.map_or(0, |queues| queues.iter().map(waiting).sum());
        gauge!(measured::WAITING).set(u32::try_from(waiting).unwrap_or(u32::MAX));
    }

    /// Whether no queue has room: what comes now would be refused, whatever it is.
    pub(super) fn is_full(&self) -> bool {
        self.queues.read().is_ok_and(|queues| queues.iter().all(|queue| queue.capacity() == 0))
    }

    /// Writes a command; returns when its transaction has committed, or it is known that it did not.
    pub(super) async fn write(&self, write: Write) -> Answer {
        if cfg!(feature = "floor") {
            return Ok(Verdict::Done);
        }
        let Some(queue) = self.queue_of(write.command.key().service) else { return Err(StoreError::Overloaded) };
        let (caller, answered) = Caller::here();
        match queue.try_send(Job { write, caller }) {
            // Without an answer the loop has died, perhaps after the commit.
            Ok(()) => answered.await.unwrap_or(Err(StoreError::Unavailable(None))),
            Err(refused) => {
                let overloaded = Err(StoreError::Overloaded);
                metrics::count(std::iter::once((&refused.into_inner().write.command, &overloaded)));
                overloaded
            }
        }
    }

    fn queue_of(&self, service: ServiceId) -> Option<mpsc::Sender<Job>> {
        let queues = self.queues.read().ok()?;
        let count = u64::try_from(queues.len()).ok().filter(|count| *count > 0)?;
        let at = usize::try_from(self.spread.hash_one(service) % count).ok()?;
        queues.get(at).cloned()
    }

    /// Refuses new commands, and returns when all that were taken are written and answered.
    pub(super) async fn close(&self) {
        if let Ok(mut queues) = self.queues.write() {
            queues.clear();
        }
        self.loops.wait().await;
    }
}

struct Loop {
    queue: mpsc::Receiver<Job>,
    connection: WriterConnection,
    batch: usize,
}

impl Loop {
    async fn run(mut self) {
        let mut waiting = Vec::with_capacity(self.batch);
        loop {
            let room = self.batch.saturating_sub(waiting.len());
            if waiting.is_empty() {
                while tokio::time::timeout(IDLE, self.queue.recv_many(&mut waiting, room)).await.is_err() {
                    self.connection.stay_connected().await;
                }
            } else {
                // Some wait for the batch that has just ended: whoever has come since joins them.
                waiting.extend(std::iter::from_fn(|| self.queue.try_recv().ok()).take(room));
            }
            if waiting.is_empty() {
                break;
            }
            let (batch, later) = divide(waiting);
            waiting = later;
            if !self.flush(batch).await {
                // Whoever has waited for this batch is told at once, and not when another one has failed too.
                waiting.extend(std::iter::from_fn(|| self.queue.try_recv().ok()));
                let (writes, callers) = parted(waiting.drain(..));
                let away = writes.iter().map(|_| Err(StoreError::Unavailable(None))).collect();
                answer(&writes, callers, away);
            }
        }
        self.connection.close().await;
    }

    /// Writes a batch and answers its callers. One bad command fails alone. Says whether the database is there.
    async fn flush(&mut self, jobs: Vec<Job>) -> bool {
        let (writes, callers) = parted(jobs);
        let start = Instant::now();
        let committed = self.connection.commit(&writes).await;
        let away = committed.as_ref().is_err_and(is_outage);
        histogram!(measured::FLUSH).record(start.elapsed());
        histogram!(measured::BATCH).record(u32::try_from(writes.len()).unwrap_or(u32::MAX));
        let answers: Vec<Answer> = match committed {
            Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
            Err(error) if writes.len() == 1 => vec![Err(error.into())],
            Err(error) if is_outage(&error) => {
                warn!(error = %error, commands = writes.len(), "the database is away: a batch may not be written");
                writes.iter().map(|_| Err(StoreError::Unavailable(None))).collect()
            }
            Err(error) => {
                warn!(error = %error, commands = writes.len(), "a batch failed and is written one by one");
                counter!(measured::ALONE).increment(writes.len() as u64);
                self.commit_one_by_one(&writes).await
            }
        };
        answer(&writes, callers, answers);
        !away
    }

    async fn commit_one_by_one(&mut self, writes: &[Write]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(writes.len());
        for write in writes {
            if matches!(answers.last(), Some(Err(StoreError::Unavailable(_)))) {
                answers.push(Err(StoreError::Unavailable(None)));
                continue;
            }
            let verdict = self.connection.commit(std::slice::from_ref(write)).await;
            answers
                .push(verdict.map(|mut verdicts| verdicts.pop().unwrap_or(Verdict::Retry)).map_err(StoreError::from));
        }
        answers
    }
}

fn parted(jobs: impl IntoIterator<Item = Job>) -> (Vec<Write>, Vec<Caller>) {
    jobs.into_iter().map(|job| (job.write, job.caller)).unzip()
}

/// Tells the callers what became of their commands, and counts it.
fn answer(writes: &[Write], callers: Vec<Caller>, answers: Vec<Answer>) {
    let refused = answers.iter().filter(|answer| matches!(answer, Ok(Verdict::Refused(_)))).count();
    counter!(measured::REFUSED).increment(refused as u64);
    metrics::count(writes.iter().map(|write| &write.command).zip(&answers));
    replies::send(callers.into_iter().zip(answers));
}

/// What a batch takes of those that wait, in order: one command per element and idempotency key, and not too many bytes. A command that
/// stands alone goes after all that came before it, and ahead of all that came later.
fn divide(mut waiting: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let after = match waiting.iter().position(|job| job.write.command.stands_alone()) {
        Some(0) => waiting.split_off(1),
        Some(at) => waiting.split_off(at),
        None => Vec::new(),
    };
    let mut keys = HashSet::with_capacity(waiting.len());
    let mut idempotency_keys = HashSet::new();
    let (mut bytes, mut full) = (0, false);
    let (batch, mut later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|job| {
        bytes += job.write.command.bytes();
        full |= bytes > BATCH_BYTES && !keys.is_empty();
        // The key counts even of a command that waits, so that a third one does not overtake it.
        let first = keys.insert(job.write.command.key());
        job.write.key.as_ref().is_none_or(|key| idempotency_keys.insert(key.text.clone())) && first && !full
    });
    later.extend(after);
    (batch, later)
}
