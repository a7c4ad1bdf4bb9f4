//! Business attributes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};

use super::tone::ToneColumn;
use super::{Store, StoreError};
use crate::domain::business_attribute::{BusinessAttribute, BusinessAttributeDefinition, Value, ValueDefinition};
use crate::domain::field::Field;
use crate::domain::tone::Tone;
use crate::domain::violation::{Place, Violations};

/// The effect of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// The business attribute is new.
    New,
    /// The definition replaced an earlier one.
    Replaced,
}

impl Store {
    /// All business attributes in force, by name (docs/api.md §5).
    pub async fn list_business_attributes(&self) -> Result<Vec<BusinessAttribute>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(read(&mut connection).await?)
    }

    /// The business attribute of this name. Case is ignored.
    pub async fn get_business_attribute(&self, name: &str) -> Result<BusinessAttribute, StoreError> {
        let all = self.list_business_attributes().await?;
        let wanted = name.to_lowercase();
        all.into_iter().find(|one| one.name.to_lowercase() == wanted).ok_or(StoreError::UnknownBusinessAttribute)
    }

    /// Defines a business attribute or replaces its definition. The change is in force on every node at once. Values
    /// that are no longer listed are retired; recorded events keep them.
    pub async fn define_business_attribute(
        &self,
        definition: &BusinessAttributeDefinition,
    ) -> Result<Defined, StoreError> {
        let mut transaction = self.pool.begin().await?;
        lock_metadata(&mut transaction).await?;
        let all = read(&mut transaction).await?;
        let name = definition.name.to_lowercase();
        let (of_name, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.name.to_lowercase() == name);
        check_mapping(definition, &others)?;
        let now = self.clock.now().to_datetime();
        let defined = if of_name.is_empty() { Defined::New } else { Defined::Replaced };
        let attribute_id = match of_name.first() {
            Some(known) => known.dbid,
            None => insert_attribute(&mut transaction, &definition.name, now).await?,
        };
        let known = of_name.first().map(|known| known.values.as_slice()).unwrap_or_default();
        write_values(&mut transaction, attribute_id, (known, &definition.values), now).await?;
        update_attribute(&mut transaction, attribute_id, definition).await?;
        self.commit_metadata(transaction).await?;
        Ok(defined)
    }

    /// Removes a business attribute. Its fields accept any value again, and recorded events keep their values.
    pub async fn remove_business_attribute(&self, name: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        lock_metadata(&mut transaction).await?;
        let name = name.to_lowercase();
        let all = read(&mut transaction).await?;
        let known = all.iter().find(|one| one.name.to_lowercase() == name);
        let removed = known.ok_or(StoreError::UnknownBusinessAttribute)?;
        sqlx::query!(
            r#"-- remove_business_attribute
            update business_attributes set removed_at = $2 where attribute_id = $1"#,
            removed.dbid,
            self.clock.now().to_datetime(),
        )
        .execute(&mut *transaction)
        .await?;
        self.commit_metadata(transaction).await
    }
}

/// Serialises changes of the metadata.
async fn lock_metadata(transaction: &mut Transaction<'_, Postgres>) -> Result<(), sqlx::Error> {
    sqlx::query!("-- lock_metadata\nselect metadata_version from deployment for update")
        .fetch_one(&mut **transaction)
        .await
        .map(drop)
}

/// Refuses a definition with a field that is mapped to another business attribute.
fn check_mapping(definition: &BusinessAttributeDefinition, others: &[&BusinessAttribute]) -> Result<(), StoreError> {
    let (place, mut violations) = (Place::Body.member("cv_attributes"), Violations::default());
    for (at, field) in definition.fields.iter().enumerate() {
        if let Some(other) = others.iter().find(|other| other.fields.contains(field)) {
            violations.add(&place.item(at), format!("the field is mapped to {}", other.name));
        }
    }
    violations.or(()).map_err(StoreError::Invalid)
}

async fn insert_attribute(connection: &mut PgConnection, name: &str, now: DateTime<Utc>) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- insert_attribute
        insert into business_attributes (learned, created_at, name, fields) values (false, $2, $1, '{}')
        returning attribute_id"#,
        name,
        now,
    )
    .fetch_one(connection)
    .await
}

