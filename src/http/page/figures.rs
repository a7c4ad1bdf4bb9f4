//! The panels of the dashboard: each has a chart, its data as a table, and a link to the same data as CSV.

use std::collections::{BTreeSet, HashMap};

use maud::{Markup, html};

use super::chart::{self, Row, Segment};
use super::format::{self, Outcome, chip, name};
use super::list::{Address, Moment};
use crate::domain::report::{ActivityRow, DurationRow, OutcomeRow, Scope, StopRow};
use crate::domain::tone::Tone;

/// The maximum number of rows in a chart.
const CHART_ROWS: usize = 24;

/// The maximum number of segments in a bar; those of the other dispositions become one.
const SEGMENTS: usize = 24;

/// The maximum number of rows in a table; the CSV has all of them.
const TABLE_ROWS: usize = 100;

/// The placeholder for a missing type or disposition.
const NONE: &str = "none given";

/// The figures of the dashboard: one report per panel.
pub(super) struct Figures {
    pub(super) scope: Scope,
    pub(super) activity: Vec<ActivityRow>,
    /// The activity in the period before, with the same number of buckets.
    pub(super) before: Vec<ActivityRow>,
    pub(super) outcomes: Vec<OutcomeRow>,
    pub(super) durations: Vec<DurationRow>,
    pub(super) stops: Vec<StopRow>,
}

