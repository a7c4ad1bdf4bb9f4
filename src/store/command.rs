//! Commands, which the writer writes, and everything that depends on the kind of command.
//!
//! No match here has a wildcard arm, so the compiler names every place to which a new command must be added.

use super::error::StoreError;
use super::values::ValueIds;
use crate::domain::completion::Complete;
use crate::domain::extension::{ChangeRecords, Extension, SchemaId};
use crate::domain::ids::{ElementKey, ServiceId, StateId, TaskId};
use crate::domain::metadata::MetadataVersion;
use crate::domain::once_only::IdempotencyKey;
use crate::domain::refusal::{OnRecord, Verdict};
use crate::domain::service::{AssociateService, StartService, UpdateExpiration};
use crate::domain::state::{StartState, TransitionState};
use crate::domain::task::StartTask;

/// A command with everything that its rows need.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) command: Command,
    pub(super) values: ValueIds,
    /// The metadata that the command was validated against. The command is not written if the database has newer
    /// metadata.
    pub(super) basis: Basis,
    /// The idempotency key to claim, if the command starts something and the caller sent a key.
    pub(super) key: Option<IdempotencyKey>,
}

/// The metadata that a command was validated against, as far as its statement needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Basis {
    /// The metadata version.
    pub(super) version: MetadataVersion,
    /// Whether the metadata say that lifetimes are in use.
    pub(super) lifetimes: bool,
}

/// The answer to a caller: the verdict on its command, or the failure of the batch.
pub(super) type Answer = Result<Verdict, StoreError>;

/// A lifecycle command. A command that starts an element carries the identifier drawn for it.
#[derive(Debug)]
pub(super) enum Command {
    StartService(ServiceId, Box<StartService>),
    StartState(StateId, Box<StartState>),
    StartTask(TaskId, Box<StartTask>),
    CompleteService(Box<Complete>),
    CompleteState(Box<Complete>),
    CompleteTask(Box<Complete>),
    TransitionState(StateId, Box<TransitionState>),
    AssociateService(Box<AssociateService>),
    UpdateExpiration(UpdateExpiration),
    ChangeRecords(Box<ChangeRecords>),
    DeleteService(ServiceId),
}

