//! Reads about services that are spread over lanes. Each lane is asked in its own search path. A statement in the views
//! of all lanes would be planned for every lane that there is.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::PgConnection;

use super::rows::{self, ElementRow, Owners};
use crate::domain::ids::{Element, ServiceId};
use crate::domain::query::Status;
use crate::store::lanes::{Lane, Lanes, enter};

/// Reads something about each item in the lane of its service. The items of a lane keep their order.
pub(super) async fn in_lanes_of<I: Copy, T>(
    lanes: &Lanes,
    snapshot: &mut PgConnection,
    items: impl IntoIterator<Item = (i64, I)>,
    read: impl AsyncFn(&mut PgConnection, &[I]) -> Result<Vec<T>, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    let mut by_lane: Vec<(Arc<Lane>, Vec<I>)> = Vec::new();
    for (service, item) in items {
        let Some(lane) = lanes.of(ServiceId(service)) else { continue };
        match by_lane.iter_mut().find(|(known, _)| known.number == lane.number) {
            Some((_, items)) => items.push(item),
            None => by_lane.push((lane, vec![item])),
        }
    }
    let mut found = Vec::new();
    for (lane, items) in &by_lane {
        enter(&mut *snapshot, &lane.path).await?;
        found.extend(read(&mut *snapshot, items).await?);
    }
    Ok(found)
}

/// Reads nested rows, as [`rows::nested`] does.
pub(super) async fn nested(
    snapshot: &mut PgConnection,
    element: Element,
    owners: Owners<'_>,
    only: Option<Status>,
    limit: usize,
) -> Result<Vec<ElementRow>, sqlx::Error> {
    let Owners::Spread(services, lanes) = owners else {
        return rows::nested(snapshot, element, owners, only, limit).await;
    };
    let read = async |lane: &mut PgConnection, services: &[i64]| {
        rows::nested(lane, element, Owners::Services(services), only, limit).await
    };
    let mut rows = in_lanes_of(lanes, snapshot, with_themselves(services), read).await?;
    let places: HashMap<_, _> = services.iter().zip(0..).collect();
    rows.sort_by_key(|row| places.get(&row.service_id).copied().unwrap_or(usize::MAX));
    rows.truncate(limit);
    Ok(rows)
}

/// Counts nested rows, as [`rows::count_nested`] does.
pub(super) async fn count_nested(
    snapshot: &mut PgConnection,
    element: Element,
    owners: Owners<'_>,
    only: Option<Status>,
) -> Result<i64, sqlx::Error> {
    let Owners::Spread(services, lanes) = owners else {
        return rows::count_nested(snapshot, element, owners, only).await;
    };
    let read = async |lane: &mut PgConnection, services: &[i64]| {
        Ok(vec![rows::count_nested(lane, element, Owners::Services(services), only).await?])
    };
    Ok(in_lanes_of(lanes, snapshot, with_themselves(services), read).await?.into_iter().sum())
}

/// Services as items of [`in_lanes_of`].
pub(super) fn with_themselves(services: &[i64]) -> impl Iterator<Item = (i64, i64)> {
    services.iter().map(|service| (*service, *service))
}
