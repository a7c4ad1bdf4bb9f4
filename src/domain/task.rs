//! Tasks: the steps of a service or of a state.

use super::attribute::LongOrString;
use super::disposition::{Digest, Disposition};
use super::event::{Context, Event, read};
use super::extension::Extension;
use super::ids::{Element, ServiceId, StateId, TaskId};
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
        let (event, details, extensions) = read(Element::Task, body, context, |fields| TaskDetails {
            state_id: fields.int("state_id").map(StateId),
            task_type: fields.long_or_string("task_type"),
            est_duration: fields.seconds("est_duration"),
        })?;
        Ok(Self { service_id, event, details, extensions })
    }
}

/// The command that ends a task (contract §2, SRV.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteTask {
    /// Whose task.
    pub service_id: ServiceId,
    /// Which task.
    pub task_id: TaskId,
    /// The end event.
    pub event: Event,
    /// Whether the sender gave the event's timestamp; a repeat without one matches any.
    pub timestamp_given: bool,
    /// The state the task must have, or adopts where it has none.
    pub state_id: Option<StateId>,
    /// The business outcome.
    pub disposition: Disposition,
    /// What the application attached; replaces what was recorded under the same names.
    pub extensions: Vec<Extension>,
    /// What tells a repeat of this event from another one.
    pub digest: Digest,
}

impl CompleteTask {
    /// Reads the body of an end event. `state_in_query` is the `state_id` of the query string, which may stand there
    /// instead of in the body, or repeat it.
    pub fn read(
        (service_id, task_id): (ServiceId, TaskId),
        state_in_query: Option<StateId>,
        body: &Members<'_>,
        context: Context<'_>,
    ) -> Result<Self, Violations> {
        let (event, (timestamp_given, state_id, disposition), extensions) =
            read(Element::Task, body, context, |fields| {
                let in_body = fields.int("state_id").map(StateId);
                if let (Some(body), Some(query)) = (in_body, state_in_query)
                    && body != query
                {
                    fields.complain("state_id", format!("expected {query} as in the query string, found {body}"));
                }
                (fields.take("timestamp").is_some(), in_body.or(state_in_query), Disposition::take(fields))
            })?;
        let digest = Digest::of_end(&event, state_id, &disposition, &extensions);
        Ok(Self { service_id, task_id, event, timestamp_given, state_id, disposition, extensions, digest })
    }
}
