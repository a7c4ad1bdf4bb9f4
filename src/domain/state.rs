//! States: the stages of a service.

use super::attribute::{FieldName, LongOrString};
use super::completion::Complete;
use super::disposition::Disposition;
use super::event::{Context, Event, read};
use super::extension::Extension;
use super::fields::Fields;
use super::ids::{Element, ServiceId, StateId};
use super::json::Members;
use super::violation::{Place, Violations};

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
            state_type: context.value(fields, Element::State, FieldName::Type),
            est_duration: fields.seconds("est_duration"),
        })?;
        Ok(Self { service_id, event, details, extensions })
    }
}

/// The command that ends a state and starts the one that follows it, both or neither (contract §2, SRV.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionState {
    /// The end of the former state.
    pub from: Complete,
    /// The start of the next.
    pub to: StartState,
}

impl TransitionState {
    /// Reads the body: `from` and `to` with the fields of their own; the event's fields go to both, extensions to the
    /// new state. Whether the former state exists is for the store to find.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, (given, from, to), extensions) = read(Element::State, body, context, |fields| {
            (fields.take("timestamp").is_some(), take_from(fields, context), take_to(fields, context))
        })?;
        // Without one, reading has failed.
        let Some((state_id, disposition)) = from else {
            return Err(Violations::at(&Place::Body.member("from"), "must be given"));
        };
        let key = (service_id, Element::State, state_id.0);
        let from = Complete::within_transition(key, event.clone(), given, disposition);
        let (state_type, est_duration) = to;
        let details = StateDetails { previous_state_id: Some(state_id), state_type, est_duration };
        Ok(Self { from, to: StartState { service_id, event, details, extensions } })
    }
}

fn take_from(fields: &mut Fields<'_, '_>, context: Context<'_>) -> Option<(StateId, Disposition)> {
    let read = fields.object("from", |fields| {
        let before = fields.violations.len();
        let state = fields.int("state_id");
        if state.is_none() && fields.violations.len() == before {
            fields.complain("state_id", "must be given: the state that ends");
        }
        let disposition = Disposition::take(fields, Element::State, context);
        fields.refuse_rest();
        state.map(|state| (StateId(state), disposition))
    });
    if read.is_none() && !fields.has("from") {
        fields.complain("from", "must be given: an object with the state_id of the state that ends");
    }
    read.flatten()
}

fn take_to(fields: &mut Fields<'_, '_>, context: Context<'_>) -> (Option<LongOrString>, Option<i64>) {
    let read = fields.object("to", |fields| {
        let read = (context.value(fields, Element::State, FieldName::Type), fields.seconds("est_duration"));
        fields.refuse_rest();
        read
    });
    // Without the object, a default may still say of what kind it is.
    read.unwrap_or_else(|| (context.default(Element::State, FieldName::Type), None))
}
