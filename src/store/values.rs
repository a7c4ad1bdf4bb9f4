//! Rows of `business_attribute_values`, which stand for the "long or string" values of events.

use std::sync::Arc;

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::{MAX_TRIES, Store, StoreError};
use crate::domain::completion::End;
use crate::domain::event::Event;
use crate::domain::field::{Field, FieldName, LongOrString};
use crate::domain::ids::Element;
use crate::domain::metadata::Metadata;
use crate::domain::state::TransitionState;
use crate::domain::violation::{Place, Violations};

/// The most values remembered. Further values displace the least used, which then cost a round trip again.
const REMEMBERED: usize = 100_000;

/// The known rows of values.
pub(super) struct Values {
    current: ArcSwap<Generation>,
    /// The most values that a field learns.
    limit: u32,
    /// The events that may look up values in the database at the same time: as many as there are connections. One that
    /// looks up and then learns a value would otherwise wait behind all others twice, and give up before its second turn.
    turns: Semaphore,
}

/// The rows that are known in a generation. They stay valid while it lasts: `unused_values` begins a new generation
/// whenever it retires rows, and an event that was validated against an earlier generation must be validated again.
struct Generation {
    number: i64,
    known: Cache<(Field, LongOrString), i32>,
}

impl Generation {
    fn new(number: i64) -> Self {
        Self { number, known: Cache::new(REMEMBERED) }
    }
}

