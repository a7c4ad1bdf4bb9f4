//! All SQL and every transaction. Events are written through `writer` and queries read through `reads`. Everything else
//! uses a connection of the general pool.
//!
//! Nothing here knows HTTP.

mod batch;
mod business_attributes;
mod command;
mod connection;
mod credentials;
mod deleted_schemas;
mod deployment;
mod ended;
mod error;
mod extensions;
mod idempotency;
mod ids;
mod inspection;
mod lane_steps;
mod lanes;
mod lifetimes;
mod measures;
mod metadata;
mod metrics;
mod migrations;
mod more_lanes;
mod outdated_views;
mod overview;
mod queries;
mod reads;
mod records;
mod replica;
mod reporting;
mod reports;
mod rights;
mod services;
mod states;
mod suitability;
mod tasks;
mod tone;
mod unused_values;
mod values;
mod write;
mod writer;

use std::sync::Arc;

use sqlx::PgPool;

use crate::background::{Failed, Jobs, Waker};
use crate::domain::clock::Clock;
use crate::domain::metadata::MetadataSettings;
use crate::domain::time::Timestamp;

pub use business_attributes::Defined;
pub use connection::DatabaseAddress;
pub use error::{Load, StoreError};
pub use ids::skip_identifiers;
pub use inspection::{Finding, FindingError, inspect, inspect_replica};
pub use lifetimes::LifetimeSettings;
pub use migrations::{migrate, pending_migrations};
pub use more_lanes::{LaneFinding, LaneState, add_lanes, check_lanes, list_lanes};
pub use reads::ReadSettings;
pub use rights::{READ_ONLY, SEQUENCES, TABLES};
pub use suitability::{Readiness, StartError};
pub use writer::WriterSettings;

use connection::{Database, FollowPrimary};
use deleted_schemas::SweepRecords;
use deployment::{Deployment, FollowDeployment};
use idempotency::ExpireKeys;
use lanes::{LANE_CONNECTIONS, Lanes};
use metadata::MetadataCache;
use outdated_views::ReplaceOutdatedViews;
use queries::KnownMeanings;
use reads::Reads;
use suitability::LastReadiness;
use unused_values::{MeasureValues, RemoveUnusedValues};
use values::Values;

/// Connections for what must not wait for events and reads: readiness, credentials, and looking after the database.
pub const CONTROL_CONNECTIONS: u32 = 2;

/// The most attempts at a command whose metadata change while it is being written.
const MAX_TRIES: usize = 32;

/// Settings of the store.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The address of the database.
    pub database: DatabaseAddress,
    /// The most pooled connections for everything but events and reads.
    pub pool_size: u32,
    /// The database for reports and lists of services, if it is a separate one.
    pub replica: Option<DatabaseAddress>,
    /// The settings of reads for queries, reports and pages.
    pub reads: ReadSettings,
    /// The most values that a field without a business attribute learns.
    pub max_learned_values: u32,
    /// Whether an extension without a schema is accepted and stored as it is sent (docs/api.md §4).
    pub open_extensions: bool,
    /// Whether queries give the name of a value instead of its number, if it has both (docs/api.md §5).
    pub map_names: bool,
    /// The lifetimes of services.
    pub lifetimes: LifetimeSettings,
    /// Group commit.
    pub writer: WriterSettings,
}

impl StoreSettings {
    fn metadata(&self) -> MetadataSettings {
        MetadataSettings {
            open_extensions: self.open_extensions,
            auto_complete_after: self.lifetimes.auto_complete_after.map(|after| after.num_seconds()),
        }
    }
}

/// Reads and writes services, states and tasks in PostgreSQL.
pub struct Store {
    database: Arc<Database>,
    control: PgPool,
    pool: PgPool,
    last_readiness: LastReadiness,
    reads: Reads,
    replica: Option<Reads>,
    clock: Arc<dyn Clock>,
    lanes: Arc<Lanes>,
    values: Values,
    meanings: KnownMeanings,
    metadata: MetadataCache,
    deployment: Deployment,
    jobs: Jobs,
    lifetimes: LifetimeSettings,
    removal: Waker,
    purges: Waker,
    lifetimes_switch: tokio::sync::Mutex<()>,
    learning: tokio::sync::Mutex<()>,
    deleted_schemas: Waker,
}

