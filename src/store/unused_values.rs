//! Removal of learned values that nothing refers to any more, because the events that had them are gone or were
//! refused.
//!
//! Nothing counts the references to a value, because every event would pay for it. Instead, a *pass* scans all rows
//! about once a day to find values that no row uses. A value is removed in two steps, in separate passes:
//!
//! 1. It is *retired*. No look-up finds it from then on, and a new generation of values begins in the same transaction,
//!    so that nodes drop their cached values. Events that were validated before must be validated again, since the
//!    metadata version has changed, too.
//! 2. It is *removed* if a later pass does not find it in use either. That pass begins only after all events that were
//!    in progress when the value was retired have been written. A value that one of them uses stays retired.
//!
//! If a node dies during a pass, a later pass picks up whatever it left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use sqlx::PgPool;
use tracing::info;

use super::batch::ElementColumn;
use super::lanes::Lanes;
use super::lifetimes::{Pace, lock_elements};
use super::{Store, StoreError};
use crate::background::{Failure, Job, Next};
use crate::domain::clock::Clock;

const LEARNED: &str = "context_services_learned_values";
const LIMIT: &str = "context_services_learned_values_limit";
const REMOVED: &str = "context_services_removed_values_total";

/// The time between two passes.
const BETWEEN_PASSES: TimeDelta = TimeDelta::days(1);

/// The time between two passes while a field is full.
const BETWEEN_PASSES_IF_FULL: TimeDelta = TimeDelta::hours(1);

/// The shortest time for which a value stays retired: nodes of an older release, which never drop cached values, may
/// still be running.
const RETIRED_FOR: TimeDelta = TimeDelta::days(1);

/// The most values that one transaction retires or removes.
const RETIRED_AT_ONCE: usize = 10_000;

/// Retires and removes values.
pub(super) struct RemoveUnusedValues {
    lanes: Arc<Lanes>,
    clock: Arc<dyn Clock>,
    limit: u32,
    pace: Pace,
    pass: Option<Pass>,
}

impl RemoveUnusedValues {
    pub(super) fn new(lanes: Arc<Lanes>, clock: Arc<dyn Clock>, limit: u32) -> Self {
        describe_counter!(REMOVED, "Learned values that were removed because no row referred to them.");
        counter!(REMOVED).increment(0);
        Self { lanes, clock, limit, pace: Pace::new(), pass: None }
    }
}

impl Job for RemoveUnusedValues {
    const NAME: &'static str = "remove_unused_values";
    const INTERVAL: Duration = Duration::from_secs(60 * 60);

    async fn run(&mut self) -> Result<Next, Failure> {
        let (start, now) = (Instant::now(), self.clock.now().to_datetime());
        let Some(pass) = &mut self.pass else {
            if !claim_pass(self.lanes.shared(), now, self.limit).await? {
                return Ok(Next::Scheduled);
            }
            self.pass = Some(Pass::begin(&self.lanes, now).await?);
            return Ok(Next::After(Duration::ZERO));
        };
        let step = pass.step(&self.lanes, self.pace.size(), now).await;
        // A pass that fails begins anew.
        if !matches!(step, Ok(true)) {
            self.pass = None;
        }
        Ok(if step? { Next::After(self.pace.after(start.elapsed())) } else { Next::Scheduled })
    }
}

impl Store {
    /// Retires learned values that nothing refers to, and removes those that were retired at least a day ago, as the
    /// background job does once a day. Returns how many values it retired and how many it removed.
    pub async fn remove_unused_values(&self) -> Result<(usize, usize), StoreError> {
        let now = self.clock.now().to_datetime();
        let mut pass = Pass::begin(&self.lanes, now).await?;
        while pass.step(&self.lanes, 1000, now).await? {}
        Ok((pass.retired, pass.removed))
    }
}

/// Records that a pass begins, unless one began recently. Returns whether it begins.
async fn claim_pass(pool: &PgPool, now: DateTime<Utc>, limit: u32) -> Result<bool, sqlx::Error> {
    let claimed = sqlx::query!(
        "-- claim_pass
        update deployment set values_swept_at = $1
        where values_swept_at is null or values_swept_at <= $2 or values_swept_at > $4
          or values_swept_at <= $3 and exists (select from business_attributes where learned and learned_values >= $5)",
        now,
        now - BETWEEN_PASSES,
        now - BETWEEN_PASSES_IF_FULL,
        // The time was set by a clock that was far ahead.
        now + BETWEEN_PASSES,
        i32::try_from(limit).unwrap_or(i32::MAX),
    );
    Ok(claimed.execute(pool).await?.rows_affected() > 0)
}

