//! The panel of funnels: how many services of a type reach each type of state, and where the others stop.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use maud::{Markup, html};

use super::super::spreadsheet::{Cells, text};
use super::chart::{self, Row, Segment};
use super::figures::{
    CHART_ROWS, Figures, SEGMENTS, TABLE_ROWS, more, nothing, outcome_name, panel, too_long, type_name,
};
use super::format::{self, Outcome, chip, name, toned};
use super::list::{Address, Moment, OUTCOME, STATE, STEP, TYPE, of_value};
use crate::domain::funnel::{Funnel, Left, Stage};
use crate::domain::report::Scope;
use crate::domain::tone::Tone;

/// The maximum number of funnels that are drawn. The table has the others, too.
const DRAWN: usize = 6;

/// The text and colour of services that reached a further state, and of those that are open.
const WENT_ON: (&str, &str) = ("went on", "started");
const OPEN: (&str, &str) = ("open there", "open");

/// The name of the first stage.
const START: &str = "started";

/// A stage of a funnel, as a row of the table.
type Line<'a> = (&'a Funnel, &'a Stage);

/// The panel of funnels.
pub(super) fn funnels(figures: &Figures) -> Markup {
    let funnels = figures.funnels.as_deref().unwrap_or_default();
    let plot = html! {
        @if figures.funnels.is_none() { (too_long()) } @else if funnels.is_empty() { (nothing()) } @else {
            @for funnel in funnels.iter().take(DRAWN) {
                h3 { (name(type_name(funnel.service_type.as_ref()))) }
                (chart::bars(&rows(&figures.scope, funnel), CHART_ROWS))
            }
            @if funnels.len() > DRAWN {
                p class="quiet" { (funnels.len() - DRAWN) " more service types in the table. To draw one, choose it above." }
            }
            (legend(&funnels[..funnels.len().min(DRAWN)]))
        }
    };
    let lines: Vec<_> = lines(funnels).collect();
    let about = "Services that started in the period: the share that reached each type of state, the median wait before it \
                 (since the state before, or the service's start), and where the others left, with their outcome.";
    panel(&figures.file("funnels"), ("funnels", "How far services get", about), &plot, &table(&figures.scope, &lines))
}

fn lines(funnels: &[Funnel]) -> impl Iterator<Item = Line<'_>> {
    funnels.iter().flat_map(|funnel| funnel.stages.iter().map(move |stage| (funnel, stage)))
}

fn rows(scope: &Scope, funnel: &Funnel) -> Vec<Row> {
    funnel.stages.iter().map(|stage| row(scope, funnel, stage)).collect()
}

fn row(scope: &Scope, funnel: &Funnel, stage: &Stage) -> Row {
    let kind = funnel.service_type.as_deref().unwrap_or_default();
    let place = if stage.is_start { "start" } else { "state" };
    Row {
        id: chart::row_id(&["funnels", kind, place], stage.state_type.as_deref()),
        label: stage_name(stage).to_owned(),
        href: href(scope, funnel, stage),
        note: note(funnel, stage),
        segments: segments(stage),
    }
}

/// The address of the services of a funnel that went no further than a stage; `more` selects among them.
fn href_of_stayed(scope: &Scope, (funnel, stage): Line<'_>, more: &[(&'static str, &str)]) -> String {
    let last = if stage.is_start { ("no_state", "true") } else { of_value(STATE, stage.state_type.as_deref()) };
    let selected = [&[of_value(TYPE, funnel.service_type.as_deref()), last], more].concat();
    Address::of_figure(scope, Moment::Started, &selected).to_string()
}

/// The address of the services that reached a stage.
fn href(scope: &Scope, funnel: &Funnel, stage: &Stage) -> String {
    let mut selected = vec![of_value(TYPE, funnel.service_type.as_deref())];
    if !stage.is_start {
        selected.extend([("part", "state"), of_value(STEP, stage.state_type.as_deref())]);
    }
    Address::of_figure(scope, Moment::Started, &selected).to_string()
}

fn note(funnel: &Funnel, stage: &Stage) -> String {
    let wait = stage.median_wait_ms.map(|wait| format!(", after {}", format::brief(wait))).unwrap_or_default();
    format!("{}{wait}", percent(stage.reached, funnel.services))
}

fn percent(part: i64, whole: i64) -> String {
    let tenths = (part * 2000 + whole) / (2 * whole.max(1));
    if tenths % 10 == 0 { format!("{} %", tenths / 10) } else { format!("{}.{} %", tenths / 10, tenths % 10) }
}

