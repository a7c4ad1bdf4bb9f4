//! Changes of extension records by requests of their own, outside events, in batches.

use sqlx::PgConnection;

use super::columns::{ElementColumn, key_of};
use crate::domain::extension::{Change, ChangeRecords, MAX_STORED};
use crate::domain::ids::ElementKey;
use crate::store::command::Basis;

/// Changes of records, with one entry each. A `patch` is merged into the existing record, or `whole` is inserted if
/// there is none. `whole` without a patch replaces all records. Without either, all records are deleted.
#[derive(Default)]
struct Columns<'a> {
    service_id: Vec<i64>,
    element: Vec<ElementColumn>,
    element_id: Vec<i32>,
    schema_id: Vec<i32>,
    patch: Vec<Option<&'a str>>,
    whole: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a ChangeRecords]) -> Self {
        let mut columns = Self::default();
        for ChangeRecords { key, schema_id, change } in rows {
            let (patch, whole) = match change {
                Change::Replace(json) => (None, Some(json.as_str())),
                Change::Merge { patch, whole } => (Some(patch.as_str()), whole.as_deref().ok()),
                Change::Delete => (None, None),
            };
            columns.service_id.push(key.service.0);
            columns.element.push(key.element.into());
            columns.element_id.push(key.id);
            columns.schema_id.push(schema_id.0);
            columns.patch.push(patch);
            columns.whole.push(whole);
        }
        columns
    }
}

/// Replaces records, merges attributes into them, or deletes them. Returns the keys of the elements whose records
/// changed.
pub(super) async fn change_records(
    connection: &mut PgConnection,
    rows: &[&ChangeRecords],
    basis: Basis,
) -> Result<Vec<ElementKey>, sqlx::Error> {
    let columns = Columns::of(rows);
    let changed = sqlx::query!(
        r#"-- change_records
        with given as (
          select g.*
          from unnest($1::bigint[], $2::element[], $3::int[], $4::int[], $5::text[], $6::text[])
            as g(service_id, element, element_id, schema_id, patch, whole)
          where $7 = (select metadata_version from deployment)
            and (not $9 or (select pg_advisory_xact_lock_shared(events_lock())) is not null)
            and exists (select from unexpired_services s where s.service_id = g.service_id)
            and case g.element
              when 'service' then true
              when 'state' then exists (
                select from states s where s.service_id = g.service_id and s.state_id = g.element_id)
              else exists (
                select from tasks t where t.service_id = g.service_id and t.task_id = g.element_id) end
        ), merged as (
          update extensions x set records = x.records || g.patch::jsonb
          from given g
          where g.patch is not null and x.service_id = g.service_id and x.element = g.element
            and x.element_id = g.element_id and x.schema_id = g.schema_id
            and octet_length(x.records::text) + octet_length(g.patch) <= $8
          returning x.service_id, x.element, x.element_id
        ), removed as (
          delete from extensions x using given g
          where g.patch is null and g.whole is null and x.service_id = g.service_id and x.element = g.element
            and x.element_id = g.element_id and x.schema_id = g.schema_id
          returning x.service_id, x.element, x.element_id
        ), replaced as (
          insert into extensions (service_id, element, element_id, schema_id, records)
          select g.service_id, g.element, g.element_id, g.schema_id, g.whole::jsonb from given g
          where g.whole is not null and g.patch is null
          on conflict (service_id, element, element_id, schema_id) do update set records = excluded.records
          returning service_id, element, element_id
        ), added as (
          insert into extensions (service_id, element, element_id, schema_id, records)
          select g.service_id, g.element, g.element_id, g.schema_id, g.whole::jsonb from given g
          where g.whole is not null and g.patch is not null and not exists (
            select from merged m
            where m.service_id = g.service_id and m.element = g.element and m.element_id = g.element_id)
          on conflict do nothing
          returning service_id, element, element_id
        )
        select service_id as "service_id!", element as "element!: ElementColumn", element_id as "element_id!"
        from (table merged union all table removed union all table replaced union all table added) as changed"#,
        &columns.service_id,
        &columns.element as _,
        &columns.element_id,
        &columns.schema_id,
        &columns.patch as _,
        &columns.whole as _,
        basis.version.0,
        i32::try_from(MAX_STORED).unwrap_or(i32::MAX),
        basis.lifetimes,
    )
    .fetch_all(connection)
    .await?;
    Ok(changed.into_iter().map(|row| key_of(row.service_id, row.element, row.element_id)).collect())
}
