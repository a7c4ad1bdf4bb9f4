//! Deletes the rows of expired services: whole services, in batches that move forward through the keys.
//!
//! A service is removed in two steps, and any node can continue after either. The first step removes its own row, its
//! states and its tasks, so that nothing can be started or ended in it afterwards. It also records the service in
//! `deleted_services` for the second step. That step removes its ends and extensions once no event that may have seen
//! the service is still being written. These tables have no foreign key that would reject such an event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use sqlx::{PgConnection, PgPool};

use super::{BEFORE_ALL, Pace, is_lock_timeout, limit_the_wait, wait_for_events};
use crate::background::{Failure, Job, Next};
use crate::domain::clock::Clock;
use crate::store::lanes::Lanes;

const REMOVED: &str = "context_services_removed_rows_total";
const OVERDUE: &str = "context_services_removal_oldest_due_seconds";

/// The number of waiting services after which the second step runs, and the most that it handles.
const MOST_WAITING: i64 = 1000;

/// Removes expired services.
pub(super) struct RemoveServices {
    pool: PgPool,
    pace: Pace,
    cause: Cause,
    /// The position in the current cause's index.
    after: (DateTime<Utc>, i64),
    /// The number of services removed since the second step last ran.
    waiting: i64,
}

/// The reasons for which services are removed. Each has an index of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// They were deleted or purged.
    Deleted,
    /// Their own expiry has passed.
    Expired,
    /// Their `SERVICE_TTL` has passed.
    Outlived,
}

impl Cause {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Deleted => Some(Self::Expired),
            Self::Expired => Some(Self::Outlived),
            Self::Outlived => None,
        }
    }
}

/// A service to be removed, with the moment by which its cause orders it.
struct Due {
    service_id: i64,
    at: DateTime<Utc>,
}

impl RemoveServices {
    /// Starts with the services that an earlier run on any node left.
    pub(in crate::store) fn new(pool: PgPool) -> Self {
        describe_counter!(REMOVED, "Rows of expired services that were removed.");
        counter!(REMOVED).increment(0);
        Self { pool, pace: Pace::new(), cause: Cause::Deleted, after: (BEFORE_ALL, i64::MIN), waiting: 0 }
    }

    /// Removes one batch for the current cause. Returns the number of its services. A batch whose rows stay locked by
    /// another transaction is skipped until the next round.
    async fn remove_batch(&mut self) -> Result<usize, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        limit_the_wait(&mut transaction).await?;
        let due = due_services(&mut transaction, self.cause, self.after, self.pace.size()).await?;
        let services: Vec<_> = due.iter().map(|due| due.service_id).collect();
        if let Some(last) = due.last() {
            self.after = (last.at, last.service_id);
            match remove_services(&mut transaction, &services).await {
                Ok(rows) => {
                    transaction.commit().await?;
                    counter!(REMOVED).increment(rows);
                }
                Err(error) if is_lock_timeout(&error) => transaction.rollback().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(services.len())
    }
}

impl Job for RemoveServices {
    const NAME: &'static str = "remove_services";
    const INTERVAL: Duration = Duration::from_secs(1);

