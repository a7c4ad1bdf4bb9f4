//! Tasks.

use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::event::Context;
use crate::domain::ids::{Element, TaskId};
use crate::domain::task::{CompleteTask, StartTask};
use crate::domain::violation::Violations;

impl Store {
    /// Starts a task with an identifier drawn for it. `read` gives the command (contract §2, SRV.8).
    pub async fn start_task(
        &self,
        read: impl Fn(Context<'_>) -> Result<StartTask, Violations>,
    ) -> Result<TaskId, StoreError> {
        self.write(read, async |command: StartTask| {
            let kind = command.details.task_type.as_ref();
            let values = self.start_values(Element::Task, &command.event, kind).await?;
            let id = self.draw_task_id().await?;
            let command = Command::StartTask(id, Box::new(command));
            Ok((command, values, id))
        })
        .await
    }

    /// Ends a task, once. `read` gives the command (contract §2, SRV.9); the rows are those of
    /// `batch::tasks`.
    pub async fn complete_task(
        &self,
        read: impl Fn(Context<'_>) -> Result<CompleteTask, Violations>,
    ) -> Result<(), StoreError> {
        self.write(read, async |command: CompleteTask| {
            let values = self.end_values(Element::Task, &command.event, &command.disposition).await?;
            let command = Command::CompleteTask(Box::new(command));
            Ok((command, values, ()))
        })
        .await
    }
}
