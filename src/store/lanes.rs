//! Lanes: where services are, and where new ones start.
//!
//! A lane holds services with all that belongs to them, in tables and with a writer of its own. Statements are the same
//! for every lane: only the search path of the connection differs. The identifier of a service says in which lane it
//! is, for ever. The customer decides where a service starts, so that the services of a customer are in one lane, or in
//! a few.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sqlx::{Executor, PgConnection, PgPool};
use tokio::sync::Mutex;

use super::connection::{Database, SHARED};
use super::ids::Ids;
use super::writer::{Writer, WriterSettings};
use super::{Store, StoreError};
use crate::background::{Alarms, Failure, Job, Next};
use crate::domain::ids::ServiceId;

/// The search path of all lanes together, if there are several. What is read in it comes from every lane, and nothing
/// can be written in it.
const ALL: &str = "all_lanes, public";

/// The most pooled connections of a lane but the first, which uses those that all lanes share. They serve background
/// jobs and rare look-ups.
pub(super) const LANE_CONNECTIONS: u32 = 2;

/// A lane.
pub(super) struct Lane {
    pub(super) number: i32,
    /// Connections whose search path is that of the lane.
    pub(super) pool: PgPool,
    pub(super) writer: Writer,
    pub(super) ids: Ids,
    /// The search path of the lane.
    pub(super) path: String,
    first: i64,
    last: i64,
}

/// What this node knows of the lanes.
struct Known {
    /// In the order of their numbers and of their identifiers.
    lanes: Vec<Arc<Lane>>,
    /// How many lanes there were after each addition. Each number has put services of a customer into a lane.
    counts: BTreeSet<u64>,
    /// The number of lanes in which services start.
    open: u64,
}

/// The lanes that this node knows.
pub(super) struct Lanes {
    known: ArcSwap<Known>,
    database: Arc<Database>,
    control: PgPool,
    shared: PgPool,
    settings: WriterSettings,
    alarms: Alarms,
    /// When the last refresh began. Held while lanes are read.
    refreshed: Mutex<Option<Instant>>,
}

struct LaneRow {
    lane: i32,
    first_service_id: i64,
    last_service_id: i64,
    of_lanes: i32,
    is_open: bool,
}

impl Lanes {
    /// Reads which lanes there are and starts a writer for each. `shared` is the pool of the first lane and of
    /// everything that lanes share; writers check their connections through `control`.
    pub(super) async fn open(
        database: &Arc<Database>,
        (control, shared): (&PgPool, &PgPool),
        settings: WriterSettings,
        alarms: Alarms,
    ) -> Result<Arc<Self>, sqlx::Error> {
        Writer::describe();
        let known = Known { lanes: Vec::new(), counts: BTreeSet::new(), open: 1 };
        let lanes = Self {
            known: ArcSwap::from_pointee(known),
            database: Arc::clone(database),
            control: control.clone(),
            shared: shared.clone(),
            settings,
            alarms,
            refreshed: Mutex::default(),
        };
        lanes.refresh(control).await?;
        Ok(Arc::new(lanes))
    }

    /// Learns of lanes that were added or opened. Concurrent callers share one look.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let asked = Instant::now();
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.is_some_and(|began| began > asked) {
            return Ok(());
        }
        let began = Instant::now();
        let rows = sqlx::query_as!(
            LaneRow,
            "-- read_lanes
            select lane, first_service_id, last_service_id, of_lanes, is_open from lanes order by lane"
        );
        let rows = rows.fetch_all(pool).await?;
        let mut lanes = self.all();
        for row in rows.iter().skip(lanes.len()) {
            lanes.push(Arc::new(self.open_lane(row).await?));
        }
        let count = |row: &LaneRow| u64::try_from(row.of_lanes).unwrap_or(1);
        let open = rows.iter().filter(|row| row.is_open).map(count).max().unwrap_or(1);
        self.known.store(Arc::new(Known { lanes, counts: rows.iter().map(count).collect(), open }));
        *refreshed = Some(began);
        Ok(())
    }

    async fn open_lane(&self, row: &LaneRow) -> Result<Lane, sqlx::Error> {
        let path = path_of(row.lane);
        let pool = match row.lane {
            0 => self.shared.clone(),
            _ => self.database.pool_for_lane(LANE_CONNECTIONS, &path)?,
        };
        Ok(Lane {
            number: row.lane,
            writer: Writer::start((&self.database, &self.control), (row.lane, &path), self.settings, &self.alarms)
                .await?,
            ids: Ids::new(pool.clone()),
            pool,
            path,
            first: row.first_service_id,
            last: row.last_service_id,
        })
    }

    /// Whether the numbers of all and of open lanes are those that this node knows.
    pub(super) fn are_current(&self, lanes: i64, open: i64) -> bool {
        let known = self.known.load();
        let is = |known: usize, count: i64| usize::try_from(count).is_ok_and(|count| count == known);
        is(known.lanes.len(), lanes) && u64::try_from(open).is_ok_and(|open| open == known.open)
    }

    /// Connections for what all lanes share.
    pub(super) const fn shared(&self) -> &PgPool {
        &self.shared
    }

    /// Whether there is more than one.
    pub(super) fn are_several(&self) -> bool {
        self.known.load().lanes.len() > 1
    }

    /// All lanes.
    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        self.known.load().lanes.clone()
    }

    /// The search path in which a read sees all lanes.
    pub(super) fn path_of_all(&self) -> &'static str {
        if self.are_several() { ALL } else { SHARED }
    }

    /// The lane of a service, whether it exists or not; `None` if no lane that this node knows can have it.
    pub(super) fn of(&self, ServiceId(service): ServiceId) -> Option<Arc<Lane>> {
        let known = self.known.load();
        let after = known.lanes.partition_point(|lane| lane.first <= service);
        known.lanes[..after].last().filter(|lane| service <= lane.last).map(Arc::clone)
    }

    /// The lane in which a service of a customer or contact key starts.
    pub(super) fn home_of(&self, owner: &str) -> Option<Arc<Lane>> {
        let known = self.known.load();
        known.lanes.get(place_of(owner, known.open)).map(Arc::clone)
    }

    /// The lanes in which services of a customer or contact key may have started.
    pub(super) fn homes_of(&self, owner: &str) -> BTreeSet<i32> {
        let places = self.known.load().counts.iter().map(|count| place_of(owner, *count)).collect::<Vec<_>>();
        places.into_iter().filter_map(|place| i32::try_from(place).ok()).collect()
    }

    fn first(&self) -> Option<Arc<Lane>> {
        self.known.load().lanes.first().map(Arc::clone)
    }

    /// Whether the writers of all lanes are full, so that any command would be refused.
    pub(super) fn are_full(&self) -> bool {
        self.known.load().lanes.iter().all(|lane| lane.writer.is_full())
    }
}

