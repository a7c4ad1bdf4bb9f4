//! Rows of services, states and tasks joined with their ends: one statement per table, narrowed by the filters of a
//! query.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};

use super::meanings::Meanings;
use crate::domain::disposition::Disposition;
use crate::domain::element::Lifecycle;
use crate::domain::event::Event;
use crate::domain::ids::{Element, ElementKey, ServiceId};
use crate::domain::query::{Cursor, Filter, Listed, Owner, Span, Status};
use crate::domain::time::Timestamp;
use crate::store::lanes::Lanes;

/// Selects the columns that the three tables share, and the columns of the end.
macro_rules! select {
    ($name:literal, $id:literal, $own:literal, $element:literal, $table:literal) => {
        concat!(
            "-- ",
            $name,
            "\nselect s.service_id, ",
            $id,
            " as element_id, ",
            $own,
            ", s.est_duration, s.started_at,
              s.session_id, s.interaction_id, s.application_type, s.application_id, s.resource_type, s.resource_id,
              s.media_type, d.ended_at, d.session_id as end_session_id, d.interaction_id as end_interaction_id,
              d.application_type as end_application_type, d.application_id as end_application_id,
              d.resource_type as end_resource_type, d.resource_id as end_resource_id,
              d.media_type as end_media_type, d.disposition, d.disposition_desc, d.auto_completed
            from ",
            $table,
            " s
            left join dispositions d
              on d.service_id = s.service_id and d.element = '",
            $element,
            "' and d.element_id = ",
            $id
        )
    };
}

const SERVICES: &str = select!(
    "query_services",
    "0",
    "s.service_type as kind, null::int as state_id, s.customer_id, s.contact_key, s.expires_at, s.auto_complete_after",
    "service",
    "unexpired_services"
);
const STATES: &str = select!(
    "query_states",
    "s.state_id",
    "s.state_type as kind, s.previous_state_id as state_id, null::text as customer_id, null::text as contact_key,
     null::timestamptz as expires_at, null::bigint as auto_complete_after",
    "state",
    "states"
);
const TASKS: &str = select!(
    "query_tasks",
    "s.task_id",
    "s.task_type as kind, coalesce(s.state_id, d.state_id) as state_id, null::text as customer_id,
     null::text as contact_key, null::timestamptz as expires_at, null::bigint as auto_complete_after",
    "task",
    "tasks"
);

/// A service, state or task with its end. Values are identifiers of `business_attribute_values`.
#[derive(Debug, Clone, FromRow)]
pub(super) struct ElementRow {
    pub(super) service_id: i64,
    /// The `state_id` or `task_id`; 0 for a service.
    pub(super) element_id: i32,
    /// The previous state of a state, or the state of a task.
    pub(super) state_id: Option<i32>,
    pub(super) customer_id: Option<String>,
    pub(super) contact_key: Option<String>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) auto_complete_after: Option<i64>,
    kind: Option<i32>,
    est_duration: Option<i64>,
    started_at: DateTime<Utc>,
    session_id: Option<String>,
    interaction_id: Option<String>,
    application_type: Option<i32>,
    application_id: Option<i64>,
    resource_type: Option<i32>,
    resource_id: Option<i64>,
    media_type: Option<i32>,
    ended_at: Option<DateTime<Utc>>,
    end_session_id: Option<String>,
    end_interaction_id: Option<String>,
    end_application_type: Option<i32>,
    end_application_id: Option<i64>,
    end_resource_type: Option<i32>,
    end_resource_id: Option<i64>,
    end_media_type: Option<i32>,
    disposition: Option<i32>,
    disposition_desc: Option<String>,
    auto_completed: Option<bool>,
}

impl ElementRow {
    pub(super) const fn key(&self, element: Element) -> ElementKey {
        ElementKey { service: ServiceId(self.service_id), element, id: self.element_id }
    }

    /// When the service expires. `ttl` is the lifetime of services that have no expiry of their own.
    pub(super) fn expiry(&self, ttl: Option<TimeDelta>) -> Option<Timestamp> {
        let general = || ttl.and_then(|ttl| self.started_at.checked_add_signed(ttl));
        self.expires_at.or_else(general).map(Timestamp::cut)
    }

