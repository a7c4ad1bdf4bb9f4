//! The dashboard: activity, outcomes and durations of services in a period, for all service types or one.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::super::reports::backwards;
use super::figures::{self, Figures};
use super::layout::{self, Here};
use super::list::Moment;
use super::{chart, format, leaving};
use crate::domain::report::{ActivityRow, Period, Scope};
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::store::Store;

/// The maximum number of service types that the form suggests; any other can be typed.
const SUGGESTED: i64 = 200;

/// Periods that end now: the name in the address, the label, and the length in milliseconds.
const PERIODS: [(&str, &str, i64); 4] = [
    ("hour", "last hour", HOUR),
    ("day", "last 24 hours", DAY),
    ("week", "last 7 days", 7 * DAY),
    ("month", "last 30 days", 30 * DAY),
];

/// The default period.
const DEFAULT: &str = "day";

/// The period given by the form's two times.
const CHOSEN: &str = "chosen";

/// The query of the dashboard.
pub(in crate::http) struct DashboardInQuery {
    period: String,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    service_type: Option<String>,
}

impl DashboardInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let asked = parameters.one("period")?.filter(|period| !period.is_empty());
        let (from, to) = (minute(&mut parameters, "from")?, minute(&mut parameters, "to")?);
        let default = if from.is_some() || to.is_some() { CHOSEN } else { DEFAULT };
        let period = asked.unwrap_or_else(|| default.to_owned());
        if period != CHOSEN && !PERIODS.iter().any(|(name, ..)| *name == period) {
            return Err(Problem::invalid_query("period", "expected hour, day, week, month or chosen".to_owned()));
        }
        let service_type = parameters.text("service_type")?;
        parameters.refuse_rest(Self { period, from, to, service_type })
    }

    fn scope(&self, now: Timestamp) -> Result<Scope, Problem> {
        let period = match PERIODS.into_iter().find(|(name, ..)| *name == self.period) {
            Some((_, _, length)) => Period::new(Some(now.minus(length)), Some(now), now),
            // Nothing is drawn in the future.
            None => Period::new(self.from, self.to.map(|to| if self.from < Some(now) { to.min(now) } else { to }), now),
        };
        Ok(Scope { period: period.ok_or_else(backwards)?, service_type: self.service_type.clone() })
    }
}

from_path!(DashboardInQuery, request => DashboardInQuery::read(request));

/// A moment as forms send it, in UTC with a precision of minutes or seconds: `2026-02-05T09:11`.
fn minute(parameters: &mut Parameters, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = parameters.one(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = ["Z", ":00Z", ""].into_iter().find_map(|rest| Timestamp::parse(&format!("{text}{rest}")));
    let expected = || Problem::invalid_query(name, "expected a date and time such as 2026-02-05T09:11".to_owned());
    read.map(Some).ok_or_else(expected)
}

/// The dashboard.
pub(in crate::http) async fn get_dashboard_page(
    store: web::Data<Store>,
    asked: DashboardInQuery,
) -> Result<HttpResponse, Problem> {
    let scope = asked.scope(store.now())?;
    let types = store.list_service_types(SUGGESTED).await?;
    let figures = Figures {
        activity: store.report_activity(&scope).await?,
        before: store.report_activity(&before(&scope)).await?,
        outcomes: store.report_outcomes(&scope).await?,
        durations: store.report_durations(&scope).await?,
        stops: store.report_stops(&scope).await?,
        scope,
    };
    let lifetimes = store.report_lifetimes().await?;
    let main = move || {
        html! {
            h1 { "Dashboard" }
            (form(&asked, &figures.scope, &types))
            (totals(&figures))
            (leaving::line(&lifetimes))
            div class="panels" {
                (figures::activity(&figures))
                (figures::outcomes(&figures))
                (figures::durations(&figures))
                (figures::stops(&figures))
            }
        }
    };
    layout::answer_elsewhere("Dashboard".to_owned(), Here::Dashboard, main).await
}

/// The period before, moved by whole buckets, so that each bucket has one to compare with.
fn before(scope: &Scope) -> Scope {
    let Period { from, to } = scope.period;
    let step = scope.period.bucket();
    let shift = (to.millis() - from.millis() + step - 1) / step * step;
    let earlier = |at: Timestamp| at.minus(shift);
    Scope { period: Period { from: earlier(from), to: earlier(to) }, service_type: scope.service_type.clone() }
}

fn form(asked: &DashboardInQuery, scope: &Scope, types: &[String]) -> Markup {
    let local = |at: Timestamp| format::formatted(at, "%Y-%m-%dT%H:%M");
    let periods = PERIODS.iter().map(|(name, label, _)| (*name, *label)).chain([(CHOSEN, "custom period")]);
    html! {
        form class="choice" action="/dashboard" method="get" {
            div class="fields" {
                div {
                    label for="period" { "Period" }
                    select id="period" name="period" {
                        @for (name, label) in periods { option value=(name) selected[name == asked.period] { (label) } }
                    }
                }
                div class="moments" {
                    label for="from" { "From (UTC)" }
                    input id="from" name="from" type="datetime-local" value=(local(scope.period.from));
                }
                div class="moments" {
                    label for="to" { "To (UTC)" }
                    input id="to" name="to" type="datetime-local" value=(local(scope.period.to));
                }
                div {
                    label for="service_type" { "Service type" }
                    input id="service_type" name="service_type" list="types" placeholder="all" autocomplete="off"
                        value=(scope.service_type.as_deref().unwrap_or_default());
                    datalist id="types" { @for name in types { option value=(name) {} } }
                }
                button type="submit" { "Show" }
            }
            p class="quiet" {
                (format::moment(second(scope.period.from))) " to " (format::moment(second(scope.period.to))) " UTC"
            }
        }
    }
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis().div_euclid(1000) * 1000)
}

/// Four totals of the period, and those of the period before.
fn totals(figures: &Figures) -> Markup {
    let sum = |rows: &[ActivityRow], count: fn(&ActivityRow) -> i64| rows.iter().map(count).sum::<i64>();
    let both = |count| (sum(&figures.activity, count), Some(sum(&figures.before, count)));
    let open = |rows: &[ActivityRow]| rows.last().map_or(0, |row| row.open);
    let tasks = figures.durations.iter().map(|row| row.tasks).sum::<i64>();
    html! {
        dl class="totals" {
            @for (label, (number, before), href) in [
                ("Services started", both(|row| row.started), Some(figures.services(Moment::Started, &[]))),
                ("Services ended", both(|row| row.ended), Some(figures.services(Moment::Completed, &[("status", "completed")]))),
                ("Services open at the end", (open(&figures.activity), Some(open(&figures.before))), None),
                ("Tasks ended", (tasks, None), None),
            ] {
                div {
                    dt { (chart::linked(href.as_deref(), label)) }
                    dd { (chart::number(number)) }
                    @if let Some(before) = before { dd class="quiet" { "the period before: " (chart::number(before)) } }
                }
            }
        }
    }
}
