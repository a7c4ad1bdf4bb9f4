//! Refusals: why a valid command is not carried out.

use super::completion::Complete;
use super::extension::{Change, ChangeRecords, MAX_STORED};
use super::ids::{Element, StateId};
use super::once_only::RecordedEnd;
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// A reason to refuse a command, found in recorded data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The element of the path does not exist.
    #[error("no such {}", .0.singular())]
    Unknown(Element),
    /// A different event has already ended the element.
    #[error("a different event ended it at {ended_at}")]
    AlreadyCompleted {
        /// The time of that end.
        ended_at: Timestamp,
    },
    /// The task belongs to another state.
    #[error("the task belongs to state {has}, found {given}")]
    StateMismatch {
        /// The state of the task.
        has: StateId,
        /// The state in the event.
        given: StateId,
    },
    /// There are no records to delete.
    #[error("no records of this extension")]
    NoRecords,
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used within the last 24 hours for a different route or body")]
    IdempotencyMismatch,
    /// The body contradicts recorded data: it refers to a state that does not exist, or the merged record would be
    /// incomplete or too large.
    #[error("the event is not valid")]
    Invalid(Violations),
}

/// The recorded facts that a command is judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnRecord {
    /// Whether the service exists.
    pub service: bool,
    /// Whether the state that the body refers to exists in the service.
    pub state: bool,
    /// Whether the element named by the path exists or, for a start, whether its drawn identifier is already taken.
    pub element: bool,
    /// The size in bytes of the records that the command changes.
    pub recorded_bytes: Option<usize>,
    /// The state of the task.
    pub task_state: Option<StateId>,
    /// The end of the element.
    pub end: Option<RecordedEnd>,
}

/// The verdict on a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The command was carried out, now or by an earlier request.
    Done,
    /// An earlier request with the same idempotency key started the element with this identifier.
    Repeated(i64),
    /// The command is refused.
    Refused(Refusal),
    /// No reason to refuse the command remains: try again.
    Retry,
}

impl OnRecord {
    /// Judges an end that was not recorded. Repeats are recognised before the state is compared.
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

    /// Judges a transition that was not recorded. If the former state has already ended, the transition is refused even
    /// if it is a repeat: the response would have to name the state that the first transition started, which is not
    /// known.
    pub fn judge_transition(&self, from: StateId) -> Verdict {
        let place = Place::Body.member("from");
        match &self.end {
            _ if !self.service => Verdict::Refused(Refusal::Unknown(Element::Service)),
            _ if !self.element => Verdict::Refused(unknown_state(&place.member("state_id"), from)),
            Some(end) => Verdict::Refused(Refusal::AlreadyCompleted { ended_at: end.ended_at }),
            None => Verdict::Retry,
        }
    }

    /// Judges a change of records that was not made.
    pub fn judge_change_records(&self, command: &ChangeRecords) -> Verdict {
        match &command.change {
            _ if !self.service => Verdict::Refused(Refusal::Unknown(Element::Service)),
            _ if !self.element => Verdict::Refused(Refusal::Unknown(command.key.element)),
            Change::Delete => Verdict::Refused(Refusal::NoRecords),
            Change::Merge { patch, .. }
                if self.recorded_bytes.is_some_and(|bytes| bytes + patch.len() > MAX_STORED) =>
            {
                let detail = format!("the merged record would exceed {MAX_STORED} bytes");
                Verdict::Refused(Refusal::Invalid(Violations::at(&Place::Body, detail)))
            }
            Change::Merge { .. } if self.recorded_bytes.is_some() => Verdict::Retry,
            Change::Merge { whole: Err(violations), .. } => Verdict::Refused(Refusal::Invalid(violations.clone())),
            Change::Replace(_) | Change::Merge { .. } => Verdict::Retry,
        }
    }

    /// Judges an association, a new expiry or a deletion of a service that was not carried out.
    pub fn judge_change(&self) -> Verdict {
        if self.service { Verdict::Retry } else { Verdict::Refused(Refusal::Unknown(Element::Service)) }
    }

    /// Judges the start of a state or task that was not recorded. `member` is the member of the body that refers to
    /// `state`.
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