    pub(super) const fn is_active(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The position of the row in a list of its kind.
    pub(super) fn cursor(&self, element: Element) -> Cursor {
        let id = if element == Element::Service { self.service_id } else { self.element_id.into() };
        Cursor { started: Timestamp::cut(self.started_at), id }
    }

    /// The identifiers of the row's values.
    pub(super) fn values(&self) -> impl Iterator<Item = i32> {
        let start = [self.kind, self.application_type, self.resource_type, self.media_type];
        let end = [self.disposition, self.end_application_type, self.end_resource_type, self.end_media_type];
        start.into_iter().chain(end).flatten()
    }

    pub(super) fn lifecycle(self, meanings: &Meanings, extensions: BTreeMap<String, Box<RawValue>>) -> Lifecycle {
        let started = Event {
            timestamp: Timestamp::cut(self.started_at),
            session_id: self.session_id,
            interaction_id: self.interaction_id,
            application_type: meanings.of(self.application_type),
            application_id: self.application_id,
            resource_type: meanings.of(self.resource_type),
            resource_id: self.resource_id,
            media_type: meanings.of(self.media_type),
        };
        let completed = self.ended_at.map(|at| Event {
            timestamp: Timestamp::cut(at),
            session_id: self.end_session_id,
            interaction_id: self.end_interaction_id,
            application_type: meanings.of(self.end_application_type),
            application_id: self.end_application_id,
            resource_type: meanings.of(self.end_resource_type),
            resource_id: self.end_resource_id,
            media_type: meanings.of(self.end_media_type),
        });
        let outcome =
            Disposition { value: meanings.of_disposition(self.disposition), description: self.disposition_desc };
        Lifecycle {
            kind: meanings.of(self.kind),
            est_duration: self.est_duration,
            started,
            completed: completed.map(|event| (event, outcome)),
            tone: meanings.tone_of(self.disposition),
            auto_completed: self.auto_completed.is_some(),
            extensions,
        }
    }
}

/// Reads the row of an element.
pub(super) async fn one(
    connection: &mut PgConnection,
    ElementKey { service, element, id }: ElementKey,
) -> Result<Option<ElementRow>, sqlx::Error> {
    let mut query = select(element);
    query.push("s.service_id = ").push_bind(service.0);
    if element != Element::Service {
        query.push(" and ").push(id_of(element)).push(" = ").push_bind(id);
    }
    query.build_query_as().fetch_optional(connection).await
}

/// Reads the newest rows of a list in descending order; one more than the limit if there are more.
pub(super) async fn listed(
    connection: &mut PgConnection,
    listed: &Listed,
    filter: &Filter,
) -> Result<Vec<ElementRow>, sqlx::Error> {
    let element = element_of(listed);
    let mut query = select(element);
    match listed {
        Listed::Services(Owner::Customer(customer)) => query.push("s.customer_id = ").push_bind(customer),
        Listed::Services(Owner::Anonymous(key)) => {
            query.push("s.customer_id is null and s.contact_key = ").push_bind(key)
        }
        Listed::States(service) | Listed::Tasks(service) => query.push("s.service_id = ").push_bind(service.0),
    };
    push_status(&mut query, filter.status);
    if !filter.types.is_empty() {
        let numbers: Vec<i64> = filter.types.iter().filter_map(|text| text.parse().ok()).collect();
        query.push(" and ").push(kind_of(element));
        query.push(" in (select value_id from business_attribute_values where dbid = any(").push_bind(numbers);
        query.push(") or name = any(").push_bind(&filter.types).push("))");
    }
    if !filter.states.is_empty() {
        let states: Vec<_> = filter.states.iter().map(|state| state.0).collect();
        query.push(" and coalesce(s.state_id, d.state_id) = any(").push_bind(states).push(")");
    }
    push_span(&mut query, "s.started_at", filter.started);
    push_span(&mut query, "d.ended_at", filter.completed);
    let id = id_of(element);
    if let Some(before) = filter.before {
        query.push(" and (s.started_at, ").push(id).push(") < (").push_bind(before.started.to_datetime());
        query.push(", ").push_bind(before.id).push(")");
    }
    query.push(" order by s.started_at desc, ").push(id).push(" desc limit ").push_bind(i64::from(filter.limit) + 1);
    query.build_query_as().fetch_all(connection).await
}

/// Reads the services with the highest identifiers in descending order.
pub(super) async fn latest(connection: &mut PgConnection, limit: u32) -> Result<Vec<ElementRow>, sqlx::Error> {
    let mut query = select(Element::Service);
    query.push("true order by s.service_id desc limit ").push_bind(i64::from(limit));
    query.build_query_as().fetch_all(connection).await
}

/// Reads services in any order.
pub(super) async fn services(connection: &mut PgConnection, services: &[i64]) -> Result<Vec<ElementRow>, sqlx::Error> {
    let mut query = select(Element::Service);
    query.push("s.service_id = any(").push_bind(services.to_vec()).push(")");
    query.build_query_as().fetch_all(connection).await
}

/// Reads the newest states or tasks of several services, at most `limit` per service, in ascending order. The services
/// must exist in the same snapshot.
pub(super) async fn newest_steps(
    connection: &mut PgConnection,
    element: Element,
    services: &[i64],
    limit: i64,
) -> Result<Vec<ElementRow>, sqlx::Error> {
    let mut query = QueryBuilder::new("-- newest_steps\nselect n.* from unnest(");
    query.push_bind(services.to_vec()).push("::bigint[]) as o(service_id) cross join lateral (");
    query.push(text(element)).push(" where s.service_id = o.service_id order by s.started_at desc, ");
    query.push(id_of(element)).push(" desc limit ").push_bind(limit).push(") as n order by n.started_at, n.element_id");
    query.build_query_as().fetch_all(connection).await
}

/// The elements in which others are nested, in the order of their page.
#[derive(Clone, Copy)]
pub(super) enum Owners<'a> {
    /// Services of the lane that the read has entered. Tasks of states are nested in their service, too.
    Services(&'a [i64]),
    /// Services of several of these lanes.
    Spread(&'a [i64], &'a Lanes),
    /// States of a service.
    StatesOf(ServiceId, &'a [i32]),
}

/// Reads nested states or tasks, ordered by owner and, within an owner, newest first.
///
/// Rows are ordered by a binary search among the owners. A join with them would be planned by statistics, which are
/// wrong while a table grows quickly.
pub(super) async fn nested(
    connection: &mut PgConnection,
    element: Element,
    owners: Owners<'_>,
    only: Option<Status>,
    limit: usize,
) -> Result<Vec<ElementRow>, sqlx::Error> {
    let mut places: Vec<_> = (0_i32..).zip(owners.ids()).map(|(place, owner)| (owner, place)).collect();
    places.sort_unstable();
    let (sorted, places): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    let mut query = select(element);
    push_owners(&mut query, owners, only);
    query.push(" order by (").push_bind(places).push("::int[])[width_bucket(").push(owners.column());
    query.push("::bigint, ").push_bind(sorted).push("::bigint[])], s.started_at desc, ").push(id_of(element));
    query.push(" desc limit ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query.build_query_as().fetch_all(connection).await
}

/// Counts the states or tasks that are nested in owners.
pub(super) async fn count_nested(
    connection: &mut PgConnection,
    element: Element,
    owners: Owners<'_>,
    only: Option<Status>,
) -> Result<i64, sqlx::Error> {
    let mut query = QueryBuilder::new("-- count_nested\nselect count(*) from (");
    query.push(text(element)).push(" where ").push(condition(element));
    push_owners(&mut query, owners, only);
    query.push(") as nested");
    query.build_query_scalar().fetch_one(connection).await
}

impl Owners<'_> {
    /// The identifiers of the owners.
    pub(super) fn ids(self) -> Vec<i64> {
        match self {
            Self::Services(services) | Self::Spread(services, _) => services.to_vec(),
            Self::StatesOf(_, states) => states.iter().copied().map(i64::from).collect(),
        }
    }

    /// The column that has the identifier of the owner.
    const fn column(self) -> &'static str {
        match self {
            Self::Services(_) | Self::Spread(..) => "s.service_id",
            Self::StatesOf(..) => "coalesce(s.state_id, d.state_id)",
        }
    }
}

fn push_owners(query: &mut QueryBuilder<'_, Postgres>, owners: Owners<'_>, only: Option<Status>) {
    match owners {
        Owners::Services(services) | Owners::Spread(services, _) => {
            query.push("s.service_id = any(").push_bind(services.to_vec()).push(")")
        }
        Owners::StatesOf(service, states) => {
            query.push("s.service_id = ").push_bind(service.0).push(" and ").push(owners.column());
            query.push(" = any(").push_bind(states.to_vec()).push(")")
        }
    };
    push_status(query, only);
}

pub(super) const fn element_of(listed: &Listed) -> Element {
    match listed {
        Listed::Services(_) => Element::Service,
        Listed::States(_) => Element::State,
        Listed::Tasks(_) => Element::Task,
    }
}

const fn text(element: Element) -> &'static str {
    match element {
        Element::Service => SERVICES,
        Element::State => STATES,
        Element::Task => TASKS,
    }
}

