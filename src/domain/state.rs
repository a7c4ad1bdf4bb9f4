//! States: the stages of a service.

use super::completion::{Complete, End};
use super::context::Context;
use super::disposition::Disposition;
use super::event::{Event, read};
use super::extension::Extension;
use super::field::{FieldName, LongOrString};
use super::ids::{Element, ElementKey, ServiceId, StateId};
use super::json::Members;
use super::reader::ObjectReader;
use super::violation::{Place, Violations};

/// The command Start State (docs/api.md §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartState {
    /// The service.
    pub service_id: ServiceId,
    /// The start event.
    pub event: Event,
    /// The properties of the state itself.
    pub details: StateDetails,
    /// The attached extensions.
    pub extensions: Vec<Extension>,
}

/// The properties of a state in its start event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDetails {
    /// The state of the same service that it follows.
    pub previous_state_id: Option<StateId>,
    /// The type of the state.
    pub state_type: Option<LongOrString>,
    /// The estimated duration in seconds.
    pub est_duration: Option<i64>,
}

impl StartState {
    /// Reads the body of a start event. The store checks that the previous state exists.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, details, extensions) = read(Element::State, body, context, |reader| StateDetails {
            previous_state_id: reader.int("previous_state_id").map(StateId),
            state_type: context.value(reader, Element::State, FieldName::Type),
            est_duration: reader.seconds("est_duration"),
        })?;
        Ok(Self { service_id, event, details, extensions })
    }
}

/// The command State Transition: the end of a state and the start of the next, both or neither (docs/api.md §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionState {
    /// The end of the former state.
    pub from: Complete,
    /// The start of the next state.
    pub to: StartState,
}

impl TransitionState {
    /// Reads the body. `from` and `to` hold the fields of the two states. The shared fields apply to both states,
    /// extensions to the new one. The store checks that the former state exists.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, (timestamp_given, from, to), extensions) = read(Element::State, body, context, |reader| {
            (reader.take("timestamp").is_some(), take_from(reader, context), take_to(reader, context))
        })?;
        // `from` is `None` only for a body with violations, which `read` refuses.
        let Some((state_id, disposition)) = from else {
            return Err(Violations::at(&Place::Body.member("from"), "required, but missing"));
        };
        let end = End {
            event: event.clone(),
            timestamp_given,
            state_id: None,
            expiration: None,
            disposition,
            extensions: Vec::new(),
        };
        let from = Complete::within_transition(ElementKey::state(service_id, state_id), end);
        let (state_type, est_duration) = to;
        let details = StateDetails { previous_state_id: Some(state_id), state_type, est_duration };
        Ok(Self { from, to: StartState { service_id, event, details, extensions } })
    }
}

fn take_from(reader: &mut ObjectReader<'_, '_>, context: Context<'_>) -> Option<(StateId, Disposition)> {
    let read = reader.object("from", |reader| {
        let before = reader.violations.len();
        let state = reader.int("state_id");
        if state.is_none() && reader.violations.len() == before {
            reader.add_violation("state_id", "required, but missing: the state that ends");
        }
        let disposition = Disposition::take(reader, Element::State, context);
        reader.refuse_rest();
        state.map(|state| (StateId(state), disposition))
    });
    if read.is_none() && !reader.has("from") {
        reader.add_violation("from", "required, but missing: an object with the state_id of the state that ends");
    }
    read.flatten()
}

fn take_to(reader: &mut ObjectReader<'_, '_>, context: Context<'_>) -> (Option<LongOrString>, Option<i64>) {
    let read = reader.object("to", |reader| {
        let read = (context.value(reader, Element::State, FieldName::Type), reader.seconds("est_duration"));
        reader.refuse_rest();
        read
    });
    // Without `to`, a default may still fill the type.
    read.unwrap_or_else(|| (context.default(Element::State, FieldName::Type), None))
}
