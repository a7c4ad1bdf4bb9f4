//! The steps of a service (its states and tasks) in the order in which the page lists them, with what is worth noting
//! about each.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::axis::Axis;
use super::format::{self, Outcome};
use super::links;
use crate::domain::element::{ByStatus, Lifecycle, Service};
use crate::domain::ids::{Element, ServiceId};
use crate::domain::journey::TOLERANCE;
use crate::domain::time::Timestamp;

/// The shortest wait that is labelled, in milliseconds, and as a fraction (1 / `LEAST_PART`) of the service's duration.
const SHORTEST_WAIT: i64 = 1000;
const LEAST_PART: i64 = 50;

/// A service, state or task.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) element: Element,
    pub(super) id: i64,
    pub(super) href: String,
    pub(super) kind: String,
    pub(super) outcome: Outcome,
    pub(super) description: Option<String>,
    pub(super) from: Timestamp,
    pub(super) end: Option<Timestamp>,
    /// The end of its service, in place of its own, if it has not ended although the service has.
    never_ended: Option<Timestamp>,
    /// The estimated duration in milliseconds.
    pub(super) estimate: Option<i64>,
    pub(super) auto_completed: bool,
    /// The reason why its times cannot be right.
    pub(super) fault: Option<&'static str>,
    /// The state of a task.
    state: Option<i64>,
    /// Whether it is listed below its state.
    pub(super) is_nested: bool,
    /// The time before it in which nothing happened, in milliseconds.
    pub(super) wait: Option<i64>,
    /// The number of tasks that were open at the same time.
    pub(super) parallel: usize,
}

impl Step {
    fn of(lifecycle: &Lifecycle, service: ServiceId, (element, id): (Element, i64), now: Timestamp) -> Self {
        let completed = lifecycle.completed.as_ref();
        let (from, end) = (lifecycle.started.timestamp, completed.map(|(event, _)| event.timestamp));
        let outcome = Outcome::of(lifecycle);
        let description = completed.and_then(|(_, disposition)| disposition.description.clone());
        Self {
            element,
            id,
            href: links::element(service, element, id),
            kind: format::kind(lifecycle, element.singular()),
            // Omitted if the outcome already starts with it.
            description: description.filter(|text| !text.is_empty() && !outcome.text.starts_with(text.as_str())),
            outcome,
            from,
            end,
            never_ended: None,
            estimate: lifecycle.est_duration.map(|seconds| seconds.saturating_mul(1000)).filter(|millis| *millis > 0),
            auto_completed: lifecycle.auto_completed,
            fault: fault(from, end, now),
            state: None,
            is_nested: false,
            wait: None,
            parallel: 0,
        }
    }

    /// The end, the end of the service, or the present if it is open; never before the start.
    pub(super) fn to(&self, now: Timestamp) -> Timestamp {
        self.end.or(self.never_ended).unwrap_or(now).max(self.from)
    }

    /// Milliseconds from start to end.
    pub(super) fn duration(&self, now: Timestamp) -> i64 {
        self.to(now).millis() - self.from.millis()
    }

    pub(super) const fn is_open(&self) -> bool {
        self.end.is_none() && self.never_ended.is_none()
    }

    /// Whether it has not ended although its service has.
    pub(super) const fn has_never_ended(&self) -> bool {
        self.never_ended.is_some()
    }

    /// The same, unless it has ended, in a service that has.
    fn within(self, service: &Self) -> Self {
        let Some(end) = service.end.filter(|_| self.end.is_none()) else { return self };
        // An end that cannot be right would stretch the axis.
        let end = if service.fault.is_some() { self.from } else { end };
        let outcome = Outcome { text: "never ended".to_owned(), ..self.outcome };
        Self { never_ended: Some(end), outcome, ..self }
    }

    /// The time at which it was estimated to end.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.estimate.map(|estimate| Timestamp::from_millis(self.from.millis().saturating_add(estimate)))
    }

    /// The time that it took beyond its estimate, in milliseconds. Nobody knows it if it has never ended.
    pub(super) fn overrun(&self, now: Timestamp) -> Option<i64> {
        let over = self.duration(now) - self.estimate?;
        (over > 0 && self.fault.is_none() && !self.has_never_ended()).then_some(over)
    }

    /// The row's anchor, unique within the page.
    pub(super) fn anchor(&self, service: ServiceId) -> String {
        match self.element {
            Element::Service => format!("service-{service}"),
            element => format!("{}-{service}-{}", element.singular(), self.id),
        }
    }
}