/// The beginning of a query, to which conditions are added.
fn select<'a>(element: Element) -> QueryBuilder<'a, Postgres> {
    let mut query = QueryBuilder::new(text(element));
    query.push(" where ").push(condition(element));
    query
}

/// The condition that the service of a row has not expired. Services need no condition, because they are read from
/// `unexpired_services`.
const fn condition(element: Element) -> &'static str {
    match element {
        Element::Service => "",
        Element::State | Element::Task => {
            "exists (select from unexpired_services u where u.service_id = s.service_id) and "
        }
    }
}

const fn id_of(element: Element) -> &'static str {
    match element {
        Element::Service => "s.service_id",
        Element::State => "s.state_id",
        Element::Task => "s.task_id",
    }
}

const fn kind_of(element: Element) -> &'static str {
    match element {
        Element::Service => "s.service_type",
        Element::State => "s.state_type",
        Element::Task => "s.task_type",
    }
}

fn push_status(query: &mut QueryBuilder<'_, Postgres>, status: Option<Status>) {
    match status {
        Some(Status::Active) => query.push(" and d.service_id is null"),
        Some(Status::Completed) => query.push(" and d.service_id is not null"),
        None => query,
    };
}

fn push_span(query: &mut QueryBuilder<'_, Postgres>, column: &str, span: Span) {
    for (comparison, moment) in [(" >= ", span.from), (" < ", span.to)] {
        if let Some(moment) = moment {
            query.push(" and ").push(column).push(comparison).push_bind(moment.to_datetime());
        }
    }
}