impl Store {
    /// Connects, checks the database, migrates the schema, and starts the writer and the background jobs.
    pub async fn open(settings: StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let metadata = settings.metadata();
        let database = Database::new(settings.database);
        database.find_primary().await?;
        let control = database.open_whole_pool(CONTROL_CONNECTIONS).await.map_err(StartError::Unreachable)?;
        let pool = database.open_pool(settings.pool_size).await.map_err(StartError::Unreachable)?;
        suitability::check_settings(&pool).await?;
        migrations::bring_up_to_date(&database).await?;
        rights::check_rights(&pool).await?;
        let metadata = MetadataCache::load(&pool, metadata).await.map_err(StartError::Unreachable)?;
        let deployment = Deployment::default();
        deployment.refresh(&pool).await.map_err(StartError::Unreachable)?;
        metrics::describe();
        let jobs = Jobs::new(Arc::clone(&clock));
        let lanes = Lanes::open(&database, (&control, &pool), settings.writer, jobs.alarms());
        let lanes = lanes.await.map_err(StartError::Unreachable)?;
        let reads = Reads::new(&database, settings.reads).map_err(StartError::Unreachable)?;
        let replica = replica::open(settings.replica, settings.reads, &pool, &jobs).map_err(StartError::Unreachable)?;
        let pools = {
            let (lanes, others) = (Arc::clone(&lanes), [control.clone(), reads.pool.clone()]);
            move || lanes.all().iter().map(|lane| lane.pool.clone()).chain(others.clone()).collect()
        };
        jobs.start(FollowPrimary { database: Arc::clone(&database), control: control.clone(), pools: Box::new(pools) });
        jobs.start(FollowDeployment {
            deployment: deployment.clone(),
            lanes: Arc::clone(&lanes),
            pool: control.clone(),
        });
        jobs.start(ReplaceOutdatedViews { pool: pool.clone() });
        jobs.start(ExpireKeys::new(pool.clone(), Arc::clone(&clock)));
        let (removal, purges) = lifetimes::start_jobs(&jobs, &lanes, &clock, settings.lifetimes);
        let limit = settings.max_learned_values;
        jobs.start(MeasureValues { pool: pool.clone(), limit });
        jobs.start(RemoveUnusedValues::new(Arc::clone(&lanes), Arc::clone(&clock), limit));
        let store = Self {
            values: Values::new(limit, settings.pool_size),
            meanings: KnownMeanings::new(settings.map_names),
            deleted_schemas: jobs.start(SweepRecords::new(Arc::clone(&lanes), Arc::clone(&clock))),
            database,
            control,
            pool,
            last_readiness: LastReadiness::default(),
            reads,
            replica,
            clock,
            metadata,
            deployment,
            lanes,
            jobs,
            lifetimes: settings.lifetimes,
            removal,
            purges,
            lifetimes_switch: tokio::sync::Mutex::default(),
            learning: tokio::sync::Mutex::default(),
        };
        if settings.lifetimes.service_ttl.is_some() || settings.lifetimes.auto_complete_after.is_some() {
            store.use_lifetimes().await.map_err(StartError::Lifetimes)?;
        }
        Ok(store)
    }

    /// Stops the background jobs, writes the queued commands, then closes every connection. Later writes fail as if the
    /// database were unavailable.
    pub async fn close(&self) {
        self.jobs.stop().await;
        let lanes = self.lanes.all();
        for lane in &lanes {
            lane.writer.close().await;
        }
        let pools = lanes.iter().map(|lane| &lane.pool).chain([&self.control, &self.reads.pool]);
        for pool in pools {
            pool.close().await;
        }
        if let Some(replica) = &self.replica {
            replica.pool.close().await;
        }
    }

    /// Waits until a writer or background job has failed for good, which ends the process.
    pub async fn failed(&self) -> Failed {
        self.jobs.failed().await
    }

    /// The most connections that the lanes which this node knows take for themselves: a writer each, and those of all
    /// lanes but the first for other work.
    pub fn connections_of_lanes(&self) -> u64 {
        let lanes = self.lanes.all().len() as u64;
        lanes + lanes.saturating_sub(1) * u64::from(LANE_CONNECTIONS)
    }

    /// The present moment by the store's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns whether queries give the names of values of business attributes.
    pub fn maps_names(&self) -> bool {
        self.meanings.map_names()
    }

    /// Sets the gauges, which are sampled rather than counted.
    pub fn measure(&self) {
        let lanes = self.lanes.all();
        for lane in &lanes {
            lane.writer.measure();
        }
        metrics::measure(lanes.iter().map(|lane| &lane.pool), "other");
        metrics::measure(std::iter::once(&self.reads.pool), "reads");
        if let Some(replica) = &self.replica {
            metrics::measure(std::iter::once(&replica.pool), "replica");
        }
    }

    /// Delivers the answers to commands that were sent from this thread, for as long as the future is polled. An HTTP
    /// server runs one on each of its threads.
    pub async fn deliver_answers() {
        writer::deliver_answers().await;
    }
}
