//! Tasks: the steps of a service or of a state.

use super::context::Context;
use super::event::{Event, read};
use super::extension::Extension;
use super::field::{FieldName, LongOrString};
use super::ids::{Element, ServiceId, StateId};
use super::json::Members;
use super::violation::Violations;

/// The command that starts a task (contract §2, SRV.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTask {
    /// Whose task.
    pub service_id: ServiceId,
    /// The start event.
    pub event: Event,
    /// What is said of the task itself.
    pub details: TaskDetails,
    /// What the application attached.
    pub extensions: Vec<Extension>,
}

/// What a start event says of the task itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDetails {
    /// The state it is a step of; none: of the service itself.
    pub state_id: Option<StateId>,
    /// What kind of task.
    pub task_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    pub est_duration: Option<i64>,
}

impl StartTask {
    /// Reads the body of a start event. Whether the state exists is for the store to find.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, details, extensions) = read(Element::Task, body, context, |reader| TaskDetails {
            state_id: reader.int("state_id").map(StateId),
            task_type: context.value(reader, Element::Task, FieldName::Type),
            est_duration: reader.seconds("est_duration"),
        })?;
        Ok(Self { service_id, event, details, extensions })
    }
}
