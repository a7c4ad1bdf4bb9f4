//! Automatic completion: idle services are ended, together with everything open in them.
//!
//! Events do not postpone a deadline. A service that may be completed automatically has a row in `auto_completions`,
//! which is processed when it is due. The service's last event then determines whether it is idle, or when to check it
//! again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, describe_counter};
use sqlx::{PgConnection, PgPool};
use tracing::info;

use super::{BEFORE_ALL, Pace, wait_for_events};
use crate::background::{Failure, Job, Next};
use crate::domain::clock::Clock;
use crate::domain::lifetime::{Idleness, LastEvent, MAX_LIFETIME};
use crate::domain::time::Timestamp;
use crate::store::lanes::Lanes;

const COMPLETED: &str = "context_services_auto_completed_total";

/// The time by which the pass goes back after a restart with the same setting. Other nodes may have started services
/// without the setting shortly before.
const RECENT: TimeDelta = TimeDelta::days(1);

/// Ends idle services.
pub(super) struct CompleteIdleServices {
    lanes: Arc<Lanes>,
    clock: Arc<dyn Clock>,
    /// `AUTO_COMPLETE_AFTER`, in seconds.
    setting: Option<i64>,
    pace: Pace,
    entering: Entering,
}

/// The pass that adds services that were started without the setting to `auto_completions`.
enum Entering {
    NotBegun,
    /// In a lane, after this service. In each lane it begins with services that started `from` then on.
    In {
        from: DateTime<Utc>,
        lane: usize,
        after: Reached,
    },
    Done,
}

/// The start and the identifier of a service.
type Reached = (DateTime<Utc>, i64);

impl CompleteIdleServices {
    pub(in crate::store) fn new(lanes: Arc<Lanes>, clock: Arc<dyn Clock>, setting: Option<TimeDelta>) -> Self {
        describe_counter!(COMPLETED, "Idle services that were completed automatically.");
        counter!(COMPLETED).increment(0);
        let setting = setting.map(|after| after.num_seconds());
        Self { lanes, clock, setting, pace: Pace::new(), entering: Entering::NotBegun }
    }

    /// Processes the services of a lane that are due. Returns their number.
    async fn look(&self, pool: &PgPool) -> Result<usize, sqlx::Error> {
        let now = self.clock.now();
        let due = due_auto_completions(pool, now, self.pace.size()).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let mut connection = pool.acquire().await?;
        let judged = self.judge(&mut connection, &due, now).await?;
        reschedule(&mut connection, &judged).await?;
        let idle: Vec<_> = judged.iter().filter(|(_, idle)| *idle == Idleness::Idle).map(|(id, _)| *id).collect();
        drop(connection);
        let completed = idle.is_empty() || self.complete(pool, &idle, now).await?;
        // Services that could not be completed now are retried later.
        Ok(if completed { due.len() } else { 0 })
    }

    async fn judge(
        &self,
        connection: &mut PgConnection,
        services: &[i64],
        now: Timestamp,
    ) -> Result<Vec<(i64, Idleness)>, sqlx::Error> {
        let events = last_events(connection, services, self.setting).await?;
        Ok(events
            .into_iter()
            .map(|(service, last)| (service, last.map_or(Idleness::Never, |last| last.judge(now))))
            .collect())
    }

    /// Waits until no event is being written, judges the services again, and ends those that are still idle, so that
    /// every acknowledged event counts. Returns false if the wait is too long.
    async fn complete(&self, pool: &PgPool, services: &[i64], now: Timestamp) -> Result<bool, sqlx::Error> {
        let mut transaction = pool.begin().await?;
        if !wait_for_events(&mut transaction).await? {
            return Ok(false);
        }
        let judged = self.judge(&mut transaction, services, now).await?;
        let idle: Vec<_> = judged.iter().filter(|(_, idle)| *idle == Idleness::Idle).map(|(id, _)| *id).collect();
        complete_idle_services(&mut transaction, &idle, now).await?;
        transaction.commit().await?;
        counter!(COMPLETED).increment(idle.len() as u64);
        Ok(true)
    }

    /// Adds open services that the setting may complete to `auto_completions`. Returns whether there may be more of
    /// them.
    async fn enter(&mut self) -> Result<bool, sqlx::Error> {
        let (from, number, after) = match self.entering {
            Entering::Done => return Ok(false),
            Entering::In { from, lane, after } => (from, lane, after),
            Entering::NotBegun => {
                let from = self.begin_entering().await?;
                (from, 0, (from, i64::MIN))
            }
        };
        self.entering = Entering::In { from, lane: number, after };
        if let (Some(lane), Some(setting)) = (self.lanes.all().get(number), self.setting) {
            let now = self.clock.now().to_datetime();
            let last = enter_open_services(&lane.pool, after, (now, setting), self.pace.size()).await?;
            self.entering = match last {
                Some(after) => Entering::In { from, lane: number, after },
                None => Entering::In { from, lane: number + 1, after: (from, i64::MIN) },
            };
            return Ok(true);
        }
        sqlx::query!("-- finish_entering\nupdate deployment set auto_complete_after = $1", self.setting)
            .execute(self.lanes.shared())
            .await?;
        self.entering = Entering::Done;
        Ok(false)
    }

    /// The start time from which services are added to `auto_completions`: the beginning of time if the setting has
    /// changed, otherwise a day ago ([`RECENT`]).
    async fn begin_entering(&self) -> Result<DateTime<Utc>, sqlx::Error> {
        let known = sqlx::query_scalar!("-- begin_entering\nselect auto_complete_after from deployment")
            .fetch_one(self.lanes.shared())
            .await?;
        if known == self.setting {
            return Ok(self.clock.now().to_datetime() - RECENT);
        }
        info!(auto_complete_after = self.setting, "AUTO_COMPLETE_AFTER has changed: all open services are looked at");
        Ok(BEFORE_ALL)
    }
}

