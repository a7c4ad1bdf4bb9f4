//! The panels of the dashboard: each has a chart, its data as a table, and a link to the same data as CSV.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use actix_web::http::header::EntityTag;
use chrono::SecondsFormat;
use maud::{Markup, html};

use super::super::etag::tag_of;
use super::super::spreadsheet::Cells;
use super::assets;
use super::chart::{self, Row, Segment};
use super::format::{self, Outcome, chip, name};
use super::list::{Address, Moment, OUTCOME, STEP, TYPE, of_value};
use crate::domain::buckets::Buckets;
use crate::domain::funnel::Funnel;
use crate::domain::report::{ActivityRow, OutcomeRow, Period, Scope, SpanRow, StopRow};
use crate::domain::time_zone::TimeZone;
use crate::domain::tone::Tone;

/// The maximum number of rows in a chart.
pub(super) const CHART_ROWS: usize = 24;

/// The maximum number of segments in a bar; the segments of further dispositions are merged into one.
pub(super) const SEGMENTS: usize = 24;

/// The maximum number of rows in a table; the CSV has all of them.
pub(super) const TABLE_ROWS: usize = 100;

/// The figures of the dashboard.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) scope: Scope,
    pub(super) buckets: Buckets,
    /// Whether the period ends now.
    pub(super) ends_now: bool,
    pub(super) activity: Vec<ActivityRow>,
    /// The activity in the period before, with the same number of buckets.
    pub(super) before: Vec<ActivityRow>,
    /// The tasks that ended in the period before.
    pub(super) tasks_before: i64,
    pub(super) outcomes: Vec<OutcomeRow>,
    pub(super) durations: Vec<SpanRow>,
    /// `None` if measuring them took too long.
    pub(super) waits: Option<Vec<SpanRow>>,
    /// `None` if measuring them took too long.
    pub(super) funnels: Option<Vec<Funnel>>,
    pub(super) stops: Vec<StopRow>,
}

impl Figures {
    /// The tag of the page. It changes with the figures and their buckets, but not merely because a period that ends
    /// now has moved on.
    pub(super) fn tag(&self, content: &impl Debug) -> EntityTag {
        let Self {
            scope: _,
            ends_now,
            buckets,
            activity,
            before,
            tasks_before,
            outcomes,
            durations,
            waits,
            funnels,
            stops,
        } = self;
        let before = (before, tasks_before);
        let figures = (ends_now, buckets, activity, before, outcomes, durations, waits, funnels, stops);
        let version = (assets::version(), env!("CARGO_PKG_VERSION"));
        tag_of(format!("{:?}", (version, content, figures)).as_bytes())
    }

