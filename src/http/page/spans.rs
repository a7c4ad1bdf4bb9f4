//! The panels of the dashboard about time: how long services, states and tasks take, and how long they wait.

use maud::{Markup, html};

use super::super::spreadsheet::{Cells, text};
use super::chart;
use super::figures::{CHART_ROWS, Figures, TABLE_ROWS, more, nothing, panel, too_long, type_name};
use super::format;
use super::list::{Moment, STEP, of_value};
use crate::domain::report::SpanRow;

/// The kinds of elements, with the headings of their rows.
const ELEMENTS: [(&str, &str); 3] = [("service", "Services"), ("state", "States"), ("task", "Tasks")];

/// The panel of durations.
pub(super) fn durations(figures: &Figures) -> Markup {
    let about = "Services, states and tasks that ended in the period: 50 % took at most p50, 90 % at most p90, 99 % at most p99.";
    let rows = &figures.durations;
    let link = |row: &SpanRow| figures.ended(&row.element, row.kind.as_deref(), &[]);
    panel(
        &figures.file("durations"),
        ("durations", "Durations", about),
        &plot(rows, "durations", link),
        &table(rows, link),
    )
}

/// The panel of waits.
pub(super) fn waits(figures: &Figures) -> Markup {
    let about = "States and tasks that started in the period when no other of the same service was active: the time since \
                 the last state, or task, had ended.";
    let rows = figures.waits.as_deref();
    let link = |row: &SpanRow| started(figures, row);
    let plot = rows.map_or_else(too_long, |rows| plot(rows, "waits", link));
    let table = table(rows.unwrap_or_default(), link);
    panel(&figures.file("waits"), ("waits", "Waits before states and tasks", about), &plot, &table)
}

/// The address of the services with a state or task of a type that started in the period, after a wait or not.
fn started(figures: &Figures, row: &SpanRow) -> String {
    let selected = [("part", row.element.as_str()), of_value(STEP, row.kind.as_deref())];
    figures.services(Moment::PartStarted, &selected)
}

fn plot(rows: &[SpanRow], of: &str, link: impl Fn(&SpanRow) -> String) -> Markup {
    html! {
        @if rows.is_empty() { (nothing()) } @else {
            @for (element, title) in ELEMENTS {
                @let of_element = rows.iter().filter(|row| row.element == element).cloned().collect::<Vec<_>>();
                @if !of_element.is_empty() {
                    h3 { (title) }
                    (chart::ranges(&of_element, of, CHART_ROWS, &link))
                }
            }
            (chart::legend_of_ranges())
        }
    }
}

fn table(rows: &[SpanRow], link: impl Fn(&SpanRow) -> String) -> Markup {
    html! {
        thead { tr {
            th scope="col" { "Element" } th scope="col" { "Type" }
            @for head in ["Number", "p50", "p90", "p99", "Longest"] { th scope="col" class="number" { (head) } }
        } }
        tbody { @for row in rows.iter().take(TABLE_ROWS) { tr {
            td { (row.element) } td { (chart::linked(Some(&link(row)), type_name(row.kind.as_ref()))) }
            td class="number" { (chart::number(row.count)) }
            @for millis in [row.p50_ms, row.p90_ms, row.p99_ms, row.longest_ms] {
                td class="number" { (format::duration(millis)) }
            }
        } } }
        (more(rows.len()))
    }
}

impl Cells for SpanRow {
    const HEAD: &'static [&'static str] = &["element", "type", "number", "p50_ms", "p90_ms", "p99_ms", "longest_ms"];

    fn cells(&self) -> Vec<String> {
        let numbers = [self.count, self.p50_ms, self.p90_ms, self.p99_ms, self.longest_ms];
        let names = [self.element.clone(), text(self.kind.as_ref())];
        names.into_iter().chain(numbers.map(|number| number.to_string())).collect()
    }
}