/// The tables whose rows refer to values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Services,
    States,
    Tasks,
    Ends,
}

/// The key of a row: its service, kind of element and identifier.
type Key = (i64, ElementColumn, i32);

const BEFORE_ALL: Key = (i64::MIN, ElementColumn::Service, i32::MIN);

struct Pass {
    /// Values that are not retired and that the pass has not yet found in use.
    unseen: HashSet<i32>,
    /// Retired values that it has not yet found in use.
    unseen_retired: HashSet<i32>,
    /// The position at which the scan continues: the lane, the table and the row; `None` once it is complete.
    at: Option<(usize, Table, Key)>,
    retired: usize,
    removed: usize,
}

impl Pass {
    async fn begin(lanes: &Lanes, now: DateTime<Utc>) -> Result<Self, sqlx::Error> {
        let values = sqlx::query!(
            r#"-- values_to_look_for
            select v.value_id, v.retired_at is not null as "retired!"
            from business_attribute_values v join business_attributes a on a.attribute_id = v.attribute_id
            where a.learned and (v.retired_at is null or v.retired_at <= $1)"#,
            now - RETIRED_FOR
        );
        let values = values.fetch_all(lanes.shared()).await?;
        let of = |retired| values.iter().filter(move |value| value.retired == retired).map(|value| value.value_id);
        let mut unseen_retired: HashSet<_> = of(true).collect();
        if !unseen_retired.is_empty() && !wait_for_events(lanes).await? {
            // Retired values are left to a later pass.
            unseen_retired.clear();
        }
        let unseen = of(false).collect();
        Ok(Self { unseen, unseen_retired, at: Some((0, Table::Services, BEFORE_ALL)), retired: 0, removed: 0 })
    }

    /// Walks over some rows, or retires or removes some values. Returns whether there is more to do.
    async fn step(&mut self, lanes: &Lanes, limit: i64, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        if self.unseen.is_empty() && self.unseen_retired.is_empty() {
            return Ok(false);
        }
        let all = lanes.all();
        let Some((number, table, after)) = self.at else { return self.take_away(lanes.shared(), now).await };
        let Some(lane) = all.get(number) else {
            self.at = None;
            return Ok(true);
        };
        let (last, values) = walk(&lane.pool, table, after, limit).await?;
        for value in values {
            self.unseen.remove(&value);
            self.unseen_retired.remove(&value);
        }
        self.at = match (last, table) {
            (Some(last), _) => Some((number, table, last)),
            (None, Table::Services) => Some((number, Table::States, BEFORE_ALL)),
            (None, Table::States) => Some((number, Table::Tasks, BEFORE_ALL)),
            (None, Table::Tasks) => Some((number, Table::Ends, BEFORE_ALL)),
            (None, Table::Ends) => Some((number + 1, Table::Services, BEFORE_ALL)),
        };
        Ok(true)
    }

    async fn take_away(&mut self, pool: &PgPool, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        let some = |of: &HashSet<i32>| of.iter().copied().take(RETIRED_AT_ONCE).collect::<Vec<_>>();
        let (removed, retired) = (some(&self.unseen_retired), some(&self.unseen));
        if removed.is_empty() {
            retire(pool, &retired, now).await?;
            for value in &retired {
                self.unseen.remove(value);
            }
            self.retired += retired.len();
        } else {
            remove(pool, &removed).await?;
            for value in &removed {
                self.unseen_retired.remove(value);
            }
            self.removed += removed.len();
            counter!(REMOVED).increment(removed.len() as u64);
        }
        let more = !self.unseen.is_empty() || !self.unseen_retired.is_empty();
        if !more {
            info!(retired = self.retired, removed = self.removed, "removed unused learned values");
        }
        Ok(more)
    }
}

/// Waits until the events that are being written are committed. Gives up and returns false after 100 ms, because new
/// events have to wait meanwhile.
///
/// An event locks its table before it compares the metadata version. An event that this function does not wait for
/// therefore sees the changed version, and is validated again.
async fn wait_for_events(lanes: &Lanes) -> Result<bool, sqlx::Error> {
    let mut barrier = lanes.shared().begin().await?;
    let locked = lock_elements(&mut barrier, lanes).await?;
    barrier.rollback().await?;
    Ok(locked)
}