    async fn run(&mut self) -> Result<Next, Failure> {
        let start = Instant::now();
        let removed = self.remove_batch().await?;
        self.waiting += i64::try_from(removed).unwrap_or(i64::MAX);
        if removed > 0 && self.waiting < MOST_WAITING {
            return Ok(Next::After(self.pace.after(start.elapsed())));
        }
        if removed > 0 {
            self.waiting = 0;
            remove_remains(&self.pool).await?;
            return Ok(Next::After(start.elapsed()));
        }
        // All services of this cause have been removed. Services that become due later sort after them or wait for the
        // next round.
        self.after = (BEFORE_ALL, i64::MIN);
        if let Some(cause) = self.cause.next() {
            self.cause = cause;
            return Ok(Next::After(Duration::ZERO));
        }
        (self.cause, self.waiting) = (Cause::Deleted, 0);
        let more = remove_remains(&self.pool).await? == MOST_WAITING;
        Ok(if more { Next::After(start.elapsed()) } else { Next::Scheduled })
    }
}

/// The next services to be removed, locked. Services that are locked by an event or another node are skipped until the
/// next round.
async fn due_services(
    transaction: &mut PgConnection,
    cause: Cause,
    (after, after_id): (DateTime<Utc>, i64),
    limit: i64,
) -> Result<Vec<Due>, sqlx::Error> {
    match cause {
        Cause::Deleted => {
            sqlx::query_as!(
                Due,
                r#"-- deleted_services
                select service_id, $1::timestamptz as "at!" from services
                where expires_at = '-infinity' and service_id > $2
                order by service_id limit $3 for update skip locked"#,
                after,
                after_id,
                limit
            )
            .fetch_all(transaction)
            .await
        }
        Cause::Expired => {
            sqlx::query_as!(
                Due,
                r#"-- expired_services
                select service_id, expires_at as "at!" from services
                where (expires_at, service_id) > ($1, $2)
                  and expires_at <= (select at from expiry_horizon order by at desc limit 1)
                order by expires_at, service_id limit $3 for update skip locked"#,
                after,
                after_id,
                limit
            )
            .fetch_all(transaction)
            .await
        }
        Cause::Outlived => {
            sqlx::query_as!(
                Due,
                r#"-- outlived_services
                select service_id, started_at as "at!" from services
                where (started_at, service_id) > ($1, $2) and expires_at is null
                  and started_at <= (select started_before from expiry_horizon order by at desc limit 1)
                order by started_at, service_id limit $3 for update skip locked"#,
                after,
                after_id,
                limit
            )
            .fetch_all(transaction)
            .await
        }
    }
}

/// Removes services with their states and tasks, and records them. Returns the number of removed rows.
async fn remove_services(transaction: &mut PgConnection, services: &[i64]) -> Result<u64, sqlx::Error> {
    let rows = sqlx::query_scalar!(
        r#"-- remove_services
        with no_tasks as (
          delete from tasks where service_id = any($1) returning 1
        ), no_states as (
          delete from states where service_id = any($1) returning 1
        ), no_auto_completions as (
          delete from auto_completions where service_id = any($1)
        ), closed as (
          delete from open_services where service_id = any($1)
        ), remembered as (
          insert into deleted_services (service_id) select unnest($1::bigint[]) on conflict do nothing
        ), no_services as (
          delete from services where service_id = any($1) returning 1
        )
        select (select count(*) from no_tasks) + (select count(*) from no_states)
          + (select count(*) from no_services) as "rows!""#,
        services
    )
    .fetch_one(transaction)
    .await?;
    Ok(rows.try_into().unwrap_or_default())
}

/// Removes ends and extensions of services that were removed before. Returns the number of these services; 0 if an
/// event takes too long to be written.
async fn remove_remains(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let services = sqlx::query_scalar!(
        "-- services_with_remains\nselect service_id from deleted_services order by service_id limit $1",
        MOST_WAITING
    )
    .fetch_all(pool)
    .await?;
    if services.is_empty() {
        return Ok(0);
    }
    let mut barrier = pool.begin().await?;
    if !wait_for_events(&mut barrier).await? {
        return Ok(0);
    }
    barrier.commit().await?;
    let rows = sqlx::query_scalar!(
        r#"-- remove_remains
        with no_ends as (
          delete from dispositions where service_id = any($1) returning 1
        ), no_extensions as (
          delete from extensions where service_id = any($1) returning 1
        ), forgotten as (
          delete from deleted_services where service_id = any($1)
        )
        select (select count(*) from no_ends) + (select count(*) from no_extensions) as "rows!""#,
        &services
    )
    .fetch_one(pool)
    .await?;
    counter!(REMOVED).increment(rows.try_into().unwrap_or_default());
    Ok(services.len().try_into().unwrap_or(MOST_WAITING))
}

/// Measures the delay of removal.
pub(super) struct MeasureRemoval {
    lanes: Arc<Lanes>,
    clock: Arc<dyn Clock>,
    /// Of each lane the first deleted or purged service that is still on disk, and the time since which it has been the
    /// first.
    deleted: Vec<Option<(i64, DateTime<Utc>)>>,
}

impl MeasureRemoval {
    pub(in crate::store) fn new(lanes: Arc<Lanes>, clock: Arc<dyn Clock>) -> Self {
        describe_gauge!(
            OVERDUE,
            Unit::Seconds,
            "How long the oldest expired or deleted service has been waiting for removal; 0 if none is waiting."
        );
        Self { lanes, clock, deleted: Vec::new() }
    }

    /// When this node first saw that the current first deleted service of a lane was waiting. The time of a deletion is
    /// not recorded.
    fn deleted_since(&mut self, lane: usize, first: Option<i64>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.deleted.resize(self.deleted.len().max(lane + 1), None);
        let deleted = &mut self.deleted[lane];
        if deleted.map(|(service, _)| service) != first {
            *deleted = first.map(|service| (service, now));
        }
        deleted.map(|(_, since)| since)
    }
}

impl Job for MeasureRemoval {
    const NAME: &'static str = "measure_removal";
    const INTERVAL: Duration = Duration::from_secs(10);

    async fn run(&mut self) -> Result<Next, Failure> {
        let (now, mut oldest) = (self.clock.now().to_datetime(), None);
        for (number, lane) in self.lanes.all().iter().enumerate() {
            let expired = oldest_expired_service(&lane.pool).await?;
            let deleted = first_deleted_service(&lane.pool).await?;
            oldest = [oldest, expired, self.deleted_since(number, deleted, now)].into_iter().flatten().min();
        }
        let overdue = oldest.map_or(Duration::ZERO, |oldest| (now - oldest).to_std().unwrap_or_default());
        gauge!(OVERDUE).set(overdue);
        Ok(Next::Scheduled)
    }
}

/// The expiry time of the oldest service that has not been removed.
async fn oldest_expired_service(pool: &PgPool) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- oldest_expired_service
        select min(due_at) from (
          (select s.expires_at as due_at from services s
           where s.expires_at > $1
             and s.expires_at <= (select at from expiry_horizon order by at desc limit 1)
           order by s.expires_at limit 1)
          union all
          (select h.at - (h.started_before - s.started_at) from services s
           join (select at, started_before from expiry_horizon order by at desc limit 1) h
             on h.started_before > '-infinity' and s.started_at <= h.started_before
           where s.expires_at is null order by s.started_at limit 1)
        ) due"#,
        BEFORE_ALL
    )
    .fetch_one(pool)
    .await
}

/// The first service that was deleted or purged, or of which only ends and extensions are left.
async fn first_deleted_service(pool: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "-- first_deleted_service
        select least(
          (select service_id from services where expires_at = '-infinity' order by service_id limit 1),
          (select service_id from deleted_services order by service_id limit 1))"
    )
    .fetch_one(pool)
    .await
}
