//! The ends of services, states and tasks in batches, and the transition from one state to the next.

use sqlx::PgConnection;

use super::Row;
use super::columns::EndColumns;
use super::states::start_states;
use crate::domain::completion::Complete;
use crate::domain::ids::{Element, ElementKey, ServiceId, StateId};
use crate::domain::metadata::MetadataVersion;
use crate::domain::state::TransitionState;
use crate::domain::time::Timestamp;
use crate::store::attributes::ValueIds;

/// Inserts the ends of elements that exist and have not ended, and puts what they attach in the place of what was
/// recorded under the same names. Gives the keys of those that ended now.
///
/// Its parts: connection, kind, name, `element`, join of the start facts, condition, columns, version, and perhaps one
/// more part of the statement with its parameter.
macro_rules! insert_ends {
    ($connection:expr, $kind:expr, $name:tt, $element:tt, $join:tt, $condition:tt, $ends:expr, $version:expr
        $(, $also:tt, $parameter:expr)?) => {{
        let ended = sqlx::query!(
            "-- " + $name + "
            with ended as (
              insert into dispositions (service_id, element, element_id, ended_at, session_id, interaction_id,
                application_type, application_id, resource_type, resource_id, media_type, state_id, disposition,
                disposition_desc, digest)
              select g.service_id, '" + $element + "', g.element_id, g.ended_at, g.session_id, g.interaction_id,
                g.application_type, g.application_id, g.resource_type, g.resource_id, g.media_type, g.state_id,
                g.disposition, g.disposition_desc, g.digest
              from unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::text[], $5::text[], $6::int[], $7::bigint[],
                $8::int[], $9::bigint[], $10::int[], $11::int[], $12::int[], $13::text[], $14::bytea[])
                as g(service_id, element_id, ended_at, session_id, interaction_id, application_type, application_id,
                  resource_type, resource_id, media_type, state_id, disposition, disposition_desc, digest)
              join " + $join + "
              where $15 = (select metadata_version from deployment) and (" + $condition + ")
              on conflict do nothing
              returning service_id, element_id
            ), recorded as (
              insert into extensions (service_id, element, element_id, schema_id, records)
              select x.service_id, '" + $element + "', x.element_id, x.schema_id, x.records::jsonb
              from unnest($16::bigint[], $17::int[], $18::int[], $19::text[])
                as x(service_id, element_id, schema_id, records)
              join ended using (service_id, element_id)
              on conflict (service_id, element, element_id, schema_id) do update set records = excluded.records
            )" $(+ $also)? + "
            select service_id, element_id from ended",
            &$ends.service_id,
            &$ends.element_id,
            &$ends.event.at,
            &$ends.event.session_id as _,
            &$ends.event.interaction_id as _,
            &$ends.event.application_type as _,
            &$ends.event.application_id as _,
            &$ends.event.resource_type as _,
            &$ends.event.resource_id as _,
            &$ends.event.media_type as _,
            &$ends.state_id as _,
            &$ends.disposition as _,
            &$ends.disposition_desc as _,
            &$ends.digest as _,
            $version.0,
            &$ends.extensions.service_id,
            &$ends.extensions.element_id,
            &$ends.extensions.schema_id,
            &$ends.extensions.records as _,
            $($parameter as _,)?
        )
        .fetch_all($connection)
        .await?;
        Ok(ended.into_iter().map(|row| (ServiceId(row.service_id), $kind, row.element_id)).collect())
    }};
}

fn columns<'a>(rows: impl IntoIterator<Item = &'a (&'a Complete, &'a ValueIds)>) -> EndColumns<'a> {
    let mut ends = EndColumns::default();
    for (command, values) in rows {
        ends.push(command, values);
    }
    ends
}

/// Ends services, and says anew when they are to be deleted where the event does.
pub(super) async fn complete_services(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends = columns(rows);
    let expires_at: Vec<_> = rows.iter().map(|(end, _)| end.expires_at.map(Timestamp::to_datetime)).collect();
    insert_ends!(
        connection,
        Element::Service,
        "complete_services",
        "service",
        "services s on s.service_id = g.service_id",
        "true",
        ends,
        version,
        ", expiring as (
          update services s set expires_at = e.expires_at
          from unnest($1::bigint[], $20::timestamptz[]) as e(service_id, expires_at)
          join ended using (service_id)
          where s.service_id = e.service_id and e.expires_at is not null
        )",
        &expires_at
    )
}

/// Ends states.
pub(super) async fn complete_states(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends = columns(rows);
    insert_ends!(
        connection,
        Element::State,
        "complete_states",
        "state",
        "states s on s.service_id = g.service_id and s.state_id = g.element_id",
        "true",
        ends,
        version
    )
}

/// Ends tasks that have the state that the event names, or can adopt it.
pub(super) async fn complete_tasks(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends = columns(rows);
    insert_ends!(
        connection,
        Element::Task,
        "complete_tasks",
        "task",
        "tasks t on t.service_id = g.service_id and t.task_id = g.element_id",
        "g.state_id is null or g.state_id = t.state_id or t.state_id is null and exists (
          select from states s where s.service_id = g.service_id and s.state_id = g.state_id)",
        ends,
        version
    )
}

/// Ends states and starts those that follow them. Gives the keys of the states that ended now.
///
/// Two statements of one transaction: the second starts a successor for each state that the first has ended. A new state
/// whose identifier the service has (the sequence came round) fails the transaction as a row that is not there.
pub(super) async fn transition_states(
    connection: &mut PgConnection,
    rows: &[Row<'_, StateId, TransitionState>],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends: Vec<_> = rows.iter().map(|(_, command, values)| (&command.from, *values)).collect();
    let ended = complete_states(&mut *connection, &ends, version).await?;
    let starts: Vec<_> = rows
        .iter()
        .filter(|(_, command, _)| ended.contains(&command.from.key))
        .map(|(id, command, values)| (*id, &command.to, *values))
        .collect();
    if !starts.is_empty() && start_states(connection, &starts, version).await?.len() < starts.len() {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(ended)
}
