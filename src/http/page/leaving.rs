//! The line of the dashboard about services that are about to leave.

use maud::{Markup, html};

use super::chart;
use crate::domain::report::LifetimesRow;

/// The labels of the spans of [`LifetimesRow`].
const SPANS: [&str; 3] = ["an hour", "a day", "a week"];

/// A line with the numbers of services that expire, or are completed automatically, within an hour, a day and a week.
/// Empty if there are none.
pub(super) fn line(rows: &[LifetimesRow]) -> Markup {
    let any = |count: fn(&LifetimesRow) -> i64| rows.iter().any(|row| count(row) > 0);
    html! {
        @if any(|row| row.expiring) { (counts("Services that expire", rows, |row| row.expiring)) }
        @if any(|row| row.completing) { (counts("Services that end by themselves unless something happens", rows, |row| row.completing)) }
    }
}

fn counts(title: &str, rows: &[LifetimesRow], count: fn(&LifetimesRow) -> i64) -> Markup {
    html! {
        p class="quiet leaving" {
            (title) ": "
            @for (at, (row, span)) in rows.iter().zip(SPANS).enumerate() {
                @if at > 0 { ", " }
                strong { (chart::number(count(row))) } " within " (span)
            }
            ", from now and of all types."
        }
    }
}
