//! States.

use super::command::Command;
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
            async |command: Box<StartState>, attempt| {
                let kind = command.details.state_type.as_ref();
                let values = self.start_values(attempt.metadata, Element::State, &command.event, kind).await?;
                let lane = self.lane_of(service).await?;
                Ok((Command::StartState(lane.ids.draw_state_id(service, attempt.taken).await?, command), values))
            },
        );
        started(id.await?)
    }

    /// Ends a state, once (docs/api.md §2; §1, Repeated requests).
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
            async |command: Box<TransitionState>, attempt| {
                let values = self.transition_values(attempt.metadata, &command).await?;
                let lane = self.lane_of(service).await?;
                Ok((Command::TransitionState(lane.ids.draw_state_id(service, attempt.taken).await?, command), values))
            },
        );
        started(id.await?)
    }
}
