//! Queries: each answer is one statement, and so one moment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::types::Json;

use super::{Store, StoreError};
use crate::domain::attribute::LongOrString;
use crate::domain::disposition::Disposition;
use crate::domain::element::{Lifecycle, Service, Task};
use crate::domain::event::Event;
use crate::domain::ids::{Element, ServiceId, StateId, TaskId};
use crate::domain::query::ExtensionSelection;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// A value as the API reads it: its number, or its name.
type Value = Option<Json<LongOrString>>;

/// A service, state or task with its end, the values of its fields, and the extensions that were asked for.
struct ElementRow {
    state_id: Option<i32>,
    customer_id: Option<String>,
    contact_key: Option<String>,
    kind: Value,
    est_duration: Option<i64>,
    started_at: DateTime<Utc>,
    session_id: Option<String>,
    interaction_id: Option<String>,
    application_type: Value,
    application_id: Option<i64>,
    resource_type: Value,
    resource_id: Option<i64>,
    media_type: Value,
    ended_at: Option<DateTime<Utc>>,
    end_session_id: Option<String>,
    end_interaction_id: Option<String>,
    end_application_type: Value,
    end_application_id: Option<i64>,
    end_resource_type: Value,
    end_resource_id: Option<i64>,
    end_media_type: Value,
    disposition: Value,
    disposition_desc: Option<String>,
    extensions: Option<Json<BTreeMap<String, Box<RawValue>>>>,
}

impl From<ElementRow> for Lifecycle {
    fn from(row: ElementRow) -> Self {
        let started = Event {
            timestamp: Timestamp::cut(row.started_at),
            session_id: row.session_id,
            interaction_id: row.interaction_id,
            application_type: row.application_type.map(|value| value.0),
            application_id: row.application_id,
            resource_type: row.resource_type.map(|value| value.0),
            resource_id: row.resource_id,
            media_type: row.media_type.map(|value| value.0),
        };
        let completed = row.ended_at.map(|at| Event {
            timestamp: Timestamp::cut(at),
            session_id: row.end_session_id,
            interaction_id: row.end_interaction_id,
            application_type: row.end_application_type.map(|value| value.0),
            application_id: row.end_application_id,
            resource_type: row.end_resource_type.map(|value| value.0),
            resource_id: row.end_resource_id,
            media_type: row.end_media_type.map(|value| value.0),
        });
        let outcome = Disposition { value: row.disposition.map(|value| value.0), description: row.disposition_desc };
        Self {
            kind: row.kind.map(|value| value.0),
            est_duration: row.est_duration,
            started,
            completed: completed.map(|event| (event, outcome)),
            extensions: row.extensions.map(|extensions| extensions.0).unwrap_or_default(),
        }
    }
}

impl Store {
    /// One service (contract §3, SRV.14).
    pub async fn get_service(&self, id: ServiceId, extensions: &ExtensionSelection) -> Result<Service, StoreError> {
        let row = sqlx::query_as!(
            ElementRow,
            r#"-- get_service
            select s.customer_id, s.contact_key, null::int as state_id,
              s.est_duration, coalesce(to_jsonb(k.dbid), to_jsonb(k.name)) as "kind: _",
              s.started_at, s.session_id, s.interaction_id, s.application_id, s.resource_id,
              coalesce(to_jsonb(sa.dbid), to_jsonb(sa.name)) as "application_type: _",
              coalesce(to_jsonb(sr.dbid), to_jsonb(sr.name)) as "resource_type: _",
              coalesce(to_jsonb(sm.dbid), to_jsonb(sm.name)) as "media_type: _",
              d.ended_at as "ended_at?", d.session_id as end_session_id, d.interaction_id as end_interaction_id,
              d.application_id as end_application_id, d.resource_id as end_resource_id, d.disposition_desc,
              coalesce(to_jsonb(ea.dbid), to_jsonb(ea.name)) as "end_application_type: _",
              coalesce(to_jsonb(er.dbid), to_jsonb(er.name)) as "end_resource_type: _",
              coalesce(to_jsonb(em.dbid), to_jsonb(em.name)) as "end_media_type: _",
              coalesce(to_jsonb(o.dbid), to_jsonb(o.name)) as "disposition: _",
              (select jsonb_object_agg(e.name, x.records)
                from extensions x join extension_schemas e on e.schema_id = x.schema_id and e.deleted_at is null
                where x.service_id = s.service_id and x.element = 'service' and x.element_id = 0
                  and ($2 or lower(e.name) = any($3))) as "extensions: _"
            from services s
            left join dispositions d on d.service_id = s.service_id and d.element = 'service' and d.element_id = 0
            left join business_attribute_values k on k.value_id = s.service_type
            left join business_attribute_values sa on sa.value_id = s.application_type
            left join business_attribute_values sr on sr.value_id = s.resource_type
            left join business_attribute_values sm on sm.value_id = s.media_type
            left join business_attribute_values ea on ea.value_id = d.application_type
            left join business_attribute_values er on er.value_id = d.resource_type
            left join business_attribute_values em on em.value_id = d.media_type
            left join business_attribute_values o on o.value_id = d.disposition
            where s.service_id = $1"#,
            id.0,
            extensions.all,
            &extensions.names,
        )
        .fetch_optional(&self.pool)
        .await?;
        let mut row = row.ok_or(Refusal::Unknown(Element::Service))?;
        Ok(Service {
            service_id: id,
            customer_id: row.customer_id.take(),
            contact_key: row.contact_key.take(),
            lifecycle: row.into(),
        })
    }

