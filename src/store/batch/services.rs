//! Services in batches.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Row;
use super::columns::{EventColumns, ExtensionColumns, key_of};
use super::statements::{end_columns, insert_ends};
use crate::domain::completion::Complete;
use crate::domain::ids::{Element, ElementKey, ServiceId};
use crate::domain::metadata::MetadataVersion;
use crate::domain::service::{AssociateService, StartService, UpdateExpiration};
use crate::domain::time::Timestamp;
use crate::store::values::ValueIds;

/// Inserts services, and returns the keys of those that were inserted.
pub(super) async fn start_services(
    connection: &mut PgConnection,
    rows: &[Row<'_, ServiceId, StartService>],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let (mut events, mut extensions) = (EventColumns::default(), ExtensionColumns::default());
    for (id, command, values) in rows {
        events.push(&command.event, values);
        extensions.push(ElementKey::service(*id), &command.extensions);
    }
    let details = || rows.iter().map(|(_, command, _)| &command.details);
    let service_id: Vec<_> = rows.iter().map(|(id, ..)| id.0).collect();
    let customer_id: Vec<_> = details().map(|details| details.customer_id.as_deref()).collect();
    let contact_key: Vec<_> = details().map(|details| details.contact_key.as_deref()).collect();
    let service_type: Vec<_> = rows.iter().map(|(.., values)| values.kind).collect();
    let est_duration: Vec<_> = details().map(|details| details.est_duration).collect();
    let expires_at: Vec<_> = details().map(|details| details.expires_at.map(Timestamp::to_datetime)).collect();
    let auto_complete_after: Vec<_> = details().map(|details| details.auto_complete_after).collect();
    let inserted = sqlx::query_scalar!(
        r#"-- start_services
        with started as (
          insert into services (service_id, started_at, session_id, interaction_id, application_type, application_id,
            resource_type, resource_id, media_type, customer_id, contact_key, service_type, est_duration, expires_at,
            auto_complete_after)
          select g.*
          from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
            $8::bigint[], $9::int[], $10::text[], $11::text[], $12::int[], $13::bigint[], $14::timestamptz[],
            $15::bigint[]) as g
          where $16 = (select metadata_version from deployment)
          on conflict do nothing
          returning service_id
        ), recorded as (
          insert into extensions (service_id, element, element_id, schema_id, records)
          select x.service_id, 'service', x.element_id, x.schema_id, x.records::jsonb
          from unnest($17::bigint[], $18::int[], $19::int[], $20::text[])
            as x(service_id, element_id, schema_id, records)
          join started using (service_id)
        )
        select service_id from started"#,
        &service_id,
        &events.at,
        &events.session_id as _,
        &events.interaction_id as _,
        &events.application_type as _,
        &events.application_id as _,
        &events.resource_type as _,
        &events.resource_id as _,
        &events.media_type as _,
        &customer_id as _,
        &contact_key as _,
        &service_type as _,
        &est_duration as _,
        &expires_at as _,
        &auto_complete_after as _,
        version.0,
        &extensions.service_id,
        &extensions.element_id,
        &extensions.schema_id,
        &extensions.records as _,
    )
    .fetch_all(connection)
    .await?;
    Ok(inserted.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}

#[derive(Default)]
struct AssociateColumns<'a> {
    events: EventColumns<'a>,
    extensions: ExtensionColumns<'a>,
    service_id: Vec<i64>,
    customer_id: Vec<&'a str>,
    timestamp_given: Vec<bool>,
    service_type: Vec<Option<i32>>,
    est_duration: Vec<Option<i64>>,
    expires_at: Vec<Option<DateTime<Utc>>>,
    auto_complete_after: Vec<Option<i64>>,
}

