//! The panels of the dashboard: each is a chart, the table behind it, and the same as CSV.

use maud::{Markup, html};

use super::chart::{self, Row, Segment};
use super::dashboard::Figures;
use super::journey::chip;
use super::words::{self, Outcome, colour};
use crate::domain::report::{OutcomeRow, Scope, StopRow};

/// Rows of a chart; the table has all of them.
const DRAWN: usize = 24;

/// What stands in the place of a type or disposition that was not given.
const NONE: &str = "none given";

/// A panel: what it shows, the report behind it, and its table.
fn panel(scope: &Scope, (name, title, about): (&str, &str, &str), drawn: &Markup, table: &Markup) -> Markup {
    let period = [("from", scope.period.from.to_string()), ("to", scope.period.to.to_string())];
    let kind = scope.service_type.clone().map(|kind| ("service_type", kind));
    let parameters: Vec<_> = period.into_iter().chain(kind).chain([("format", "csv".to_owned())]).collect();
    let csv = format!("/reports/{name}?{}", serde_urlencoded::to_string(parameters).unwrap_or_default());
    html! {
        section class="panel" aria-labelledby=(name) {
            header {
                h2 id=(name) { (title) }
                a class="csv" href=(csv) download aria-label=(format!("{title} as CSV")) { "CSV" }
            }
            p class="quiet" { (about) }
            (drawn)
            details {
                summary { "As a table" }
                div class="scroll" tabindex="0" role="group" aria-label=(format!("Table: {title}")) { table { (table) } }
            }
        }
    }
}

fn nothing() -> Markup {
    html! { p class="quiet nothing" { "Nothing happened in this period." } }
}

fn named(text: Option<&String>) -> &str {
    text.map_or(NONE, String::as_str)
}

/// Services that started, ended and were open, over time.
pub(super) fn activity(figures: &Figures) -> Markup {
    let rows = &figures.activity;
    let step = words::duration(figures.scope.period.bucket());
    let quiet = rows.iter().all(|row| row.started == 0 && row.ended == 0 && row.open == 0);
    let drawn = if quiet { nothing() } else { chart::over_time(rows, figures.scope.period.bucket()) };
    let table = html! {
        thead { tr {
            th scope="col" { "From" } th scope="col" class="number" { "Started" } th scope="col" class="number" { "Ended" }
            th scope="col" class="number" { "Open at the end" }
        } }
        tbody { @for row in rows { tr {
            td { (words::moment(row.start)) }
            td class="number" { (row.started) } td class="number" { (row.ended) } td class="number" { (row.open) }
        } } }
    };
    let about = format!("Services that started and ended in each {step}, and those that were open at its end.");
    panel(&figures.scope, ("activity", "Services over time", &about), &drawn, &table)
}

/// How elements of each type ended.
pub(super) fn outcomes(figures: &Figures) -> Markup {
    let rows = &figures.outcomes;
    let mut seen: Vec<_> = rows.iter().map(|row| outcome(row.disposition.as_ref())).collect();
    seen.sort();
    seen.dedup();
    words::tell_apart(&mut seen);
    let of_types = rows.chunk_by(|a, b| (&a.element, &a.kind) == (&b.element, &b.kind));
    let drawn: Vec<_> = of_types.map(|rows| outcomes_of_type(rows, &seen)).collect();
    let drawn = html! {
        @if drawn.is_empty() { (nothing()) } @else {
            (chart::bars(&drawn, DRAWN))
            ul class="legend" aria-label="Legend" { @for one in seen.iter().take(DRAWN) { li { (chip(one)) } } }
        }
    };
    let table = html! {
        thead { tr {
            th scope="col" { "Of" } th scope="col" { "Type" } th scope="col" { "Disposition" }
            th scope="col" class="number" { "Ended" }
        } }
        tbody { @for row in rows { tr {
            td { (row.element) } td { (named(row.kind.as_ref())) } td { (named(row.disposition.as_ref())) }
            td class="number" { (row.ended) }
        } } }
    };
    let about = "What ended in the period, by its type and disposition.";
    panel(&figures.scope, ("outcomes", "Outcomes", about), &drawn, &table)
}

