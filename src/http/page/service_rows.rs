//! The services of a journey as rows, each on a time scale of its own. The first is expanded, and the others open in
//! place.

use maud::{Markup, html};

use super::format::{self, chip, name};
use super::groups::{self, Chosen, MOST_ROWS};
use super::links;
use super::steps::Steps;
use super::waterfall::{self, Track};
use crate::domain::journey::STEPS;
use crate::domain::time::Timestamp;

/// The maximum number of steps that are named in the row of a service.
const NAMED: usize = 7;

/// The rows of services.
pub(super) fn services(of_services: &[Steps], chosen: &Chosen, now: Timestamp) -> Markup {
    html! {
        (waterfall::patterns())
        div class="services" {
            @for (at, steps) in of_services.iter().enumerate() {
                @let axis = steps.axis(now);
                @let track = Track { service: steps.service, axis: axis.as_ref(), now };
                @let body = (at == 0).then(|| body(&track, steps, chosen));
                (service(&track, steps, body))
            }
        }
    }
}

fn service(track: &Track<'_>, steps: &Steps, body: Option<Markup>) -> Markup {
    let (itself, id) = (&steps.itself, steps.service);
    let part = format!("of-service-{id}");
    let address = links::journey_of_service(id);
    html! {
        details class="service" id=(itself.anchor(id)) open[body.is_some()] {
            summary {
                span class="who" {
                    strong class="kind" { (name(&itself.kind)) } " "
                    span class="note" { "service " (id) }
                    (waterfall::notes(itself, track.now))
                }
                span class="what" { (chip(&itself.outcome)) }
                span class="took" { (waterfall::took(itself, track.now)) }
                span class="when" { (format::moment(itself.from)) }
                (waterfall::strip(steps, track.axis, track.now))
                span class="steps" { (named(steps)) }
            }
            div class="body" id=(part) data-load=(address) data-part=(format!("#{part}")) data-loaded[body.is_some()] {
                @match body {
                    Some(body) => { (body) }
                    None => { p { a href=(address) { "Show the steps of service " (id) } } }
                }
            }
        }
    }
}

/// The names of the last steps of a service.
fn named(steps: &Steps) -> Markup {
    let all: Vec<_> = steps.coarse().collect();
    let more = all.len() >= usize::try_from(STEPS).unwrap_or(usize::MAX);
    let rest = all.len().saturating_sub(NAMED);
    html! {
        @if all.is_empty() { "no steps" }
        @if rest > 0 { @if more { "… → " } @else { (rest) " more → " } }
        @for (at, step) in all[rest..].iter().enumerate() { @if at > 0 { " → " } (name(&step.kind)) }
    }
}

/// The steps of an expanded service.
fn body(track: &Track<'_>, steps: &Steps, chosen: &Chosen) -> Markup {
    let (states, tasks) = steps.omitted;
    html! {
        p class="links" {
            a href=(steps.itself.href) { "Everything about service " (steps.service) }
            " " a href=(links::journey_of_service(steps.service)) { "Only this service" }
        }
        @if steps.rows.is_empty() {
            p class="quiet" { "No states or tasks yet." }
        } @else {
            @if states > 0 || tasks > 0 {
                p class="quiet" {
                    "Only the newest are shown: "
                    @if states > 0 { (states) " older states" }
                    @if states > 0 && tasks > 0 { " and " }
                    @if tasks > 0 { (tasks) " older tasks" }
                    " are left out."
                }
            }
            div class="waterfall" {
                (waterfall::scale(track))
                @if steps.rows.len() > MOST_ROWS { (groups::groups(track, steps, chosen)) }
                @else { @for row in &steps.rows { (waterfall::row(track, row)) } }
                @if steps.is_idle() { (waterfall::waiting(track, steps)) }
            }
            @if let Some(axis) = track.axis {
                @let cut = axis.cuts().map(|cut| cut.millis).sum();
                @if cut > 0 {
                    p class="quiet legend-line" {
                        span class="sample gap" {} "pauses that are drawn shorter, in all "
                        @if axis.ends_idle() && steps.itself.is_open() { (format::elapsed(track.now.minus(cut), track.now)) }
                        @else { (format::duration(cut)) }
                    }
                }
            }
        }
    }
}
