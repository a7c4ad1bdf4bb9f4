//! The journey of a customer or contact key: the number of its services, and a page of them.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::nested::NestedRows;
use super::rows;
use super::spread::{in_lanes_of, with_themselves};
use super::{Found, Store, StoreError};
use crate::domain::element::Service;
use crate::domain::ids::Element;
use crate::domain::journey::{Journey, MOST_SERVICES, STEPS, Search, Slice};
use crate::domain::query::View;
use crate::store::lanes::enter;

impl Store {
    /// Reads a page of a journey: open services before completed ones, and each kind newest first. The first service
    /// has as many states and tasks as [`View::of_journey`] allows; the others have only their newest [`STEPS`] states
    /// and tasks.
    pub async fn get_journey(&self, search: &Search, slice: Slice) -> Result<Journey, StoreError> {
        self.read(async |snapshot| {
            let spread = !self.enter_lane_of_search(&mut *snapshot, search).await?;
            let found = find(&mut *snapshot, search, slice).await?;
            let ids: Vec<_> = found.iter().map(|listed| listed.service_id).collect();
            let read = async |lane: &mut PgConnection, ids: &[i64]| rows::services(lane, ids).await;
            let rows = self.of_services(&mut *snapshot, &ids, spread, read).await?;
            let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.service_id, row)).collect();
            let mut rows = ids.iter().filter_map(|id| rows.remove(id));
            let (mut services, view) = (Vec::with_capacity(ids.len()), View::of_journey());
            if let Some(first) = rows.next() {
                let found = Found { rows: vec![first], older: None, spread };
                services.extend(self.services(&mut *snapshot, found, &view).await?.elements);
            }
            let others = Found { rows: rows.collect(), older: None, spread };
            services.extend(self.with_newest_steps(snapshot, others, &view).await?);
            let (total, open) = found.first().map_or((0, 0), |listed| (listed.total, listed.open));
            Ok(Journey { services, total, open })
        })
        .await
    }

    /// Makes a read see the lane in which a search may find services. Returns false, and does nothing, if there are
    /// several.
    async fn enter_lane_of_search(&self, snapshot: &mut PgConnection, search: &Search) -> Result<bool, StoreError> {
        if !self.lanes.are_several() {
            return Ok(true);
        }
        let owners = search.customer.iter().chain(&search.contact_key);
        let mut lanes: BTreeSet<_> = owners.flat_map(|owner| self.lanes.homes_of(owner)).collect();
        if let Some(service) = search.service {
            lanes.insert(self.lane_of(service).await?.number);
        }
        let [lane] = &*self.lanes_there(&mut *snapshot, &lanes, search.customer.as_deref()).await? else {
            return Ok(false);
        };
        enter(snapshot, &lane.path).await?;
        Ok(true)
    }

    /// Reads something about services, which may be spread over lanes.
    async fn of_services<T>(
        &self,
        snapshot: &mut PgConnection,
        services: &[i64],
        spread: bool,
        read: impl AsyncFn(&mut PgConnection, &[i64]) -> Result<Vec<T>, sqlx::Error>,
    ) -> Result<Vec<T>, sqlx::Error> {
        if spread {
            return in_lanes_of(&self.lanes, snapshot, with_themselves(services), read).await;
        }
        read(snapshot, services).await
    }

    async fn with_newest_steps(
        &self,
        snapshot: &mut PgConnection,
        found: Found,
        view: &View,
    ) -> Result<impl Iterator<Item = Service> + use<>, StoreError> {
        let ids: Vec<_> = found.rows.iter().map(|row| row.service_id).collect();
        let steps = async |snapshot: &mut PgConnection, element| {
            let read = async |lane: &mut PgConnection, ids: &[i64]| rows::newest_steps(lane, element, ids, STEPS).await;
            self.of_services(snapshot, &ids, found.spread, read).await.map(NestedRows::of_services)
        };
        let states = steps(&mut *snapshot, Element::State).await?;
        let tasks = steps(&mut *snapshot, Element::Task).await?;
        let page = self.with_steps(snapshot, found, (states, tasks), view).await?;
        Ok(page.elements.into_iter().rev())
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
