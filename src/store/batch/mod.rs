//! The set-based statements of a batch, one for each kind of command (two for transitions).
//!
//! Each statement is one round trip. It inserts a fact, with its extensions, for every command that is consistent with
//! recorded data, and returns the keys of these rows. The reasons why other commands were not written are determined
//! afterwards.

mod columns;
mod keys;
mod records;
mod refusals;
mod services;
mod statements;
mod states;
mod tasks;

use std::collections::{HashMap, HashSet};

use sqlx::{Acquire, PgConnection};
use tracing::warn;

use super::command::{Basis, Command, Write};
use super::error::is_without_service;
use crate::domain::completion::Complete;
use crate::domain::extension::ChangeRecords;
use crate::domain::ids::{Element, ElementKey, ServiceId, StateId, TaskId};
use crate::domain::refusal::{Refusal, Verdict};
use crate::domain::service::{AssociateService, StartService, UpdateExpiration};
use crate::domain::state::{StartState, TransitionState};
use crate::domain::task::StartTask;
use crate::store::values::ValueIds;

pub(super) use columns::ElementColumn;

/// A command with the identifier drawn for the element that it starts, and the rows of its values.
type Row<'a, Id, C> = (Id, &'a C, &'a ValueIds);

/// A batch, sorted by kind of command and then by key, so that batches of different nodes cannot deadlock.
#[derive(Default)]
struct Batch<'a> {
    start_services: Vec<Row<'a, ServiceId, StartService>>,
    start_states: Vec<Row<'a, StateId, StartState>>,
    start_tasks: Vec<Row<'a, TaskId, StartTask>>,
    complete_services: Vec<(&'a Complete, &'a ValueIds)>,
    complete_states: Vec<(&'a Complete, &'a ValueIds)>,
    complete_tasks: Vec<(&'a Complete, &'a ValueIds)>,
    transition_states: Vec<Row<'a, StateId, TransitionState>>,
    associate_services: Vec<(&'a AssociateService, &'a ValueIds)>,
    update_expirations: Vec<UpdateExpiration>,
    change_records: Vec<&'a ChangeRecords>,
    delete_services: Vec<ServiceId>,
}

/// Writes all commands in one transaction, and returns the verdict on each.
pub(super) async fn commit(connection: &mut PgConnection, writes: &[Write]) -> Result<Vec<Verdict>, sqlx::Error> {
    let basis = writes.iter().map(|write| write.basis).max().unwrap_or_default();
    let mut sorted: Vec<_> = writes.iter().filter(|write| write.basis == basis).collect();
    sorted.sort_unstable_by_key(|write| write.command.key());
    let keyed: Vec<_> = sorted.iter().copied().filter(|write| write.key.is_some()).collect();
    let committed = if keyed.is_empty() {
        Batch::of(&sorted).write(connection, basis).await.map(|written| (written, HashMap::new()))
    } else {
        write_keyed(connection, &mut sorted, keyed, basis).await
    };
    let (written, mut used) = match committed {
        Ok(committed) => committed,
        Err(error) => return verdict_of_single(writes, error),
    };
    let missing: Vec<_> = sorted.into_iter().filter(|write| !written.contains(&write.command.key())).collect();
    // The written commands are already committed. If no explanation can be read, the others are retried.
    let mut refused = refusals::explain(connection, &missing, basis).await.unwrap_or_else(|error| {
        warn!(error = %error, commands = missing.len(), "cannot determine why commands were not written: they are retried");
        HashMap::new()
    });
    let verdict = |write: &Write| {
        if let Some(verdict) = write.key.as_ref().and_then(|key| used.remove(&key.text)) {
            return verdict;
        }
        let key = write.command.key();
        // Commands that were neither written nor refused were validated against outdated metadata.
        if written.contains(&key) { Verdict::Done } else { refused.remove(&key).unwrap_or(Verdict::Retry) }
    };
    Ok(writes.iter().map(verdict).collect())
}

