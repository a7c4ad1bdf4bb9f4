//! States.

use super::attributes::ValueIds;
use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::event::Context;
use crate::domain::ids::{Element, StateId};
use crate::domain::once_only::IdempotencyKey;
use crate::domain::state::{StartState, TransitionState};
use crate::domain::violation::Violations;

impl Store {
    /// Starts a state with an identifier drawn for it. `read` gives the command (contract §2, SRV.5).
    pub async fn start_state(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<StartState, Violations>,
    ) -> Result<StateId, StoreError> {
        self.write_once(key, read, async |command: Box<StartState>, metadata| {
            let kind = command.details.state_type.as_ref();
            let values = self.start_values(metadata, Element::State, &command.event, kind).await?;
            let id = self.draw_state_id().await?;
            let command = Command::StartState(id, command);
            Ok((command, values, id))
        })
        .await
    }

    /// Ends a state and starts the one that follows it, with an identifier drawn for it, both or neither. `read` gives
    /// the command (contract §2, SRV.7).
    pub async fn transition_state(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<TransitionState, Violations>,
    ) -> Result<StateId, StoreError> {
        self.write_once(key, read, async |command: Box<TransitionState>, metadata| {
            let kind = command.to.details.state_type.as_ref();
            let start = self.start_values(metadata, Element::State, &command.to.event, kind).await?;
            let end = self.end_values(metadata, Element::State, &command.from.event, &command.from.disposition).await?;
            let values = ValueIds { disposition: end.disposition, ..start };
            let id = self.draw_state_id().await?;
            Ok((Command::TransitionState(id, command), values, id))
        })
        .await
    }
}
