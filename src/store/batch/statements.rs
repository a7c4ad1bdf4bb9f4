//! The statements that several kinds of elements share: starts of states and tasks, and ends of all three kinds.
//!
//! They are macros, so that sqlx checks each statement at build time.

use super::columns::EndColumns;
use crate::domain::completion::Complete;
use crate::store::values::ValueIds;

/// Inserts the starts of states or tasks with their extensions, if their service exists, and so does any state that
/// they refer to. Returns the keys of the elements that were inserted.
///
/// Arguments: connection; kind of element; name of the statement; `element`; table; its columns for the identifier, for
/// the state referred to, and for the type; rows; basis.
macro_rules! insert_starts {
    ($connection:expr, $kind:expr, $name:tt, $element:tt, $table:tt, $id:tt, $state:tt, $type:tt, $starts:expr,
        $basis:expr) => {{
        let started = sqlx::query!(
            "-- "
                + $name
                + "
            with started as (
              insert into "
                + $table
                + " (service_id, started_at, session_id, interaction_id, application_type,
                application_id, resource_type, resource_id, media_type, "
                + $id
                + ", "
                + $state
                + ", "
                + $type
                + ",
                est_duration)
              select g.*
              from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
                $8::bigint[], $9::int[], $10::int[], $11::int[], $12::int[], $13::bigint[])
                as g(service_id, started_at, session_id, interaction_id, application_type, application_id,
                  resource_type, resource_id, media_type, element_id, state_id, type, est_duration)
              where $14 = (select metadata_version from deployment)
                and (not $19 or (select pg_advisory_xact_lock_shared(events_lock())) is not null)
                and exists (select from unexpired_services s where s.service_id = g.service_id)
                and (g.state_id is null or exists (
                  select from states p where p.service_id = g.service_id and p.state_id = g.state_id))
              on conflict do nothing
              returning service_id, "
                + $id
                + " as element_id
            ), recorded as (
              insert into extensions (service_id, element, element_id, schema_id, records)
              select x.service_id, '"
                + $element
                + "', x.element_id, x.schema_id, x.records::jsonb
              from unnest($15::bigint[], $16::int[], $17::int[], $18::text[])
                as x(service_id, element_id, schema_id, records)
              join started using (service_id, element_id)
            )
            select service_id, element_id from started",
            &$starts.service_id,
            &$starts.event.at,
            &$starts.event.session_id as _,
            &$starts.event.interaction_id as _,
            &$starts.event.application_type as _,
            &$starts.event.application_id as _,
            &$starts.event.resource_type as _,
            &$starts.event.resource_id as _,
            &$starts.event.media_type as _,
            &$starts.element_id,
            &$starts.state_id as _,
            &$starts.kind as _,
            &$starts.est_duration as _,
            $basis.version.0,
            &$starts.extensions.service_id,
            &$starts.extensions.element_id,
            &$starts.extensions.schema_id,
            &$starts.extensions.records as _,
            $basis.lifetimes,
        )
        .fetch_all($connection)
        .await?;
        Ok(started.into_iter().map(|row| key_of(row.service_id, $kind, row.element_id)).collect())
    }};
}

/// Records the ends of elements that exist: inserts an end if there is none, and replaces an automatic one. Replaces
/// extensions recorded under the same names. Returns the keys of the elements whose end was recorded.
///
/// `$20` says whether lifetimes are in use. If they are, an end shares the lock of events, and its service must not
/// have expired.
///
/// Arguments: connection; kind of element; name of the statement; `element`; join with the starts; condition; rows;
/// basis; optionally a further CTE with its parameter.
macro_rules! insert_ends {
    ($connection:expr, $kind:expr, $name:tt, $element:tt, $join:tt, $condition:tt, $ends:expr, $basis:expr
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
              where $15 = (select metadata_version from deployment)
                and (not $20 or (select pg_advisory_xact_lock_shared(events_lock())) is not null)
                and (not $20 or exists (select from unexpired_services u where u.service_id = g.service_id))
                and (" + $condition + ")
              on conflict (service_id, element, element_id) do update set
                ended_at = excluded.ended_at, session_id = excluded.session_id,
                interaction_id = excluded.interaction_id, application_type = excluded.application_type,
                application_id = excluded.application_id, resource_type = excluded.resource_type,
                resource_id = excluded.resource_id, media_type = excluded.media_type, state_id = excluded.state_id,
                disposition = excluded.disposition, disposition_desc = excluded.disposition_desc,
                digest = excluded.digest, auto_completed = null
                where dispositions.auto_completed
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
            $basis.version.0,
            &$ends.extensions.service_id,
            &$ends.extensions.element_id,
            &$ends.extensions.schema_id,
            &$ends.extensions.records as _,
            $basis.lifetimes,
            $($parameter as _,)?
        )
        .fetch_all($connection)
        .await?;
        Ok(ended.into_iter().map(|row| key_of(row.service_id, $kind, row.element_id)).collect())
    }};
}

/// The columns of end events.
pub(super) fn end_columns<'a>(rows: impl IntoIterator<Item = &'a (&'a Complete, &'a ValueIds)>) -> EndColumns<'a> {
    let mut ends = EndColumns::default();
    for (command, values) in rows {
        ends.push(command, values);
    }
    ends
}

pub(super) use {insert_ends, insert_starts};
