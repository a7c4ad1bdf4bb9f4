//! Extension schemas.

use std::time::{Duration, Instant};

use sqlx::types::Json;
use sqlx::{Postgres, Transaction};

use super::batch::ElementColumn;
use super::error::{is_lock_timeout, is_needed, violated_constraint};
use super::{Store, StoreError, reporting};
use crate::domain::extension::{AttributeDefinition, Schema, SchemaDefinition, SchemaId, UniqueDefinition, ValueKind};
use crate::domain::ids::Element;

/// The time for which the store keeps trying to drop the view of a schema that is being deleted.
const DROP_FOR: Duration = Duration::from_secs(5);

/// The pause after an attempt, in which waiting readers get the view.
const DROP_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct SchemaRow {
    pub(super) schema_id: i32,
    pub(super) element: ElementColumn,
    pub(super) name: String,
    pub(super) multi_valued: bool,
    pub(super) open: bool,
    pub(super) attributes: Json<Vec<AttributeDefinition>>,
    pub(super) unique_attributes: Json<Vec<UniqueDefinition>>,
}

impl From<SchemaRow> for SchemaDefinition {
    fn from(row: SchemaRow) -> Self {
        Self {
            name: row.name,
            kind: if row.multi_valued { ValueKind::MultiValued } else { ValueKind::SingleValued },
            open: row.open,
            unique: row.unique_attributes.0,
            attributes: row.attributes.0,
        }
    }
}

impl From<SchemaRow> for Schema {
    fn from(row: SchemaRow) -> Self {
        Self::new(SchemaId(row.schema_id), row.element.into(), row.into())
    }
}

