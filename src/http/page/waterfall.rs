//! The waterfall of a service: a row for each state and task, with its name in a fixed column and its bar beside it.
//!
//! Horizontal positions are percentages, so that bars grow with the window while text keeps its size.

use maud::{Markup, html};

use super::axis::{Axis, Tick, WHOLE};
use super::chart::share;
use super::format::{self, chip, name};
use super::steps::{Step, Steps};
use crate::domain::ids::ServiceId;
use crate::domain::time::{DAY, Timestamp};

/// The margins of a track, in thousandths of a percent of its width.
const MARGIN: i64 = 600;

/// How far from an end of the axis a label has room, in units of the axis.
const EDGE: i64 = 7_000;

/// The minimum width of a bar, in units of the axis.
const MIN_WIDTH: i64 = 350;

/// The parts that the rows of a service share: their time scale, and the present.
pub(super) struct Track<'a> {
    pub(super) service: ServiceId,
    pub(super) axis: Option<&'a Axis>,
    pub(super) now: Timestamp,
}

/// The horizontal position of a point of the axis, as an SVG length.
fn percent(at: i64) -> String {
    share(MARGIN + length(at))
}

const fn length(units: i64) -> i64 {
    units * (100_000 - 2 * MARGIN) / WHOLE
}

/// The row with the time scale, and the grid that the other rows repeat.
pub(super) fn scale(track: &Track<'_>) -> Markup {
    let Some(axis) = track.axis else { return html! {} };
    html! {
        div class="scale" {
            span class="quiet" { "Times are in UTC" }
            svg width="100%" height="36" aria-hidden="true" {
                symbol id=(format!("grid-{}", track.service)) {
                    @for tick in axis.ticks() { line class="grid" x1=(percent(tick.at)) x2=(percent(tick.at)) y1="0" y2="100%" {} }
                    @for cut in axis.cuts() {
                        rect class="cut" x=(percent(cut.start)) width=(share(length(cut.end - cut.start))) y="0" height="100%" {}
                    }
                }
                (labels(axis))
            }
        }
    }
}

fn labels(axis: &Axis) -> Markup {
    let format = match axis.step() {
        ..1000 => "%H:%M:%S%.3f",
        1000..60_000 => "%H:%M:%S",
        60_000..DAY => "%H:%M",
        _ => "%-d %b",
    };
    let day = |tick: &Tick| format::formatted(tick.moment, if axis.step() < DAY { "%-d %b %Y" } else { "%Y" });
    let ticks = axis.ticks();
    let days: Vec<_> = ticks.iter().map(day).collect();
    html! {
        @for (at, tick) in ticks.iter().enumerate() {
            @if at == 0 || days[at] != days[at - 1] {
                @let (day, year) = short(&days, at);
                text class="day" x=(percent(tick.at)) y="13" { (day) @if let Some(year) = year { tspan class="year" { " " (year) } } }
            }
            text class=(classes(at, tick)) x=(percent(tick.at)) y="30" {
                (format::formatted(tick.moment, format))
            }
        }
    }
}

/// A day, and its year unless the day before it has the same.
fn short(days: &[String], at: usize) -> (&str, Option<&str>) {
    let Some((day, year)) = days[at].rsplit_once(' ') else { return (&days[at], None) };
    let is_same = at > 0 && days[at - 1].ends_with(year);
    (day, (!is_same).then_some(year))
}

/// The classes of a label. One at an end of the axis would stick out, so it begins or ends there.
const fn classes(at: usize, tick: &Tick) -> &'static str {
    match (tick.at, at % 2) {
        (..EDGE, _) => "first",
        (at, 1) if at > WHOLE - EDGE => "last odd",
        (at, _) if at > WHOLE - EDGE => "last",
        (_, 1) => "odd",
        _ => "",
    }
}

/// The pattern of overruns, of which a page needs one.
pub(super) fn patterns() -> Markup {
    html! {
        svg class="patterns" width="0" height="0" aria-hidden="true" {
            defs {
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line class="hatch" x1="0" y1="0" x2="0" y2="6" {}
                }
            }
        }
    }
}

/// The row of a state or task, which opens to its details.
pub(super) fn row(track: &Track<'_>, step: &Step) -> Markup {
    let class = if step.is_nested { "step nested" } else { "step" };
    let (anchor, word) = (step.anchor(track.service), step.element.singular());
    html! {
        details class={ (class) " " (word) } id=(anchor) {
            summary {
                span class="who" {
                    span class="kind" { (name(&step.kind)) }
                    (notes(step, track.now))
                }
                span class="what" { (chip(&step.outcome)) }
                span class="took" { (took(step, track.now)) }
                (bar(track, step))
            }
            div class="detail" id=(format!("of-{anchor}")) data-load=(step.href) data-part="#element" {
                p { a href=(step.href) { (word) " " (step.id) " on a page of its own" } }
            }
        }
    }
}

/// The duration, which grows while the step is open; `?` if nobody knows it.
pub(super) fn took(step: &Step, now: Timestamp) -> Markup {
    html! {
        @if step.fault.is_some() || step.has_never_ended() { "?" }
        @else if step.is_open() { (format::elapsed(step.from, now)) }
        @else { (format::duration(step.duration(now))) }
    }
}

