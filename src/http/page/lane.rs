//! A lane of the time line: the bars of one service, with the layout of bars and labels.

use std::collections::HashMap;

use maud::{Markup, html};

use super::axis::{Axis, WHOLE, rows};
use super::chart::share;
use super::format::{self, Outcome};
use crate::domain::element::{ByStatus, Lifecycle, Service};
use crate::domain::ids::StateId;
use crate::domain::time::Timestamp;

/// The left margin and the width of the axis, in thousandths of a percent of the picture's width. The rest is room for
/// labels to the right of the last bars.
const LEFT: i64 = 1_000;
const WIDTH: i64 = 85_000;

/// Axis units per pixel at the picture's minimum width (`.sheet` in `page.css`). Labels that do not overlap at this width
/// do not overlap at any other.
const UNITS_PER_PIXEL: i64 = WHOLE * 100_000 / WIDTH / 760;

/// The right edge of the picture, in axis units.
const EDGE: i64 = (100_000 - LEFT) * WHOLE / WIDTH;

/// The minimum width of a bar in axis units, so that even the shortest can be seen and pointed at.
const MIN_WIDTH: i64 = 4 * UNITS_PER_PIXEL;

/// The maximum length of a label, in characters.
const LABEL: usize = 44;

/// The number of task rows from which labels are omitted and rows are compact.
const DENSE: usize = 14;

/// The bar of a service, state or task.
pub(super) struct Bar {
    pub(super) element: &'static str,
    pub(super) id: i64,
    pub(super) href: String,
    pub(super) kind: String,
    pub(super) of_state: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) description: Option<String>,
    pub(super) from: Timestamp,
    /// The end, or the present if it is open.
    pub(super) to: Timestamp,
    /// Milliseconds from start to end.
    pub(super) duration: i64,
}

impl Bar {
    fn of(lifecycle: &Lifecycle, (element, id): (&'static str, i64), href: String, now: Timestamp) -> Self {
        let from = lifecycle.started.timestamp;
        let end = lifecycle.completed.as_ref();
        let to = end.map_or(now, |(event, _)| event.timestamp).max(from);
        let description = end.and_then(|(_, disposition)| disposition.description.clone());
        let outcome = Outcome::of(lifecycle);
        Self {
            element,
            id,
            href,
            kind: format::kind(lifecycle, element),
            of_state: None,
            // Omitted if the outcome already starts with it.
            description: description.filter(|text| !text.is_empty() && !outcome.text.starts_with(text.as_str())),
            outcome,
            from,
            to,
            duration: to.millis() - from.millis(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.outcome.class == "open"
    }

    /// The visible label.
    fn label(&self) -> String {
        let duration = format::duration(self.duration);
        format::truncated(&format!("{} · {} · {duration}", self.kind, self.outcome.text), LABEL)
    }

    /// The full description, for the tooltip and screen readers.
    fn description(&self) -> String {
        let of_state = self.of_state.as_ref().map(|state| format!(" in {state}")).unwrap_or_default();
        let duration = format::duration(self.duration);
        let outcome = match &self.description {
            Some(text) => format!("{}: {text}", self.outcome.text),
            None => self.outcome.text.clone(),
        };
        let from = format::formatted(self.from, "%H:%M:%S");
        format!("{}: {} {}{of_state}, {outcome}, {duration} from {from}", self.kind, self.element, self.id)
    }
}

/// The bars of a service: the service itself, then its states, then its tasks, each ordered by start.
pub(super) fn bars(service: &Service, now: Timestamp) -> Vec<Bar> {
    let href = format!("/journey/services/{}", service.service_id);
    let itself = Bar::of(&service.lifecycle, ("service", service.service_id.0), href.clone(), now);
    let mut states: Vec<_> = both(&service.states)
        .map(|state| {
            let id = state.state_id;
            Bar::of(&state.lifecycle, ("state", id.0.into()), format!("{href}/states/{id}"), now)
        })
        .collect();
    let names: HashMap<_, _> = states.iter().map(|bar| (bar.id, bar.kind.clone())).collect();
    let name = |state: StateId| names.get(&state.0.into()).cloned().unwrap_or_else(|| format!("state {state}"));
    let mut tasks: Vec<_> = both(&service.tasks)
        .map(|task| {
            let id = task.task_id;
            let bar = Bar::of(&task.lifecycle, ("task", id.0.into()), format!("{href}/tasks/{id}"), now);
            Bar { of_state: task.state_id.map(name), ..bar }
        })
        .collect();
    for list in [&mut states, &mut tasks] {
        list.sort_by_key(|bar| (bar.from, bar.id));
    }
    std::iter::once(itself).chain(states).chain(tasks).collect()
}

/// The intervals of activity: those of the tasks, or of the states without tasks, or of the service without either.
pub(super) fn busy(bars: &[Bar]) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let is_there = |element: &&str| bars.iter().any(|bar| bar.element == *element);
    let finest = ["task", "state", "service"].into_iter().find(is_there).unwrap_or_default();
    bars.iter().filter(move |bar| bar.element == finest).map(|bar| (bar.from, bar.to))
}

fn both<T>(elements: &ByStatus<T>) -> impl Iterator<Item = &T> {
    elements.completed.iter().flatten().chain(elements.active.iter().flatten())
}

/// The horizontal position of a point of the axis, as an SVG length.
pub(super) fn percent(at: i64) -> String {
    share(LEFT + at * WIDTH / WHOLE)
}

/// A bar with its position and that of its label.
struct Placed<'a> {
    bar: &'a Bar,
    start: i64,
    end: i64,
    text: String,
    label: Label,
}

/// The position of a label relative to its bar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Inside,
    Right,
    Left,
    Hidden,
}