impl Job for CompleteIdleServices {
    const NAME: &'static str = "complete_idle_services";
    const INTERVAL: Duration = Duration::from_millis(500);
    const DEADLINE: Option<Duration> = Some(Duration::from_secs(600));

    async fn run(&mut self) -> Result<Next, Failure> {
        let start = Instant::now();
        let mut looked_at = 0;
        for lane in self.lanes.all() {
            looked_at += self.look(&lane.pool).await?;
        }
        let entered = self.enter().await?;
        let pause = self.pace.after(start.elapsed());
        Ok(if looked_at > 0 || entered { Next::After(pause) } else { Next::Scheduled })
    }
}

async fn due_auto_completions(pool: &PgPool, now: Timestamp, limit: i64) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "-- due_auto_completions
        select service_id from auto_completions where due_at <= $1 order by due_at, service_id limit $2",
        now.to_datetime(),
        limit
    )
    .fetch_all(pool)
    .await
}

/// The last events of services. `None` if a service has ended, does not exist, or is not completed automatically.
async fn last_events(
    connection: &mut PgConnection,
    services: &[i64],
    setting: Option<i64>,
) -> Result<Vec<(i64, Option<LastEvent>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- last_events
        select g.service_id as "service_id!", coalesce(s.auto_complete_after, $2) as after_s,
          case when s.service_id is not null and d.service_id is null
            then greatest(s.started_at, s.associated_at, states.last, tasks.last, ends.last) end as last_at
        from unnest($1::bigint[]) as g(service_id)
        left join unexpired_services s on s.service_id = g.service_id
        left join dispositions d on d.service_id = g.service_id and d.element = 'service' and d.element_id = 0
        left join lateral (select max(started_at) as last from states where service_id = g.service_id) states on true
        left join lateral (select max(started_at) as last from tasks where service_id = g.service_id) tasks on true
        left join lateral (select max(ended_at) as last from dispositions where service_id = g.service_id) ends on true"#,
        services,
        setting
    )
    .fetch_all(connection)
    .await?;
    let event = |at: Option<DateTime<Utc>>, after: Option<i64>| {
        Some(LastEvent { at: Timestamp::cut(at?), auto_complete_after: after? })
    };
    Ok(rows.into_iter().map(|row| (row.service_id, event(row.last_at, row.after_s))).collect())
}

/// Removes the rows of services that are no longer completed automatically, and reschedules the others.
async fn reschedule(connection: &mut PgConnection, judged: &[(i64, Idleness)]) -> Result<(), sqlx::Error> {
    let (mut never, mut later, mut due_at) = (Vec::new(), Vec::new(), Vec::new());
    for (service, idleness) in judged {
        match idleness {
            Idleness::Idle => {}
            Idleness::Never => never.push(*service),
            Idleness::Until(at) => {
                later.push(*service);
                due_at.push(at.to_datetime());
            }
        }
    }
    sqlx::query!(
        "-- reschedule_auto_completions
        with forgotten as (
          delete from auto_completions where service_id = any($1)
        )
        update auto_completions a set due_at = g.due_at
        from unnest($2::bigint[], $3::timestamptz[]) as g(service_id, due_at)
        where a.service_id = g.service_id",
        &never,
        &later,
        &due_at
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Ends services and all that is open in them.
async fn complete_idle_services(
    transaction: &mut PgConnection,
    services: &[i64],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "-- complete_idle_services
        with done as (
          delete from auto_completions where service_id = any($1)
        ), closed as (
          delete from open_services where service_id = any($1)
        )
        insert into dispositions (service_id, element, element_id, ended_at, digest, auto_completed)
        select o.service_id, o.element, o.element_id, $2, '', true
        from (
          select g.service_id, 'service'::element as element, 0 as element_id from unnest($1::bigint[]) as g(service_id)
          union all
          select s.service_id, 'state', s.state_id from states s where s.service_id = any($1)
          union all
          select t.service_id, 'task', t.task_id from tasks t where t.service_id = any($1)
        ) o
        order by o.service_id, o.element, o.element_id
        on conflict do nothing",
        services,
        now.to_datetime()
    )
    .execute(transaction)
    .await
    .map(drop)
}

/// Reads the next services in the order of their start, and adds those that are open to `auto_completions`. Returns the
/// last service that it read.
async fn enter_open_services(
    pool: &PgPool,
    (after, after_id): Reached,
    (now, setting): (DateTime<Utc>, i64),
    limit: i64,
) -> Result<Option<Reached>, sqlx::Error> {
    let last = sqlx::query!(
        "-- enter_open_services
        with step as (
          select service_id, started_at, auto_complete_after from services
          where (started_at, service_id) > ($1, $2) order by started_at, service_id limit $3
        ), entered as (
          insert into auto_completions as a (service_id, due_at)
          select s.service_id, least(s.started_at, $4) + least(coalesce(s.auto_complete_after, $5), $6) * interval '1 second'
          from step s
          where not exists (
            select from dispositions d where d.service_id = s.service_id and d.element = 'service' and d.element_id = 0)
          on conflict (service_id) do update set due_at = least(a.due_at, excluded.due_at)
        )
        select started_at, service_id from step order by started_at desc, service_id desc limit 1",
        after,
        after_id,
        limit,
        now,
        setting,
        MAX_LIFETIME
    )
    .fetch_optional(pool)
    .await?;
    Ok(last.map(|last| (last.started_at, last.service_id)))
}