    /// The address of the services of the period that `more` selects.
    pub(super) fn services(&self, moment: Moment, more: &[(&'static str, &str)]) -> String {
        self.considered(&Address::of_figure(&self.scope, moment, more))
    }

    /// The list considers the services that started last, of a period that is over those that started before its end.
    fn considered(&self, address: &Address) -> String {
        if self.ends_now || address.has("started_to") {
            address.to_string()
        } else {
            address.with("started_to", &self.scope.period.to.to_string())
        }
    }

    /// The address of the services that started or ended in a bucket, as far as it lies in the period.
    pub(super) fn of_bucket(&self, row: &ActivityRow, moment: Moment) -> String {
        let Period { from, to } = self.scope.period;
        let period = Period { from: row.start.max(from), to: row.end.min(to) };
        self.considered(&Address::of_figure(&Scope { period, ..self.scope.clone() }, moment, &[]))
    }

    /// The address of the services that are open at the end of the period, if that is now.
    pub(super) fn open(&self) -> Option<String> {
        let kind = self.scope.service_type.as_deref().map(|kind| ("type", kind));
        let address = Address::from([("status", "active")]);
        self.ends_now.then(|| kind.map_or_else(|| address.to_string(), |(name, kind)| address.with(name, kind)))
    }

    /// The address of the services with elements of a type that ended in the period; `more` selects among them.
    pub(super) fn ended(&self, element: &str, kind: Option<&str>, more: &[(&'static str, &str)]) -> String {
        let of_kind = match element {
            "service" => vec![of_value(TYPE, kind)],
            part => vec![("part", part), of_value(STEP, kind)],
        };
        self.services(Moment::Completed, &[&of_kind[..], more].concat())
    }

    /// The address of a report of the period as CSV.
    fn report(&self, name: &str) -> String {
        self.address(&format!("/reports/{name}"), &[])
    }

    /// The address of figures of the dashboard as CSV.
    pub(super) fn file(&self, name: &str) -> String {
        self.address("/dashboard", &[("figure", name), ("time_zone", &self.buckets.zone().to_string())])
    }

    fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let period = [("from", self.scope.period.from.to_string()), ("to", self.scope.period.to.to_string())];
        let kind = self.scope.service_type.clone().map(|kind| ("service_type", kind));
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let all: Vec<_> = period.into_iter().chain(kind).chain(more).chain([("format", "excel".to_owned())]).collect();
        format!("{path}?{}", serde_urlencoded::to_string(all).unwrap_or_default())
    }
}

/// A panel with its chart and table. `csv` is the address of the same data as CSV.
pub(super) fn panel(csv: &str, (id, title, about): (&str, &str, &str), chart: &Markup, table: &Markup) -> Markup {
    // The separator that a spreadsheet expects depends on its language, so there is a file with each.
    let semicolons = format!("{csv}&separator=semicolon");
    html! {
        section class="panel" aria-labelledby=(id) {
            header {
                h2 id=(id) { (title) }
                a class="csv" href=(csv) download aria-label=(format!("{title} as CSV")) { "CSV" }
                a class="csv" href=(semicolons) download title="CSV with semicolons, for languages with a decimal comma" aria-label=(format!("{title} as CSV with semicolons")) { "CSV ;" }
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

pub(super) fn too_long() -> Markup {
    html! { p class="quiet nothing" { "Measuring this took too long. Choose a shorter period, or a service type." } }
}

pub(super) fn nothing() -> Markup {
    html! { p class="quiet nothing" { "Nothing happened in this period." } }
}

/// The last line of a truncated table: the number of rows that are left out.
pub(super) fn more(rows: usize) -> Markup {
    html! {
        @if rows > TABLE_ROWS {
            tfoot { tr { td colspan="6" class="quiet" { "and " (chart::number(left_out(rows, TABLE_ROWS))) " more, in the CSV" } } }
        }
    }
}

pub(super) fn left_out(all: usize, shown: usize) -> i64 {
    i64::try_from(all.saturating_sub(shown)).unwrap_or(i64::MAX)
}

/// The name of a type.
pub(super) fn type_name(kind: Option<&String>) -> &str {
    kind.map_or(format::NO_TYPE, String::as_str)
}

/// The name of a disposition.
pub(super) fn outcome_name(disposition: Option<&String>) -> &str {
    disposition.map_or(format::NO_OUTCOME, String::as_str)
}

/// The panel of services started, ended and open over time.
pub(super) fn activity(figures: &Figures) -> Markup {
    let rows = &figures.activity;
    let (step, zone) = (format::duration(figures.buckets.step()), figures.buckets.zone());
    let quiet = rows.iter().all(|row| row.started == 0 && row.ended == 0 && row.open == 0);
    let plot = if quiet { nothing() } else { chart::over_time(figures) };
    let table = html! {
        thead { tr {
            th scope="col" { "From" } th scope="col" class="number" { "Started" } th scope="col" class="number" { "Ended" }
            th scope="col" class="number" { "Open at the end" }
        } }
        tbody { @for row in rows.iter().take(TABLE_ROWS) { tr {
            td { (format::local_moment(row.start, zone)) }
            td class="number" { (chart::linked_number(row.started, &figures.of_bucket(row, Moment::Started))) }
            td class="number" { (chart::linked_number(row.ended, &figures.of_bucket(row, Moment::Completed))) }
            td class="number" { (row.open) }
        } } }
        (more(rows.len()))
    };
    let about = format!(
        "Services started and ended in each interval of {step} ({zone}), and services open at its end. Outlines are of the period before."
    );
    panel(&figures.file("activity"), ("activity", "Services over time", &about), &plot, &table)
}

/// A bucket as a line of the CSV: its start in local time of the zone, and its numbers.
pub(super) struct ActivityLine([String; 4]);

/// The lines of activity.
pub(super) fn lines(rows: &[ActivityRow], zone: TimeZone) -> Vec<ActivityLine> {
    let start = |row: &ActivityRow| zone.local(row.start).to_rfc3339_opts(SecondsFormat::Millis, true);
    let line = |row: &ActivityRow| {
        ActivityLine([start(row), row.started.to_string(), row.ended.to_string(), row.open.to_string()])
    };
    rows.iter().map(line).collect()
}

impl Cells for ActivityLine {
    const HEAD: &'static [&'static str] = &["start", "started", "ended", "open"];

    fn cells(&self) -> Vec<String> {
        self.0.to_vec()
    }
}

/// The panel of outcomes by element type.
pub(super) fn outcomes(figures: &Figures) -> Markup {
    let rows = &figures.outcomes;
    let of_types = || rows.chunk_by(|a, b| (&a.element, &a.kind) == (&b.element, &b.kind));
    let drawn = of_types().take(CHART_ROWS).flat_map(|rows| rows.iter().take(SEGMENTS));
    let seen: BTreeSet<_> =
        drawn.map(|row| Outcome::new(outcome_name(row.disposition.as_ref()).to_owned(), row.tone)).collect();
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
            @let outcome = of_value(OUTCOME, row.disposition.as_deref());
            @let href = figures.ended(&row.element, row.kind.as_deref(), &[outcome]);
            td { (row.element) } td { (name(type_name(row.kind.as_ref()))) }
            td { (format::toned(row.tone, &chart::linked(Some(&href), outcome_name(row.disposition.as_ref())))) }
            td class="number" { (row.ended) }
        } } }
        (more(rows.len()))
    };
    let about = "Elements that ended in the period, by type and disposition.";
    panel(&figures.report("outcomes"), ("outcomes", "Outcomes", about), &plot, &table)
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
        let text = outcome_name(row.disposition.as_ref()).to_owned();
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
    let href = figures.ended(&first.element, first.kind.as_deref(), &[]);
    let id = chart::row_id(&["outcomes", &first.element], first.kind.as_deref());
    Row { id, label: type_name(first.kind.as_ref()).to_owned(), href, note: String::new(), segments }
}

/// The panel of the last steps that services reached.
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
    places.sort_by_key(|place| std::cmp::Reverse(place.iter().map(|row| row.services).sum::<i64>()));
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
            td { @if row.last.is_some() { (name(type_name(row.kind.as_ref()))) } }
            td { (chart::linked(Some(&stopped(figures, row, &[("status", &row.status)])), &row.status)) } td class="number" { (row.services) }
        } } }
        (more(rows.len()))
    };
    let about = "The last state or task of each service that started in the period: where the service ended, or where it is now.";
    panel(&figures.report("stops"), ("stops", "Where services stop", about), &plot, &table)
}

/// The text and colour of ended services, and of open ones.
const ENDED: (&str, &str) = ("ended after it", "ended");
const OPEN: (&str, &str) = ("open at it", "open");

/// The address of the services of the period whose last step is of this kind and type, or that have none; `more` selects
/// among them.
fn stopped(figures: &Figures, row: &StopRow, more: &[(&'static str, &str)]) -> String {
    let at = match &row.last {
        Some(last) => vec![("last", last.as_str()), of_value(STEP, row.kind.as_deref())],
        None => vec![("last", "none")],
    };
    figures.services(Moment::Started, &[&at[..], more].concat())
}

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
        id: chart::row_id(&["stops", place[0].last.as_deref().unwrap_or_default()], place[0].kind.as_deref()),
        label: if place[0].last.is_some() { type_name(place[0].kind.as_ref()) } else { "no step" }.to_owned(),
        href: stopped(figures, place[0], &[]),
        note: place[0].last.clone().unwrap_or_default(),
        segments: segments.into_iter().filter(|(_, count)| *count > 0).map(segment).collect(),
    }
}