impl<'a> Placed<'a> {
    fn new(axis: &Axis, bar: &'a Bar) -> Self {
        let start = axis.at(bar.from);
        let end = axis.at(bar.to).max(start + MIN_WIDTH);
        let text = bar.label();
        let width = width_of(&text);
        let label = if width <= end - start {
            Label::Inside
        } else if end + width <= EDGE || start < width {
            Label::Right
        } else {
            Label::Left
        };
        Self { bar, start, end, text, label }
    }

    /// The stretch that the bar takes together with its label.
    fn stretch(&self) -> (i64, i64) {
        let width = width_of(&self.text);
        match self.label {
            Label::Right => (self.start, self.end + width),
            Label::Left => (self.start - width, self.end),
            Label::Inside | Label::Hidden => (self.start, self.end),
        }
    }
}

/// The estimated width of a label in axis units. East Asian characters are about twice as wide as Latin ones.
fn width_of(label: &str) -> i64 {
    let pixels: i64 = label.chars().map(|character| if character < '\u{2e80}' { 7 } else { 13 }).sum();
    (pixels + 16) * UNITS_PER_PIXEL
}

/// The picture of a lane: the service as a thin line, then rows of states, then rows of tasks.
pub(super) fn lane(axis: &Axis, bars: &[Bar]) -> Markup {
    let of =
        |element: &str| bars.iter().filter(|bar| bar.element == element).map(|bar| Placed::new(axis, bar)).collect();
    let (states, mut tasks): (Vec<_>, Vec<_>) = (of("state"), of("task"));
    let (state_rows, state_count) = rows(states.iter().map(Placed::stretch));
    let (mut task_rows, mut task_count) = rows(tasks.iter().map(Placed::stretch));
    let dense = task_count >= DENSE;
    if dense {
        for task in &mut tasks {
            task.label = Label::Hidden;
        }
        (task_rows, task_count) = rows(tasks.iter().map(Placed::stretch));
    }
    let states_at = |row: usize| 18 + row * 28;
    let task_height = if dense { 10 } else { 22 };
    let tasks_at = |row: usize| states_at(state_count) + 4 + row * (task_height + 6);
    let height = tasks_at(task_count) + 4;
    html! {
        svg class="bars" width="100%" height=(height) role="group" aria-label="States and tasks" {
            (background(axis))
            @if let Some(service) = bars.first() { (line(axis, service)) }
            @for (placed, row) in states.iter().zip(&state_rows) { (draw(placed, states_at(*row), 22, false)) }
            @for (placed, row) in tasks.iter().zip(&task_rows) { (draw(placed, tasks_at(*row), task_height, dense)) }
        }
        @if dense {
            p class="quiet" { "Too many tasks to label: select one, or see the table." }
        }
    }
}

/// The grid lines at the ticks, and the cuts.
fn background(axis: &Axis) -> Markup {
    html! {
        g aria-hidden="true" {
            @for tick in axis.ticks() {
                line class="grid" x1=(percent(tick.at)) x2=(percent(tick.at)) y1="0" y2="100%" {}
            }
            @for cut in axis.cuts() {
                rect class="cut" x=(percent(cut.start)) width=(share((cut.end - cut.start) * WIDTH / WHOLE)) y="0" height="100%" {
                    title { (format::duration(cut.millis)) " without events are omitted here" }
                }
            }
        }
    }
}

fn line(axis: &Axis, service: &Bar) -> Markup {
    let placed = Placed::new(axis, service);
    html! {
        rect class={ "line " (service.outcome.class) } x=(percent(placed.start)) y="6" height="5" rx="2.5"
            width=(share((placed.end - placed.start) * WIDTH / WHOLE)) aria-hidden="true" {}
    }
}

fn draw(placed: &Placed<'_>, y: usize, height: usize, dense: bool) -> Markup {
    let Placed { bar, start, end, text, label } = placed;
    let (x, dx, anchor) = match label {
        Label::Left => (*start, "-6", "end"),
        Label::Right => (*end, "6", "start"),
        Label::Inside | Label::Hidden => (*start, "9", "start"),
    };
    html! {
        // Dense bars are not tab stops, which would be too many; the table has the same links.
        a class={ "bar element " (bar.element) " " (bar.outcome.class) } href=(bar.href) aria-label=(bar.description())
            tabindex=[dense.then_some("-1")] {
            rect class="body" x=(percent(*start)) width=(share((end - start) * WIDTH / WHOLE)) y=(y) height=(height) rx="4" {}
            @if *label == Label::Inside {
                rect class="edge" x=(percent(*start)) width="4" y=(y) height=(height) rx="2" {}
            }
            @if *label != Label::Hidden {
                text x=(percent(x)) dx=(dx) y=(y + 15) text-anchor=(anchor) { (text) }
            }
        }
    }
}
