//! Purges: deletion of the services that started before a moment. A purge is recorded before it begins. If its node
//! dies, another node continues it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, describe_counter};
use sqlx::PgConnection;
use tracing::info;

use super::{Pace, is_lock_timeout, wait_for_events};
use crate::background::{Failure, Job, Next, Waker};
use crate::domain::clock::Clock;
use crate::domain::ids::PurgeId;
use crate::domain::purge::{Purge, PurgeOperation, PurgeServices, PurgeState};
use crate::domain::time::Timestamp;
use crate::store::lanes::{Lanes, enter};
use crate::store::{Store, StoreError};

const PURGED: &str = "context_services_purged_total";

/// The interval at which the progress of a purge is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The pause after an event took too long to be written.
const BUSY: Duration = Duration::from_secs(1);

/// The interval at which a waiting caller checks the progress of a purge.
const POLL: Duration = Duration::from_millis(20);

impl Store {
    /// Purges the services that started before a moment. Returns when they are hidden, or after `patience` if the purge
    /// is still running (docs/api.md §7).
    pub async fn purge_services(
        &self,
        PurgeServices { operation, limit }: PurgeServices,
        patience: Duration,
    ) -> Result<Purge, StoreError> {
        self.use_lifetimes().await?;
        let id = sqlx::query_scalar!(
            "-- accept_purge
            insert into purges (started_at, before, operation) values ($1, $2, $3) returning purge_id",
            self.now().to_datetime(),
            limit.to_datetime(),
            operation.word()
        )
        .fetch_one(&self.pool)
        .await?;
        self.purges.wake();
        let start = Instant::now();
        loop {
            let purge = self.get_purge(PurgeId(id)).await?.ok_or(StoreError::Unavailable(None))?;
            if purge.state == PurgeState::Done || start.elapsed() > patience {
                return Ok(purge);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A purge by its identifier.
    pub async fn get_purge(&self, id: PurgeId) -> Result<Option<Purge>, StoreError> {
        let row = sqlx::query!(
            "-- get_purge
            select operation, before, started_at, ended_at, purged from purges where purge_id = $1",
            id.0
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let operation = PurgeOperation::parse(&row.operation)
            .ok_or(StoreError::Corrupt { table: "purges", column: "operation" })?;
        Ok(Some(Purge {
            purge_id: id,
            operation,
            limit: Timestamp::cut(row.before),
            state: if row.ended_at.is_some() { PurgeState::Done } else { PurgeState::Running },
            purged: row.purged,
            started: Timestamp::cut(row.started_at),
            ended: row.ended_at.map(Timestamp::cut),
        }))
    }
}

/// Carries out purges.
pub(super) struct RunPurges {
    lanes: Arc<Lanes>,
    clock: Arc<dyn Clock>,
    /// Wakes the removal of purged services.
    removal: Waker,
    pace: Pace,
    logged: Instant,
}

impl RunPurges {
    pub(in crate::store) fn new(lanes: Arc<Lanes>, clock: Arc<dyn Clock>, removal: Waker) -> Self {
        describe_counter!(PURGED, "Services that were purged.");
        counter!(PURGED).increment(0);
        Self { lanes, clock, removal, pace: Pace::new(), logged: Instant::now() }
    }
}

impl Job for RunPurges {
    const NAME: &'static str = "run_purges";
    const INTERVAL: Duration = Duration::from_secs(5);

    async fn run(&mut self) -> Result<Next, Failure> {
        let start = Instant::now();
        let mut transaction = self.lanes.shared().begin().await?;
        let Some(running) = running_purge(&mut transaction).await? else { return Ok(Next::Scheduled) };
        // A purge goes from lane to lane.
        let (lanes, at) = (self.lanes.all(), usize::try_from(running.reached_lane).unwrap_or(usize::MAX));
        if let Some(lane) = lanes.get(at).filter(|_| self.lanes.are_several()) {
            enter(&mut transaction, &lane.path).await?;
        }
        // The step must see every event that has been acknowledged, since an event may decide whether its service is
        // purged.
        if !wait_for_events(&mut transaction).await? {
            return Ok(Next::After(BUSY));
        }
        let (purged, lane_is_done) = match purge_step(&mut transaction, &running, self.pace.size()).await {
            Err(error) if is_lock_timeout(&error) => return Ok(Next::After(BUSY)),
            step => step?,
        };
        let done = lane_is_done && at + 1 >= lanes.len();
        if lane_is_done && !done {
            go_to_next_lane(&mut transaction, running.purge_id).await?;
        }
        if done {
            end_purge(&mut transaction, running.purge_id, self.clock.now()).await?;
        }
        transaction.commit().await?;
        counter!(PURGED).increment(purged.try_into().unwrap_or_default());
        self.removal.wake();
        if done || self.logged.elapsed() > LOG_INTERVAL {
            self.logged = Instant::now();
            info!(purge.id = running.purge_id, purged = running.purged + purged, done, "purging services");
        }
        Ok(Next::After(self.pace.after(start.elapsed())))
    }
}

struct Running {
    purge_id: i64,
    before: chrono::DateTime<chrono::Utc>,
    operation: String,
    purged: i64,
    reached_lane: i32,
}

/// Locks and returns the oldest running purge that no other node is processing.
async fn running_purge(transaction: &mut PgConnection) -> Result<Option<Running>, sqlx::Error> {
    sqlx::query_as!(
        Running,
        "-- running_purge
        select purge_id, before, operation, purged, reached_lane from purges where ended_at is null
        order by purge_id limit 1 for update skip locked"
    )
    .fetch_optional(transaction)
    .await
}

/// Hides some services of a lane and records the progress. Returns their number and whether all of the lane are.
async fn purge_step(transaction: &mut PgConnection, running: &Running, limit: i64) -> Result<(i64, bool), sqlx::Error> {
    let open_only = running.operation.contains(".started");
    let completed_only = running.operation.contains(".completed");
    let anonymous_only = running.operation.ends_with(".anonymous");
    let step = sqlx::query!(
        r#"-- purge_step
        with step as (
          select s.service_id, s.started_at, s.customer_id, s.expires_at
          from services s, purges p
          where p.purge_id = $1 and (s.started_at, s.service_id) > (p.reached_at, p.reached_id) and s.started_at < $2
          order by s.started_at, s.service_id limit $3
        ), chosen as (
          select s.service_id from step s
          left join dispositions d on d.service_id = s.service_id and d.element = 'service' and d.element_id = 0
          where (s.customer_id is null or not $4) and (d.service_id is null or not $5)
            and (d.service_id is not null or not $6)
        ), purged as (
          update unexpired_services u set expires_at = '-infinity'
          from chosen where u.service_id = chosen.service_id returning 1
        ), counted as (
          select (select count(*) from purged) as purged, (select count(*) from step) as looked_at
        ), last as (
          select started_at, service_id from step order by started_at desc, service_id desc limit 1
        ), advanced as (
          update purges p set purged = p.purged + counted.purged, reached_at = last.started_at,
            reached_id = last.service_id
          from counted, last where p.purge_id = $1
        )
        select purged as "purged!", looked_at as "looked_at!" from counted"#,
        running.purge_id,
        running.before,
        limit,
        anonymous_only,
        open_only,
        completed_only,
    )
    .fetch_one(transaction)
    .await?;
    Ok((step.purged, step.looked_at < limit))
}

async fn go_to_next_lane(transaction: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- go_to_next_lane
        update purges set reached_lane = reached_lane + 1, reached_at = '-infinity', reached_id = 0 where purge_id = $1",
        id
    )
    .execute(transaction)
    .await
    .map(drop)
}

async fn end_purge(transaction: &mut PgConnection, id: i64, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("-- end_purge\nupdate purges set ended_at = $2 where purge_id = $1", id, now.to_datetime())
        .execute(transaction)
        .await
        .map(drop)
}