fn fault(from: Timestamp, end: Option<Timestamp>, now: Timestamp) -> Option<&'static str> {
    let latest = now.millis().saturating_add(TOLERANCE);
    match end {
        _ if from.millis() > latest => Some("starts in the future"),
        Some(end) if end < from => Some("ends before it starts"),
        Some(end) if end.millis() > latest => Some("ends in the future"),
        _ => None,
    }
}

/// The steps of a service.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) service: ServiceId,
    pub(super) itself: Step,
    /// States, each followed by its tasks, and the tasks that have no state; ordered by start.
    pub(super) rows: Vec<Step>,
    /// The moment since which nothing has happened, as in the list of services: the last start or end of a row, or else
    /// the start of the service.
    pub(super) waiting_since: Timestamp,
    /// The numbers of older states and tasks that are left out.
    pub(super) omitted: (u64, u64),
}

impl Steps {
    pub(super) fn of(service: &Service, now: Timestamp) -> Self {
        let of = service.service_id;
        let itself = Step::of(&service.lifecycle, of, (Element::Service, of.0), now);
        let states = both(&service.states).map(|state| {
            Step::of(&state.lifecycle, of, (Element::State, state.state_id.0.into()), now).within(&itself)
        });
        let tasks = both(&service.tasks).map(|task| {
            let step = Step::of(&task.lifecycle, of, (Element::Task, task.task_id.0.into()), now);
            Step { state: task.state_id.map(|state| state.0.into()), ..step.within(&itself) }
        });
        let omitted = (service.states.omitted, service.tasks.omitted);
        let rows = tree(states, tasks);
        let waiting_since = last_moment(&rows, now).unwrap_or(itself.from);
        let mut steps = Self { service: of, itself, rows, waiting_since, omitted };
        steps.mark_parallel(now);
        steps.mark_waits(now);
        steps
    }

    /// The rows of one kind of element.
    pub(super) fn rows_of(&self, element: Element) -> impl Iterator<Item = &Step> {
        self.rows.iter().filter(move |row| row.element == element)
    }

    /// The most detailed kind of element that the service has: tasks, or states if there are no tasks.
    pub(super) fn finest(&self) -> Element {
        let finest = [Element::Task, Element::State].into_iter().find(|kind| self.rows_of(*kind).next().is_some());
        finest.unwrap_or(Element::Service)
    }

    /// The main steps of the service: its states, or its tasks if it has no states.
    pub(super) fn coarse(&self) -> impl Iterator<Item = &Step> {
        let kind = if self.rows_of(Element::State).next().is_some() { Element::State } else { Element::Task };
        self.rows_of(kind)
    }

    /// The open row of one kind that started last.
    pub(super) fn current(&self, element: Element) -> Option<&Step> {
        self.rows_of(element).filter(|row| row.is_open() && row.fault.is_none()).max_by_key(|row| (row.from, row.id))
    }

    /// Whether an open service that has had steps has none active of its most detailed kind (see [`Self::finest`]).
    pub(super) fn is_idle(&self) -> bool {
        let is_open = |row: &Step| row.element == self.finest() && row.fault.is_none() && row.is_open();
        self.itself.is_open() && !self.rows.is_empty() && !self.rows.iter().any(is_open)
    }

    /// The axis of this service alone. Times that cannot be right are left out, since they would flatten it.
    pub(super) fn axis(&self, now: Timestamp) -> Option<Axis> {
        let sane = || std::iter::once(&self.itself).chain(&self.rows).filter(|step| step.fault.is_none());
        let ends: Vec<_> = sane().flat_map(|step| [step.from, step.to(now)]).collect();
        let (first, last) = (*ends.iter().min()?, *ends.iter().max()?);
        // An estimate may lengthen the axis, but not to more than double its length.
        let furthest = last.millis().saturating_add(last.millis() - first.millis());
        let due = sane().filter(|step| !step.has_never_ended()).filter_map(Step::due);
        let due = due.filter(|due| due.millis() <= furthest);
        let finest = self.finest();
        let busy = sane().filter(|step| step.element == finest).map(|step| (step.from, step.to(now)));
        Axis::over(ends.iter().copied().chain(due), busy)
    }

