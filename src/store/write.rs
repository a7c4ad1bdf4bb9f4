//! The write path of events. An event is interpreted and validated against the metadata, and handed to the writer. If
//! the metadata change meanwhile, this is repeated.

use super::batch::ElementColumn;
use super::command::{Basis, Command, Write};
use super::error::Load;
use super::values::ValueIds;
use super::{MAX_TRIES, Store, StoreError, metrics};
use crate::domain::completion::{Complete, EndEvent};
use crate::domain::context::Context;
use crate::domain::ids::ElementKey;
use crate::domain::metadata::Metadata;
use crate::domain::once_only::{IdempotencyKey, RecordedEnd};
use crate::domain::refusal::Verdict;
use crate::domain::time::Timestamp;
use crate::domain::violation::Violations;

/// An attempt to write an event.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// The metadata that the event was read against.
    pub(super) metadata: &'a Metadata,
    /// The number of identifiers drawn for its element that turned out to be taken.
    pub(super) taken: usize,
}

impl Store {
    /// Reads an event and writes its command. Returns the identifier of the element that it started, or that an earlier
    /// request with the same idempotency key started (docs/api.md §1, Repeated requests); 0 if it starts none.
    ///
    /// `read` validates the event. It is called again if newer metadata may resolve the violations. `prepare` returns
    /// the command and the rows of its values.
    ///
    /// Rare steps that ask the database are boxed: inline, they would make the future of every request four times as
    /// large.
    pub(super) async fn write<C>(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<C, Violations>,
        prepare: impl AsyncFn(Box<C>, Attempt<'_>) -> Result<(Command, ValueIds), StoreError>,
    ) -> Result<i64, StoreError> {
        if self.lanes.are_full() {
            metrics::count_unread();
            return Err(StoreError::Overloaded(Load::Commands));
        }
        let mut taken = 0;
        for _ in 0..MAX_TRIES {
            let metadata = self.metadata.current();
            let command = match read(Context { now: self.clock.now(), metadata: &metadata, fill_defaults: true }) {
                Ok(command) => Box::new(command),
                Err(violations) if violations.concerns_metadata() && self.renew(&metadata).await? => continue,
                Err(violations) if !violations.unlearned().is_empty() => {
                    Box::pin(self.learn_extensions(violations.unlearned())).await?;
                    continue;
                }
                Err(violations) => return Box::pin(self.started_before(key, violations)).await,
            };
            let attempt = Attempt { metadata: &metadata, taken };
            let (command, values) = match self.database.limited(prepare(command, attempt)).await {
                Ok(prepared) => prepared,
                Err(StoreError::Invalid(_)) if self.renew(&metadata).await? => continue,
                Err(StoreError::Invalid(violations)) => {
                    return Box::pin(self.started_before(key, violations)).await;
                }
                Err(error) => return Err(error),
            };
            if command.uses_lifetimes() && !metadata.lifetimes {
                Box::pin(self.use_lifetimes()).await?;
                continue;
            }
            let started_id = command.started_id();
            let basis = Basis { version: metadata.version, lifetimes: metadata.lifetimes };
            let write = Write { command, values, basis, key: key.cloned() };
            let lane = self.lane_of(write.command.key().service).await?;
            match lane.writer.write(write).await? {
                Verdict::Done => return Ok(started_id),
                Verdict::Repeated(id) => return Ok(id),
                Verdict::Refused(refusal) => return Err(StoreError::Refused(refusal)),
                // If the metadata are current, the only remaining reason is that the drawn identifier is taken.
                Verdict::Retry => taken += usize::from(!self.renew(&metadata).await?),
            }
        }
        Err(StoreError::Overloaded(Load::MetadataChanges))
    }

    /// Returns the element that an earlier request started under this key, if the event may have become invalid only
    /// because the metadata have changed.
    async fn started_before(&self, key: Option<&IdempotencyKey>, violations: Violations) -> Result<i64, StoreError> {
        if let Some(key) = key.filter(|_| violations.concerns_metadata())
            && let Some(id) = self.database.limited(self.started_under(key)).await?
        {
            return Ok(id);
        }
        Err(StoreError::Invalid(violations))
    }

    /// Writes an end event. `command` names its operation.
    pub(super) async fn complete(
        &self,
        end: &EndEvent<'_>,
        command: fn(Box<Complete>) -> Command,
    ) -> Result<(), StoreError> {
        let written = self.write(
            None,
            |context| end.read(context),
            async |complete: Box<Complete>, attempt| {
                let values = self.end_values(attempt.metadata, end.key.element, &complete.end).await?;
                Ok((command(complete), values))
            },
        );
        match written.await {
            // A repeat is recognised even if a metadata change has made the event invalid.
            Err(StoreError::Invalid(violations)) if violations.concerns_metadata() => {
                let recorded = Box::pin(self.database.limited(self.recorded_end(end.key))).await?;
                let repeated = recorded.is_some_and(|recorded| end.is_on_record(&recorded));
                if repeated { Ok(()) } else { Err(StoreError::Invalid(violations)) }
            }
            other => other.map(drop),
        }
    }

    async fn recorded_end(&self, key: ElementKey) -> Result<Option<RecordedEnd>, StoreError> {
        let lane = self.lane_of(key.service).await?;
        let end = sqlx::query!(
            "-- recorded_end
            select ended_at, digest from dispositions where service_id = $1 and element = $2 and element_id = $3",
            key.service.0,
            ElementColumn::from(key.element) as _,
            key.id
        )
        .fetch_optional(&lane.pool)
        .await?;
        Ok(end.map(|end| RecordedEnd { ended_at: Timestamp::cut(end.ended_at), digest: end.digest }))
    }

    /// Renews the node's copy of the metadata. Returns whether it is newer than `seen` now.
    pub(super) async fn renew(&self, seen: &Metadata) -> Result<bool, StoreError> {
        Box::pin(self.database.limited(self.metadata.renew(&self.pool, seen.version))).await
    }
}

/// The identifier of the element that a command started.
pub(super) fn started<T: TryFrom<i64>>(id: i64) -> Result<T, StoreError> {
    T::try_from(id).map_err(|_| StoreError::Corrupt { table: "idempotency_keys", column: "element_id" })
}
