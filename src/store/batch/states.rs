//! States in batches.

use sqlx::PgConnection;

use super::Row;
use super::columns::{EventColumns, ExtensionColumns};
use crate::domain::ids::{Element, ElementKey, ServiceId, StateId};
use crate::domain::metadata::MetadataVersion;
use crate::domain::state::StartState;

/// Inserts states of services that exist, after states that exist, and gives the keys of those that were.
pub(super) async fn start_states(
    connection: &mut PgConnection,
    rows: &[Row<'_, StateId, StartState>],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let (mut events, mut extensions) = (EventColumns::default(), ExtensionColumns::default());
    for (id, command, values) in rows {
        events.push(&command.event, values);
        extensions.push((command.service_id, Element::State, id.0), &command.extensions);
    }
    let details = || rows.iter().map(|(_, command, _)| &command.details);
    let service_id: Vec<_> = rows.iter().map(|(_, command, _)| command.service_id.0).collect();
    let state_id: Vec<_> = rows.iter().map(|(id, ..)| id.0).collect();
    let previous_state_id: Vec<_> = details().map(|details| details.previous_state_id.map(|id| id.0)).collect();
    let state_type: Vec<_> = rows.iter().map(|(.., values)| values.kind).collect();
    let est_duration: Vec<_> = details().map(|details| details.est_duration).collect();
    let inserted = sqlx::query!(
        r#"-- start_states
        with started as (
          insert into states (service_id, started_at, session_id, interaction_id, application_type, application_id,
            resource_type, resource_id, media_type, state_id, previous_state_id, state_type, est_duration)
          select g.*
          from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
            $8::bigint[], $9::int[], $10::int[], $11::int[], $12::int[], $13::bigint[])
            as g(service_id, started_at, session_id, interaction_id, application_type, application_id, resource_type,
              resource_id, media_type, state_id, previous_state_id, state_type, est_duration)
          where $14 = (select metadata_version from deployment)
            and exists (select from services s where s.service_id = g.service_id)
            and (g.previous_state_id is null or exists (
              select from states p where p.service_id = g.service_id and p.state_id = g.previous_state_id))
          on conflict do nothing
          returning service_id, state_id
        ), recorded as (
          insert into extensions (service_id, element, element_id, schema_id, records)
          select x.service_id, 'state', x.state_id, x.schema_id, x.records::jsonb
          from unnest($15::bigint[], $16::int[], $17::int[], $18::text[])
            as x(service_id, state_id, schema_id, records)
          join started using (service_id, state_id)
        )
        select service_id, state_id from started"#,
        &service_id,
        &events.at,
        &events.session_id as _,
        &events.interaction_id as _,
        &events.application_type as _,
        &events.application_id as _,
        &events.resource_type as _,
        &events.resource_id as _,
        &events.media_type as _,
        &state_id,
        &previous_state_id as _,
        &state_type as _,
        &est_duration as _,
        version.0,
        &extensions.service_id,
        &extensions.element_id,
        &extensions.schema_id,
        &extensions.records as _,
    )
    .fetch_all(connection)
    .await?;
    Ok(inserted.into_iter().map(|row| (ServiceId(row.service_id), Element::State, row.state_id)).collect())
}
