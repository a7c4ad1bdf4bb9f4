//! Tasks.

use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::completion::Complete;
use crate::domain::event::Context;
use crate::domain::ids::{Element, TaskId};
use crate::domain::task::StartTask;
use crate::domain::violation::Violations;

impl Store {
    /// Starts a task with an identifier drawn for it. `read` gives the command (contract §2, SRV.8).
    pub async fn start_task(
        &self,
        read: impl Fn(Context<'_>) -> Result<StartTask, Violations>,
    ) -> Result<TaskId, StoreError> {
        self.write(read, async |command: StartTask, metadata| {
            let kind = command.details.task_type.as_ref();
            let values = self.start_values(metadata, Element::Task, &command.event, kind).await?;
            let id = self.draw_task_id().await?;
            let command = Command::StartTask(id, Box::new(command));
            Ok((command, values, id))
        })
        .await
    }

    /// Ends a service, state or task, once. `read` gives the command (contract §2, SRV.3, SRV.6, SRV.9); the rows are
    /// those of `batch::ends`.
    pub async fn complete(&self, read: impl Fn(Context<'_>) -> Result<Complete, Violations>) -> Result<(), StoreError> {
        self.write(read, async |command: Complete, metadata| {
            let values = self.end_values(metadata, command.key.1, &command.event, &command.disposition).await?;
            Ok((Command::Complete(Box::new(command)), values, ()))
        })
        .await
    }
}
