//! Services as the rows of a table, each with its customer, its current step and its duration.

use maud::{Markup, html};

use super::format;
use super::links::{self, By};
use super::list::Address;
use crate::domain::overview::{Standing, Step};
use crate::domain::time::Timestamp;

/// A table of services. Their types, steps and channels are links to the services that share them.
pub(super) fn table(rows: &[Standing], address: &Address, now: Timestamp) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label="Table: services" {
            table class="standings" {
                thead { tr {
                    @for head in ["Customer", "Service", "Step", "Channel", "Agent", "Waiting since", "Elapsed"] { th scope="col" { (head) } }
                } }
                tbody { @for row in rows { (self::row(row, address, now)) } }
            }
        }
    }
}

fn row(row: &Standing, address: &Address, now: Timestamp) -> Markup {
    html! {
        tr id=(format!("service-{}", row.service_id)) {
            td { (whose(row)) }
            td {
                @match &row.service_type {
                    Some(kind) => (value(kind, address, "type")),
                    None => span class="quiet" { (format::NO_TYPE) },
                }
                " " a class="quiet" href=(links::journey_of_service(row.service_id)) { "#" (row.service_id) }
            }
            td { @if let Some(step) = &row.step { (self::step(step, address)) } @else { span class="quiet" { "not begun" } } }
            td { @if let Some(channel) = &row.channel { (value(channel, address, "channel")) } }
            td { @if let Some(agent) = &row.agent { (shortened(agent)) } }
            td { (waiting(row, now)) }
            td { (elapsed(row, now)) }
        }
    }
}

/// The customer, or otherwise the contact key, as a link to the journey.
fn whose(row: &Standing) -> Markup {
    let is_key = row.customer_id.is_none() && row.contact_key.is_some();
    html! { (journey(row)) @if is_key { " " span class="quiet" { "contact key" } } }
}

/// The same in a sentence.
pub(super) fn named(row: &Standing) -> Markup {
    let word = if row.customer_id.is_some() { "customer " } else { "contact key " };
    html! { (word) (journey(row)) }
}

fn journey(row: &Standing) -> Markup {
    let (by, text) = match (&row.customer_id, &row.contact_key) {
        (Some(customer), _) => (By::Customer, customer),
        (None, Some(key)) => (By::ContactKey, key),
        (None, None) => return html! { span class="quiet" { "unknown" } },
    };
    html! { a href=(links::search(by, text, 1)) { (shortened(text)) } }
}

fn value(text: &str, address: &Address, parameter: &'static str) -> Markup {
    html! { a href=(address.with(parameter, text)) { (shortened(text)) } }
}

fn step(step: &Step, address: &Address) -> Markup {
    html! {
        @match &step.kind {
            Some(kind) => (value(kind, address, "step")),
            None => span class="quiet" { (step.element.singular()) " " (format::NO_TYPE) },
        }
        @if step.ended.is_some() { " " span class="quiet" { "ended" } }
    }
}

fn waiting(row: &Standing, now: Timestamp) -> Markup {
    let since = row.waiting_since;
    html! {
        @if let Some(ended) = row.ended {
            span class="quiet" { "ended " (format::moment(ended)) }
        } @else {
            (format::moment(since)) br;
            span class="quiet" { "for " (format::elapsed(since, now)) }
        }
    }
}

fn elapsed(row: &Standing, now: Timestamp) -> Markup {
    // The script keeps advancing the duration and the excess of an open service.
    let so_far = |millis: i64| {
        if row.ended.is_some() {
            html! { (format::duration(millis)) }
        } else {
            format::elapsed(now.minus(millis), now)
        }
    };
    html! {
        (so_far(row.elapsed_ms))
        @if let Some(expected) = row.expected_ms {
            span class="quiet" {
                " of " (format::duration(expected)) @if row.has_estimate { " estimated" } @else { " median" }
            }
        }
        @if let Some(overrun) = row.overrun_ms() { br; strong class="overdue" { "▲ " (so_far(overrun)) " over" } }
        @if row.ended.is_some() {
            br;
            (outcome(row))
        }
    }
}

fn outcome(row: &Standing) -> Markup {
    let text = format::outcome(row.disposition.as_deref(), row.disposition_desc.as_deref());
    html! { @if text != format::NO_OUTCOME { "outcome: " } (format::toned(row.tone, &shortened(&text))) }
}

fn shortened(text: &str) -> Markup {
    format::short_name(text, 80)
}