impl Store {
    /// Creates a schema. It is in force on every node at once (docs/api.md §4).
    pub async fn create_extension_schema(
        &self,
        element: Element,
        definition: &SchemaDefinition,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let schema_id = sqlx::query_scalar!(
            r#"-- create_extension_schema
            insert into extension_schemas (element, name, multi_valued, open, attributes, unique_attributes, created_at,
              view_version)
            values ($1, $2, $3, $7, $4, $5, $6, $8) returning schema_id"#,
            ElementColumn::from(element) as _,
            definition.name,
            definition.kind == ValueKind::MultiValued,
            Json(&definition.attributes) as _,
            Json(&definition.unique) as _,
            self.clock.now().to_datetime(),
            definition.open,
            reporting::VIEW_VERSION,
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(|error| match violated_constraint(&error) {
            Some("extension_schemas_living_name") => StoreError::SchemaExists,
            _ => error.into(),
        })?;
        if !definition.open {
            reporting::create_view(&mut transaction, SchemaId(schema_id)).await?;
        }
        self.commit_metadata(transaction).await
    }

    /// Creates open schemas for an event's extensions without a schema (docs/api.md §4), all in one change of the
    /// metadata. Other events with the same names wait here rather than for the lock in the database.
    pub(super) async fn learn_extensions(&self, names: &[(Element, String)]) -> Result<(), StoreError> {
        let _one_at_a_time = self.learning.lock().await;
        let known = self.metadata.current();
        let unknown = names.iter().filter(|(element, name)| known.schema(*element, name).is_none());
        let unknown = unknown.filter(|(_, name)| SchemaDefinition::open(name).is_some());
        let unknown: Vec<_> = unknown.collect();
        let of = |element| unknown.iter().filter(|(of, _)| *of == element).count();
        // Other events may have created the schemas, or used up the limit, since the event was read. It is then read
        // again.
        if unknown.is_empty() || Element::ALL.into_iter().any(|element| of(element) > known.open_schemas_left(element))
        {
            return Ok(());
        }
        let (elements, names): (Vec<_>, Vec<_>) =
            unknown.into_iter().map(|(element, name)| (ElementColumn::from(*element), name.clone())).unzip();
        let mut transaction = self.pool.begin().await?;
        // Another node may have created some of them meanwhile, and this event may name one twice.
        let created = sqlx::query!(
            r#"-- learn_extensions
            insert into extension_schemas (element, name, multi_valued, open, attributes, unique_attributes, created_at,
              view_version)
            select g.element, g.name, true, true, '[]', '[]', $3, $4
            from unnest($1::element[], $2::text[]) as g(element, name)
            order by g.element, lower(g.name collate "C")
            on conflict do nothing"#,
            &elements as _,
            &names,
            self.clock.now().to_datetime(),
            reporting::VIEW_VERSION,
        )
        .execute(&mut *transaction)
        .await?;
        if created.rows_affected() == 0 {
            return Ok(());
        }
        self.commit_metadata(transaction).await
    }

    /// All schemas of a kind of element, by name.
    pub async fn list_extension_schemas(&self, element: Element) -> Result<Vec<SchemaDefinition>, StoreError> {
        self.living_schemas(element, None).await
    }

    /// The schema of this name. Case is ignored.
    pub async fn get_extension_schema(&self, element: Element, name: &str) -> Result<SchemaDefinition, StoreError> {
        self.living_schemas(element, Some(name)).await?.pop().ok_or(StoreError::UnknownExtension)
    }

    async fn living_schemas(&self, element: Element, name: Option<&str>) -> Result<Vec<SchemaDefinition>, StoreError> {
        let rows = sqlx::query_as!(
            SchemaRow,
            r#"-- living_schemas
            select schema_id, element as "element: _", name, multi_valued, open, attributes as "attributes: _",
              unique_attributes as "unique_attributes: _"
            from extension_schemas
            where element = $1 and deleted_at is null
              and ($2::text is null or lower(name collate "C") = lower($2::text collate "C"))
            order by lower(name collate "C")"#,
            ElementColumn::from(element) as _,
            name,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(SchemaDefinition::from).collect())
    }

    /// Deletes a schema. Its records are hidden at once and removed in the background.
    ///
    /// The schema's view cannot be dropped while an open transaction reads it, and new readers wait behind the attempt.
    /// An attempt therefore gives up soon, and is repeated for a few seconds.
    pub async fn delete_extension_schema(&self, element: Element, name: &str) -> Result<(), StoreError> {
        let start = Instant::now();
        loop {
            match self.try_delete_extension_schema(element, name).await {
                Err(StoreError::ViewInUse(_)) if start.elapsed() < DROP_FOR => tokio::time::sleep(DROP_PAUSE).await,
                deleted => return deleted,
            }
        }
    }

    async fn try_delete_extension_schema(&self, element: Element, name: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let deleted = sqlx::query_scalar!(
            r#"-- delete_extension_schema
            update extension_schemas set deleted_at = $3
            where element = $1 and lower(name collate "C") = lower($2 collate "C") and deleted_at is null returning schema_id"#,
            ElementColumn::from(element) as _,
            name,
            self.clock.now().to_datetime(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let schema_id = deleted.ok_or(StoreError::UnknownExtension)?;
        reporting::limit_wait_for_view(&mut transaction).await?;
        reporting::drop_view(&mut transaction, SchemaId(schema_id)).await.map_err(|error| {
            let view = reporting::view_of(element, name);
            match error {
                error if is_lock_timeout(&error) => StoreError::ViewInUse(view),
                error if is_needed(&error) => StoreError::ViewNeeded(view),
                error => error.into(),
            }
        })?;
        reporting::lift_wait_for_view(&mut transaction).await?;
        self.commit_metadata(transaction).await?;
        self.deleted_schemas.wake();
        Ok(())
    }

    /// Commits a change of the metadata together with a new metadata version, which tells every node that its copy is
    /// out of date. The row of the version also serialises such changes.
    pub(super) async fn commit_metadata(&self, mut transaction: Transaction<'_, Postgres>) -> Result<(), StoreError> {
        sqlx::query!("-- commit_metadata\nupdate deployment set metadata_version = metadata_version + 1")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let seen = self.metadata.current();
        self.renew(&seen).await.map(drop)
    }
}
