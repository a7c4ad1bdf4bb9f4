//! The journey of a customer or contact key: the number of its services, a page of them, and what went wrong last.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::nested::NestedRows;
use super::rows::{self, ElementRow};
use super::{Found, Store, StoreError};
use crate::domain::element::Service;
use crate::domain::ids::{Element, ElementKey, ServiceId};
use crate::domain::journey::{Journey, MOST_SERVICES, SEARCHED, STEPS, Search, Slice, TOLERANCE};
use crate::domain::query::View;
use crate::store::batch::ElementColumn;

impl Store {
    /// Reads a page of a journey: open services before completed ones, and each kind newest first. The first service
    /// has as many states and tasks as [`View::of_journey`] allows; the others have only their newest [`STEPS`] states
    /// and tasks.
    pub async fn get_journey(&self, search: &Search, slice: Slice) -> Result<Journey, StoreError> {
        self.read(async |snapshot| {
            let found = find(&mut *snapshot, search, slice).await?;
            let ids: Vec<_> = found.iter().map(|listed| listed.service_id).collect();
            let mut rows: HashMap<_, _> =
                rows::services(&mut *snapshot, &ids).await?.into_iter().map(|row| (row.service_id, row)).collect();
            let mut rows = ids.iter().filter_map(|id| rows.remove(id));
            let (mut services, view) = (Vec::with_capacity(ids.len()), View::of_journey());
            if let Some(first) = rows.next() {
                services.extend(self.services(&mut *snapshot, Found::one(first), &view).await?.elements);
            }
            services.extend(self.with_newest_steps(&mut *snapshot, rows.collect(), &view).await?);
            let (total, open) = found.first().map_or((0, 0), |listed| (listed.total, listed.open));
            let trouble = if services.is_empty() { None } else { self.trouble(snapshot, search, &view).await? };
            Ok(Journey { services, total, open, trouble })
        })
        .await
    }

    async fn with_newest_steps(
        &self,
        snapshot: &mut PgConnection,
        rows: Vec<ElementRow>,
        view: &View,
    ) -> Result<impl Iterator<Item = Service> + use<>, StoreError> {
        let ids: Vec<_> = rows.iter().map(|row| row.service_id).collect();
        let states = rows::newest_steps(&mut *snapshot, Element::State, &ids, STEPS).await?;
        let tasks = rows::newest_steps(&mut *snapshot, Element::Task, &ids, STEPS).await?;
        let steps = (NestedRows::of_services(states), NestedRows::of_services(tasks));
        let page = self.with_steps(snapshot, Found { rows, older: None }, steps, view).await?;
        Ok(page.elements.into_iter().rev())
    }
}

impl Store {
    /// Reads the service in which something went wrong last, and the state or task in which it did.
    async fn trouble(
        &self,
        snapshot: &mut PgConnection,
        search: &Search,
        view: &View,
    ) -> Result<Option<Service>, StoreError> {
        let now = self.now().to_datetime();
        sqlx::query("set local jit = off").execute(&mut *snapshot).await?;
        let Some(key) = find_trouble(&mut *snapshot, search, now).await? else { return Ok(None) };
        let service = rows::one(&mut *snapshot, ElementKey::service(key.service)).await?;
        let Some(service) = service else { return Ok(None) };
        let mut steps = [Vec::new(), Vec::new()];
        if key.element != Element::Service {
            steps[usize::from(key.element == Element::Task)].extend(rows::one(&mut *snapshot, key).await?);
        }
        let [states, tasks] = steps.map(NestedRows::of_services);
        Ok(self.with_steps(snapshot, Found::one(service), (states, tasks), view).await?.elements.pop())
    }
}

/// A service of the page, with the numbers of all and of open services.
struct Listed {
    service_id: i64,
    total: i64,
    open: i64,
}