/// Where the services of a customer or contact key start if there are `count` lanes. It must never change: lists rely
/// on it.
fn place_of(owner: &str, count: u64) -> usize {
    if count <= 1 {
        return 0;
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&blake3::hash(owner.as_bytes()).as_bytes()[..8]);
    usize::try_from(u64::from_le_bytes(bytes) % count).unwrap_or_default()
}

/// The search path of a lane. It finds the tables of the lane, and all that lanes share.
pub(super) fn path_of(lane: i32) -> String {
    if lane == 0 { SHARED.to_owned() } else { format!("lane_{lane}, public") }
}

/// Makes the rest of a transaction read the tables of this search path.
pub(super) async fn enter(transaction: &mut PgConnection, path: &str) -> Result<(), sqlx::Error> {
    transaction.execute(&*format!("set local search_path = {path}")).await.map(drop)
}

impl Store {
    /// The lane of a service. If no lane has its identifier, the service does not exist, and the first lane says so.
    pub(super) async fn lane_of(&self, service: ServiceId) -> Result<Arc<Lane>, StoreError> {
        if let Some(lane) = self.lanes.of(service) {
            return Ok(lane);
        }
        // It may have been added a moment ago.
        Box::pin(self.database.limited(async { Ok(self.lanes.refresh(&self.pool).await?) })).await?;
        self.lanes.of(service).or_else(|| self.lanes.first()).ok_or(StoreError::Unavailable(None))
    }
}

/// A background job that does its work in each lane, with a state of its own for each.
pub(super) struct EachLane<J, N> {
    lanes: Arc<Lanes>,
    new: N,
    jobs: Vec<J>,
}

impl<J: Job, N: Fn(&Lane) -> J> EachLane<J, N> {
    /// `new` makes the job of a lane.
    pub(super) fn new(lanes: &Arc<Lanes>, new: N) -> Self {
        Self { lanes: Arc::clone(lanes), new, jobs: Vec::new() }
    }
}

impl<J: Job, N: Fn(&Lane) -> J + Send + 'static> Job for EachLane<J, N> {
    const NAME: &'static str = J::NAME;
    const INTERVAL: Duration = J::INTERVAL;
    const LIMIT: Duration = J::LIMIT;
    const DEADLINE: Option<Duration> = J::DEADLINE;

    /// Takes a step in each lane. A lane that fails does not keep the others from theirs.
    async fn run(&mut self) -> Result<Next, Failure> {
        let lanes = self.lanes.all();
        self.jobs.extend(lanes.iter().skip(self.jobs.len()).map(|lane| (self.new)(lane)));
        let (mut next, mut failed) = (Next::Scheduled, None);
        for job in &mut self.jobs {
            match job.run().await {
                Ok(step) => next = next.sooner(step),
                Err(failure) => failed = Some(failure),
            }
        }
        failed.map_or(Ok(next), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_customer_never_changes() {
        let places = |count| ["00K7", "", "Zoë", "+49 30 1234"].map(|owner| place_of(owner, count));
        assert_eq!(places(1), [0; 4]);
        assert_eq!(places(4), [3, 3, 3, 2]);
    }
}
