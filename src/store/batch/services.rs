//! Services in batches.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Row;
use super::columns::{EventColumns, ExtensionColumns, key_of};
use super::statements::{end_columns, insert_ends};
use crate::domain::completion::Complete;
use crate::domain::ids::{Element, ElementKey, ServiceId};
use crate::domain::service::{AssociateService, StartService, UpdateExpiration};
use crate::domain::time::Timestamp;
use crate::store::command::Basis;
use crate::store::values::ValueIds;

/// The columns of starts of services.
#[derive(Default)]
struct StartColumns<'a> {
    events: EventColumns<'a>,
    extensions: ExtensionColumns<'a>,
    service_id: Vec<i64>,
    customer_id: Vec<Option<&'a str>>,
    contact_key: Vec<Option<&'a str>>,
    service_type: Vec<Option<i32>>,
    est_duration: Vec<Option<i64>>,
    expires_at: Vec<Option<DateTime<Utc>>>,
    auto_complete_after: Vec<Option<i64>>,
    idle_at: Vec<Option<DateTime<Utc>>>,
}

impl<'a> StartColumns<'a> {
    fn of(rows: &[Row<'a, ServiceId, StartService>]) -> Self {
        let mut columns = Self::default();
        for (id, StartService { event, details, extensions }, values) in rows {
            columns.events.push(event, values);
            columns.extensions.push(ElementKey::service(*id), extensions);
            columns.service_id.push(id.0);
            columns.customer_id.push(details.customer_id.as_deref());
            columns.contact_key.push(details.contact_key.as_deref());
            columns.service_type.push(values.kind);
            columns.est_duration.push(details.est_duration);
            columns.expires_at.push(details.expires_at.map(Timestamp::to_datetime));
            columns.auto_complete_after.push(details.auto_complete_after);
            columns.idle_at.push(details.idle_at.map(Timestamp::to_datetime));
        }
        columns
    }
}

/// Inserts services, and returns the keys of those that were inserted.
pub(super) async fn start_services(
    connection: &mut PgConnection,
    rows: &[Row<'_, ServiceId, StartService>],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let columns = StartColumns::of(rows);
    let StartColumns { events, extensions, .. } = &columns;
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
        ), entered as (
          insert into auto_completions (service_id, due_at)
          select g.service_id, g.due_at from unnest($1::bigint[], $21::timestamptz[]) as g(service_id, due_at)
          join started using (service_id)
          where g.due_at is not null
        )
        select service_id from started"#,
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
        &columns.contact_key as _,
        &columns.service_type as _,
        &columns.est_duration as _,
        &columns.expires_at as _,
        &columns.auto_complete_after as _,
        basis.version.0,
        &extensions.service_id,
        &extensions.element_id,
        &extensions.schema_id,
        &extensions.records as _,
        &columns.idle_at as _,
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
    idle_at: Vec<Option<DateTime<Utc>>>,
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
            columns.idle_at.push(command.idle_at.map(Timestamp::to_datetime));
        }
        columns
    }
}

/// Associates services with another customer, and replaces the given fields of their start and the extensions recorded
/// under the same names.
#[expect(clippy::too_many_lines, reason = "one statement with its parameters")]
pub(super) async fn associate_services(
    connection: &mut PgConnection,
    rows: &[(&AssociateService, &ValueIds)],
    basis: Basis,
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
            auto_complete_after = coalesce(g.auto_complete_after, s.auto_complete_after),
            associated_at = greatest(s.associated_at, g.started_at)
          from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[],
            $8::bigint[], $9::int[], $10::text[], $11::bool[], $12::int[], $13::bigint[], $14::timestamptz[],
            $15::bigint[])
            as g(service_id, started_at, session_id, interaction_id, application_type, application_id, resource_type,
              resource_id, media_type, customer_id, timestamp_given, service_type, est_duration, expires_at,
              auto_complete_after)
          where s.service_id = g.service_id and $16 = (select metadata_version from deployment)
            and (not $22 or (select pg_advisory_xact_lock_shared(events_lock())) is not null)
            and exists (select from unexpired_services u where u.service_id = g.service_id)
          returning s.service_id
        ), recorded as (
          insert into extensions (service_id, element, element_id, schema_id, records)
          select x.service_id, 'service', x.element_id, x.schema_id, x.records::jsonb
          from unnest($17::bigint[], $18::int[], $19::int[], $20::text[])
            as x(service_id, element_id, schema_id, records)
          join associated using (service_id)
          on conflict (service_id, element, element_id, schema_id) do update set records = excluded.records
        ), entered as (
          insert into auto_completions as a (service_id, due_at)
          select g.service_id, g.due_at from unnest($1::bigint[], $21::timestamptz[]) as g(service_id, due_at)
          join associated using (service_id)
          where g.due_at is not null
          on conflict (service_id) do update set due_at = least(a.due_at, excluded.due_at)
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
        basis.version.0,
        &extensions.service_id,
        &extensions.element_id,
        &extensions.schema_id,
        &extensions.records as _,
        &columns.idle_at as _,
        basis.lifetimes,
    )
    .fetch_all(connection)
    .await?;
    Ok(associated.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}

/// Ends services. An event with an expiration also changes when its service is to be deleted.
pub(super) async fn complete_services(
    connection: &mut PgConnection,
    rows: &[(&Complete, &ValueIds)],
    basis: Basis,
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
        "unexpired_services s on s.service_id = g.service_id",
        "true",
        ends,
        basis,
        ", expiring as (
          update services s set expires_at = e.expires_at
          from unnest($1::bigint[], $21::timestamptz[]) as e(service_id, expires_at)
          join ended using (service_id)
          where s.service_id = e.service_id and e.expires_at is not null
        ), closed as (
          delete from open_services o using ended where o.service_id = ended.service_id
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
        where s.service_id = g.service_id
          and exists (select from unexpired_services u where u.service_id = g.service_id)
        returning s.service_id"#,
        &service_id,
        &expires_at,
    )
    .fetch_all(connection)
    .await?;
    Ok(updated.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}

/// Deletes services. They disappear for every caller at once, and their rows are removed in the background.
pub(super) async fn delete_services(
    connection: &mut PgConnection,
    services: &[ServiceId],
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let service_id: Vec<_> = services.iter().map(|service| service.0).collect();
    let deleted = sqlx::query_scalar!(
        r#"-- delete_services
        update services s set expires_at = '-infinity'
        where s.service_id = any($1)
          and exists (select from unexpired_services u where u.service_id = s.service_id)
        returning s.service_id"#,
        &service_id,
    )
    .fetch_all(connection)
    .await?;
    Ok(deleted.into_iter().map(|service| ElementKey::service(ServiceId(service))).collect())
}
