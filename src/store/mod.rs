//! All SQL and every transaction. What is written goes through `writer`; what is read takes a pooled connection.
//!
//! Nothing here knows HTTP.

mod attributes;
mod batch;
mod business_attributes;
mod connection;
mod credentials;
mod ends;
mod error;
mod extensions;
mod idempotency;
mod ids;
mod measures;
mod metadata;
mod queries;
mod records;
mod remains;
mod reporting;
mod reports;
mod server;
mod services;
mod states;
mod tasks;
mod writer;

use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::domain::clock::Clock;
use crate::domain::event::Context;
use crate::domain::metadata::Metadata;
use crate::domain::once_only::IdempotencyKey;
use crate::domain::refusal::Verdict;
use crate::domain::violation::Violations;

pub use business_attributes::Defined;
pub use connection::{Readiness, StartError};
pub use error::StoreError;
pub use writer::WriterSettings;

use attributes::{ValueIds, Values};
use connection::patiently;
use ids::Ids;
use metadata::MetadataCache;
use queries::KnownMeanings;
use remains::Remains;
use server::Deployment;
use writer::{Command, Write, Writer};

/// How often a command is tried again when what it was validated against changes under it.
const MAX_TRIES: usize = 8;

/// How to reach the database, and how to write to it.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where the database is.
    pub database: PgConnectOptions,
    /// The most pooled connections, for all that is not an event.
    pub pool_size: u32,
    /// Whether an extension without a schema is stored as it is sent (contract §4).
    pub open_extensions: bool,
    /// Whether values are read as their names where they have a number too (contract §5).
    pub map_names: bool,
    /// Group commit.
    pub writer: WriterSettings,
}

/// The context of customer journeys, on disk.
pub struct Store {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    ids: Ids,
    values: Values,
    meanings: KnownMeanings,
    metadata: MetadataCache,
    deployment: Deployment,
    remains: Remains,
    writer: Writer,
}

