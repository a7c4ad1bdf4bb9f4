//! Tasks.

use super::command::Command;
use super::write::started;
use super::{Store, StoreError};
use crate::domain::completion::EndEvent;
use crate::domain::ids::{Element, ServiceId, StateId, TaskId};
use crate::domain::json::Members;
use crate::domain::once_only::IdempotencyKey;
use crate::domain::task::StartTask;

impl Store {
    /// Starts a task and returns its identifier (docs/api.md §2).
    pub async fn start_task(
        &self,
        service: ServiceId,
        body: &Members<'_>,
        key: Option<&IdempotencyKey>,
    ) -> Result<TaskId, StoreError> {
        let id = self.write(
            key,
            |context| StartTask::read(service, body, context),
            async |command: Box<StartTask>, attempt| {
                let kind = command.details.task_type.as_ref();
                let values = self.start_values(attempt.metadata, Element::Task, &command.event, kind).await?;
                let lane = self.lane_of(service).await?;
                Ok((Command::StartTask(lane.ids.draw_task_id(service, attempt.taken).await?, command), values))
            },
        );
        started(id.await?)
    }

    /// Ends a task, once (docs/api.md §2; §1, Repeated requests). `state_in_query` is the `state_id` of the query
    /// string.
    pub async fn complete_task(
        &self,
        service: ServiceId,
        task: TaskId,
        state_in_query: Option<StateId>,
        body: &Members<'_>,
    ) -> Result<(), StoreError> {
        self.complete(&EndEvent::task(service, task, state_in_query, body), Command::CompleteTask).await
    }
}
