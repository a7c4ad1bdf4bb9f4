//! Services in batches.

use sqlx::PgConnection;

use super::Row;
use super::columns::{EventColumns, ExtensionColumns};
use crate::domain::ids::{Element, ServiceId};
use crate::domain::metadata::MetadataVersion;
use crate::domain::service::StartService;
use crate::domain::time::Timestamp;
use crate::store::writer::Key;

/// Inserts services and gives the keys of those that were.
pub(super) async fn start_services(
    connection: &mut PgConnection,
    rows: &[Row<'_, ServiceId, StartService>],
    version: MetadataVersion,
) -> Result<Vec<Key>, sqlx::Error> {
    let (mut events, mut extensions) = (EventColumns::default(), ExtensionColumns::default());
    for (id, command, values) in rows {
        events.push(&command.event, values);
        extensions.push(*id, 0, &command.extensions);
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
    Ok(inserted.into_iter().map(|service| (ServiceId(service), Element::Service, 0)).collect())
}