/// The statement that walks over some rows of a table.
///
/// Arguments: pool; limit; service; name of the statement; table; its columns for the kind of element, for the
/// identifier, and for the value that no other table has; condition and order; further parameters.
macro_rules! step {
    ($pool:expr, $limit:expr, $service:expr, $name:tt, $table:tt, $element:tt, $id:tt, $value:tt, $from:tt $(, $($of:tt)+)?) => {
        sqlx::query_as!(
            Step,
            "-- " + $name + r#"
            with step as (
              select service_id, "# + $element + " as element, " + $id + " as element_id, "
                + $value + " as own, application_type, resource_type, media_type
              from " + $table + " where " + $from + r#" limit $1
            )
            select service_id as "service_id!", element as "element!: ElementColumn", element_id as "element_id!",
              array(
                select distinct value from step
                cross join lateral unnest(array[own, application_type, resource_type, media_type]) as value
                where value is not null
              ) as "values!"
            from step order by service_id desc, element desc, element_id desc limit 1"#,
            $limit,
            $service
            $(, $($of)+)?
        )
        .fetch_optional($pool)
        .await?
    };
}

/// Walks over some rows of a table. Returns the key of the last one, and the values that they refer to.
async fn walk(
    pool: &PgPool,
    table: Table,
    (service, element, id): Key,
    limit: i64,
) -> Result<(Option<Key>, Vec<i32>), sqlx::Error> {
    let step = match table {
        Table::Services => step!(
            pool,
            limit,
            service,
            "values_of_services",
            "services",
            "'service'::element",
            "0",
            "service_type",
            "service_id > $2 order by service_id"
        ),
        Table::States => step!(
            pool,
            limit,
            service,
            "values_of_states",
            "states",
            "'state'::element",
            "state_id",
            "state_type",
            "(service_id, state_id) > ($2, $3::int) order by service_id, state_id",
            id
        ),
        Table::Tasks => step!(
            pool,
            limit,
            service,
            "values_of_tasks",
            "tasks",
            "'task'::element",
            "task_id",
            "task_type",
            "(service_id, task_id) > ($2, $3::int) order by service_id, task_id",
            id
        ),
        Table::Ends => step!(
            pool,
            limit,
            service,
            "values_of_ends",
            "dispositions",
            "element",
            "element_id",
            "disposition",
            "(service_id, element, element_id) > ($2, $3::element, $4::int) order by service_id, element, element_id",
            element as _,
            id
        ),
    };
    Ok(step.map_or((None, Vec::new()), |step| (Some((step.service_id, step.element, step.element_id)), step.values)))
}

/// The last of some rows, and the values that they refer to.
struct Step {
    service_id: i64,
    element: ElementColumn,
    element_id: i32,
    values: Vec<i32>,
}

/// Retires values, and makes every node forget the values that it knows. Locks are acquired in the same order as by
/// other changes: version, attributes, values.
async fn retire(pool: &PgPool, values: &[i32], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "-- begin_generation
        update deployment set metadata_version = metadata_version + 1, values_generation = values_generation + 1"
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("-- lock_learned\nselect from business_attributes where learned order by attribute_id for update")
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "-- retire_unused_values
        with retired as (
          update business_attribute_values set retired_at = $2 where value_id = any($1) and retired_at is null
          returning attribute_id
        ), counts as (
          select attribute_id, count(*)::int as number from retired group by attribute_id
        )
        update business_attributes a set learned_values = a.learned_values - c.number
        from counts c where a.attribute_id = c.attribute_id",
        values,
        now
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

async fn remove(pool: &PgPool, values: &[i32]) -> Result<(), sqlx::Error> {
    let removed = sqlx::query!(
        "-- remove_unused_values
        delete from business_attribute_values where value_id = any($1) and retired_at is not null",
        values
    );
    removed.execute(pool).await.map(drop)
}

/// Measures the number of values that fields have learned.
pub(super) struct MeasureValues {
    pub(super) pool: PgPool,
    pub(super) limit: u32,
}

impl Job for MeasureValues {
    const NAME: &'static str = "measure_values";
    const INTERVAL: Duration = Duration::from_secs(10);

    async fn run(&mut self) -> Result<Next, Failure> {
        describe_gauge!(LEARNED, "Values on record of a field without a business attribute.");
        describe_gauge!(LIMIT, "The most values that a field without a business attribute may have.");
        gauge!(LIMIT).set(self.limit);
        let fields = sqlx::query!(
            r#"-- learned_values
            select fields[1] as "field!", learned_values from business_attributes where learned"#
        );
        for row in fields.fetch_all(&self.pool).await? {
            gauge!(LEARNED, "field" => row.field).set(row.learned_values);
        }
        Ok(Next::Scheduled)
    }
}
