//! Metrics of commands and of pooled connections.

use std::collections::HashMap;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use sqlx::PgPool;

use super::command::{Answer, Command};
use super::error::StoreError;
use crate::domain::refusal::Verdict;

const EVENTS: &str = "context_services_events_total";
const POOL: &str = "context_services_pool_connections";

/// Registers the help texts of the metrics.
pub(super) fn describe() {
    describe_counter!(EVENTS, "Commands by operation and outcome.");
    describe_gauge!(
        POOL,
        "Pooled connections, by what they serve (reads: queries, reports and pages; other: all else but events) and state (idle or used)."
    );
}

/// Counts answered commands. The counts of a batch are summed first, since it has few operations and outcomes.
pub(super) fn count<'a>(answered: impl Iterator<Item = (&'a Command, &'a Answer)>) {
    let mut counts = HashMap::new();
    for (command, answer) in answered {
        *counts.entry((command.operation(), outcome(answer))).or_default() += 1;
    }
    for ((operation, outcome), count) in counts {
        counter!(EVENTS, "kind" => operation, "outcome" => outcome).increment(count);
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
        Ok(Verdict::Retry) => "again",
        Err(StoreError::Overloaded(_)) => "overloaded",
        Err(StoreError::Unavailable(_)) => "unavailable",
        Err(_) => "failed",
    }
}

/// Sets the gauges of pools. `serves` says what they are for.
pub(super) fn measure<'a>(pools: impl Iterator<Item = &'a PgPool>, serves: &'static str) {
    let (mut idle, mut used) = (0, 0);
    for pool in pools {
        let of_pool = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        idle += of_pool;
        used += pool.size().saturating_sub(of_pool);
    }
    gauge!(POOL, "serves" => serves, "state" => "idle").set(idle);
    gauge!(POOL, "serves" => serves, "state" => "used").set(used);
}
