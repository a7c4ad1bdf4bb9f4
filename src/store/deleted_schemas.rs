//! The records of deleted extension schemas.
//!
//! Queries no longer show them once their schema is deleted. They are removed in the background, in small steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tracing::info;

use super::batch::ElementColumn;
use super::lanes::Lanes;
use super::lifetimes::Pace;
use crate::background::{Failure, Job, Next};
use crate::domain::clock::Clock;

/// Removes the records of deleted schemas. The job is woken by every deletion on this node. Its interval covers nodes
/// that stopped before they had finished.
pub(super) struct SweepRecords {
    lanes: Arc<Lanes>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    sweep: Option<Sweep>,
}

impl SweepRecords {
    pub(super) fn new(lanes: Arc<Lanes>, clock: Arc<dyn Clock>) -> Self {
        Self { lanes, clock, pace: Pace::new(), sweep: None }
    }
}

/// A sweep makes passes over all records, at least two, until a pass has removed nothing: an event that was being
/// written when its schema was deleted may add a record where the first pass has already been.
struct Sweep {
    schemas: Vec<i32>,
    /// The lane that the pass is in. It goes through one after the other.
    lane: usize,
    after: RecordKey,
    passes: u32,
    removed_in_pass: u64,
    removed: u64,
}

/// The primary key of `extensions`.
type RecordKey = (i64, ElementColumn, i32, i32);

const BEFORE_ALL: RecordKey = (i64::MIN, ElementColumn::Service, i32::MIN, i32::MIN);

impl Job for SweepRecords {
    const NAME: &'static str = "deleted_schemas";
    const INTERVAL: Duration = Duration::from_secs(60 * 60);

    async fn run(&mut self) -> Result<Next, Failure> {
        let start = Instant::now();
        if self.sweep.is_none() {
            let schemas = unswept_schemas(self.lanes.shared()).await?;
            self.sweep = (!schemas.is_empty()).then(|| Sweep::new(schemas));
        }
        let Some(sweep) = &mut self.sweep else { return Ok(Next::Scheduled) };
        let lanes = self.lanes.all();
        let step = match lanes.get(sweep.lane) {
            Some(lane) => sweep_step(&lane.pool, &sweep.schemas, sweep.after, self.pace.size()).await?,
            None => None,
        };
        if !sweep.go_on(step, lanes.len()) {
            mark_swept(self.lanes.shared(), &sweep.schemas, &*self.clock).await?;
            info!(removed = sweep.removed, schemas = sweep.schemas.len(), "removed the records of deleted schemas");
            // Another schema may have been deleted during the sweep: the next run looks for it.
            self.sweep = None;
        }
        Ok(Next::After(self.pace.after(start.elapsed())))
    }
}

impl Sweep {
    const fn new(schemas: Vec<i32>) -> Self {
        Self { schemas, lane: 0, after: BEFORE_ALL, passes: 0, removed_in_pass: 0, removed: 0 }
    }

    /// Takes the result of a step into account. Returns whether there is another step.
    fn go_on(&mut self, step: Option<(RecordKey, u64)>, lanes: usize) -> bool {
        if let Some((last, removed)) = step {
            self.after = last;
            self.removed_in_pass += removed;
            return true;
        }
        self.after = BEFORE_ALL;
        self.lane += 1;
        if self.lane < lanes {
            return true;
        }
        self.lane = 0;
        self.passes += 1;
        let removed = std::mem::take(&mut self.removed_in_pass);
        self.removed += removed;
        removed > 0 || self.passes < 2
    }
}

async fn unswept_schemas(pool: &PgPool) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- unswept_schemas
        select schema_id from extension_schemas where deleted_at is not null and swept_at is null"#
    )
    .fetch_all(pool)
    .await
}

/// Walks over some records in the order of their key. Returns the key of the last one and the number of removed ones;
/// `None` at the end. No index by schema is kept for this: every event would pay for it.
async fn sweep_step(
    pool: &PgPool,
    schemas: &[i32],
    after: RecordKey,
    limit: i64,
) -> Result<Option<(RecordKey, u64)>, sqlx::Error> {
    let step = sqlx::query!(
        r#"-- sweep_step
        with step as (
          select service_id, element, element_id, schema_id from extensions
          where (service_id, element, element_id, schema_id) > ($1, $2, $3, $4)
          order by service_id, element, element_id, schema_id limit $5
        ), removed as (
          delete from extensions x using step s
          where x.service_id = s.service_id and x.element = s.element and x.element_id = s.element_id
            and x.schema_id = s.schema_id and s.schema_id = any($6)
          returning 1
        )
        select service_id, element as "element: ElementColumn", element_id, schema_id,
          (select count(*) from removed) as "removed!"
        from step order by service_id desc, element desc, element_id desc, schema_id desc limit 1"#,
        after.0,
        after.1 as _,
        after.2,
        after.3,
        limit,
        schemas,
    )
    .fetch_optional(pool)
    .await?;
    Ok(step.map(|step| {
        let last = (step.service_id, step.element, step.element_id, step.schema_id);
        (last, u64::try_from(step.removed).unwrap_or_default())
    }))
}

async fn mark_swept(pool: &PgPool, schemas: &[i32], clock: &dyn Clock) -> Result<(), sqlx::Error> {
    let now = clock.now().to_datetime();
    sqlx::query!("-- mark_swept\nupdate extension_schemas set swept_at = $2 where schema_id = any($1)", schemas, now)
        .execute(pool)
        .await
        .map(drop)
}
