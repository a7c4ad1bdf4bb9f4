//! States.

use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::event::Context;
use crate::domain::ids::{Element, StateId};
use crate::domain::state::StartState;
use crate::domain::violation::Violations;

impl Store {
    /// Starts a state with an identifier drawn for it. `read` gives the command (contract §2, SRV.5).
    pub async fn start_state(
        &self,
        read: impl Fn(Context<'_>) -> Result<StartState, Violations>,
    ) -> Result<StateId, StoreError> {
        self.write(read, async |command: StartState| {
            let kind = command.details.state_type.as_ref();
            let values = self.start_values(Element::State, &command.event, kind).await?;
            let id = self.draw_state_id().await?;
            let command = Command::StartState(id, Box::new(command));
            Ok((command, values, id))
        })
        .await
    }
}
