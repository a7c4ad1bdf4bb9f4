//! Tasks: the steps of a service or of a state.

use super::context::Context;
use super::event::{Event, read};
use super::extension::Extension;
use super::field::{FieldName, LongOrString};
use super::ids::{Element, ServiceId, StateId};
use super::json::Members;
use super::violation::Violations;

/// The command Start Task (docs/api.md §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTask {
    /// The service.
    pub service_id: ServiceId,
    /// The start event.
    pub event: Event,
    /// The properties of the task itself.
    pub details: TaskDetails,
    /// The attached extensions.
    pub extensions: Vec<Extension>,
}

/// The properties of a task in its start event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDetails {
    /// The state that the task is a step of. `None`: it is a step of the service itself.
    pub state_id: Option<StateId>,
    /// The type of the task.
    pub task_type: Option<LongOrString>,
    /// The estimated duration in seconds.
    pub est_duration: Option<i64>,
}

impl StartTask {
    /// Reads the body of a start event. The store checks that the state exists.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, details, extensions) = read(Element::Task, body, context, |reader| TaskDetails {
            state_id: reader.int("state_id").map(StateId),
            task_type: context.value(reader, Element::Task, FieldName::Type),
            est_duration: reader.seconds("est_duration"),
        })?;
        Ok(Self { service_id, event, details, extensions })
    }
}
