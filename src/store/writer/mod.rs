//! Group commit, through which every lifecycle event is written.
//!
//! Each caller awaits its own write. Behind it, a queue feeds a loop that writes all waiting commands in one
//! transaction as soon as the previous transaction has committed. There is no timer: an idle server adds no latency,
//! and a busy server forms larger batches by itself. Each caller gets its own answer after the commit.

mod connection;
mod replies;

use std::collections::HashSet;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use ::metrics::{
    Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::command::{Answer, Write};
use super::connection::Database;
use super::error::{Load, StoreError, is_outage};
use super::metrics;
use crate::background::Alarms;
use crate::domain::refusal::Verdict;
use crate::traces::BatchSpan;

use connection::WriterConnection;
use replies::Caller;

pub(super) use replies::deliver_answers;

/// The idle time after which a loop checks its connection.
const IDLE: Duration = Duration::from_secs(1);

/// The most bytes of extension records in a batch, unless a single command has more.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Settings of group commit.
#[derive(Debug, Clone, Copy)]
pub struct WriterSettings {
    /// The most commands in a transaction.
    pub batch: usize,
    /// The most commands waiting in the queue of a lane.
    pub queue: usize,
}

/// Names of the writer's metrics.
mod metric {
    pub(super) const WAITING: &str = "context_services_writer_waiting";
    pub(super) const BATCH: &str = "context_services_writer_batch_commands";
    pub(super) const FLUSH: &str = "context_services_writer_flush_seconds";
    pub(super) const REFUSED: &str = "context_services_writer_refused_total";
    pub(super) const ALONE: &str = "context_services_writer_one_by_one_total";
}

struct Queued {
    write: Write,
    caller: Caller,
}

/// The writer of a lane: the queue and the loop that it feeds.
pub(super) struct Writer {
    /// `None` once the writer is closed.
    queue: RwLock<Option<mpsc::Sender<Queued>>>,
    flushing: TaskTracker,
    waiting: Gauge,
}

impl Writer {
    /// Connects and starts the loop, which writes the tables of a lane: `path` is its search path. Connecting first
    /// means that no event has to wait for a connection.
    pub(super) async fn start(
        (database, control): (&Arc<Database>, &PgPool),
        (lane, path): (i32, &str),
        settings: WriterSettings,
        alarms: &Alarms,
    ) -> Result<Self, sqlx::Error> {
        let (sender, queue) = mpsc::channel(settings.queue.max(1));
        let connection = WriterConnection::open(Arc::clone(database), control.clone(), path).await?;
        let lane = lane.to_string();
        let flusher = Loop {
            queue,
            connection,
            batch: settings.batch.max(1),
            commands: histogram!(metric::BATCH, "lane" => lane.clone()),
            seconds: histogram!(metric::FLUSH, "lane" => lane.clone()),
        };
        let (alarm, flushing) = (alarms.alarm("writer"), TaskTracker::new());
        flushing.spawn(async move {
            flusher.run().await;
            // Reached only if the loop ended normally; if it panicked, dropping the alarm raises it.
            alarm.disarm();
        });
        flushing.close();
        Ok(Self { queue: RwLock::new(Some(sender)), flushing, waiting: gauge!(metric::WAITING, "lane" => lane) })
    }

    /// Registers the help texts of the metrics.
    pub(super) fn describe() {
        describe_gauge!(metric::WAITING, "Commands waiting to be written.");
        describe_histogram!(metric::BATCH, "Commands per transaction.");
        describe_histogram!(metric::FLUSH, Unit::Seconds, "Time from the start of a batch to its commit.");
        describe_counter!(metric::REFUSED, "Commands refused because of what is on record.");
        describe_counter!(metric::ALONE, "Commands written one by one because their batch failed.");
        // It should stay at 0, which is visible only if the series exists from the start.
        counter!(metric::ALONE).increment(0);
    }

    /// Sets the gauge, which is sampled rather than counted.
    pub(super) fn measure(&self) {
        let waiting = self.queue().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        self.waiting.set(u32::try_from(waiting).unwrap_or(u32::MAX));
    }

    /// Returns whether the queue is full, so that any command would be refused.
    pub(super) fn is_full(&self) -> bool {
        self.queue.read().is_ok_and(|queue| queue.as_ref().is_none_or(|queue| queue.capacity() == 0))
    }

    /// Writes a command. Returns when its transaction has committed or failed.
    pub(super) async fn write(&self, write: Write) -> Answer {
        if cfg!(feature = "floor") {
            return Ok(Verdict::Done);
        }
        let Some(queue) = self.queue() else {
            return Err(StoreError::Unavailable(None));
        };
        let (caller, answered) = Caller::here();
        match queue.try_send(Queued { write, caller }) {
            // No answer means that the loop died, perhaps after the commit.
            Ok(()) => answered.await.unwrap_or(Err(StoreError::Unavailable(None))),
            Err(refused) => {
                let overloaded = Err(StoreError::Overloaded(Load::Commands));
                metrics::count(std::iter::once((&refused.into_inner().write.command, &overloaded)));
                overloaded
            }
        }
    }

    fn queue(&self) -> Option<mpsc::Sender<Queued>> {
        self.queue.read().ok()?.clone()
    }

    /// Refuses new commands, and returns when all accepted ones have been written and answered.
    pub(super) async fn close(&self) {
        if let Ok(mut queue) = self.queue.write() {
            *queue = None;
        }
        self.flushing.wait().await;
    }
}

struct Loop {
    queue: mpsc::Receiver<Queued>,
    connection: WriterConnection,
    batch: usize,
    commands: Histogram,
    seconds: Histogram,
}

impl Loop {
    async fn run(mut self) {
        let mut waiting = Vec::with_capacity(self.batch);
        loop {
            let room = self.batch.saturating_sub(waiting.len());
            if waiting.is_empty() {
                while tokio::time::timeout(IDLE, self.queue.recv_many(&mut waiting, room)).await.is_err() {
                    self.connection.check().await;
                }
            } else {
                // Some commands were left over from the last batch. Commands that arrived meanwhile join them.
                waiting.extend(std::iter::from_fn(|| self.queue.try_recv().ok()).take(room));
            }
            if waiting.is_empty() {
                break;
            }
            let (batch, later) = divide(waiting);
            waiting = later;
            if !self.flush(batch).await {
                // Commands that waited for this batch are answered at once, rather than after the next batch has failed
                // as well.
                waiting.extend(std::iter::from_fn(|| self.queue.try_recv().ok()));
                let (writes, callers) = parted(waiting.drain(..));
                let away = writes.iter().map(|_| Err(StoreError::Unavailable(None))).collect();
                answer(&writes, callers, away);
            }
        }
        self.connection.close().await;
    }

    /// Writes a batch and answers its callers. A bad command fails alone. Returns whether the database is available.
    async fn flush(&mut self, jobs: Vec<Queued>) -> bool {
        let (writes, callers) = parted(jobs);
        let (start, span) = (Instant::now(), BatchSpan::start(callers.iter().filter_map(Caller::trace)));
        let committed = self.connection.commit(&writes).await;
        if let Some(span) = span {
            span.end(writes.len(), committed.is_err());
        }
        let away = committed.as_ref().is_err_and(is_outage);
        self.seconds.record(start.elapsed());
        self.commands.record(u32::try_from(writes.len()).unwrap_or(u32::MAX));
        let answers: Vec<Answer> = match committed {
            Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
            Err(error) if writes.len() == 1 => vec![Err(error.into())],
            Err(error) if is_outage(&error) => {
                warn!(error = %error, commands = writes.len(), "the database is unavailable: a batch may not have been written");
                writes.iter().map(|_| Err(StoreError::Unavailable(None))).collect()
            }
            Err(error) => {
                warn!(error = %error, commands = writes.len(), "a batch failed: its commands are written one by one");
                counter!(metric::ALONE).increment(writes.len() as u64);
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

fn parted(jobs: impl IntoIterator<Item = Queued>) -> (Vec<Write>, Vec<Caller>) {
    jobs.into_iter().map(|job| (job.write, job.caller)).unzip()
}

/// Answers the callers and counts the outcomes.
fn answer(writes: &[Write], callers: Vec<Caller>, answers: Vec<Answer>) {
    let refused = answers.iter().filter(|answer| matches!(answer, Ok(Verdict::Refused(_)))).count();
    counter!(metric::REFUSED).increment(refused as u64);
    metrics::count(writes.iter().map(|write| &write.command).zip(&answers));
    replies::send(callers.into_iter().zip(answers));
}

/// Divides waiting commands, in order, into the next batch and the rest. A batch has at most one command per element
/// and per idempotency key, and a limited size.
fn divide(waiting: Vec<Queued>) -> (Vec<Queued>, Vec<Queued>) {
    let mut keys = HashSet::with_capacity(waiting.len());
    let mut idempotency_keys = HashSet::new();
    let (mut bytes, mut full) = (0, false);
    waiting.into_iter().partition(|job| {
        bytes += job.write.command.bytes();
        full |= bytes > BATCH_BYTES && !keys.is_empty();
        // The key is inserted even if the command has to wait, so that a later command with the same key cannot
        // overtake it.
        let first = keys.insert(job.write.command.key());
        job.write.key.as_ref().is_none_or(|key| idempotency_keys.insert(key.text.clone())) && first && !full
    })
}
