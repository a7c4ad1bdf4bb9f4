//! Lists of services, which may be in several lanes.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::PgConnection;

use super::rows::{self, ElementRow};
use super::{Found, Store, StoreError};
use crate::domain::element::Service;
use crate::domain::ids::{Element, ServiceId};
use crate::domain::query::{Filter, Listed, Owner, Page, View};
use crate::store::lanes::{Lane, enter};

impl Store {
    /// Lists services of a customer or of a contact key (docs/api.md §3). A page is shorter than requested if more
    /// would be nested in it than the view allows.
    pub async fn list_services(&self, owner: Owner, filter: &Filter, view: &View) -> Result<Page<Service>, StoreError> {
        self.read_replica(async |snapshot| {
            let (owner_text, customer) = match &owner {
                Owner::Customer(customer) => (customer, Some(customer.as_str())),
                Owner::Anonymous(key) => (key, None),
            };
            let lanes = self.lanes_there(&mut *snapshot, &self.lanes.homes_of(owner_text), customer).await?;
            let listed = Listed::Services(owner);
            let rows =
                self.in_each(&mut *snapshot, &lanes, async |lane| rows::listed(lane, &listed, filter).await).await?;
            let mut found = Found::page(newest_first(rows, lanes.len()), &listed, filter);
            found.spread = !self.enter_lane_of(&mut *snapshot, &found.rows).await?;
            self.services(snapshot, found, view).await
        })
        .await
    }

    /// Lists the services recorded last, newest first, without states, tasks or extensions. With several lanes, the
    /// time of their start decides between services of different lanes.
    pub async fn list_latest_services(&self, limit: u32) -> Result<Vec<Service>, StoreError> {
        let read = self.read_replica(async |snapshot| {
            let all = self.lanes.all().iter().map(|lane| lane.number).collect();
            let lanes = self.lanes_there(&mut *snapshot, &all, None).await?;
            let mut rows = self.in_each(&mut *snapshot, &lanes, async |lane| rows::latest(lane, limit).await).await?;
            rows = newest_first(rows, lanes.len());
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let view = View { for_people: true, ..View::default() };
            self.services(snapshot, Found { rows, older: None, spread: lanes.len() > 1 }, &view).await
        });
        let mut latest = read.await?.elements;
        latest.reverse();
        Ok(latest)
    }

    /// The lanes that the snapshot has: those with these numbers, and those that are noted for a customer. A replica may
    /// not have new lanes yet.
    pub(super) async fn lanes_there(
        &self,
        snapshot: &mut PgConnection,
        numbers: &BTreeSet<i32>,
        customer: Option<&str>,
    ) -> Result<Vec<Arc<Lane>>, sqlx::Error> {
        let mut lanes = self.lanes.all();
        if lanes.len() > 1 {
            let there = sqlx::query_scalar!(
                "-- lanes_there
                select lane from lanes
                where lane = any($1) or lane in (select lane from customer_lanes where customer_id = $2)",
                &numbers.iter().copied().collect::<Vec<_>>(),
                customer
            );
            let there = there.fetch_all(snapshot).await?;
            lanes.retain(|lane| there.contains(&lane.number));
        }
        Ok(lanes)
    }

    /// Reads rows in each lane.
    async fn in_each(
        &self,
        snapshot: &mut PgConnection,
        lanes: &[Arc<Lane>],
        read: impl AsyncFn(&mut PgConnection) -> Result<Vec<ElementRow>, sqlx::Error>,
    ) -> Result<Vec<ElementRow>, sqlx::Error> {
        let mut rows = Vec::new();
        for lane in lanes {
            if self.lanes.are_several() {
                enter(&mut *snapshot, &lane.path).await?;
            }
            rows.extend(read(&mut *snapshot).await?);
        }
        Ok(rows)
    }

    /// Makes the rest of a read see the lane of these services. Returns false, and does nothing, if they are in
    /// several.
    async fn enter_lane_of(&self, snapshot: &mut PgConnection, services: &[ElementRow]) -> Result<bool, sqlx::Error> {
        if !self.lanes.are_several() {
            return Ok(true);
        }
        let mut lanes = services.iter().filter_map(|row| self.lanes.of(ServiceId(row.service_id)));
        let Some(first) = lanes.next() else { return Ok(true) };
        if lanes.any(|lane| lane.number != first.number) {
            return Ok(false);
        }
        enter(snapshot, &first.path).await?;
        Ok(true)
    }
}

/// Puts rows of several lanes into the order of a list. Those of one lane are in order.
fn newest_first(mut rows: Vec<ElementRow>, lanes: usize) -> Vec<ElementRow> {
    if lanes > 1 {
        rows.sort_by_key(|row| {
            let cursor = row.cursor(Element::Service);
            std::cmp::Reverse((cursor.started, cursor.id))
        });
    }
    rows
}
