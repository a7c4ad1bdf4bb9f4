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

/// The number of services, counted up to a limit, and how many of them are open.
pub(super) fn totals(journey: &Journey) -> Markup {
    let more = if journey.total >= MOST_SERVICES { "at least " } else { "" };
    let total = usize::try_from(journey.total).unwrap_or_default();
    html! { (more) (format::count(total, "service", "services")) ", " (journey.open) " open" }
}

/// The sentence about the service that is listed first, which is open if any service is. It names every level: the
/// service, the state and the task in which it is, or else the step that ended last, and then the time of waiting.
pub(super) fn sentence(first: &Steps, now: Timestamp) -> Markup {
    let service = &first.itself;
    html! {
        p class="standing" {
            "The " (level(service))
            @match service.end {
                Some(end) => { " ended " (ago(end, now)) ": " b { (named(&service.outcome)) } (after(first)) "." }
                None => {
                    (late(service, now)) " is open" (where_it_is(first, now))
                    ": waiting for " (format::elapsed(first.waiting_since, now)) "."
                }
            }
        }
    }
}

fn where_it_is(steps: &Steps, now: Timestamp) -> Markup {
    let [state, task] = [Element::State, Element::Task].map(|element| steps.current(element));
    html! {
        @for (place, step) in state.iter().chain(&task).enumerate() {
            @if place == 0 { ", in " } @else { ", " }
            (level(step)) (late(step, now))
        }
        @if steps.rows.is_empty() { ", without a step" }
        @if task.is_none() { (after(steps)) }
    }
}

/// An element with the word for its kind.
fn level(step: &Step) -> Markup {
    let word = step.element.singular();
    html! {
        // The name of an element without a type begins with the word.
        @if !step.kind.starts_with(word) || !step.kind.ends_with(format::NO_TYPE) { (word) " " }
        b { (name(&step.kind)) }
    }
}

fn late(step: &Step, now: Timestamp) -> Markup {
    html! {
        @if let Some(over) = step.overrun(now) {
            " (" b class="late" { (over_estimate(step, over, now)) " over its estimate" } ")"
        }
    }
}

fn after(steps: &Steps) -> Markup {
    html! {
        @if let Some(last) = last(steps) {
            ", after " (level(last))
            @if last.outcome.text != format::NO_OUTCOME { " (" (named(&last.outcome)) ")" }
        }
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
                a href=(row.href) { (level(row)) }
                @if row.element != Element::Service { " in " (level(&steps.itself)) }
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