impl<'a> AssociateColumns<'a> {
    fn of(rows: &[(&'a AssociateService, &ValueIds)]) -> Self {
        let mut columns = Self::default();
        for (command, values) in rows {
            columns.events.push(&command.event, values);
            columns.extensions.push(ElementKey::service(command.service_id), &command.extensions);
            columns.service_id.push(command.service_id.0);
            columns.customer_id.push(&command.customer_id);
            columns.timestamp_given.push(command.timestamp_given);
            columns.service_type.push(values.kind);
            columns.est_duration.push(command.est_duration);
            columns.expires_at.push(command.expires_at.map(Timestamp::to_datetime));
            columns.auto_complete_after.push(command.auto_complete_after);
        }
        columns
    }
}

/// Associates services with another customer, replaces the given fields of their start, and replaces the extensions
/// recorded under the same names by those of the event.
pub(super) async fn associate_services(
    connection: &mut PgConnection,
    rows: &[(&AssociateService, &ValueIds)],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let columns = AssociateColumns::of(rows);
    let AssociateColumns { events, extensions, .. } = &columns;
    let associated = sqlx::query_scalar!(
        r#"-- associate_services
        with associated as (
          update services s set
            customer_id = g.customer_id,
            started_at = case when g.timestamp_given then g.started_at else s.started_at end,
            session_id = coalesce(g.session_id, s.session_id),
            interaction_id = coalesce(g.interaction_id, s.interaction_id),
            application_type = coalesce(g.application_type, s.application_type),
            application_id = coalesce(g.application_id, s.application_id),
            resource_type = coalesce(g.resource_type, s.resource_type),
            resource_id = coalesce(g.resource_id, s.resource_id), media_type = coalesce(g.media_type, s.media_type),
            service_type = coalesce(g.service_type, s.service_type),
            est_duration = coalesce(g.est_duration, s.est_duration), expires_at = coalesce(g.expires_at, s.expires_at),
            auto_complete_after = coalesce(g.auto_complete_after, s.auto_complete_after)
          from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
            $8::bigint[], $9::int[], $10::text[], $11::bool[], $12::int[], $13::bigint[], $14::timestamptz[],
            $15::bigint[])
            as g(service_id, started_at, session_id, interaction_id, application_type, application_id, resource_type,
              resource_id, media_type, customer_id, timestamp_given, service_type, est_duration, expires_at,
              auto_complete_after)
          where s.service_id = g.service_id and $16 = (select metadata_version from deployment)
          returning s.service_id
        ), recorded as (
          insert into extensions (service_id, element, element_id, schema_id, records)
          select x.service_id, 'service', x.element_id, x.schema_id, x.records::jsonb
          from unnest($17::bigint[], $18::int[], $19::int[], $20::text[])
            as x(service_id, element_id, schema_id, records)
          join associated using (service_id)
          on conflict (service_id, element, element_id, schema_id) do update set records = excluded.records
        )
        select service_id from associated"#,
        &columns.service_id,
        &events.at,
        &events.session_id as _,
        &events.interaction_id as _,
        &events.application_type as _,
        &events.application_id as _,
        &events.resource_type as _,
        &events.resource_id as _,
        &events.media_type as _,
        &columns.customer_id as _,
        &columns.timestamp_given,
        &columns.service_type as _,
        &columns.est_duration as _,
        &columns.expires_at as _,
        &columns.auto_complete_after as _,
        version.0,
        &extensions.service_id,
        &extensions.element_id,
        &extensions.schema_id,
        &extensions.records as _,
    )
    .fetch_all(connection)
    .await?;
    Ok(associated.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}

/// Ends services. Events with an expiration also change when their service is to be deleted.
pub(super) async fn complete_services(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    version: MetadataVersion,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let ends = end_columns(rows);
    let expires_at: Vec<_> = rows
        .iter()
        .map(|(complete, _)| complete.end.expiration.map(|expiration| expiration.at.to_datetime()))
        .collect();
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

/// Changes when services are to be deleted.
pub(super) async fn update_expirations(
    connection: &mut PgConnection,
    rows: &[UpdateExpiration],
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let service_id: Vec<_> = rows.iter().map(|row| row.service_id.0).collect();
    let expires_at: Vec<_> = rows.iter().map(|row| row.expires_at.to_datetime()).collect();
    let updated = sqlx::query_scalar!(
        r#"-- update_expirations
        update services s set expires_at = g.expires_at
        from unnest($1::bigint[], $2::timestamptz[]) as g(service_id, expires_at)
        where s.service_id = g.service_id returning s.service_id"#,
        &service_id,
        &expires_at,
    )
    .fetch_all(connection)
    .await?;
    Ok(updated.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}

/// Deletes services with everything that belongs to them. Foreign keys delete their states and tasks. The service's own
/// row is deleted first: it waits for transactions that write to the service, since these hold a shared lock on it.
pub(super) async fn delete_services(
    connection: &mut PgConnection,
    services: &[ServiceId],
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let service_id: Vec<_> = services.iter().map(|service| service.0).collect();
    let deleted = sqlx::query_scalar!(
        r#"-- delete_services
        with deleted as (
          delete from services where service_id = any($1) returning service_id
        ), without_ends as (
          delete from dispositions d using deleted where d.service_id = deleted.service_id
        ), without_extensions as (
          delete from extensions x using deleted where x.service_id = deleted.service_id
        ), remembered as (
          insert into deleted_services (service_id) select service_id from deleted
        )
        select service_id from deleted"#,
        &service_id,
    )
    .fetch_all(connection)
    .await?;
    Ok(deleted.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}
