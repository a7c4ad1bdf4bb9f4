//! The expiry horizon: the moment up to which services count as expired, on every node and in every view.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::background::{Failure, Job, Next, Waker};
use crate::domain::clock::Clock;
use crate::store::lanes::Lanes;

/// Advances the horizon to the present when a service has become due.
pub(super) struct AdvanceHorizon {
    pub(in crate::store) lanes: Arc<Lanes>,
    pub(in crate::store) clock: Arc<dyn Clock>,
    pub(in crate::store) service_ttl: Option<TimeDelta>,
    /// Wakes the removal of expired services.
    pub(in crate::store) removal: Waker,
}

impl Job for AdvanceHorizon {
    const NAME: &'static str = "advance_horizon";
    const INTERVAL: Duration = Duration::from_millis(250);
    const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

    async fn run(&mut self) -> Result<Next, Failure> {
        let now = self.clock.now().to_datetime();
        let started_before = self.service_ttl.and_then(|ttl| now.checked_sub_signed(ttl));
        if advance_horizon(&self.lanes, now, started_before).await? {
            self.removal.wake();
        }
        Ok(Next::Scheduled)
    }
}

/// Advances the horizon if a service has become due since the last advance, or if `SERVICE_TTL` was lengthened or
/// removed. Returns whether the horizon was advanced.
///
/// Otherwise the row is not updated. A row that is written four times a second would leave many dead versions while a
/// report's snapshot is open.
async fn advance_horizon(
    lanes: &Lanes,
    now: DateTime<Utc>,
    started_before: Option<DateTime<Utc>>,
) -> Result<bool, sqlx::Error> {
    for lane in lanes.all() {
        if horizon_is_passed(&lane.pool, now, started_before).await? {
            return move_horizon(&lane.pool, now, started_before).await;
        }
    }
    Ok(false)
}

/// Whether a service of a lane has become due since the horizon was moved, or `SERVICE_TTL` has changed.
async fn horizon_is_passed(
    pool: &PgPool,
    now: DateTime<Utc>,
    started_before: Option<DateTime<Utc>>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- horizon_is_passed
        with last as (
          select at, started_before from expiry_horizon order by at desc limit 1
        )
        select exists (
          select from last
          where last.at <= $1 and (
            exists (select from services s where s.expires_at > last.at and s.expires_at <= $1)
            or exists (
              select from services s
              where s.expires_at is null and s.started_at > last.started_before and s.started_at <= $2)
            or coalesce($2::timestamptz, '-infinity') < last.started_before)
        ) as "passed!""#,
        now,
        started_before,
    )
    .fetch_one(pool)
    .await
}

/// Moves the horizon forward. Returns false if another node has moved it further.
async fn move_horizon(
    pool: &PgPool,
    now: DateTime<Utc>,
    started_before: Option<DateTime<Utc>>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- move_horizon
        with last as (
          select at from expiry_horizon order by at desc limit 1
        ), moved as (
          insert into expiry_horizon (at, started_before)
          select $1::timestamptz, coalesce($2::timestamptz, '-infinity') from last where last.at <= $1
          on conflict (at) do update set started_before = excluded.started_before
          returning at
        ), passed as (
          delete from expiry_horizon h using moved where h.at < moved.at
        )
        select exists (select from moved) as "moved!""#,
        now,
        started_before,
    )
    .fetch_one(pool)
    .await
}
