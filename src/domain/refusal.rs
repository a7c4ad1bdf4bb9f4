//! Why a well-formed command is not carried out.

use super::completion::Complete;
use super::extension::{Change, ChangeRecords, MAX_STORED};
use super::ids::{Element, StateId};
use super::once_only::RecordedEnd;
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// Why a command was refused by what is on record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The path names nothing.
    #[error("there is no such {}", .0.singular())]
    Unknown(Element),
    /// It ended before, and this is not the same event again.
    #[error("it ended at {ended_at}, with another event than this one")]
    AlreadyCompleted {
        /// When it ended.
        ended_at: Timestamp,
    },
    /// The task belongs to another state than the event says.
    #[error("the task belongs to state {has}, not to state {given}")]
    StateMismatch {
        /// The state it has.
        has: StateId,
        /// The state the event names.
        given: StateId,
    },
    /// There is nothing that could be removed.
    #[error("nothing is recorded under this extension")]
    NoRecords,
    /// The idempotency key belongs to another request.
    #[error("the Idempotency-Key was used within the last 24 hours with another route or body")]
    IdempotencyMismatch,
    /// The body refers to something that does not exist.
    #[error("the event is not valid")]
    Invalid(Violations),
}

/// What is on record about the things that a command names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnRecord {
    /// Whether the service exists.
    pub service: bool,
    /// Whether the state that the body names exists in the service.
    pub state: bool,
    /// Whether the element of the path, or of the drawn identifier, exists.
    pub element: bool,
    /// The bytes of what is recorded under the extension that is changed.
    pub recorded_bytes: Option<usize>,
    /// The state that the task has.
    pub task_state: Option<StateId>,
    /// The element's end.
    pub end: Option<RecordedEnd>,
}

/// What becomes of a command that was not carried out at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, now or before.
    Done,
    /// It was done before under the same idempotency key, and started what has this identifier.
    Repeated(i64),
    /// It is refused.
    Refused(Refusal),
    /// Nothing stands against it any more: what did was changed meanwhile.
    Retry,
}

impl OnRecord {
    /// Why an end was not recorded. The once-only rule comes before all that is said of the state.
    pub fn judge_complete(&self, command: &Complete) -> Verdict {
        if !self.service {
            return Verdict::Refused(Refusal::Unknown(Element::Service));
        }
        if !self.element {
            return Verdict::Refused(Refusal::Unknown(command.key.element));
        }
        if let Some(end) = &self.end {
            let timestamp = command.end.timestamp_given.then_some(command.end.event.timestamp);
            return if end.is_repeated_by(command.digest, timestamp) {
                Verdict::Done
            } else {
                Verdict::Refused(Refusal::AlreadyCompleted { ended_at: end.ended_at })
            };
        }
        match (command.end.state_id, self.task_state) {
            (Some(given), Some(has)) if given != has => Verdict::Refused(Refusal::StateMismatch { has, given }),
            (Some(given), None) if !self.state => {
                Verdict::Refused(unknown_state(&Place::Body.member("state_id"), given))
            }
            _ => Verdict::Retry,
        }
    }

    /// Why a transition was not recorded. A state that has ended has no repeat of it: the new state would be another.
    pub fn judge_transition(&self, from: StateId) -> Verdict {
        let place = Place::Body.member("from");
        match &self.end {
            _ if !self.service => Verdict::Refused(Refusal::Unknown(Element::Service)),
            _ if !self.element => Verdict::Refused(unknown_state(&place.member("state_id"), from)),
            Some(end) => Verdict::Refused(Refusal::AlreadyCompleted { ended_at: end.ended_at }),
            None => Verdict::Retry,
        }
    }

    /// Why records were not changed.
    pub fn judge_change_records(&self, command: &ChangeRecords) -> Verdict {
        match &command.change {
            _ if !self.service => Verdict::Refused(Refusal::Unknown(Element::Service)),
            _ if !self.element => Verdict::Refused(Refusal::Unknown(command.key.element)),
            Change::Delete => Verdict::Refused(Refusal::NoRecords),
            Change::Merge { patch, .. }
                if self.recorded_bytes.is_some_and(|bytes| bytes + patch.len() > MAX_STORED) =>
            {
                let detail = format!("the record would have more than {MAX_STORED} bytes");
                Verdict::Refused(Refusal::Invalid(Violations::at(&Place::Body, detail)))
            }
            Change::Merge { .. } if self.recorded_bytes.is_some() => Verdict::Retry,
            Change::Merge { whole: Err(violations), .. } => Verdict::Refused(Refusal::Invalid(violations.clone())),
            Change::Replace(_) | Change::Merge { .. } => Verdict::Retry,
        }
    }

    /// Why a change of a service was not made.
    pub fn judge_change(&self) -> Verdict {
        if self.service { Verdict::Retry } else { Verdict::Refused(Refusal::Unknown(Element::Service)) }
    }

    /// Why the start of a state or task was not recorded, whose body names a state in `member`.
    pub fn judge_start(&self, member: &str, state: Option<StateId>) -> Verdict {
        match state {
            _ if !self.service => Verdict::Refused(Refusal::Unknown(Element::Service)),
            Some(state) if !self.state => Verdict::Refused(unknown_state(&Place::Body.member(member), state)),
            _ => Verdict::Retry,
        }
    }
}

fn unknown_state(place: &Place<'_>, state: StateId) -> Refusal {
    Refusal::Invalid(Violations::at(place, format!("expected a state of the service, found {state}")))
}