impl Store {
    /// Connects, brings the schema up to date, and makes sure that what is committed stays.
    pub async fn open(settings: StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let database = connection::named(settings.database);
        // A pool would try for a while and then only say that it gave up.
        database.connect().await.map_err(StartError::Unreachable)?.close().await.map_err(StartError::Unreachable)?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool_size)
            .acquire_timeout(connection::PATIENCE)
            .connect_with(database.clone())
            .await
            .map_err(StartError::Unreachable)?;
        connection::MIGRATIONS.run(&pool).await.map_err(StartError::Migration)?;
        connection::check_durability(&pool).await?;
        let metadata = MetadataCache::load(&pool, settings.open_extensions).await.map_err(StartError::Unreachable)?;
        let deployment = Deployment::default();
        deployment.follow(&pool).await.map_err(StartError::Unreachable)?;
        measures::describe();
        let writer = Writer::start(&database, settings.writer).await.map_err(StartError::Unreachable)?;
        let store = Self {
            ids: Ids::default(),
            values: Values::default(),
            meanings: KnownMeanings::new(settings.map_names),
            remains: Remains::of_deleted_services(pool.clone()),
            pool,
            clock,
            metadata,
            deployment,
            writer,
        };
        store.resume_sweeping().await.map_err(StartError::Unreachable)?;
        Ok(store)
    }

    /// Writes what is queued, then closes every connection. Later writes are refused as overload.
    pub async fn close(&self) {
        self.writer.close().await;
        self.pool.close().await;
    }

    /// Whether values of business attributes are read as names.
    pub fn maps_names(&self) -> bool {
        self.meanings.map_names()
    }

    /// Brings those measurements up to date that are looked at rather than counted.
    pub fn measure(&self) {
        self.writer.measure();
        measures::measure(&self.pool);
    }

    /// Hands out the answers to commands of this thread, all those of a batch at once. A server has it run on each of its
    /// threads.
    pub async fn hand_out_answers() {
        writer::hand_out().await;
    }

    /// Waits until a writer has died, which it should not: the process must then stop.
    pub async fn writer_died(&self) {
        self.writer.died().await;
    }

    /// Reads and validates a command, with newer metadata if that may settle what is wrong with it, and writes it.
    ///
    /// `prepare` gives what is to be written, the rows of its values, and whatever the caller needs to know of it, such
    /// as a drawn identifier.
    async fn write<C, T>(
        &self,
        read: impl Fn(Context<'_>) -> Result<C, Violations>,
        prepare: impl AsyncFn(Box<C>, &Metadata) -> Result<(Command, ValueIds, T), StoreError>,
    ) -> Result<T, StoreError> {
        self.try_write(None, read, prepare).await.map(|(answer, _)| answer)
    }

    /// The same of a command that starts something: under an idempotency key that was used before, nothing is written,
    /// and the answer is what was started then (contract §1, Once only).
    async fn write_once<C, T: TryFrom<i64>>(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<C, Violations>,
        prepare: impl AsyncFn(Box<C>, &Metadata) -> Result<(Command, ValueIds, T), StoreError>,
    ) -> Result<T, StoreError> {
        let started = match (self.try_write(key, read, prepare).await, key) {
            // What was valid once may not be any more: a repeat is still one.
            (Err(StoreError::Invalid(violations)), Some(key)) if violations.concerns_metadata() => {
                return match Box::pin(patiently(self.started_under(key))).await? {
                    Some(id) => recorded(id),
                    None => Err(StoreError::Invalid(violations)),
                };
            }
            (started, _) => started?,
        };
        match started {
            (_, Some(id)) => recorded(id),
            (answer, None) => Ok(answer),
        }
    }

    /// Gives the answer of a command that was carried out, or else the identifier of what an earlier one with its
    /// idempotency key started.
    ///
    /// What seldom happens on this way, and asks the database, is boxed wherever it is called: it would make the future of
    /// every request four times as large.
    async fn try_write<C, T>(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<C, Violations>,
        prepare: impl AsyncFn(Box<C>, &Metadata) -> Result<(Command, ValueIds, T), StoreError>,
    ) -> Result<(T, Option<i64>), StoreError> {
        if self.writer.is_full() {
            measures::count_unread();
            return Err(StoreError::Overloaded);
        }
        for _ in 0..MAX_TRIES {
            let metadata = self.metadata.current();
            let command = match read(Context { now: self.clock.now(), metadata: &metadata, fill_defaults: true }) {
                Ok(command) => Box::new(command),
                Err(violations) if violations.concerns_metadata() && self.renew(&metadata).await? => continue,
                Err(violations) if !violations.unlearned().is_empty() => {
                    Box::pin(self.learn_extensions(violations.unlearned())).await?;
                    continue;
                }
                Err(violations) => return Err(StoreError::Invalid(violations)),
            };
            let (command, values, answer) = patiently(prepare(command, &metadata)).await?;
            let write = Write { command, values, version: metadata.version, key: key.cloned() };
            match self.writer.write(write).await? {
                Verdict::Done => return Ok((answer, None)),
                Verdict::Repeated(id) => return Ok((answer, Some(id))),
                Verdict::Refused(refusal) => return Err(StoreError::Refused(refusal)),
                Verdict::Again => self.renew(&metadata).await.map(drop)?,
            }
        }
        Err(StoreError::Overloaded)
    }

    /// Whether there is newer metadata than `seen`, which is then in force.
    async fn renew(&self, seen: &Metadata) -> Result<bool, StoreError> {
        Box::pin(patiently(self.metadata.renew(&self.pool, seen.version))).await
    }
}

/// An identifier as it was recorded.
fn recorded<T: TryFrom<i64>>(id: i64) -> Result<T, StoreError> {
    T::try_from(id).map_err(|_| StoreError::Corrupt { table: "idempotency_keys", column: "element_id" })
}
