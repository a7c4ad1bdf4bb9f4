//! What is measured of events and connections.

use std::collections::HashMap;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use sqlx::PgPool;

use super::error::StoreError;
use super::writer::{Answer, Command};
use crate::domain::ids::Element;
use crate::domain::refusal::Verdict;

const EVENTS: &str = "context_services_events_total";
const POOL: &str = "context_services_pool_connections";

/// Says what the measurements mean.
pub(super) fn describe() {
    describe_counter!(EVENTS, "Commands by their kind and what became of them.");
    describe_gauge!(POOL, "Pooled connections, for all that is not an event, by whether they are in use.");
}

impl Command {
    /// The operation that it is of.
    const fn kind(&self) -> &'static str {
        match self {
            Self::StartService(..) => "start_service",
            Self::StartState(..) => "start_state",
            Self::StartTask(..) => "start_task",
            Self::Complete(command) => match command.key.1 {
                Element::Service => "complete_service",
                Element::State => "complete_state",
                Element::Task => "complete_task",
            },
            Self::TransitionState(..) => "transition_state",
            Self::AssociateService(_) => "associate_service",
            Self::UpdateExpiration(_) => "update_expiration",
            Self::ChangeRecords(_) => "change_records",
            Self::DeleteService(_) => "delete_service",
        }
    }
}

/// Counts commands that have been answered: of a batch at once, which has few kinds and outcomes.
pub(super) fn count<'a>(answered: impl Iterator<Item = (&'a Command, &'a Answer)>) {
    let mut counts = HashMap::new();
    for (command, answer) in answered {
        *counts.entry((command.kind(), outcome(answer))).or_default() += 1;
    }
    for ((kind, outcome), count) in counts {
        counter!(EVENTS, "kind" => kind, "outcome" => outcome).increment(count);
    }
}

/// Counts a command that was refused as overload before it was read.
pub(super) fn count_unread() {
    counter!(EVENTS, "kind" => "unread", "outcome" => "overloaded").increment(1);
}

const fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(Verdict::Done) => "done",
        Ok(Verdict::Repeated(_)) => "repeated",
        Ok(Verdict::Refused(_)) => "refused",
        Ok(Verdict::Again) => "again",
        Err(StoreError::Overloaded) => "overloaded",
        Err(StoreError::Unavailable(_)) => "unavailable",
        Err(_) => "failed",
    }
}

/// Looks at the pool.
pub(super) fn measure(pool: &PgPool) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    gauge!(POOL, "state" => "idle").set(idle);
    gauge!(POOL, "state" => "used").set(pool.size().saturating_sub(idle));
}
