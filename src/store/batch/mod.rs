//! The set-based statements of a batch: one for each kind of command, whatever their number.
//!
//! Each is one round trip and inserts a fact for every command that nothing stands against, with its extensions. What
//! comes back was written; why the rest was not is read afterwards.

mod columns;
mod refusals;
mod services;
mod states;
mod tasks;

use std::collections::{HashMap, HashSet};

use sqlx::{Acquire, PgConnection};
use tracing::warn;

use super::writer::{Command, Key, Write};
use crate::domain::ids::{Element, ServiceId, StateId, TaskId};
use crate::domain::metadata::MetadataVersion;
use crate::domain::refusal::{Refusal, Verdict};
use crate::domain::service::StartService;
use crate::domain::state::StartState;
use crate::domain::task::{CompleteTask, StartTask};
use crate::store::attributes::ValueIds;

pub(super) use columns::ElementColumn;

/// One command with its drawn identifier, if it starts something, and the rows of its values.
type Row<'a, Id, C> = (Id, &'a C, &'a ValueIds);

/// A batch, by kind of command. Keys are in order, so that batches of different nodes never wait for each other in a
/// circle.
#[derive(Default)]
struct Batch<'a> {
    start_services: Vec<Row<'a, ServiceId, StartService>>,
    start_states: Vec<Row<'a, StateId, StartState>>,
    start_tasks: Vec<Row<'a, TaskId, StartTask>>,
    complete_tasks: Vec<(&'a CompleteTask, &'a ValueIds)>,
}

/// Writes all commands in one transaction and says what became of each.
pub(super) async fn commit(connection: &mut PgConnection, writes: &[Write]) -> Result<Vec<Verdict>, sqlx::Error> {
    let version = writes.iter().map(|write| write.version).max().unwrap_or_default();
    let mut sorted: Vec<_> = writes.iter().filter(|write| write.version == version).collect();
    sorted.sort_unstable_by_key(|write| write.command.key());
    let batch = Batch::of(&sorted);
    let written = match batch.write(connection, version).await {
        Ok(written) => written,
        Err(error) => return alone_refused(writes, error),
    };
    let missing: Vec<_> = sorted.into_iter().filter(|write| !written.contains(&write.command.key())).collect();
    // What is written is so, whatever comes of this: without an explanation, the others are tried again.
    let mut refused = refusals::explain(connection, &missing, version).await.unwrap_or_else(|error| {
        warn!(error = %error, commands = missing.len(), "cannot tell why commands were not written");
        HashMap::new()
    });
    let verdict = |write: &Write| {
        let key = write.command.key();
        // Those that are neither written nor refused were validated against metadata that are too old.
        if written.contains(&key) { Verdict::Done } else { refused.remove(&key).unwrap_or(Verdict::Again) }
    };
    Ok(writes.iter().map(verdict).collect())
}

/// A single command whose service was deleted while it was being written is refused; any other failure stays one.
fn alone_refused(writes: &[Write], error: sqlx::Error) -> Result<Vec<Verdict>, sqlx::Error> {
    let constraint = error.as_database_error().and_then(|refusal| refusal.constraint());
    let service_is_gone = constraint.is_some_and(|name| name.ends_with("_service_fk"));
    if writes.len() == 1 && service_is_gone {
        return Ok(vec![Verdict::Refused(Refusal::Unknown(Element::Service))]);
    }
    Err(error)
}

impl<'a> Batch<'a> {
    fn of(writes: &[&'a Write]) -> Self {
        let mut batch = Self::default();
        for Write { command, values, .. } in writes {
            match command {
                Command::StartService(id, command) => batch.start_services.push((*id, command.as_ref(), values)),
                Command::StartState(id, command) => batch.start_states.push((*id, command.as_ref(), values)),
                Command::StartTask(id, command) => batch.start_tasks.push((*id, command.as_ref(), values)),
                Command::CompleteTask(command) => batch.complete_tasks.push((command.as_ref(), values)),
            }
        }
        batch
    }

    /// Runs the statements that have something to do. A single one is its own transaction, without round trips for its
    /// begin and end.
    async fn write(
        &self,
        connection: &mut PgConnection,
        version: MetadataVersion,
    ) -> Result<HashSet<Key>, sqlx::Error> {
        let kinds = [
            self.start_services.is_empty(),
            self.start_states.is_empty(),
            self.start_tasks.is_empty(),
            self.complete_tasks.is_empty(),
        ];
        if kinds.iter().filter(|empty| !**empty).count() == 1 {
            return self.run(connection, version).await;
        }
        let mut transaction = connection.begin().await?;
        let written = self.run(&mut transaction, version).await?;
        transaction.commit().await?;
        Ok(written)
    }

    async fn run(&self, connection: &mut PgConnection, version: MetadataVersion) -> Result<HashSet<Key>, sqlx::Error> {
        let mut written = HashSet::new();
        if !self.start_services.is_empty() {
            written.extend(services::start_services(connection, &self.start_services, version).await?);
        }
        if !self.start_states.is_empty() {
            written.extend(states::start_states(connection, &self.start_states, version).await?);
        }
        if !self.start_tasks.is_empty() {
            written.extend(tasks::start_tasks(connection, &self.start_tasks, version).await?);
        }
        if !self.complete_tasks.is_empty() {
            written.extend(tasks::complete_tasks(connection, &self.complete_tasks, version).await?);
        }
        Ok(written)
    }
}
