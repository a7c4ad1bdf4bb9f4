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
    /// Lists services of a customer or of a contact key (docs/api.md §3). A page is shorter than asked for if more would be
    /// nested in it than the view allows.
    pub async fn list_services(&self, owner: Owner, filter: &Filter, view: &View) -> Result<Page<Service>, StoreError> {
        self.read_replica(async |snapshot| {
            let lanes = match &owner {
                Owner::Customer(customer) => self.lanes_of_customer(&mut *snapshot, customer).await?,
                Owner::Anonymous(key) => self.lanes.homes_of(key),
            };
            let (listed, lanes) = (Listed::Services(owner), self.lanes_numbered(&lanes));
            let rows =
                self.in_each(&mut *snapshot, &lanes, async |lane| rows::listed(lane, &listed, filter).await).await?;
            let found = Found::page(newest_first(rows, lanes.len()), &listed, filter);
            self.enter_lanes_of(&mut *snapshot, &found.rows).await?;
            self.services(snapshot, found, view).await
        })
        .await
    }

    /// Lists the services recorded last, newest first, without states, tasks or extensions. With several lanes, the time of
    /// their start decides between services of different lanes.
    pub async fn list_latest_services(&self, limit: u32) -> Result<Vec<Service>, StoreError> {
        let read = self.read_replica(async |snapshot| {
            let lanes = self.lanes.all();
            let mut rows = self.in_each(&mut *snapshot, &lanes, async |lane| rows::latest(lane, limit).await).await?;
            rows = newest_first(rows, lanes.len());
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let view = View { for_people: true, ..View::default() };
            self.services(snapshot, Found { rows, older: None }, &view).await
        });
        let mut latest = read.await?.elements;
        latest.reverse();
        Ok(latest)
    }

    /// The lanes in which a customer may have services.
    pub(super) async fn lanes_of_customer(
        &self,
        snapshot: &mut PgConnection,
        customer: &str,
    ) -> Result<BTreeSet<i32>, sqlx::Error> {
        let mut lanes = self.lanes.homes_of(customer);
        if self.lanes.are_several() {
            let noted = sqlx::query_scalar!(
                "-- lanes_of_customer
                select lane from customer_lanes where customer_id = $1",
                customer
            );
            lanes.extend(noted.fetch_all(snapshot).await?);
        }
        Ok(lanes)
    }

    /// The lanes with these numbers.
    pub(super) fn lanes_numbered(&self, numbers: &BTreeSet<i32>) -> Vec<Arc<Lane>> {
        let mut lanes = self.lanes.all();
        lanes.retain(|lane| numbers.contains(&lane.number));
        lanes
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

    /// Makes the rest of a read see the lane of these services, or all lanes if there are several.
    pub(super) async fn enter_lanes_of(
        &self,
        snapshot: &mut PgConnection,
        services: &[ElementRow],
    ) -> Result<(), sqlx::Error> {
        if !self.lanes.are_several() {
            return Ok(());
        }
        let lanes = services.iter().filter_map(|row| self.lanes.of(ServiceId(row.service_id)));
        let mut lanes: Vec<_> = lanes.collect();
        lanes.dedup_by_key(|lane| lane.number);
        match lanes.as_slice() {
            [lane] => enter(snapshot, &lane.path).await,
            _ => enter(snapshot, self.lanes.path_of_all()).await,
        }
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