async fn update_attribute(
    connection: &mut PgConnection,
    attribute_id: i32,
    definition: &BusinessAttributeDefinition,
) -> Result<(), sqlx::Error> {
    let default = definition.default.and_then(|at| definition.values.get(at)).map(|value| value.name.as_str());
    sqlx::query!(
        r#"-- update_attribute
        update business_attributes set display_name = $2, description = $3, fields = $4, default_value_id = (
          select value_id from business_attribute_values
          where attribute_id = $1 and name = $5::text and retired_at is null)
        where attribute_id = $1"#,
        attribute_id,
        definition.display_name.as_deref(),
        definition.description.as_deref(),
        &definition.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
        default,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Retires values that are no longer listed, and inserts new ones. Values without a number get one from the sequence.
/// One extra number is drawn for each number in use, so that enough of the drawn numbers are free. The number and the
/// name of a row never change: a value with another number or name gets another row.
async fn write_values(
    connection: &mut PgConnection,
    attribute_id: i32,
    (known, wanted): (&[Value], &[ValueDefinition]),
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let stays = |value: &Value, wanted: &ValueDefinition| {
        value.name == wanted.name && wanted.dbid.is_none_or(|dbid| dbid == value.dbid)
    };
    let retired = known.iter().filter(|value| !wanted.iter().any(|wanted| stays(value, wanted)));
    let retired: Vec<_> = retired.map(|value| value.value_id).collect();
    sqlx::query!(
        "-- retire_values\nupdate business_attribute_values set retired_at = $2 where value_id = any($1)",
        &retired,
        now,
    )
    .execute(&mut *connection)
    .await?;
    let value_id: Vec<_> = wanted
        .iter()
        .map(|wanted| known.iter().find(|value| stays(value, wanted)).map(|value| value.value_id))
        .collect();
    let column = |of: fn(&ValueDefinition) -> Option<&str>| wanted.iter().map(of).collect::<Vec<_>>();
    sqlx::query!(
        r#"-- write_values
        with wanted as (
          select * from unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::tone[]) with ordinality
            as g(value_id, dbid, name, display_name, description, tone, n)
        ), kept as (
          update business_attribute_values v
          set display_name = w.display_name, description = w.description, tone = w.tone
          from wanted w where v.value_id = w.value_id
        ), taken as (
          select dbid from wanted where dbid is not null
          union
          select dbid from business_attribute_values
          where attribute_id = $1 and dbid is not null and retired_at is null
        ), drawn as materialized (
          select nextval('value_dbid_seq') as dbid from generate_series(1, (
            select count(*) from wanted where value_id is null and dbid is null) + (select count(*) from taken))
        ), free as (
          select dbid, row_number() over (order by dbid) as number from drawn
          where dbid not in (select dbid from taken where dbid is not null)
        ), new as (
          select w.*, case when w.dbid is null then row_number() over (partition by w.dbid is null order by w.n) end as number
          from wanted w where w.value_id is null
        )
        insert into business_attribute_values (attribute_id, dbid, name, display_name, description, tone)
        select $1, coalesce(new.dbid, free.dbid), new.name, new.display_name, new.description, new.tone
        from new left join free on free.number = new.number"#,
        attribute_id,
        &value_id as _,
        &wanted.iter().map(|value| value.dbid).collect::<Vec<_>>() as _,
        &column(|value| Some(&value.name)) as _,
        &column(|value| value.display_name.as_deref()) as _,
        &column(|value| value.description.as_deref()) as _,
        &wanted.iter().map(|value| value.tone.map(ToneColumn::from)).collect::<Vec<_>>() as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// All business attributes in force with their values, by name. Values are looked up by attribute, so that learned
/// values cost nothing, however many there are.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Vec<BusinessAttribute>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- read_business_attributes
        select attribute_id, name, display_name, description, fields, default_value_id
        from business_attributes
        where not learned and removed_at is null
        order by lower(name collate "C"), attribute_id"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<_> = rows.iter().map(|row| row.attribute_id).collect();
    let mut values = read_values(connection, &ids).await?;
    let attributes = rows.into_iter().filter_map(|row| {
        Some(BusinessAttribute {
            dbid: row.attribute_id,
            name: row.name,
            display_name: row.display_name,
            description: row.description,
            fields: row.fields.iter().filter_map(|field| Field::parse(field)).collect(),
            values: values.remove(&row.attribute_id)?,
            default: row.default_value_id,
        })
    });
    Ok(attributes.collect())
}

async fn read_values(
    connection: &mut PgConnection,
    attributes: &[i32],
) -> Result<HashMap<i32, Vec<Value>>, sqlx::Error> {
    let mut values = HashMap::<i32, Vec<Value>>::new();
    if attributes.is_empty() {
        return Ok(values);
    }
    let rows = sqlx::query!(
        r#"-- read_values
        select attribute_id, value_id, dbid as "dbid!", name as "name!", display_name, description, tone as "tone: ToneColumn"
        from business_attribute_values
        where attribute_id = any($1) and retired_at is null
        order by attribute_id, dbid"#,
        attributes
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        values.entry(row.attribute_id).or_default().push(Value {
            value_id: row.value_id,
            dbid: row.dbid,
            name: row.name,
            display_name: row.display_name,
            description: row.description,
            tone: row.tone.map(Tone::from),
        });
    }
    Ok(values)
}
