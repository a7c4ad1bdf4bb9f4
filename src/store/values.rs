//! Rows of `business_attribute_values`, which stand for the "long or string" values of events.

use quick_cache::sync::Cache;

use super::{MAX_TRIES, Store, StoreError};
use crate::domain::completion::End;
use crate::domain::event::Event;
use crate::domain::field::{Field, FieldName, LongOrString};
use crate::domain::ids::Element;
use crate::domain::metadata::Metadata;

/// The most values remembered. Further ones displace the least used, which then cost a round trip again.
const REMEMBERED: usize = 100_000;

/// The known rows of values. They never go stale, since the meaning of a row never changes.
pub(super) struct Values(Cache<(Field, LongOrString), i32>);

impl Default for Values {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// The rows of the values of one event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ValueIds {
    pub(super) kind: Option<i32>,
    pub(super) disposition: Option<i32>,
    pub(super) application_type: Option<i32>,
    pub(super) resource_type: Option<i32>,
    pub(super) media_type: Option<i32>,
}

impl Store {
    /// Looks up the rows of a start event's values.
    pub(super) async fn start_values(
        &self,
        metadata: &Metadata,
        element: Element,
        event: &Event,
        kind: Option<&LongOrString>,
    ) -> Result<ValueIds, StoreError> {
        let kind = self.value_id(metadata, Field::new(element, FieldName::Type), kind).await?;
        Ok(ValueIds { kind, ..self.event_values(metadata, element, event).await? })
    }

    /// Looks up the rows of an end event's values.
    pub(super) async fn end_values(
        &self,
        metadata: &Metadata,
        element: Element,
        end: &End,
    ) -> Result<ValueIds, StoreError> {
        let disposition = self
            .value_id(metadata, Field::new(element, FieldName::Disposition), end.disposition.value.as_ref())
            .await?;
        Ok(ValueIds { disposition, ..self.event_values(metadata, element, &end.event).await? })
    }

    async fn event_values(&self, metadata: &Metadata, element: Element, event: &Event) -> Result<ValueIds, StoreError> {
        let of = |name| Field::new(element, name);
        Ok(ValueIds {
            application_type: self
                .value_id(metadata, of(FieldName::ApplicationType), event.application_type.as_ref())
                .await?,
            resource_type: self.value_id(metadata, of(FieldName::ResourceType), event.resource_type.as_ref()).await?,
            media_type: self.value_id(metadata, of(FieldName::MediaType), event.media_type.as_ref()).await?,
            ..ValueIds::default()
        })
    }

    /// Looks up the row of a field's value. If no business attribute is mapped to the field, a new value gets a row.
    async fn value_id(
        &self,
        metadata: &Metadata,
        field: Field,
        value: Option<&LongOrString>,
    ) -> Result<Option<i32>, StoreError> {
        let Some(value) = value else { return Ok(None) };
        if let Some(attribute) = metadata.business_attribute_of(field) {
            return Ok(attribute.row_of(value));
        }
        let key = (field, value.clone());
        if let Some(id) = self.values.0.get(&key) {
            return Ok(Some(id));
        }
        // Concurrent misses of the same value share one lookup. They are common after the process has started.
        Box::pin(self.values.0.get_or_insert_async(&key, self.learn_value(field, value))).await.map(Some)
    }

    async fn learn_value(&self, field: Field, value: &LongOrString) -> Result<i32, StoreError> {
        let (dbid, name) = match value {
            LongOrString::Long(dbid) => (Some(*dbid), None),
            LongOrString::String(name) => (None, Some(name.as_str())),
        };
        for _ in 0..MAX_TRIES {
            let id = sqlx::query_scalar!(
                r#"-- learn_value
                with attribute as (
                  select attribute_id from business_attributes where learned and fields = array[$1::text]
                ), known as (
                  select value_id from business_attribute_values
                  where attribute_id = (select attribute_id from attribute) and retired_at is null
                    and dbid is not distinct from $2::bigint and name is not distinct from $3::text
                ), learned as (
                  insert into business_attribute_values (attribute_id, dbid, name)
                  select attribute_id, $2::bigint, $3::text from attribute where not exists (select from known)
                  on conflict do nothing
                  returning value_id
                )
                select value_id as "value_id!" from known union all select value_id from learned"#,
                field.to_string(),
                dbid,
                name
            )
            .fetch_optional(&self.pool)
            .await?;
            // Nothing is returned if another node inserted the value after this statement's snapshot was taken: look
            // again.
            if let Some(id) = id {
                return Ok(id);
            }
        }
        Err(StoreError::Corrupt { table: "business_attributes", column: "fields" })
    }
}
