//! What is on record about an element, as queries give it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::disposition::Disposition;
use super::event::Event;
use super::field::LongOrString;
use super::ids::{ServiceId, StateId, TaskId};
use super::time::duration_millis;

/// What services, states and tasks have in common.
#[derive(Debug)]
pub struct Lifecycle {
    /// What kind of service, state or task.
    pub kind: Option<LongOrString>,
    /// Estimated duration in seconds.
    pub est_duration: Option<i64>,
    /// The start event.
    pub started: Event,
    /// The end event and the outcome; none: still active.
    pub completed: Option<(Event, Disposition)>,
    /// The extensions that the query asked for, by their declared names.
    pub extensions: BTreeMap<String, Box<RawValue>>,
}

impl Lifecycle {
    /// Milliseconds from start to end; none while active.
    pub fn duration(&self) -> Option<i64> {
        self.completed.as_ref().map(|(end, _)| duration_millis(self.started.timestamp, end.timestamp))
    }
}

/// A service on record.
#[derive(Debug)]
pub struct Service {
    /// Which one.
    pub service_id: ServiceId,
    /// Whose service it is.
    pub customer_id: Option<String>,
    /// By which an anonymous caller is found again.
    pub contact_key: Option<String>,
    /// Its start, end and extensions.
    pub lifecycle: Lifecycle,
    /// Its states, as far as they were asked for.
    pub states: ByStatus<State>,
    /// Its tasks, those within states too, as far as they were asked for.
    pub tasks: ByStatus<Task>,
}

/// A state on record.
#[derive(Debug)]
pub struct State {
    /// Whose state.
    pub service_id: ServiceId,
    /// Which one.
    pub state_id: StateId,
    /// The state of the same service that it follows.
    pub previous_state_id: Option<StateId>,
    /// Its start, end and extensions.
    pub lifecycle: Lifecycle,
    /// Its tasks, as far as they were asked for.
    pub tasks: ByStatus<Task>,
}

/// Nested elements, in order of start and identifier; none: not asked for.
#[derive(Debug)]
pub struct ByStatus<T> {
    /// Those that are active.
    pub active: Option<Vec<T>>,
    /// Those that are completed.
    pub completed: Option<Vec<T>>,
}

impl<T> Default for ByStatus<T> {
    fn default() -> Self {
        Self { active: None, completed: None }
    }
}

/// A task on record.
#[derive(Debug)]
pub struct Task {
    /// Whose task.
    pub service_id: ServiceId,
    /// Which one.
    pub task_id: TaskId,
    /// The state it started in, or adopted at its end.
    pub state_id: Option<StateId>,
    /// Its start, end and extensions.
    pub lifecycle: Lifecycle,
}
