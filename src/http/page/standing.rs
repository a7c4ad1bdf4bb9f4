//! A sentence that says where a customer stands, and what went wrong last.

use std::fmt::Debug;

use maud::{Markup, html};

use super::format::{self, Outcome, name};
use super::steps::{Step, Steps};
use super::waterfall::over_estimate;
use crate::domain::ids::Element;
use crate::domain::journey::{Journey, MOST_SERVICES};
use crate::domain::time::Timestamp;
use crate::domain::tone::Tone;

/// The true number of services, and how many of them are open.
pub(super) fn totals(journey: &Journey) -> Markup {
    let more = if journey.total >= MOST_SERVICES { "more than " } else { "" };
    let total = usize::try_from(journey.total).unwrap_or_default();
    html! { (more) (format::count(total, "service", "services")) ", " (journey.open) " open" }
}

/// The sentence about the service that is listed first, which is open if any service is.
pub(super) fn sentence(first: &Steps, now: Timestamp) -> Markup {
    let service = &first.itself;
    html! {
        p class="standing" {
            b { (name(&service.kind)) }
            @match service.end {
                Some(end) => {
                    " ended " (ago(end, now)) ": " b { (named(&service.outcome)) }
                    @if let Some(last) = last(first) { ", after " b { (name(&last.kind)) } } "."
                }
                None => { " is open" (where_it_is(first, now)) "." }
            }
        }
    }
}

fn where_it_is(steps: &Steps, now: Timestamp) -> Markup {
    let is_open_state = |row: &&Step| row.is_open() && row.element == Element::State && row.fault.is_none();
    let state = steps.rows.iter().filter(is_open_state).max_by_key(|row| (row.from, row.id));
    html! {
        @if let Some(state) = state { ", in " b { (name(&state.kind)) } }
        @match steps.current() {
            _ if steps.is_idle() => {
                ": nothing is active"
                @if let Some(last) = last(steps) { ", after " b { (name(&last.kind)) } " (" (named(&last.outcome)) ")" }
            }
            Some(step) => {
                ": "
                @if step.element == Element::Task { b { (name(&step.kind)) } " is active" } @else { "it is active" }
                @if let Some(over) = step.overrun(now) { ", " b class="late" { (over_estimate(step, over, now)) " over the estimate" } }
            }
            None => { ": no step has started" }
        }
        ", waiting for " (format::elapsed(steps.waiting_since, now))
    }
}

/// The step that ended last, of the finest kind.
fn last(steps: &Steps) -> Option<&Step> {
    steps
        .rows_of(steps.finest())
        .filter(|row| row.end.is_some() && row.fault.is_none())
        .max_by_key(|row| (row.end, row.id))
}

/// What went wrong last in any service of the journey: a step that ended badly, was completed automatically, took longer
/// than estimated, or has times that cannot be right. `steps` has the service, and no other step than that one.
pub(super) fn trouble(steps: &Steps, now: Timestamp) -> Markup {
    let row = steps.rows.first().unwrap_or(&steps.itself);
    html! {
        @if let Some(what) = what(row, now) {
            p class="trouble" {
                span aria-hidden="true" { "⚠ " } "What went wrong last: "
                a href=(row.href) { (name(&row.kind)) }
                @if row.element != Element::Service { " in " (name(&steps.itself.kind)) }
                " " (what)
                @if let Some(end) = row.end { ", " (format::moment(end)) }
                "."
            }
        }
    }
}

/// What [`trouble`] shows, apart from the time by which something is late.
pub(super) fn facts(steps: &Steps, now: Timestamp) -> impl Debug {
    let row = steps.rows.first().unwrap_or(&steps.itself);
    (
        &steps.itself.kind,
        &row.kind,
        &row.href,
        &row.outcome,
        row.end,
        row.auto_completed,
        row.fault,
        row.overrun(now).is_some(),
    )
}

fn named(outcome: &Outcome) -> Markup {
    format::toned(outcome.tone, &name(&outcome.text))
}

fn what(row: &Step, now: Timestamp) -> Option<Markup> {
    if let Some(fault) = row.fault {
        return Some(html! { (fault) ": a clock is wrong" });
    }
    if row.outcome.tone == Some(Tone::Bad) {
        return Some(html! { "ended with " (named(&row.outcome)) });
    }
    if row.auto_completed {
        return Some(html! { "was completed automatically, since nothing happened" });
    }
    let over = row.overrun(now)?;
    Some(html! {
        @if row.is_open() { "is " (over_estimate(row, over, now)) " over its estimate" }
        @else { "took " (format::duration(over)) " longer than estimated" }
    })
}

fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        @if at > now { "at " (format::moment(at)) } @else { (format::elapsed(at, now)) " ago" }
    }
}