impl Values {
    pub(super) fn new(limit: u32, connections: u32) -> Self {
        let turns = Semaphore::new(usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS));
        Self { current: ArcSwap::from_pointee(Generation::new(0)), limit, turns }
    }

    fn get(&self, generation: i64, key: &(Field, LongOrString)) -> Option<i32> {
        let current = self.current.load();
        if current.number == generation { current.known.get(key) } else { None }
    }

    /// The known rows of a generation. A generation that is newer than the current one replaces it and starts empty.
    /// `None`: the generation is over, so the event will be validated again.
    fn of(&self, generation: i64) -> Option<Arc<Generation>> {
        if self.current.load().number < generation {
            let next = Arc::new(Generation::new(generation));
            self.current.rcu(|known| Arc::clone(if known.number < generation { &next } else { known }));
        }
        Some(self.current.load_full()).filter(|current| current.number == generation)
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

/// Why a value has no row.
enum Unlearned {
    /// Its field has learned as many values as it may.
    Full,
    Failed(StoreError),
}

impl From<sqlx::Error> for Unlearned {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The look-up of the values of one event.
struct LookUp<'a> {
    store: &'a Store,
    metadata: &'a Metadata,
    element: Element,
    refused: Violations,
}

impl LookUp<'_> {
    async fn event(&mut self, event: &Event) -> Result<ValueIds, StoreError> {
        let body = Place::Body;
        Ok(ValueIds {
            application_type: self.id(&body, FieldName::ApplicationType, event.application_type.as_ref()).await?,
            resource_type: self.id(&body, FieldName::ResourceType, event.resource_type.as_ref()).await?,
            media_type: self.id(&body, FieldName::MediaType, event.media_type.as_ref()).await?,
            ..ValueIds::default()
        })
    }

    /// Looks up the row of a field's value. If the field is not mapped to a business attribute, a new value gets a row,
    /// unless the field already has as many as it may. `object` is the place of the object that has the field.
    async fn id(
        &mut self,
        object: &Place<'_>,
        name: FieldName,
        value: Option<&LongOrString>,
    ) -> Result<Option<i32>, StoreError> {
        let Some(value) = value else { return Ok(None) };
        let field = Field::new(self.element, name);
        if let Some(attribute) = self.metadata.business_attribute_of(field) {
            return Ok(attribute.row_of(value));
        }
        let key = (field, value.clone());
        if let Some(id) = self.store.values.get(self.metadata.values_generation, &key) {
            return Ok(Some(id));
        }
        match Box::pin(self.store.find_or_learn(self.metadata.values_generation, key)).await {
            Ok(id) => Ok(Some(id)),
            Err(Unlearned::Full) => {
                let limit = self.store.values.limit;
                let detail = format!(
                    "the field has had {limit} different values, the most that MAX_LEARNED_VALUES allows: send a value that it \
                     has had before, map the field to a business attribute, or have the operator raise the limit"
                );
                self.refused.add_about_metadata(&object.member(field.member()), detail);
                Ok(None)
            }
            Err(Unlearned::Failed(error)) => Err(error),
        }
    }

    fn finish(self, values: ValueIds) -> Result<ValueIds, StoreError> {
        self.refused.or(values).map_err(StoreError::Invalid)
    }
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
        let mut look_up = self.look_up(metadata, element);
        let kind = look_up.id(&Place::Body, FieldName::Type, kind).await?;
        let values = ValueIds { kind, ..look_up.event(event).await? };
        look_up.finish(values)
    }

    /// Looks up the rows of an end event's values.
    pub(super) async fn end_values(
        &self,
        metadata: &Metadata,
        element: Element,
        end: &End,
    ) -> Result<ValueIds, StoreError> {
        let mut look_up = self.look_up(metadata, element);
        let disposition = look_up.id(&Place::Body, FieldName::Disposition, end.disposition.value.as_ref()).await?;
        let values = ValueIds { disposition, ..look_up.event(&end.event).await? };
        look_up.finish(values)
    }

    /// Looks up the rows of a transition's values. Both of its events have the same fields, apart from type and
    /// disposition.
    pub(super) async fn transition_values(
        &self,
        metadata: &Metadata,
        TransitionState { from, to, .. }: &TransitionState,
    ) -> Result<ValueIds, StoreError> {
        let mut look_up = self.look_up(metadata, Element::State);
        let (of_from, of_to) = (Place::Body.member("from"), Place::Body.member("to"));
        let disposition = look_up.id(&of_from, FieldName::Disposition, from.end.disposition.value.as_ref()).await?;
        let kind = look_up.id(&of_to, FieldName::Type, to.details.state_type.as_ref()).await?;
        let values = ValueIds { kind, disposition, ..look_up.event(&to.event).await? };
        look_up.finish(values)
    }

    fn look_up<'a>(&'a self, metadata: &'a Metadata, element: Element) -> LookUp<'a> {
        LookUp { store: self, metadata, element, refused: Violations::default() }
    }

    async fn find_or_learn(&self, generation: i64, key: (Field, LongOrString)) -> Result<i32, Unlearned> {
        let row = self.value_row(key.0, &key.1);
        match self.values.of(generation) {
            // Concurrent misses of the same value share one look-up. They are common after the process has started.
            Some(values) => values.known.get_or_insert_async(&key, row).await,
            None => row.await,
        }
    }

    async fn value_row(&self, field: Field, value: &LongOrString) -> Result<i32, Unlearned> {
        let (dbid, name) = match value {
            LongOrString::Long(dbid) => (Some(*dbid), None),
            LongOrString::String(name) => (None, Some(name.as_str())),
        };
        let (field, limit) = (field.to_string(), i32::try_from(self.values.limit).unwrap_or(i32::MAX));
        // The semaphore is never closed.
        let _turn = self.values.turns.acquire().await;
        for _ in 0..MAX_TRIES {
            let found = self.find_value(&field, dbid, name).await?;
            if let Some(id) = found.value_id {
                return Ok(id);
            }
            if found.learned_values >= limit {
                return Err(Unlearned::Full);
            }
            if let Some(id) = self.learn_value(&field, (dbid, name), limit).await? {
                return Ok(id);
            }
            // Another node has learned this value meanwhile, or has learned another one that made the field full: look
            // again.
        }
        Err(Unlearned::Failed(StoreError::Corrupt { table: "business_attributes", column: "fields" }))
    }

    /// Looks for a value in the learned attribute of a field. Numbers and names have an index each, so that their count
    /// does not matter.
    async fn find_value(&self, field: &str, dbid: Option<i64>, name: Option<&str>) -> Result<Found, Unlearned> {
        let found = sqlx::query_as!(
            Found,
            r#"-- find_value
            select a.learned_values, v.value_id as "value_id?"
            from business_attributes a
            left join lateral (
              select n.value_id from business_attribute_values n
              where n.attribute_id = a.attribute_id and n.retired_at is null and n.dbid = $2::bigint
              union all
              select t.value_id from business_attribute_values t
              where t.attribute_id = a.attribute_id and t.retired_at is null and t.name = $3::text
            ) v on true
            where a.learned and a.fields = array[$1::text]"#,
            field,
            dbid,
            name
        )
        .fetch_optional(&self.pool)
        .await?;
        found.ok_or(Unlearned::Failed(StoreError::Corrupt { table: "business_attributes", column: "fields" }))
    }

    /// Inserts a value, unless it exists or the field has as many as it may. The lock on the attribute keeps the count
    /// exact.
    async fn learn_value(
        &self,
        field: &str,
        (dbid, name): (Option<i64>, Option<&str>),
        limit: i32,
    ) -> Result<Option<i32>, Unlearned> {
        let learned = sqlx::query_scalar!(
            r#"-- learn_value
            with attribute as (
              select attribute_id from business_attributes
              where learned and fields = array[$1::text] and learned_values < $4
              for update
            ), learned as (
              insert into business_attribute_values (attribute_id, dbid, name)
              select attribute_id, $2::bigint, $3::text from attribute
              on conflict do nothing
              returning attribute_id, value_id
            ), counted as (
              update business_attributes a set learned_values = a.learned_values + 1
              from learned l where a.attribute_id = l.attribute_id
            )
            select value_id from learned"#,
            field,
            dbid,
            name,
            limit
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(learned)
    }
}

/// The result of looking for a value: how many values its field has learned, and the row of the value, if there is one.
struct Found {
    learned_values: i32,
    value_id: Option<i32>,
}