/// The time that a step has taken beyond its estimate. It grows while the step is open.
pub(super) fn over_estimate(step: &Step, over: i64, now: Timestamp) -> Markup {
    html! {
        @match step.due().filter(|_| step.is_open()) {
            Some(due) => { (format::elapsed(due, now)) }
            None => { (format::duration(over)) }
        }
    }
}

/// What is worth noting about a step, in words.
pub(super) fn notes(step: &Step, now: Timestamp) -> Markup {
    html! {
        @if let Some(fault) = step.fault { " " span class="note wrong" { "⚠ clock: " (fault) } }
        @if let Some(over) = step.overrun(now) { " " span class="note late" { (over_estimate(step, over, now)) " over the estimate" } }
        @if let Some(wait) = step.wait { " " span class="note" { "after " (format::duration(wait)) " of waiting" } }
        @if step.parallel > 0 { " " span class="note" { "parallel to " (format::count(step.parallel, "task", "tasks")) } }
        @if step.auto_completed { " " span class="note" { "completed automatically" } }
        @if let Some(text) = &step.description { " " span class="note" { (name(text)) } }
    }
}

/// The bar of a step, the wait before it, its estimate, and the time beyond its estimate. The row says the same in
/// words.
pub(super) fn bar(track: &Track<'_>, step: &Step) -> Markup {
    let Some(axis) = track.axis else { return html! { span {} } };
    let start = axis.at(step.from);
    let end = if step.fault.is_some() { start } else { axis.at(step.to(track.now)) }.max(start + MIN_WIDTH);
    let due = due(axis, step);
    let of_wait = step.wait.map(|wait| axis.at(step.from.minus(wait)));
    let fault = if step.fault.is_some() { " wrong" } else { "" };
    html! {
        svg class="track" width="100%" height="22" aria-hidden="true" {
            use href=(format!("#grid-{}", track.service)) width="100%" height="22" {}
            @if let Some(from) = of_wait { (waited(from, start)) }
            rect class={ "bar " (step.element.singular()) " " (step.outcome.class) (fault) } x=(percent(start))
                width=(share(length(end - start))) y="4" height="14" rx="3" {}
            @if let Some(due) = due { (estimated((step, due), end, [4, 18])) }
        }
    }
}

/// The place of the estimated end of a step, if the axis has it.
fn due(axis: &Axis, step: &Step) -> Option<i64> {
    let due = step.due().filter(|due| step.fault.is_none() && !step.has_never_ended() && axis.covers(*due));
    due.map(|due| axis.at(due))
}

/// The tick at the estimated end of a step, and the time beyond it, on a bar between two heights.
fn estimated((step, due): (&Step, i64), end: i64, [top, bottom]: [i64; 2]) -> Markup {
    html! {
        @if due < end {
            rect fill="url(#hatch)" x=(percent(due)) width=(share(length(end - due))) y=(top) height=(bottom - top) {}
        }
        line class="due" x1=(percent(due)) x2=(percent(due)) y1=(top - 3) y2=(bottom + 3) {
            title { "estimated to take " (format::duration(step.estimate.unwrap_or_default())) }
        }
    }
}

fn waited(from: i64, to: i64) -> Markup {
    html! { line class="wait" x1=(percent(from)) x2=(percent(to)) y1="11" y2="11" {} }
}

/// The row that says since when nothing has happened in an open service.
pub(super) fn waiting(track: &Track<'_>, steps: &Steps) -> Markup {
    let since = steps.waiting_since;
    html! {
        div class="step" id=(format!("waiting-{}", track.service)) {
            div class="summary" {
                span class="who" { span class="kind" { "waiting for the next step" } }
                span class="what" { span class="quiet" { "no " (steps.finest().singular()) " is active" } }
                span class="took" { (format::elapsed(since, track.now)) }
                @if let Some(axis) = track.axis {
                    svg class="track" width="100%" height="22" aria-hidden="true" {
                        use href=(format!("#grid-{}", track.service)) width="100%" height="22" {}
                        (waited(axis.at(since), axis.at(track.now)))
                    }
                }
            }
        }
    }
}

/// A service at a glance: its length as a line, its steps on it, its estimate, and the time beyond its estimate.
pub(super) fn strip(steps: &Steps, axis: Option<&Axis>, now: Timestamp) -> Markup {
    let Some(axis) = axis else { return html! { span {} } };
    let place = |step: &Step| {
        let start = axis.at(step.from);
        (start, axis.at(step.to(now)).max(start + MIN_WIDTH))
    };
    let (from, to) = place(&steps.itself);
    html! {
        svg class="strip" width="100%" height="22" aria-hidden="true" {
            rect class={ "line " (steps.itself.outcome.class) } x=(percent(from)) width=(share(length(to - from))) y="9" height="4" {}
            @for step in steps.coarse().filter(|step| step.fault.is_none()) {
                @let (from, to) = place(step);
                rect class={ "bar state " (step.outcome.class) } x=(percent(from)) width=(share(length(to - from))) y="5" height="12" rx="2" {}
            }
            @if let Some(due) = due(axis, &steps.itself) { (estimated((&steps.itself, due), to, [5, 17])) }
        }
    }
}
