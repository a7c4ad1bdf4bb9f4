//! Tasks.

use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::event::Context;
use crate::domain::ids::{Element, TaskId};
use crate::domain::once_only::IdempotencyKey;
use crate::domain::task::StartTask;
use crate::domain::violation::Violations;

impl Store {
    /// Starts a task with an identifier drawn for it. `read` gives the command (contract §2, SRV.8).
    pub async fn start_task(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<StartTask, Violations>,
    ) -> Result<TaskId, StoreError> {
        self.write_once(key, read, async |command: Box<StartTask>, metadata| {
            let kind = command.details.task_type.as_ref();
            let values = self.start_values(metadata, Element::Task, &command.event, kind).await?;
            let id = self.draw_task_id().await?;
            let command = Command::StartTask(id, command);
            Ok((command, values, id))
        })
        .await
    }
}