/// Writes a batch in which some commands have an idempotency key. Removes the commands whose key was used before from
/// `sorted`, and returns the verdicts on them.
async fn write_keyed(
    connection: &mut PgConnection,
    sorted: &mut Vec<&Write>,
    mut keyed: Vec<&Write>,
    basis: Basis,
) -> Result<(HashSet<ElementKey>, HashMap<String, Verdict>), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let used = keys::claim(&mut transaction, &mut keyed).await?;
    let is_used = |write: &&Write| write.key.as_ref().is_some_and(|key| used.contains_key(&key.text));
    sorted.retain(|write| !is_used(write));
    let written = Batch::of(sorted).run(&mut transaction, basis).await?;
    let unwritten = sorted.iter().filter(|write| !written.contains(&write.command.key()));
    let unused = unwritten.filter_map(|write| write.key.as_ref().map(|key| key.text.clone())).collect();
    keys::release(&mut transaction, unused).await?;
    transaction.commit().await?;
    Ok((written, used))
}

/// Turns two errors of a single command into verdicts: the command is refused if its service was deleted meanwhile, and
/// retried if the identifier drawn for it is taken. Any other error is kept.
fn verdict_of_single(writes: &[Write], error: sqlx::Error) -> Result<Vec<Verdict>, sqlx::Error> {
    if writes.len() == 1 && matches!(error, sqlx::Error::RowNotFound) {
        return Ok(vec![Verdict::Retry]);
    }
    if writes.len() == 1 && is_without_service(&error) {
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
                Command::CompleteService(command) => batch.complete_services.push((command.as_ref(), values)),
                Command::CompleteState(command) => batch.complete_states.push((command.as_ref(), values)),
                Command::CompleteTask(command) => batch.complete_tasks.push((command.as_ref(), values)),
                Command::TransitionState(id, command) => batch.transition_states.push((*id, command.as_ref(), values)),
                Command::AssociateService(command) => batch.associate_services.push((command.as_ref(), values)),
                Command::UpdateExpiration(command) => batch.update_expirations.push(*command),
                Command::ChangeRecords(command) => batch.change_records.push(command),
                Command::DeleteService(service) => batch.delete_services.push(*service),
            }
        }
        batch
    }

    /// The number of statements to run.
    fn statements(&self) -> usize {
        let Self {
            start_services,
            start_states,
            start_tasks,
            complete_services,
            complete_states,
            complete_tasks,
            transition_states,
            associate_services,
            update_expirations,
            change_records,
            delete_services,
        } = self;
        // A transition needs two statements.
        [
            start_services.is_empty(),
            start_states.is_empty(),
            start_tasks.is_empty(),
            complete_services.is_empty(),
            complete_states.is_empty(),
            complete_tasks.is_empty(),
            transition_states.is_empty(),
            transition_states.is_empty(),
            associate_services.is_empty(),
            update_expirations.is_empty(),
            change_records.is_empty(),
            delete_services.is_empty(),
        ]
        .into_iter()
        .filter(|empty| !empty)
        .count()
    }

    /// Runs the statements that have rows. A single statement is a transaction by itself, and saves the round trips of
    /// begin and commit.
    async fn write(&self, connection: &mut PgConnection, basis: Basis) -> Result<HashSet<ElementKey>, sqlx::Error> {
        if self.statements() == 1 {
            return self.run(connection, basis).await;
        }
        let mut transaction = connection.begin().await?;
        let written = self.run(&mut transaction, basis).await?;
        transaction.commit().await?;
        Ok(written)
    }

    /// Runs starts before ends, since one batch may start a service or state and also end something in it.
    async fn run(&self, connection: &mut PgConnection, basis: Basis) -> Result<HashSet<ElementKey>, sqlx::Error> {
        let mut written = HashSet::new();
        macro_rules! run {
            ($rows:ident, $statement:path $(, $basis:expr)?) => {
                if !self.$rows.is_empty() {
                    written.extend($statement(&mut *connection, &self.$rows $(, $basis)?).await?);
                }
            };
        }
        run!(start_services, services::start_services, basis);
        run!(associate_services, services::associate_services, basis);
        run!(update_expirations, services::update_expirations);
        run!(start_states, states::start_states, basis);
        run!(transition_states, states::transition_states, basis);
        run!(start_tasks, tasks::start_tasks, basis);
        run!(complete_services, services::complete_services, basis);
        run!(complete_states, states::complete_states, basis);
        run!(complete_tasks, tasks::complete_tasks, basis);
        run!(change_records, records::change_records, basis);
        run!(delete_services, services::delete_services);
        Ok(written)
    }
}