impl Command {
    /// The name of the operation in metrics.
    pub(super) const fn operation(&self) -> &'static str {
        match self {
            Self::StartService(..) => "start_service",
            Self::StartState(..) => "start_state",
            Self::StartTask(..) => "start_task",
            Self::CompleteService(_) => "complete_service",
            Self::CompleteState(_) => "complete_state",
            Self::CompleteTask(_) => "complete_task",
            Self::TransitionState(..) => "transition_state",
            Self::AssociateService(_) => "associate_service",
            Self::UpdateExpiration(_) => "update_expiration",
            Self::ChangeRecords(_) => "change_records",
            Self::DeleteService(_) => "delete_service",
        }
    }

    /// The element that the command is about. A batch holds at most one command per element.
    ///
    /// A transition is about the state that ends; the identifier of the state that starts is not yet known to anyone.
    pub(super) fn key(&self) -> ElementKey {
        match self {
            Self::StartService(service, _) | Self::DeleteService(service) => ElementKey::service(*service),
            Self::StartState(state, command) => ElementKey::state(command.service_id, *state),
            Self::StartTask(task, command) => ElementKey::task(command.service_id, *task),
            Self::CompleteService(command) | Self::CompleteState(command) | Self::CompleteTask(command) => command.key,
            Self::TransitionState(_, command) => command.from.key,
            Self::AssociateService(command) => ElementKey::service(command.service_id),
            Self::UpdateExpiration(command) => ElementKey::service(command.service_id),
            Self::ChangeRecords(command) => command.key,
        }
    }

    /// The identifier of the element that the command starts; 0 if it starts none.
    pub(super) fn started_id(&self) -> i64 {
        match self {
            Self::StartService(service, _) => service.0,
            Self::StartState(state, _) | Self::TransitionState(state, _) => state.0.into(),
            Self::StartTask(task, _) => task.0.into(),
            Self::CompleteService(_)
            | Self::CompleteState(_)
            | Self::CompleteTask(_)
            | Self::AssociateService(_)
            | Self::UpdateExpiration(_)
            | Self::ChangeRecords(_)
            | Self::DeleteService(_) => 0,
        }
    }

    /// The size of the attached extensions in bytes.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |extensions: &[Extension]| extensions.iter().map(|extension| extension.json.len()).sum();
        match self {
            Self::StartService(_, command) => bytes(&command.extensions),
            Self::StartState(_, command) => bytes(&command.extensions),
            Self::StartTask(_, command) => bytes(&command.extensions),
            Self::CompleteService(command) | Self::CompleteState(command) | Self::CompleteTask(command) => {
                bytes(&command.end.extensions)
            }
            Self::TransitionState(_, command) => bytes(&command.to.extensions),
            Self::AssociateService(command) => bytes(&command.extensions),
            Self::ChangeRecords(command) => command.change.bytes(),
            Self::UpdateExpiration(_) | Self::DeleteService(_) => 0,
        }
    }

    /// Whether a service expires, is deleted or is completed automatically because of the command. Lifetimes must then
    /// be in use.
    pub(super) fn uses_lifetimes(&self) -> bool {
        match self {
            Self::StartService(_, command) => command.details.expires_at.is_some() || command.details.idle_at.is_some(),
            Self::AssociateService(command) => command.expires_at.is_some() || command.idle_at.is_some(),
            Self::CompleteService(command) => command.end.expiration.is_some(),
            Self::UpdateExpiration(_) | Self::DeleteService(_) => true,
            Self::StartState(..)
            | Self::StartTask(..)
            | Self::CompleteState(_)
            | Self::CompleteTask(_)
            | Self::TransitionState(..)
            | Self::ChangeRecords(_) => false,
        }
    }

    /// The state that the body refers to, which must exist.
    pub(super) fn named_state(&self) -> Option<StateId> {
        match self {
            Self::StartState(_, command) => command.details.previous_state_id,
            Self::StartTask(_, command) => command.details.state_id,
            Self::CompleteTask(command) => command.end.state_id,
            Self::StartService(..)
            | Self::CompleteService(_)
            | Self::CompleteState(_)
            | Self::TransitionState(..)
            | Self::AssociateService(_)
            | Self::UpdateExpiration(_)
            | Self::ChangeRecords(_)
            | Self::DeleteService(_) => None,
        }
    }

    /// The schema of the records that the command changes, if it is a change of records and not an event.
    pub(super) fn changed_schema(&self) -> Option<SchemaId> {
        match self {
            Self::ChangeRecords(command) => Some(command.schema_id),
            Self::StartService(..)
            | Self::StartState(..)
            | Self::StartTask(..)
            | Self::CompleteService(_)
            | Self::CompleteState(_)
            | Self::CompleteTask(_)
            | Self::TransitionState(..)
            | Self::AssociateService(_)
            | Self::UpdateExpiration(_)
            | Self::DeleteService(_) => None,
        }
    }

    /// Decides from recorded data why the command was not written.
    pub(super) fn judge(&self, on_record: &OnRecord) -> Verdict {
        match self {
            Self::StartService(..) => Verdict::Retry,
            Self::StartState(_, command) => {
                on_record.judge_start("previous_state_id", command.details.previous_state_id)
            }
            Self::StartTask(_, command) => on_record.judge_start("state_id", command.details.state_id),
            Self::CompleteService(command) | Self::CompleteState(command) | Self::CompleteTask(command) => {
                on_record.judge_complete(command)
            }
            Self::TransitionState(_, command) => on_record.judge_transition(StateId(command.from.key.id)),
            Self::ChangeRecords(command) => on_record.judge_change_records(command),
            Self::AssociateService(_) | Self::UpdateExpiration(_) | Self::DeleteService(_) => on_record.judge_change(),
        }
    }
}