    /// One task of a service (contract §3, SRV.16).
    pub async fn get_task(
        &self,
        (service_id, task_id): (ServiceId, TaskId),
        extensions: &ExtensionSelection,
    ) -> Result<Task, StoreError> {
        let row = sqlx::query_as!(
            ElementRow,
            r#"-- get_task
            select null::text as customer_id, null::text as contact_key,
              coalesce(s.state_id, d.state_id) as state_id,
              s.est_duration, coalesce(to_jsonb(k.dbid), to_jsonb(k.name)) as "kind: _",
              s.started_at, s.session_id, s.interaction_id, s.application_id, s.resource_id,
              coalesce(to_jsonb(sa.dbid), to_jsonb(sa.name)) as "application_type: _",
              coalesce(to_jsonb(sr.dbid), to_jsonb(sr.name)) as "resource_type: _",
              coalesce(to_jsonb(sm.dbid), to_jsonb(sm.name)) as "media_type: _",
              d.ended_at as "ended_at?", d.session_id as end_session_id, d.interaction_id as end_interaction_id,
              d.application_id as end_application_id, d.resource_id as end_resource_id, d.disposition_desc,
              coalesce(to_jsonb(ea.dbid), to_jsonb(ea.name)) as "end_application_type: _",
              coalesce(to_jsonb(er.dbid), to_jsonb(er.name)) as "end_resource_type: _",
              coalesce(to_jsonb(em.dbid), to_jsonb(em.name)) as "end_media_type: _",
              coalesce(to_jsonb(o.dbid), to_jsonb(o.name)) as "disposition: _",
              (select jsonb_object_agg(e.name, x.records)
                from extensions x join extension_schemas e on e.schema_id = x.schema_id and e.deleted_at is null
                where x.service_id = s.service_id and x.element = 'task' and x.element_id = s.task_id
                  and ($3 or lower(e.name) = any($4))) as "extensions: _"
            from tasks s
            left join dispositions d on d.service_id = s.service_id and d.element = 'task' and d.element_id = s.task_id
            left join business_attribute_values k on k.value_id = s.task_type
            left join business_attribute_values sa on sa.value_id = s.application_type
            left join business_attribute_values sr on sr.value_id = s.resource_type
            left join business_attribute_values sm on sm.value_id = s.media_type
            left join business_attribute_values ea on ea.value_id = d.application_type
            left join business_attribute_values er on er.value_id = d.resource_type
            left join business_attribute_values em on em.value_id = d.media_type
            left join business_attribute_values o on o.value_id = d.disposition
            where s.service_id = $1 and s.task_id = $2"#,
            service_id.0,
            task_id.0,
            extensions.all,
            &extensions.names,
        )
        .fetch_optional(&self.pool)
        .await?;
        match row {
            Some(row) => Ok(Task { service_id, task_id, state_id: row.state_id.map(StateId), lifecycle: row.into() }),
            None if self.service_exists(service_id).await? => Err(Refusal::Unknown(Element::Task).into()),
            None => Err(Refusal::Unknown(Element::Service).into()),
        }
    }

    async fn service_exists(&self, id: ServiceId) -> Result<bool, StoreError> {
        let exists = sqlx::query_scalar!(
            r#"-- service_exists
            select exists (select from services where service_id = $1) as "exists!""#,
            id.0
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(exists)
    }
}
