//! The node's copy of the metadata. Events are read against it without waiting; it is renewed when the database has a
//! newer version.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sqlx::types::Json;

use super::batch::ElementColumn;
use super::extensions::SchemaRow;
use super::pool::Pool;
use super::{StoreError, business_attributes};
use crate::domain::extension::{AttributeDefinition, Schema, UniqueDefinition};
use crate::domain::metadata::{Metadata, MetadataSettings, MetadataVersion};

/// The copy in force.
pub(super) struct MetadataCache {
    current: ArcSwap<Metadata>,
    settings: MetadataSettings,
}

impl MetadataCache {
    pub(super) async fn load(pool: &Pool, settings: MetadataSettings) -> Result<Self, sqlx::Error> {
        Ok(Self { current: ArcSwap::from_pointee(read(pool, settings).await?), settings })
    }

    /// The copy in force.
    pub(super) fn current(&self) -> Arc<Metadata> {
        self.current.load_full()
    }

    /// Puts metadata newer than `seen` in force, and returns whether there are any.
    pub(super) async fn renew(&self, pool: &Pool, seen: MetadataVersion) -> Result<bool, StoreError> {
        if self.current.load().version > seen {
            return Ok(true);
        }
        let newest =
            sqlx::query_scalar!("-- metadata_version\nselect metadata_version from deployment").fetch_one(pool).await?;
        if newest <= seen.0 {
            return Ok(false);
        }
        let read = Arc::new(read(pool, self.settings).await?);
        // Another task may have read newer metadata meanwhile.
        self.current.rcu(|known| Arc::clone(if known.version < read.version { &read } else { known }));
        Ok(true)
    }
}

/// The row of the version, joined with a schema if there is any.
struct MetadataRow {
    metadata_version: i64,
    lifetimes: bool,
    values_generation: i64,
    schema_id: Option<i32>,
    element: Option<ElementColumn>,
    name: Option<String>,
    multi_valued: Option<bool>,
    open: Option<bool>,
    attributes: Option<Json<Vec<AttributeDefinition>>>,
    unique_attributes: Option<Json<Vec<UniqueDefinition>>>,
}

impl MetadataRow {
    fn schema(self) -> Option<Schema> {
        let row = SchemaRow {
            schema_id: self.schema_id?,
            element: self.element?,
            name: self.name?,
            multi_valued: self.multi_valued?,
            open: self.open?,
            attributes: self.attributes?,
            unique_attributes: self.unique_attributes?,
        };
        Some(row.into())
    }
}

/// Reads version, schemas and business attributes in one snapshot.
async fn read(pool: &Pool, settings: MetadataSettings) -> Result<Metadata, sqlx::Error> {
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await?;
    let rows = sqlx::query_as!(
        MetadataRow,
        r#"-- read_metadata
        select d.metadata_version, d.lifetimes, d.values_generation, e.schema_id as "schema_id?", e.element as "element?: _", e.name as "name?", e.open as "open?",
          e.multi_valued as "multi_valued?", e.attributes as "attributes?: _",
          e.unique_attributes as "unique_attributes?: _"
        from deployment d left join extension_schemas e on e.deleted_at is null"#
    )
    .fetch_all(&mut *snapshot)
    .await?;
    let version = rows.first().map_or_else(MetadataVersion::default, |row| MetadataVersion(row.metadata_version));
    let lifetimes = rows.first().is_some_and(|row| row.lifetimes);
    let values_generation = rows.first().map_or(0, |row| row.values_generation);
    let attributes = business_attributes::read(&mut snapshot).await?;
    let schemas = rows.into_iter().filter_map(MetadataRow::schema);
    let metadata = Metadata::new(version, settings, schemas, attributes).with_lifetimes(lifetimes);
    Ok(metadata.with_values_generation(values_generation))
}
