//! The rows of a service with very many rows: grouped by type, and loaded when a group is opened.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::axis::{Axis, WHOLE};
use super::chart::{number, share};
use super::format::{self, Outcome, chip, name};
use super::links;
use super::steps::{Step, Steps};
use super::waterfall::{self, Track};
use crate::domain::ids::Element;

/// The maximum number of rows that are listed at once.
pub(super) const MOST_ROWS: usize = 300;

/// The maximum number of groups of a service.
const MOST_GROUPS: usize = 300;

/// The maximum number of outcomes that are named in the line of a group.
const OUTCOMES: usize = 3;

/// The number of parts in which the time line of a group is drawn.
const PARTS: i64 = 250;

/// The group of rows that is shown, and the number of newer rows that are skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The kind of element and its type, as [`key`] writes them.
    pub(super) rows: Option<String>,
    /// The number of newer rows that are not shown.
    pub(super) skip: usize,
}

/// The name of a group in addresses.
fn key(step: &Step) -> String {
    format!("{}.{}", step.element.singular(), step.kind)
}

/// The groups of a service, states before tasks, the largest first.
pub(super) fn groups(track: &Track<'_>, steps: &Steps, chosen: &Chosen) -> Markup {
    let mut groups = BTreeMap::<_, Vec<&Step>>::new();
    for step in &steps.rows {
        groups.entry((step.element == Element::Task, step.kind.as_str())).or_default().push(step);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((is_task, kind), rows)| (*is_task, std::cmp::Reverse(rows.len()), *kind));
    html! {
        @for (_, rows) in groups.iter().take(MOST_GROUPS) { (group(track, rows, chosen)) }
        @if groups.len() > MOST_GROUPS {
            p class="quiet" { "and " (format::count(groups.len() - MOST_GROUPS, "type", "types")) " more" }
        }
    }
}

fn group(track: &Track<'_>, rows: &[&Step], chosen: &Chosen) -> Markup {
    let key = key(rows[0]);
    let anchor = format!("group-{}-{}", track.service, &blake3::hash(key.as_bytes()).to_hex()[..12]);
    let part = format!("of-{anchor}");
    let is_chosen = chosen.rows.as_ref() == Some(&key);
    let word = rows[0].element;
    let mut durations: Vec<_> =
        rows.iter().filter(|row| row.end.is_some()).map(|row| row.duration(track.now)).collect();
    durations.sort_unstable();
    let open = rows.iter().filter(|row| row.is_open()).count();
    let size = number(i64::try_from(rows.len()).unwrap_or(i64::MAX));
    html! {
        details class="step group" id=(anchor) open[is_chosen] {
            summary {
                span class="who" {
                    span class="kind" { (name(&rows[0].kind)) } " "
                    span class="note" { (size) " " (if word == Element::Task { "tasks" } else { "states" }) }
                    @if open > 0 { span class="note" { (open) " open" } }
                }
                span class="what" { (outcomes(rows)) }
                span class="took" {
                    @if let Some(median) = durations.get(durations.len() / 2) { "≈ " (format::duration(*median)) }
                }
                (density(track.axis, rows, track))
            }
            div class="detail" id=(part) data-load=(links::rows(track.service, &key, 0)) data-part=(format!("#{part}"))
                data-loaded[is_chosen] {
                @if is_chosen { (listed(track, rows, (&key, chosen.skip))) }
                @else { p { a href=(links::rows(track.service, &key, 0)) { "Show the rows" } } }
            }
        }
    }
}

/// A page of the rows of a group: in order of start, the newest page first.
fn listed(track: &Track<'_>, rows: &[&Step], (key, skip): (&str, usize)) -> Markup {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.from, row.id));
    let end = rows.len().saturating_sub(skip);
    let start = end.saturating_sub(MOST_ROWS);
    html! {
        @if rows.len() > MOST_ROWS {
            p class="pages" {
                span class="quiet" { "Rows " (start + 1) " to " (end) " of " (rows.len()) ", by start. " }
                @if start > 0 { a href=(links::rows(track.service, key, skip + MOST_ROWS)) { "Older rows" } " " }
                @if skip > 0 { a href=(links::rows(track.service, key, skip.saturating_sub(MOST_ROWS))) { "Newer rows" } }
            }
        }
        @for row in &rows[start..end] { (waterfall::row(track, row)) }
    }
}

/// The most frequent outcomes with their numbers.
fn outcomes(rows: &[&Step]) -> Markup {
    let mut counts = BTreeMap::<&Outcome, usize>::new();
    for row in rows {
        *counts.entry(&row.outcome).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    html! {
        @for (outcome, count) in counts.iter().take(OUTCOMES) { (chip(outcome)) " " span class="note" { (count) } " " }
        @if counts.len() > OUTCOMES { span class="note" { "and " (counts.len() - OUTCOMES) " other outcomes" } }
    }
}

/// A line that shows when any of the rows was active.
fn density(axis: Option<&Axis>, rows: &[&Step], track: &Track<'_>) -> Markup {
    let Some(axis) = axis else { return html! { span {} } };
    let mut parts = vec![false; usize::try_from(PARTS).unwrap_or_default()];
    for row in rows.iter().filter(|row| row.fault.is_none()) {
        let part = |at: i64| usize::try_from((at * PARTS / WHOLE).clamp(0, PARTS - 1)).unwrap_or_default();
        parts[part(axis.at(row.from))..=part(axis.at(row.to(track.now)))].fill(true);
    }
    let mut at = 0;
    html! {
        svg class="track" width="100%" height="22" aria-hidden="true" {
            use href=(format!("#grid-{}", track.service)) width="100%" height="22" {}
            @for same in parts.chunk_by(|a, b| a == b) {
                @let from = at;
                @let () = at += same.len();
                @if same[0] {
                    rect class="bar many" x=(place(from)) width=(place(same.len())) y="6" height="10" {}
                }
            }
        }
    }
}

fn place(part: usize) -> String {
    share(i64::try_from(part).unwrap_or(0) * 100_000 / PARTS)
}
