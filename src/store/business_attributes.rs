//! Business attributes.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};

use super::{MAX_TRIES, Store, StoreError};
use crate::domain::business_attribute::{BusinessAttribute, BusinessAttributeDefinition, Value, ValueDefinition};
use crate::domain::field::Field;
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

    /// The business attribute of this name. Case does not count.
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
        for _ in 0..MAX_TRIES {
            match self.try_define(definition).await {
                // A drawn number was already taken: try the next one.
                Err(StoreError::Database(error)) if violates(&error, "business_attribute_values_dbid") => {}
                other => return other,
            }
        }
        Err(StoreError::Overloaded)
    }

    async fn try_define(&self, definition: &BusinessAttributeDefinition) -> Result<Defined, StoreError> {
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

    /// Removes a business attribute. Its fields take any value again, and recorded events keep theirs.
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

fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|refusal| refusal.constraint()) == Some(constraint)
}

/// Serializes changes of the metadata.
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
    let value_id: Vec<_> = wanted
        .iter()
        .map(|wanted| known.iter().find(|value| stays(value, wanted)).map(|value| value.value_id))
        .collect();
    let column = |of: fn(&ValueDefinition) -> Option<&str>| wanted.iter().map(of).collect::<Vec<_>>();
    sqlx::query!(
        r#"-- write_values
        with wanted as (
          select * from unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[])
            as g(value_id, dbid, name, display_name, description)
        ), kept as (
          update business_attribute_values v set display_name = w.display_name, description = w.description
          from wanted w where v.value_id = w.value_id
        )
        insert into business_attribute_values (attribute_id, dbid, name, display_name, description)
        select $1, coalesce(w.dbid, nextval('value_dbid_seq')), w.name, w.display_name, w.description
        from wanted w where w.value_id is null"#,
        attribute_id,
        &value_id as _,
        &wanted.iter().map(|value| value.dbid).collect::<Vec<_>>() as _,
        &column(|value| Some(&value.name)) as _,
        &column(|value| value.display_name.as_deref()) as _,
        &column(|value| value.description.as_deref()) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// All business attributes in force with their values, by name.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Vec<BusinessAttribute>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- read_business_attributes
        select a.attribute_id, a.name, a.display_name, a.description, a.fields, a.default_value_id,
          v.value_id, v.dbid as "dbid!", v.name as "value_name!", v.display_name as value_display_name,
          v.description as value_description
        from business_attributes a
        join business_attribute_values v on v.attribute_id = a.attribute_id and v.retired_at is null
        where not a.learned and a.removed_at is null
        order by lower(a.name collate "C"), a.attribute_id, v.dbid"#
    )
    .fetch_all(connection)
    .await?;
    let mut attributes: Vec<BusinessAttribute> = Vec::new();
    for row in rows {
        if attributes.last().is_none_or(|last| last.dbid != row.attribute_id) {
            attributes.push(BusinessAttribute {
                dbid: row.attribute_id,
                name: row.name,
                display_name: row.display_name,
                description: row.description,
                fields: row.fields.iter().filter_map(|field| Field::parse(field)).collect(),
                values: Vec::new(),
                default: row.default_value_id,
            });
        }
        if let Some(attribute) = attributes.last_mut() {
            attribute.values.push(Value {
                value_id: row.value_id,
                dbid: row.dbid,
                name: row.value_name,
                display_name: row.value_display_name,
                description: row.value_description,
            });
        }
    }
    Ok(attributes)
}
