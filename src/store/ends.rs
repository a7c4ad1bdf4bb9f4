//! The ends of services, states and tasks.

use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::completion::{Complete, EndEvent};
use crate::domain::ids::ElementKey;
use crate::domain::once_only::RecordedEnd;
use crate::domain::time::Timestamp;

use super::batch::ElementColumn;
use super::connection::patiently;

impl Store {
    /// Ends a service, state or task, once (contract §1, Once only; §2, SRV.3, SRV.6, SRV.9).
    pub async fn complete(&self, end: &EndEvent<'_>) -> Result<(), StoreError> {
        let written = self.write(
            |context| end.read(context),
            async |command: Box<Complete>, metadata| {
                let values = self.end_values(metadata, command.key.1, &command.event, &command.disposition).await?;
                Ok((Command::Complete(command), values, ()))
            },
        );
        match written.await {
            // What was valid once may not be any more: a repeat is still one.
            Err(StoreError::Invalid(violations)) if violations.concerns_metadata() => {
                let recorded = Box::pin(patiently(self.recorded_end(end.key))).await?;
                let repeated = recorded.is_some_and(|recorded| end.is_on_record(&recorded));
                if repeated { Ok(()) } else { Err(StoreError::Invalid(violations)) }
            }
            other => other,
        }
    }

    async fn recorded_end(&self, (service, element, id): ElementKey) -> Result<Option<RecordedEnd>, StoreError> {
        let end = sqlx::query!(
            "-- recorded_end
            select ended_at, digest from dispositions where service_id = $1 and element = $2 and element_id = $3",
            service.0,
            ElementColumn::from(element) as _,
            id
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(end.map(|end| RecordedEnd { ended_at: Timestamp::cut(end.ended_at), digest: end.digest }))
    }
}
