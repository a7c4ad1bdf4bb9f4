//! Recorded services, states and tasks, as queries return them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::disposition::Disposition;
use super::event::Event;
use super::field::LongOrString;
use super::ids::{ServiceId, StateId, TaskId};
use super::time::{Timestamp, duration_millis};
use super::tone::Tone;

/// The properties that services, states and tasks share.
#[derive(Debug)]
pub struct Lifecycle {
    /// The service type, state type or task type.
    pub kind: Option<LongOrString>,
    /// The estimated duration in seconds.
    pub est_duration: Option<i64>,
    /// The start event.
    pub started: Event,
    /// The end event with its outcome. `None` while the element is active.
    pub completed: Option<(Event, Disposition)>,
    /// The tone of the outcome, if it was read.
    pub tone: Option<Tone>,
    /// Whether the element was completed automatically, and no event has replaced that end.
    pub auto_completed: bool,
    /// The selected extensions by their declared names.
    pub extensions: BTreeMap<String, Box<RawValue>>,
}

impl Lifecycle {
    /// The milliseconds from start to end. `None` while the element is active.
    pub fn duration(&self) -> Option<i64> {
        self.completed.as_ref().map(|(end, _)| duration_millis(self.started.timestamp, end.timestamp))
    }
}

/// A service on record.
#[derive(Debug)]
pub struct Service {
    /// The identifier.
    pub service_id: ServiceId,
    /// The customer, unless the service is anonymous.
    pub customer_id: Option<String>,
    /// The key by which an anonymous caller is recognised.
    pub contact_key: Option<String>,
    /// When the service expires. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// The seconds after its last event at which the service is completed automatically. `None`: never.
    pub auto_complete_after: Option<i64>,
    /// The start, the end and the extensions.
    pub lifecycle: Lifecycle,
    /// The states, if they were selected.
    pub states: ByStatus<State>,
    /// All tasks of the service, if they were selected, including those within states.
    pub tasks: ByStatus<Task>,
}

/// A state on record.
#[derive(Debug)]
pub struct State {
    /// The service.
    pub service_id: ServiceId,
    /// The identifier.
    pub state_id: StateId,
    /// The state of the same service that this state follows.
    pub previous_state_id: Option<StateId>,
    /// The start, the end and the extensions.
    pub lifecycle: Lifecycle,
    /// The tasks, if they were selected.
    pub tasks: ByStatus<Task>,
}

/// Nested elements in order of start and identifier. `None` if they were not selected.
#[derive(Debug)]
pub struct ByStatus<T> {
    /// The active elements.
    pub active: Option<Vec<T>>,
    /// The completed elements.
    pub completed: Option<Vec<T>>,
    /// The number of elements left out because there are too many: the oldest.
    pub omitted: u64,
}

impl<T> Default for ByStatus<T> {
    fn default() -> Self {
        Self { active: None, completed: None, omitted: 0 }
    }
}

/// A task on record.
#[derive(Debug)]
pub struct Task {
    /// The service.
    pub service_id: ServiceId,
    /// The identifier.
    pub task_id: TaskId,
    /// The state that the task started in, or adopted at its end.
    pub state_id: Option<StateId>,
    /// The start, the end and the extensions.
    pub lifecycle: Lifecycle,
}
