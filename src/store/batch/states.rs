//! States in batches.

use sqlx::PgConnection;

use super::Row;
use super::columns::{StartColumns, key_of};
use super::statements::{end_columns, insert_ends, insert_starts};
use crate::domain::completion::Complete;
use crate::domain::ids::{Element, ElementKey, StateId};
use crate::domain::state::{StartState, StateDetails, TransitionState};
use crate::store::command::Basis;
use crate::store::values::ValueIds;

/// Inserts states whose service exists, and whose previous state exists if they name one. Returns the keys of the
/// inserted states.
pub(super) async fn start_states(
    connection: &mut PgConnection,
    rows: &[Row<'_, StateId, StartState>],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let mut starts = StartColumns::default();
    for (id, command, values) in rows {
        let StartState { service_id, event, details, extensions } = command;
        let StateDetails { previous_state_id, state_type: _, est_duration } = details;
        starts.push(ElementKey::state(*service_id, *id), event, values, extensions);
        starts.state_id.push(previous_state_id.map(|state| state.0));
        starts.est_duration.push(*est_duration);
    }
    insert_starts!(
        connection,
        Element::State,
        "start_states",
        "state",
        "states",
        "state_id",
        "previous_state_id",
        "state_type",
        starts,
        basis
    )
}

/// Ends states.
pub(super) async fn complete_states(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends = end_columns(rows);
    insert_ends!(
        connection,
        Element::State,
        "complete_states",
        "state",
        "states s on s.service_id = g.service_id and s.state_id = g.element_id",
        "true",
        ends,
        basis
    )
}

/// Ends states and starts their successors. Returns the keys of the states that it ended.
///
/// These are two statements of one transaction: the second starts a successor for each state that the first has ended.
/// If the identifier of a new state is taken (the sequence has wrapped around), the transaction fails with
/// `RowNotFound`.
pub(super) async fn transition_states(
    connection: &mut PgConnection,
    rows: &[Row<'_, StateId, TransitionState>],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends: Vec<_> = rows.iter().map(|(_, command, values)| (&command.from, *values)).collect();
    let ended = complete_states(&mut *connection, &ends, basis).await?;
    let starts: Vec<_> = rows
        .iter()
        .filter(|(_, command, _)| ended.contains(&command.from.key))
        .map(|(id, command, values)| (*id, &command.to, *values))
        .collect();
    if !starts.is_empty() && start_states(connection, &starts, basis).await?.len() < starts.len() {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(ended)
}
