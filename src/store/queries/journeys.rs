//! The journey of a customer or contact key: how many services there are, and a page of them.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::nested::NestedRows;
use super::rows::{self, ElementRow};
use super::{Found, Store, StoreError};
use crate::domain::element::Service;
use crate::domain::ids::Element;
use crate::domain::journey::{Journey, MOST_SERVICES, STEPS, Search, Slice};
use crate::domain::query::View;
use crate::store::lanes::enter;

impl Store {
    /// Reads a page of a journey: open services before completed ones, and each kind newest first. The first service has
    /// its states and tasks as far as [`View::of_journey`] allows, the others only the newest [`STEPS`] of either.
    pub async fn get_journey(&self, search: &Search, slice: Slice) -> Result<Journey, StoreError> {
        self.read(async |snapshot| {
            self.enter_lanes_of_search(&mut *snapshot, search).await?;
            let found = find(&mut *snapshot, search, slice).await?;
            let ids: Vec<_> = found.iter().map(|listed| listed.service_id).collect();
            let mut rows: HashMap<_, _> =
                rows::services(&mut *snapshot, &ids).await?.into_iter().map(|row| (row.service_id, row)).collect();
            let mut rows = ids.iter().filter_map(|id| rows.remove(id));
            let (mut services, view) = (Vec::with_capacity(ids.len()), View::of_journey());
            if let Some(first) = rows.next() {
                services.extend(self.services(&mut *snapshot, Found::one(first), &view).await?.elements);
            }
            services.extend(self.with_newest_steps(snapshot, rows.collect(), &view).await?);
            let (total, open) = found.first().map_or((0, 0), |listed| (listed.total, listed.open));
            Ok(Journey { services, total, open })
        })
        .await
    }

    /// Makes a read see the lane in which a search may find services, or all lanes if there are several.
    async fn enter_lanes_of_search(&self, snapshot: &mut PgConnection, search: &Search) -> Result<(), StoreError> {
        if !self.lanes.are_several() {
            return Ok(());
        }
        let mut lanes = match &search.customer {
            Some(customer) => self.lanes_of_customer(&mut *snapshot, customer).await?,
            None => BTreeSet::new(),
        };
        lanes.extend(search.contact_key.iter().flat_map(|key| self.lanes.homes_of(key)));
        if let Some(service) = search.service {
            lanes.insert(self.lane_of(service).await?.number);
        }
        if let [lane] = &*self.lanes_numbered(&lanes) {
            enter(snapshot, &lane.path).await?;
        }
        Ok(())
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
