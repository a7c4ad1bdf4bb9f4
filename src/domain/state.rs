//! States: the stages of a service.

use super::attribute::LongOrString;
use super::event::{Context, Event, read};
use super::extension::Extension;
use super::ids::{Element, ServiceId, StateId};
use super::json::Members;
use super::violation::Violations;

/// The command that starts a state of a service (contract §2, SRV.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartState {
    /// Whose state.
    pub service_id: ServiceId,
    /// The start event.
    pub event: Event,
    /// What is said of the state itself.
    pub details: StateDetails,
    /// What the application attached.
    pub extensions: Vec<Extension>,
}

/// What a start event says of the state itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDetails {
    /// The state of the same service that it follows.
    pub previous_state_id: Option<StateId>,
    /// What kind of state.
    pub state_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    pub est_duration: Option<i64>,
}

impl StartState {
    /// Reads the body of a start event. Whether the previous state exists is for the store to find.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, details, extensions) = read(Element::State, body, context, |fields| StateDetails {
            previous_state_id: fields.int("previous_state_id").map(StateId),
            state_type: fields.long_or_string("state_type"),
            est_duration: fields.seconds("est_duration"),
        })?;
        Ok(Self { service_id, event, details, extensions })
    }
}
