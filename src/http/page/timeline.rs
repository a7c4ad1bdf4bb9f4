//! The time line: one lane per service, with its states and tasks as bars on a shared axis.
//!
//! Bars are links in plain SVG. Horizontal positions are percentages, so that the picture grows with the window while its
//! text keeps its size.

use maud::{Markup, html};

use super::axis::{Axis, Tick};
use super::format::{self, chip};
use super::lane::{self, Bar, bars, lane, percent};
use super::links;
use crate::domain::element::Service;
use crate::domain::time::Timestamp;

/// The tick interval in milliseconds from which labels are dates.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// The maximum number of outcomes in the legend.
const LEGEND: usize = 24;

/// The time line of services, which must be ordered by start.
pub(super) fn timeline(services: &[Service], now: Timestamp) -> Markup {
    let mut of_services: Vec<_> = services.iter().map(|service| (service, bars(service, now))).collect();
    format::assign_colours(of_services.iter_mut().flat_map(|(_, bars)| bars).map(|bar| &mut bar.outcome));
    let moments = of_services.iter().flat_map(|(_, bars)| bars.iter().flat_map(|bar| [bar.from, bar.to]));
    let busy = of_services.iter().flat_map(|(_, bars)| lane::busy(bars));
    let Some(axis) = Axis::over(moments, busy) else { return html! {} };
    html! {
        (legend(&of_services, &axis))
        div class="timeline" tabindex="0" role="group" aria-label="Time line" {
            div class="sheet" {
                (scale(&axis))
                @for (service, bars) in &of_services {
                    section class="lane" aria-label=(format!("Service {}", service.service_id)) {
                        (head(service, &bars[0], now))
                        (omitted(service))
                        (lane(&axis, bars))
                        (table(service, bars))
                    }
                }
            }
        }
    }
}

/// The legend: the colours of the outcomes shown, and the kinds of bars.
fn legend(of_services: &[(&Service, Vec<Bar>)], axis: &Axis) -> Markup {
    let mut outcomes: Vec<_> = of_services.iter().flat_map(|(_, bars)| bars).map(|bar| bar.outcome.clone()).collect();
    outcomes.sort();
    outcomes.dedup();
    html! {
        ul class="legend" aria-label="Legend" {
            @for outcome in outcomes.iter().take(LEGEND) { li { (chip(outcome)) } }
            @if outcomes.len() > LEGEND { li class="quiet" { "and " (outcomes.len() - LEGEND) " more" } }
            li class="quiet" { span class="sample state" {} "state" }
            li class="quiet" { span class="sample task" {} "task" }
            @if axis.cuts().next().is_some() { li class="quiet" { span class="sample gap" {} "time without events (shortened)" } }
        }
    }
}

/// The labels of the ticks.
fn scale(axis: &Axis) -> Markup {
    let format = match axis.step() {
        ..1000 => "%H:%M:%S%.3f",
        1000..60_000 => "%H:%M:%S",
        60_000..DAY => "%H:%M",
        _ => "%-d %b",
    };
    let day = |tick: &Tick| format::formatted(tick.moment, if axis.step() < DAY { "%-d %b" } else { "%Y" });
    let ticks = axis.ticks();
    let days: Vec<_> = ticks.iter().map(day).collect();
    html! {
        svg class="scale" width="100%" height="40" aria-hidden="true" {
            @for (at, tick) in ticks.iter().enumerate() {
                @if at == 0 || days[at] != days[at - 1] {
                    text class="day" x=(percent(tick.at)) y="14" { (days[at]) }
                }
                text x=(percent(tick.at)) y="32" { (format::formatted(tick.moment, format)) }
            }
        }
    }
}

fn head(service: &Service, itself: &Bar, now: Timestamp) -> Markup {
    let lifecycle = &service.lifecycle;
    let started = lifecycle.started.timestamp;
    let so_far = lifecycle.duration().unwrap_or_else(|| (now.millis() - started.millis()).max(0));
    html! {
        div class="lane-head" {
            h2 {
                a class="element" href=(format!("/journey/services/{}", service.service_id)) {
                    (format::kind(lifecycle, "service"))
                }
            }
            (chip(&itself.outcome))
            span class="quiet" {
                @if lifecycle.completed.is_some() { "took " } @else { "open for " }
                (format::duration(so_far)) ", started " (format::moment(started)) " · "
                a href=(links::journey_of_service(service.service_id)) { "service " (service.service_id) " only" }
            }
        }
    }
}

/// The numbers of states and tasks that are left out because there are too many.
fn omitted(service: &Service) -> Markup {
    let (states, tasks) = (service.states.omitted, service.tasks.omitted);
    html! {
        @if states > 0 || tasks > 0 {
            p class="quiet" {
                "Only the newest are shown: "
                @if states > 0 { (states) " older states" }
                @if states > 0 && tasks > 0 { " and " }
                @if tasks > 0 { (tasks) " older tasks" }
                " are left out."
            }
        }
    }
}

/// The content of the lane as a table, for screen readers and for searching.
fn table(service: &Service, bars: &[Bar]) -> Markup {
    let steps = bars.len() - 1;
    html! {
        @if steps > 0 {
            details id=(format!("table-{}", service.service_id)) {
                summary { (format::count(steps, "state or task", "states and tasks")) " as a table" }
                div class="scroll" tabindex="0" role="group" aria-label="States and tasks" {
                    table {
                        thead { tr {
                            th scope="col" { "Element" } th scope="col" { "State" } th scope="col" { "Started" }
                            th scope="col" class="number" { "Duration" } th scope="col" { "Disposition" }
                        } }
                        tbody { @for bar in &bars[1..] { (row(bar)) } }
                    }
                }
            }
        } @else {
            p class="quiet" { "No states or tasks yet." }
        }
    }
}

fn row(bar: &Bar) -> Markup {
    html! {
        tr {
            td { a class="element" href=(bar.href) { (bar.kind) } " " span class="quiet" { (bar.element) " " (bar.id) } }
            td { (bar.of_state.as_deref().unwrap_or_default()) }
            td { (format::exact(bar.from)) }
            td class="number" { (format::duration(bar.duration)) @if bar.is_open() { " so far" } }
            td { (chip(&bar.outcome)) @if let Some(text) = &bar.description { " " (text) } }
        }
    }
}
