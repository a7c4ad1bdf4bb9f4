//! Tasks in batches.

use sqlx::PgConnection;

use super::Row;
use super::columns::{StartColumns, key_of};
use super::statements::{end_columns, insert_ends, insert_starts};
use crate::domain::completion::Complete;
use crate::domain::ids::{Element, ElementKey, TaskId};
use crate::domain::task::{StartTask, TaskDetails};
use crate::store::command::Basis;
use crate::store::values::ValueIds;

/// Inserts tasks whose service exists, and whose state exists if they name one. Returns the keys of the inserted tasks.
pub(super) async fn start_tasks(
    connection: &mut PgConnection,
    rows: &[Row<'_, TaskId, StartTask>],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let mut starts = StartColumns::default();
    for (id, command, values) in rows {
        let StartTask { service_id, event, details, extensions } = command;
        let TaskDetails { state_id, task_type: _, est_duration } = details;
        starts.push(ElementKey::task(*service_id, *id), event, values, extensions);
        starts.state_id.push(state_id.map(|state| state.0));
        starts.est_duration.push(*est_duration);
    }
    insert_starts!(
        connection,
        Element::Task,
        "start_tasks",
        "task",
        "tasks",
        "task_id",
        "state_id",
        "task_type",
        starts,
        basis
    )
}

/// Ends tasks whose event names no state or the state of the task. A task without a state adopts the state that its
/// event names.
pub(super) async fn complete_tasks(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends = end_columns(rows);
    insert_ends!(
        connection,
        Element::Task,
        "complete_tasks",
        "task",
        "tasks t on t.service_id = g.service_id and t.task_id = g.element_id",
        "g.state_id is null or g.state_id = t.state_id or t.state_id is null and exists (
          select from states s where s.service_id = g.service_id and s.state_id = g.state_id)",
        ends,
        basis
    )
}