fn outcome(disposition: Option<&String>) -> Outcome {
    let class = disposition.map_or("none", |text| colour(text));
    Outcome { text: named(disposition).to_owned(), class }
}

fn outcomes_of_type(rows: &[OutcomeRow], seen: &[Outcome]) -> Row {
    let segment = |row: &OutcomeRow| {
        let text = named(row.disposition.as_ref());
        let class = seen.iter().find(|one| one.text == text).map_or("none", |one| one.class);
        Segment { text: text.to_owned(), class, count: row.ended }
    };
    let first = &rows[0];
    Row {
        label: named(first.kind.as_ref()).to_owned(),
        note: first.element.clone(),
        segments: rows.iter().map(segment).collect(),
    }
}

/// How long tasks took.
pub(super) fn durations(figures: &Figures) -> Markup {
    let rows = &figures.durations;
    let drawn = if rows.is_empty() { nothing() } else { chart::ranges(rows, DRAWN) };
    let table = html! {
        thead { tr {
            th scope="col" { "Task type" }
            @for head in ["Tasks", "p50", "p90", "p99", "Longest"] { th scope="col" class="number" { (head) } }
        } }
        tbody { @for row in rows { tr {
            td { (named(row.task_type.as_ref())) }
            td class="number" { (row.tasks) }
            @for millis in [row.p50_ms, row.p90_ms, row.p99_ms, row.longest_ms] {
                td class="number" { (words::duration(millis)) }
            }
        } } }
    };
    let about = "Of tasks that ended in the period: half took at most p50, nine of ten p90, 99 of 100 p99.";
    panel(&figures.scope, ("durations", "Durations of tasks", about), &drawn, &table)
}

/// Where services stopped, or stand.
pub(super) fn stops(figures: &Figures) -> Markup {
    let rows = &figures.stops;
    let mut places: Vec<Vec<&StopRow>> = Vec::new();
    for row in rows {
        match places.iter_mut().find(|place| (&place[0].last, &place[0].kind) == (&row.last, &row.kind)) {
            Some(place) => place.push(row),
            None => places.push(vec![row]),
        }
    }
    let drawn: Vec<_> = places.iter().map(|place| stops_at(place)).collect();
    let drawn = html! {
        @if drawn.is_empty() { (nothing()) } @else {
            (chart::bars(&drawn, DRAWN))
            ul class="legend" aria-label="Legend" {
                @for outcome in [ENDED, OPEN] { li { (chip(&Outcome { text: outcome.0.to_owned(), class: outcome.1 })) } }
            }
        }
    };
    let table = html! {
        thead { tr {
            th scope="col" { "Last" } th scope="col" { "Type" } th scope="col" { "Services are" }
            th scope="col" class="number" { "Services" }
        } }
        tbody { @for row in rows { tr {
            td { (row.last.as_deref().unwrap_or("nothing")) }
            td { @if row.last.is_some() { (named(row.kind.as_ref())) } }
            td { (row.status) } td class="number" { (row.services) }
        } } }
    };
    let about =
        "The state or task that started last in services that started in the period: where they ended, or stand.";
    panel(&figures.scope, ("stops", "Where services stop", about), &drawn, &table)
}

/// Text and colour of services that have ended, and of those that have not.
const ENDED: (&str, &str) = ("ended after it", "c6");
const OPEN: (&str, &str) = ("open at it", "open");

fn stops_at(place: &[&StopRow]) -> Row {
    let count = |status: &str| place.iter().filter(|row| row.status == status).map(|row| row.services).sum();
    let segments = [(ENDED, count("completed")), (OPEN, count("active"))];
    let segment = |((text, class), count): ((&str, &'static str), i64)| Segment { text: text.to_owned(), class, count };
    Row {
        label: if place[0].last.is_some() { named(place[0].kind.as_ref()) } else { "before any step" }.to_owned(),
        note: place[0].last.clone().unwrap_or_default(),
        segments: segments.into_iter().filter(|(_, count)| *count > 0).map(segment).collect(),
    }
}