async fn find(snapshot: &mut PgConnection, search: &Search, slice: Slice) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_as!(
        Listed,
        r#"-- get_journey
        with found as (
          (select service_id, started_at from unexpired_services where customer_id = $1
           order by started_at desc, service_id desc limit $4)
          union
          (select service_id, started_at from unexpired_services where customer_id is null and contact_key = $2
           order by started_at desc, service_id desc limit $4)
          union
          select service_id, started_at from unexpired_services where service_id = $3
        ), listed as (
          select f.service_id, f.started_at, d.service_id is null as open
          from found f
          left join dispositions d on d.service_id = f.service_id and d.element = 'service' and d.element_id = 0
        )
        select service_id as "service_id!", count(*) over () as "total!", count(*) filter (where open) over () as "open!"
        from listed order by listed.open desc, started_at desc, service_id desc limit $5 offset $6"#,
        search.customer.as_ref(),
        search.contact_key.as_ref(),
        search.service.map(|service| service.0),
        MOST_SERVICES,
        slice.limit,
        slice.skip,
    )
    .fetch_all(snapshot)
    .await
}

/// Finds the service, state or task in which something went wrong last: it ended badly, was completed automatically, took
/// longer than estimated, or has times that cannot be right. These are ordered by the time of their end, the latest first.
/// What is still open comes before them, and times that cannot be right come last.
async fn find_trouble(
    snapshot: &mut PgConnection,
    search: &Search,
    now: DateTime<Utc>,
) -> Result<Option<ElementKey>, sqlx::Error> {
    // Ends are looked up one by one, since a journey has only a small share of all elements. A step that has not ended although its
    // service has is not late, since nobody knows when it ended.
    let found = sqlx::query!(
        r#"-- find_trouble
        with found as (
          (select service_id, started_at, est_duration from unexpired_services where customer_id = $1
           order by started_at desc, service_id desc limit $4)
          union
          (select service_id, started_at, est_duration from unexpired_services
           where customer_id is null and contact_key = $2
           order by started_at desc, service_id desc limit $4)
          union
          select service_id, started_at, est_duration from unexpired_services where service_id = $3
        ), newest as materialized (
          select f.*, exists (
            select from dispositions d
            where d.service_id = f.service_id and d.element = 'service' and d.element_id = 0 offset 0) as has_ended
          from found f order by f.started_at desc, f.service_id desc
        ), started as (
          select 'service'::element as element, service_id, 0 as element_id, started_at, est_duration, not has_ended as goes_on
          from newest
          union all
          (select 'state', n.service_id, s.state_id, s.started_at, s.est_duration, not n.has_ended
           from newest n cross join lateral (
             select * from states where service_id = n.service_id order by started_at desc limit $5) s limit $5)
          union all
          (select 'task', n.service_id, t.task_id, t.started_at, t.est_duration, not n.has_ended
           from newest n cross join lateral (
             select * from tasks where service_id = n.service_id order by started_at desc limit $5) t limit $5)
        ), ended as (
          select s.*, d.ended_at, d.auto_completed, v.tone,
            s.started_at > $6 or coalesce(d.ended_at < s.started_at or d.ended_at > $6, false) as is_fault,
            coalesce(d.ended_at, case when s.goes_on then $7::timestamptz end) as until
          from started s left join lateral (
            select ended_at, disposition, auto_completed from dispositions
            where service_id = s.service_id and element = s.element and element_id = s.element_id offset 0
          ) d on true
          left join business_attribute_values v on v.value_id = d.disposition
        )
        select element as "element!: ElementColumn", service_id as "service_id!", element_id as "element_id!"
        from ended
        where is_fault or tone = 'bad' or auto_completed is not null
          or (est_duration > 0 and extract(epoch from until - started_at) > est_duration)
        order by is_fault, coalesce(until, started_at) desc, element desc, service_id desc, element_id desc limit 1"#,
        search.customer.as_ref(),
        search.contact_key.as_ref(),
        search.service.map(|service| service.0),
        MOST_SERVICES,
        SEARCHED,
        now + TimeDelta::milliseconds(TOLERANCE),
        now,
    )
    .fetch_optional(snapshot)
    .await?;
    Ok(found.map(|row| ElementKey {
        service: ServiceId(row.service_id),
        element: row.element.into(),
        id: row.element_id,
    }))
}
