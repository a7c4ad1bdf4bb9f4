//! States.

use super::command::Command;
use super::values::ValueIds;
use super::write::started;
use super::{Store, StoreError};
use crate::domain::completion::EndEvent;
use crate::domain::ids::{Element, ServiceId, StateId};
use crate::domain::json::Members;
use crate::domain::once_only::IdempotencyKey;
use crate::domain::state::{StartState, TransitionState};

impl Store {
    /// Starts a state and returns its identifier (docs/api.md §2).
    pub async fn start_state(
        &self,
        service: ServiceId,
        body: &Members<'_>,
        key: Option<&IdempotencyKey>,
    ) -> Result<StateId, StoreError> {
        let id = self.write(
            key,
            |context| StartState::read(service, body, context),
            async |command: Box<StartState>, metadata| {
                let kind = command.details.state_type.as_ref();
                let values = self.start_values(metadata, Element::State, &command.event, kind).await?;
                Ok((Command::StartState(self.draw_state_id().await?, command), values))
            },
        );
        started(id.await?)
    }

    /// Ends a state, once (docs/api.md §2; §1, Once only).
    pub async fn complete_state(
        &self,
        service: ServiceId,
        state: StateId,
        body: &Members<'_>,
    ) -> Result<(), StoreError> {
        self.complete(&EndEvent::state(service, state, body), Command::CompleteState).await
    }

    /// Ends a state and starts the one that follows it, both or neither (docs/api.md §2). Returns the identifier of the
    /// new state.
    pub async fn transition_state(
        &self,
        service: ServiceId,
        body: &Members<'_>,
        key: Option<&IdempotencyKey>,
    ) -> Result<StateId, StoreError> {
        let id = self.write(
            key,
            |context| TransitionState::read(service, body, context),
            async |command: Box<TransitionState>, metadata| {
                let kind = command.to.details.state_type.as_ref();
                let start = self.start_values(metadata, Element::State, &command.to.event, kind).await?;
                let end = self.end_values(metadata, Element::State, &command.from.end).await?;
                let values = ValueIds { disposition: end.disposition, ..start };
                Ok((Command::TransitionState(self.draw_state_id().await?, command), values))
            },
        );
        started(id.await?)
    }
}
