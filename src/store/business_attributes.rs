//! Business attributes.

use std::collections::{HashMap, HashSet};

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

/// Retires values that are no longer listed, and inserts new ones. The number and the name of a row never change: a
/// value with another number or name gets another row.
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
    let row_of = |wanted: &ValueDefinition| known.iter().find(|value| stays(value, wanted)).map(|value| value.value_id);
    let (kept, new): (Vec<_>, Vec<_>) = wanted.iter().partition(|wanted| row_of(wanted).is_some());
    update_values(&mut *connection, &kept.iter().filter_map(|kept| row_of(kept)).collect::<Vec<_>>(), &kept).await?;
    let taken = known.iter().map(|value| value.dbid).chain(wanted.iter().filter_map(|wanted| wanted.dbid)).collect();
    let numbers = draw_numbers(&mut *connection, new.iter().filter(|new| new.dbid.is_none()).count(), &taken).await?;
    insert_values(connection, attribute_id, &new, numbers).await
}

/// Draws this many numbers that are not taken from the sequence. One extra number is drawn for each number in use, so
/// that enough of the drawn numbers are free.
async fn draw_numbers(
    connection: &mut PgConnection,
    count: usize,
    taken: &HashSet<i64>,
) -> Result<Vec<i64>, sqlx::Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let drawn = sqlx::query_scalar!(
        r#"-- draw_numbers
        select nextval('value_dbid_seq') as "dbid!" from generate_series(1, $1::bigint)"#,
        i64::try_from(count + taken.len()).unwrap_or(i64::MAX)
    );
    let mut drawn = drawn.fetch_all(connection).await?;
    drawn.retain(|dbid| !taken.contains(dbid));
    drawn.sort_unstable();
    drawn.truncate(count);
    Ok(drawn)
}

/// Changes what people read of values, in these rows.
async fn update_values(
    connection: &mut PgConnection,
    rows: &[i32],
    values: &[&ValueDefinition],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"-- update_values
        update business_attribute_values v
        set display_name = g.display_name, description = g.description, tone = g.tone
        from unnest($1::int[], $2::text[], $3::text[], $4::tone[]) as g(value_id, display_name, description, tone)
        where v.value_id = g.value_id"#,
        rows,
        &texts(values, |value| value.display_name.as_deref()) as _,
        &texts(values, |value| value.description.as_deref()) as _,
        &tones(values) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Inserts values. Those without a number take the next of `numbers`.
async fn insert_values(
    connection: &mut PgConnection,
    attribute_id: i32,
    values: &[&ValueDefinition],
    numbers: Vec<i64>,
) -> Result<(), sqlx::Error> {
    let mut numbers = numbers.into_iter();
    let dbid: Vec<_> = values.iter().map(|value| value.dbid.or_else(|| numbers.next())).collect();
    sqlx::query!(
        r#"-- insert_values
        insert into business_attribute_values (attribute_id, dbid, name, display_name, description, tone)
        select $1::int, g.dbid, g.name, g.display_name, g.description, g.tone
        from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::tone[])
          as g(dbid, name, display_name, description, tone)"#,
        attribute_id,
        &dbid as _,
        &texts(values, |value| Some(&value.name)) as _,
        &texts(values, |value| value.display_name.as_deref()) as _,
        &texts(values, |value| value.description.as_deref()) as _,
        &tones(values) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

fn texts<'a>(
    values: &[&'a ValueDefinition],
    of: impl Fn(&'a ValueDefinition) -> Option<&'a str>,
) -> Vec<Option<&'a str>> {
    values.iter().map(|value| of(value)).collect()
}

fn tones(values: &[&ValueDefinition]) -> Vec<Option<ToneColumn>> {
    values.iter().map(|value| value.tone.map(ToneColumn::from)).collect()
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