impl Figures {
    /// The address of the services of the period that `more` selects.
    pub(super) fn services(&self, moment: Moment, more: &[(&'static str, &str)]) -> String {
        Address::of_figure(&self.scope, moment, more).to_string()
    }

    /// The address of the services behind a row of outcomes, if that can be selected.
    fn ended(&self, row: &OutcomeRow, disposition: Option<&str>) -> Option<String> {
        let kind = row.kind.as_deref()?;
        let of_kind = match row.element.as_str() {
            "service" => vec![("type", kind)],
            part => vec![("part", part), ("step", kind)],
        };
        let selected: Vec<_> = of_kind.into_iter().chain(disposition.map(|name| ("disposition", name))).collect();
        Some(self.services(Moment::Completed, &selected))
    }

    /// The address of the services behind a row of durations.
    fn tasks(&self, row: &DurationRow) -> Option<String> {
        let kind = row.task_type.as_deref()?;
        Some(self.services(Moment::Completed, &[("part", "task"), ("step", kind)]))
    }
}

/// A panel with its chart and table. `report` is its name, for the link to its CSV.
fn panel(scope: &Scope, (report, title, about): (&str, &str, &str), chart: &Markup, table: &Markup) -> Markup {
    let period = [("from", scope.period.from.to_string()), ("to", scope.period.to.to_string())];
    let kind = scope.service_type.clone().map(|kind| ("service_type", kind));
    let parameters: Vec<_> = period.into_iter().chain(kind).chain([("format", "excel".to_owned())]).collect();
    let csv = format!("/reports/{report}?{}", serde_urlencoded::to_string(parameters).unwrap_or_default());
    // Which separator a spreadsheet expects depends on its language, so there is a file for either.
    let semicolons = format!("{csv}&separator=semicolon");
    html! {
        section class="panel" aria-labelledby=(report) {
            header {
                h2 id=(report) { (title) }
                a class="csv" href=(csv) download aria-label=(format!("{title} as CSV")) { "CSV" }
                a class="csv" href=(semicolons) download aria-label=(format!("{title} as CSV with semicolons")) { "CSV ;" }
            }
            p class="quiet" { (about) }
            (chart)
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

/// The end of a table that was cut: the number of rows that are left out.
fn more(rows: usize) -> Markup {
    html! {
        @if rows > TABLE_ROWS {
            tfoot { tr { td colspan="6" class="quiet" { "and " (chart::number(left_out(rows, TABLE_ROWS))) " more, in the CSV" } } }
        }
    }
}

fn left_out(all: usize, shown: usize) -> i64 {
    i64::try_from(all.saturating_sub(shown)).unwrap_or(i64::MAX)
}

fn named(text: Option<&String>) -> &str {
    text.map_or(NONE, String::as_str)
}

/// The panel of services started, ended and open over time.
pub(super) fn activity(figures: &Figures) -> Markup {
    let rows = &figures.activity;
    let step = format::duration(figures.scope.period.bucket());
    let quiet = rows.iter().all(|row| row.started == 0 && row.ended == 0 && row.open == 0);
    let plot = if quiet { nothing() } else { chart::over_time(rows, &figures.before, figures.scope.period) };
    let table = html! {
        thead { tr {
            th scope="col" { "From" } th scope="col" class="number" { "Started" } th scope="col" class="number" { "Ended" }
            th scope="col" class="number" { "Open at the end" }
        } }
        tbody { @for row in rows.iter().take(TABLE_ROWS) { tr {
            td { (format::moment(row.start)) }
            td class="number" { (row.started) } td class="number" { (row.ended) } td class="number" { (row.open) }
        } } }
        (more(rows.len()))
    };
    let about = format!(
        "Services started and ended in each interval of {step} (UTC), and services open at its end. Outlines are of the period before."
    );
    panel(&figures.scope, ("activity", "Services over time", &about), &plot, &table)
}

/// The panel of outcomes by element type.
pub(super) fn outcomes(figures: &Figures) -> Markup {
    let rows = &figures.outcomes;
    let of_types = || rows.chunk_by(|a, b| (&a.element, &a.kind) == (&b.element, &b.kind));
    let drawn = of_types().take(CHART_ROWS).flat_map(|rows| rows.iter().take(SEGMENTS));
    let seen: BTreeSet<_> =
        drawn.map(|row| Outcome::new(named(row.disposition.as_ref()).to_owned(), row.tone)).collect();
    let plot = html! {
        @if rows.is_empty() { (nothing()) } @else {
            @for (element, title) in [("service", "Services"), ("state", "States"), ("task", "Tasks")] {
                @let plot = by_size(figures, of_types().filter(|rows| rows[0].element == element));
                @if !plot.is_empty() { h3 { (title) } (chart::bars(&plot, CHART_ROWS)) }
            }
            ul class="legend" aria-label="Legend" {
                @for one in seen.iter().take(CHART_ROWS) { li { (chip(one)) } }
                @if seen.len() > CHART_ROWS { li class="quiet" { "and " (left_out(seen.len(), CHART_ROWS)) " more" } }
            }
        }
    };
    let table = html! {
        thead { tr {
            th scope="col" { "Element" } th scope="col" { "Type" } th scope="col" { "Disposition" }
            th scope="col" class="number" { "Ended" }
        } }
        tbody { @for row in rows.iter().take(TABLE_ROWS) { tr {
            td { (row.element) } td { (name(named(row.kind.as_ref()))) }
            td { (format::toned(row.tone, &chart::linked(figures.ended(row, row.disposition.as_deref()).as_deref(), named(row.disposition.as_ref())))) }
            td class="number" { (row.ended) }
        } } }
        (more(rows.len()))
    };
    let about = "Elements that ended in the period, by type and disposition.";
    panel(&figures.scope, ("outcomes", "Outcomes", about), &plot, &table)
}

/// The bars of element types, the largest first.
fn by_size<'a>(figures: &Figures, types: impl Iterator<Item = &'a [OutcomeRow]>) -> Vec<Row> {
    let mut types: Vec<_> = types.collect();
    types.sort_by_key(|rows| std::cmp::Reverse(rows.iter().map(|row| row.ended).sum::<i64>()));
    types.into_iter().map(|rows| outcomes_of_type(figures, rows)).collect()
}

/// A bar with good outcomes on the left and bad ones on the right.
fn outcomes_of_type(figures: &Figures, rows: &[OutcomeRow]) -> Row {
    let segment = |row: &OutcomeRow| {
        let text = named(row.disposition.as_ref()).to_owned();
        Segment { text, tone: row.tone, class: format::class(row.tone), count: row.ended }
    };
    let first = &rows[0];
    let mut segments: Vec<_> = rows.iter().take(SEGMENTS).map(segment).collect();
    segments.sort_by_key(|segment| (segment.tone.unwrap_or(Tone::Neutral), std::cmp::Reverse(segment.count)));
    if rows.len() > SEGMENTS {
        let count = rows[SEGMENTS..].iter().map(|row| row.ended).sum();
        let text = format!("with {} other dispositions", chart::number(left_out(rows.len(), SEGMENTS)));
        segments.push(Segment { text, tone: None, class: format::class(None), count });
    }
    let href = figures.ended(first, None);
    Row { label: named(first.kind.as_ref()).to_owned(), href, note: String::new(), segments }
}

/// The panel of task durations.
pub(super) fn durations(figures: &Figures) -> Markup {
    let rows = &figures.durations;
    let plot = if rows.is_empty() { nothing() } else { chart::ranges(rows, CHART_ROWS, |row| figures.tasks(row)) };
    let table = html! {
        thead { tr {
            th scope="col" { "Task type" }
            @for head in ["Tasks", "p50", "p90", "p99", "Longest"] { th scope="col" class="number" { (head) } }
        } }
        tbody { @for row in rows.iter().take(TABLE_ROWS) { tr {
            td { (name(named(row.task_type.as_ref()))) }
            td class="number" { (row.tasks) }
            @for millis in [row.p50_ms, row.p90_ms, row.p99_ms, row.longest_ms] {
                td class="number" { (format::duration(millis)) }
            }
        } } }
        (more(rows.len()))
    };
    let about = "Tasks that ended in the period: 50 % took at most p50, 90 % at most p90, 99 % at most p99.";
    panel(&figures.scope, ("durations", "Task durations", about), &plot, &table)
}

/// The panel of the last step that services reached.
pub(super) fn stops(figures: &Figures) -> Markup {
    let rows = &figures.stops;
    let (mut places, mut known) = (Vec::<Vec<&StopRow>>::new(), HashMap::new());
    for row in rows {
        let at = *known.entry((&row.last, &row.kind)).or_insert(places.len());
        match places.get_mut(at) {
            Some(place) => place.push(row),
            None => places.push(vec![row]),
        }
    }
    let plot: Vec<_> = places.iter().map(|place| stops_at(figures, place)).collect();
    let plot = html! {
        @if plot.is_empty() { (nothing()) } @else {
            (chart::bars(&plot, CHART_ROWS))
            ul class="legend" aria-label="Legend" {
                @for outcome in [ENDED, OPEN] { li { span class={ "chip " (outcome.1) } { (outcome.0) } } }
            }
        }
    };
    let table = html! {
        thead { tr {
            th scope="col" { "Last step" } th scope="col" { "Type" } th scope="col" { "Status" }
            th scope="col" class="number" { "Services" }
        } }
        tbody { @for row in rows.iter().take(TABLE_ROWS) { tr {
            td { (row.last.as_deref().unwrap_or("none")) }
            td { @if row.last.is_some() { (name(named(row.kind.as_ref()))) } }
            td { (row.status) } td class="number" { (row.services) }
        } } }
        (more(rows.len()))
    };
    let about = "The last state or task of each service that started in the period: where the service ended, or where it is now.";
    panel(&figures.scope, ("stops", "Where services stop", about), &plot, &table)
}

/// The text and colour of ended services, and of open ones.
const ENDED: (&str, &str) = ("ended after it", "ended");
const OPEN: (&str, &str) = ("open at it", "open");

fn stops_at(figures: &Figures, place: &[&StopRow]) -> Row {
    let count = |status: &str| place.iter().filter(|row| row.status == status).map(|row| row.services).sum();
    let segments = [(ENDED, count("completed")), (OPEN, count("active"))];
    let segment = |((text, class), count): ((&str, &'static str), i64)| Segment {
        text: text.to_owned(),
        tone: None,
        class,
        count,
    };
    Row {
        label: if place[0].last.is_some() { named(place[0].kind.as_ref()) } else { "no step" }.to_owned(),
        href: place[0].kind.as_deref().map(|kind| figures.services(Moment::Started, &[("step", kind)])),
        note: place[0].last.clone().unwrap_or_default(),
        segments: segments.into_iter().filter(|(_, count)| *count > 0).map(segment).collect(),
    }
}
