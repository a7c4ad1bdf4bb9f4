//! Extension schemas, and the removal of what deleted ones leave behind.

use sqlx::types::Json;
use sqlx::{PgPool, Postgres, Transaction};
use tracing::{info, warn};

use super::batch::ElementColumn;
use super::{Store, StoreError, reporting};
use crate::domain::extension::{AttributeDefinition, Schema, SchemaDefinition, SchemaId, UniqueDefinition, ValueKind};
use crate::domain::ids::Element;

/// Records looked at in one step of a sweep: few enough to be no burden.
const SWEEP_STEP: i64 = 1000;

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
    /// Creates a schema, which serves on every node at once (contract §4).
    pub async fn create_extension_schema(
        &self,
        element: Element,
        definition: &SchemaDefinition,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let schema_id = sqlx::query_scalar!(
            r#"-- create_extension_schema
            insert into extension_schemas (element, name, multi_valued, open, attributes, unique_attributes, created_at)
            values ($1, $2, $3, $7, $4, $5, $6) returning schema_id"#,
            ElementColumn::from(element) as _,
            definition.name,
            definition.kind == ValueKind::MultiValued,
            Json(&definition.attributes) as _,
            Json(&definition.unique) as _,
            self.clock.now().to_datetime(),
            definition.open,
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(|error| match error.as_database_error().and_then(|refusal| refusal.constraint()) {
            Some("extension_schemas_living_name") => StoreError::SchemaExists,
            _ => error.into(),
        })?;
        if !definition.open {
            reporting::create_view(&mut transaction, (element, SchemaId(schema_id)), definition).await?;
        }
        self.commit_metadata(transaction).await
    }

    /// Learns extensions from an event that has them without a schema (contract §4).
    pub(super) async fn learn_extensions(&self, names: &[(Element, String)]) -> Result<(), StoreError> {
        for (element, name) in names {
            let Some(definition) = SchemaDefinition::open(name) else { continue };
            match self.create_extension_schema(*element, &definition).await {
                // Another event has brought it meanwhile, or this one has it twice.
                Ok(()) | Err(StoreError::SchemaExists) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All living schemas of an element, by name.
    pub async fn list_extension_schemas(&self, element: Element) -> Result<Vec<SchemaDefinition>, StoreError> {
        self.living_schemas(element, None).await
    }

    /// The living schema of a name, without regard to case.
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
            where element = $1 and deleted_at is null and ($2::text is null or lower(name) = lower($2::text))
            order by lower(name)"#,
            ElementColumn::from(element) as _,
            name,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(SchemaDefinition::from).collect())
    }

    /// Deletes a schema: its records are out of sight at once, and removed in the background.
    pub async fn delete_extension_schema(&self, element: Element, name: &str) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let deleted = sqlx::query_scalar!(
            r#"-- delete_extension_schema
            update extension_schemas set deleted_at = $3
            where element = $1 and lower(name) = lower($2) and deleted_at is null returning schema_id"#,
            ElementColumn::from(element) as _,
            name,
            self.clock.now().to_datetime(),
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(schema_id) = deleted else { return Err(StoreError::UnknownExtension) };
        reporting::drop_view(&mut transaction, element, name).await?;
        self.commit_metadata(transaction).await?;
        self.sweep_in_background(vec![schema_id]);
        Ok(())
    }

    /// Commits a change of the metadata with a new version, by which every node knows that its copy is out of date. The
    /// version's row also makes such changes follow one another.
    pub(super) async fn commit_metadata(&self, mut transaction: Transaction<'_, Postgres>) -> Result<(), StoreError> {
        sqlx::query!("-- commit_metadata\nupdate deployment set metadata_version = metadata_version + 1")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let seen = self.metadata.current();
        self.renew(&seen).await.map(drop)
    }

    /// Goes on with sweeps that the last run of the program did not finish.
    pub(super) async fn resume_sweeping(&self) -> Result<(), sqlx::Error> {
        let unswept = sqlx::query_scalar!(
            r#"-- resume_sweeping
            select schema_id from extension_schemas where deleted_at is not null and swept_at is null"#
        )
        .fetch_all(&self.pool)
        .await?;
        if !unswept.is_empty() {
            self.sweep_in_background(unswept);
        }
        Ok(())
    }

    fn sweep_in_background(&self, schemas: Vec<i32>) {
        let (pool, clock) = (self.pool.clone(), std::sync::Arc::clone(&self.clock));
        tokio::spawn(async move {
            match sweep(&pool, &schemas, || clock.now().to_datetime()).await {
                Ok(removed) => {
                    info!(removed, schemas = schemas.len(), "swept the records of deleted extension schemas");
                }
                Err(error) => warn!(error = %error, "a sweep stopped and goes on at the next start"),
            }
        });
    }
}

/// Removes the records of deleted schemas. It goes over all records until a pass has found none, and at least twice: an
/// event that was being written when its schema was deleted may record something behind the first pass.
async fn sweep(
    pool: &PgPool,
    schemas: &[i32],
    now: impl Fn() -> chrono::DateTime<chrono::Utc>,
) -> Result<u64, sqlx::Error> {
    let mut removed = sweep_once(pool, schemas).await?;
    loop {
        match sweep_once(pool, schemas).await? {
            0 => break,
            more => removed += more,
        }
    }
    sqlx::query!("-- mark_swept\nupdate extension_schemas set swept_at = $2 where schema_id = any($1)", schemas, now())
        .execute(pool)
        .await?;
    Ok(removed)
}

/// Walks all records in the order of their key and in small steps. No index by schema is kept for this: it would cost
/// every event.
async fn sweep_once(pool: &PgPool, schemas: &[i32]) -> Result<u64, sqlx::Error> {
    let (mut removed, mut after) = (0, (i64::MIN, ElementColumn::Service, i32::MIN, i32::MIN));
    loop {
        let step = sqlx::query!(
            r#"-- sweep_step
            with step as (
              select service_id, element, element_id, schema_id from extensions
              where (service_id, element, element_id, schema_id) > ($1, $2, $3, $4)
              order by service_id, element, element_id, schema_id limit $5
            ), removed as (
              delete from extensions x using step s
              where x.service_id = s.service_id and x.element = s.element and x.element_id = s.element_id
                and x.schema_id = s.schema_id and s.schema_id = any($6)
              returning 1
            )
            select service_id, element as "element: ElementColumn", element_id, schema_id,
              (select count(*) from removed) as "removed!"
            from step order by service_id desc, element desc, element_id desc, schema_id desc limit 1"#,
            after.0,
            after.1 as _,
            after.2,
            after.3,
            SWEEP_STEP,
            schemas,
        )
        .fetch_optional(pool)
        .await?;
        let Some(step) = step else { break };
        removed += u64::try_from(step.removed).unwrap_or_default();
        after = (step.service_id, step.element, step.element_id, step.schema_id);
    }
    Ok(removed)
}