    /// The moments of the time line that do not depend on the present.
    pub(super) fn moments(&self) -> impl Iterator<Item = Timestamp> {
        let sane = std::iter::once(&self.itself).chain(&self.rows).filter(|step| step.fault.is_none());
        sane.flat_map(|step| [Some(step.from), step.end, step.due().filter(|_| !step.has_never_ended())]).flatten()
    }

    fn mark_parallel(&mut self, now: Timestamp) {
        let sane = |row: &&Step| row.element == Element::Task && row.fault.is_none();
        let mut starts: Vec<_> = self.rows.iter().filter(sane).map(|row| row.from).collect();
        let mut ends: Vec<_> = self.rows.iter().filter(sane).map(|row| row.to(now)).collect();
        starts.sort_unstable();
        ends.sort_unstable();
        for row in self.rows.iter_mut().filter(|row| sane(&&**row)) {
            let (from, to) = (row.from, row.to(now));
            if from < to {
                let before_end = starts.partition_point(|start| *start < to);
                let over = ends.partition_point(|end| *end <= from);
                row.parallel = before_end.saturating_sub(over + 1);
            }
        }
    }

    /// Marks the waits before tasks, since the last task ended, and those before states, since the last state, or task
    /// outside of states, ended.
    fn mark_waits(&mut self, now: Timestamp) {
        if self.itself.fault.is_some() {
            return;
        }
        let shortest = SHORTEST_WAIT.max(self.itself.duration(now) / LEAST_PART);
        let counts =
            |element, row: &Step| if element == Element::Task { row.element == element } else { !row.is_nested };
        for element in [Element::State, Element::Task] {
            let sane = self.rows.iter_mut().filter(|row| row.fault.is_none() && counts(element, row));
            let mut rows: Vec<_> = sane.collect();
            rows.sort_by_key(|row| row.from);
            let mut until = self.itself.from;
            for row in rows {
                if row.element == element {
                    row.wait = Some(row.from.millis() - until.millis()).filter(|wait| *wait >= shortest);
                }
                until = until.max(row.to(now));
            }
        }
    }
}

/// The last start or end of steps. Times in the future cannot be right.
fn last_moment(rows: &[Step], now: Timestamp) -> Option<Timestamp> {
    let moments = rows.iter().flat_map(|row| [Some(row.from), row.end]).flatten();
    moments.filter(|at| at.millis() <= now.millis().saturating_add(TOLERANCE)).max()
}

fn both<T>(elements: &ByStatus<T>) -> impl Iterator<Item = &T> {
    elements.completed.iter().flatten().chain(elements.active.iter().flatten())
}

/// States, each followed by its tasks, and tasks without a known state, by start.
fn tree(states: impl Iterator<Item = Step>, tasks: impl Iterator<Item = Step>) -> Vec<Step> {
    let mut top: Vec<_> = states.collect();
    let known: HashSet<_> = top.iter().map(|state| Some(state.id)).collect();
    let (nested, own): (Vec<_>, Vec<_>) = tasks.partition(|task| known.contains(&task.state));
    top.extend(own);
    let mut of_state = grouped(nested, |task| task.state);
    top.sort_by_key(|step| (step.from, step.element as u8, step.id));
    let mut rows = Vec::new();
    for step in top {
        let below = if step.element == Element::State { of_state.remove(&Some(step.id)) } else { None };
        rows.push(step);
        let mut below = below.unwrap_or_default();
        below.sort_by_key(|task| (task.from, task.id));
        rows.extend(below.into_iter().map(|task| Step { is_nested: true, ..task }));
    }
    rows
}

/// Values by a key, in their order.
fn grouped<T, K: Eq + Hash>(values: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> HashMap<K, Vec<T>> {
    let mut groups = HashMap::<K, Vec<T>>::new();
    for value in values {
        groups.entry(key(&value)).or_default().push(value);
    }
    groups
}