/// The services that went on, then those that are open at the stage, then those that left, good outcomes first.
fn segments(stage: &Stage) -> Vec<Segment> {
    let fixed =
        |(text, class): (&str, &'static str), count| Segment { text: text.to_owned(), tone: None, class, count };
    let left = |left: &Left| Segment {
        text: outcome_name(left.disposition.as_ref()).to_owned(),
        tone: left.tone,
        class: format::class(left.tone),
        count: left.services,
    };
    let mut of_left: Vec<_> = stage.left.iter().take(SEGMENTS).map(left).collect();
    of_left.sort_by_key(|segment| (segment.tone.unwrap_or(Tone::Neutral), Reverse(segment.count)));
    let rest: i64 = stage.left.iter().skip(SEGMENTS).map(|left| left.services).sum();
    let mut segments = vec![fixed(WENT_ON, stage.went_on()), fixed(OPEN, stage.open)];
    segments.append(&mut of_left);
    segments.push(fixed(("with other dispositions", format::class(None)), rest));
    segments.retain(|segment| segment.count > 0);
    segments
}

fn legend(funnels: &[Funnel]) -> Markup {
    let left = lines(funnels).flat_map(|(_, stage)| stage.left.iter().take(SEGMENTS));
    let seen: BTreeSet<_> =
        left.map(|left| Outcome::new(outcome_name(left.disposition.as_ref()).to_owned(), left.tone)).collect();
    html! {
        ul class="legend" aria-label="Legend" {
            @for (text, class) in [WENT_ON, OPEN] { li { span class={ "chip " (class) } { (text) } } }
            @for outcome in seen.iter().take(CHART_ROWS) { li { "left: " (chip(outcome)) } }
            @if seen.len() > CHART_ROWS { li class="quiet" { "and " (seen.len() - CHART_ROWS) " more" } }
        }
    }
}

fn stage_name(stage: &Stage) -> &str {
    if stage.is_start { START } else { type_name(stage.state_type.as_ref()) }
}

fn table(scope: &Scope, lines: &[Line<'_>]) -> Markup {
    let open = |line| href_of_stayed(scope, line, &[("status", "active")]);
    let left = |line, left: &Left| {
        let outcome = of_value(OUTCOME, left.disposition.as_deref());
        href_of_stayed(scope, line, &[("status", "completed"), outcome])
    };
    html! {
        thead { tr {
            th scope="col" { "Service type" } th scope="col" { "State" }
            @for head in ["Reached", "Share", "Median wait", "Open there"] { th scope="col" class="number" { (head) } }
            th scope="col" { "Left" }
        } }
        tbody { @for (funnel, stage) in lines.iter().take(TABLE_ROWS) { tr {
            td { (name(type_name(funnel.service_type.as_ref()))) } td { (name(stage_name(stage))) }
            td class="number" { (chart::linked_number(stage.reached, &href(scope, funnel, stage))) }
            td class="number" { (percent(stage.reached, funnel.services)) }
            td class="number" { @if let Some(wait) = stage.median_wait_ms { (format::duration(wait)) } }
            td class="number" { (chart::linked_number(stage.open, &open((*funnel, *stage)))) }
            td { @for (at, of_left) in stage.left.iter().take(SEGMENTS).enumerate() {
                @if at > 0 { ", " }
                a href=(left((*funnel, *stage), of_left)) {
                    (chart::number(of_left.services)) " " (toned(of_left.tone, &name(outcome_name(of_left.disposition.as_ref()))))
                }
            } }
        } } }
        (more(lines.len()))
    }
}

/// A line of the CSV: the services that left at a stage with one disposition, or a stage at which none left.
pub(super) struct FunnelLine(Vec<String>);

impl FunnelLine {
    /// The lines of funnels.
    pub(super) fn of(funnels: &[Funnel]) -> Vec<Self> {
        let of_stage = |(funnel, stage): Line<'_>| {
            let left = stage.left.iter().map(|left| (text(left.disposition.as_ref()), left.services));
            let none = stage.left.is_empty().then(|| (String::new(), 0));
            let line = |(disposition, left): (String, i64)| {
                Self(vec![
                    text(funnel.service_type.as_ref()),
                    if stage.is_start { "start" } else { "state" }.to_owned(),
                    text(stage.state_type.as_ref()),
                    stage.reached.to_string(),
                    stage.median_wait_ms.map(|wait| wait.to_string()).unwrap_or_default(),
                    stage.open.to_string(),
                    disposition,
                    left.to_string(),
                ])
            };
            left.chain(none).map(line).collect::<Vec<_>>()
        };
        lines(funnels).flat_map(of_stage).collect()
    }
}

impl Cells for FunnelLine {
    const HEAD: &'static [&'static str] =
        &["service_type", "stage", "state_type", "reached", "median_wait_ms", "open", "disposition", "left"];

    fn cells(&self) -> Vec<String> {
        self.0.clone()
    }
}
