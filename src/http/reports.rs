//! Handlers of reports: aggregates over a period, as JSON, or as CSV for spreadsheets.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::from_path;
use super::problem::Problem;
use super::problems::ReportProblems;
use super::query::Parameters;
use super::spreadsheet::{Cells, Form, text};
use crate::domain::report::{ActivityRow, DurationRow, LifetimesRow, OutcomeRow, Period, Scope, StopRow};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// The parameters of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
struct ReportParameters {
    /// Start of the period, inclusive. Defaults to 24 hours before `to`.
    #[param(format = DateTime)]
    from: Option<String>,
    /// End of the period, exclusive. Defaults to now.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Restricts the report to services of this type: its name, or its number if it has no name.
    #[param(example = "book a hotel")]
    service_type: Option<String>,
}

/// The form of a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
struct FormatParameters {
    /// `json`, `csv`, or `excel` for CSV with a byte order mark. In CSV, text that a spreadsheet would interpret as a formula
    /// is prefixed with `'`.
    #[param(example = "json")]
    format: Option<String>,
    /// Separator of CSV: `comma` (the default), `semicolon` or `tab`. Spreadsheets expect `semicolon` in languages with a
    /// decimal comma.
    separator: Option<String>,
}

/// The query string of a report that has no period.
pub(super) struct FormatInQuery(Option<Form>);

impl FormatInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let csv = Form::take(&mut parameters)?;
        parameters.refuse_rest(Self(csv))
    }
}

from_path!(FormatInQuery, request => FormatInQuery::read(request));

/// The query string of a report, before defaults that depend on the clock are applied.
pub(super) struct ReportInQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    service_type: Option<String>,
    csv: Option<Form>,
}

impl ReportInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let (from, to) = (parameters.timestamp("from")?, parameters.timestamp("to")?);
        let service_type = parameters.text("service_type")?;
        let csv = Form::take(&mut parameters)?;
        parameters.refuse_rest(Self { from, to, service_type, csv })
    }

    fn scope(self, store: &Store) -> Result<(Scope, Option<Form>), Problem> {
        let period = Period::new(self.from, self.to, store.now()).ok_or_else(backwards)?;
        Ok((Scope { period, service_type: self.service_type }, self.csv))
    }
}

from_path!(ReportInQuery, request => ReportInQuery::read(request));

/// The refusal of a period that ends before it starts.
pub(super) fn backwards() -> Problem {
    Problem::invalid_query("to", "expected a time after from".to_owned())
}

/// Scope of a report.
#[derive(Serialize, ToSchema)]
struct ScopeBody {
    /// Start of the period, inclusive.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// End of the period, exclusive.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Type of the services; absent for all types.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<String>,
}

impl From<Scope> for ScopeBody {
    fn from(Scope { period, service_type }: Scope) -> Self {
        Self { from: period.from, to: period.to, service_type }
    }
}

/// The services of one interval of the period.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivityRow)]
struct ActivityRowBody {
    /// Start of the interval, which ends at the start of the next one.
    #[schema(format = DateTime)]
    start: String,
    /// Services that started in the interval.
    started: i64,
    /// Services that ended in the interval.
    ended: i64,
    /// Services that were open at the end of the interval.
    open: i64,
}

impl From<ActivityRow> for ActivityRowBody {
    fn from(ActivityRow { start, end: _, started, ended, open }: ActivityRow) -> Self {
        Self { start: start.to_string(), started, ended, open }
    }
}

/// Number of elements of one type that ended with one disposition.
#[derive(Serialize, ToSchema)]
#[schema(as = OutcomeRow)]
struct OutcomeRowBody {
    /// `service`, `state` or `task`.
    #[schema(example = "task")]
    element: String,
    /// Type of the elements; absent if they have none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(example = "survey")]
    kind: Option<String>,
    /// Display name of the disposition; absent if they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "SUCCESS")]
    disposition: Option<String>,
    /// Number of elements.
    ended: i64,
}

impl From<OutcomeRow> for OutcomeRowBody {
    fn from(OutcomeRow { element, kind, disposition, tone: _, ended }: OutcomeRow) -> Self {
        Self { element, kind, disposition, ended }
    }
}

/// Durations of the tasks of one type.
#[derive(Serialize, ToSchema)]
#[schema(as = DurationRow)]
struct DurationRowBody {
    /// Type of the tasks; absent if they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "survey")]
    task_type: Option<String>,
    /// Number of tasks.
    tasks: i64,
    /// Median, in milliseconds.
    p50_ms: i64,
    /// 90th percentile, in milliseconds.
    p90_ms: i64,
    /// 99th percentile, in milliseconds.
    p99_ms: i64,
    /// Maximum, in milliseconds.
    longest_ms: i64,
}

impl From<DurationRow> for DurationRowBody {
    fn from(row: DurationRow) -> Self {
        let DurationRow { task_type, tasks, p50_ms, p90_ms, p99_ms, longest_ms } = row;
        Self { task_type, tasks, p50_ms, p90_ms, p99_ms, longest_ms }
    }
}

/// Number of services whose last started state or task has one type.
#[derive(Serialize, ToSchema)]
#[schema(as = StopRow)]
struct StopRowBody {
    /// `completed` or `active`.
    #[schema(example = "active")]
    status: String,
    /// Kind of the element that started last, `state` or `task`; absent if none has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "task")]
    last: Option<String>,
    /// Type of that element; absent if it has none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(example = "survey")]
    kind: Option<String>,
    /// Number of services.
    services: i64,
}

impl From<StopRow> for StopRowBody {
    fn from(StopRow { status, last, kind, services }: StopRow) -> Self {
        Self { status, last, kind, services }
    }
}

/// Number of services that expire, or are completed automatically, within some time from now.
#[derive(Serialize, ToSchema)]
#[schema(as = LifetimesRow)]
struct LifetimesRowBody {
    /// The time from now, in seconds: an hour, a day or a week.
    #[schema(example = 3600)]
    within_s: i64,
    /// Services that expire.
    expiring: i64,
    /// Services that are completed automatically, unless something happens in them before.
    completing: i64,
}

impl From<LifetimesRow> for LifetimesRowBody {
    fn from(LifetimesRow { within_s, expiring, completing }: LifetimesRow) -> Self {
        Self { within_s, expiring, completing }
    }
}

impl Cells for LifetimesRowBody {
    const HEAD: &'static [&'static str] = &["within_s", "expiring", "completing"];

    fn cells(&self) -> Vec<String> {
        [self.within_s, self.expiring, self.completing].map(|number| number.to_string()).to_vec()
    }
}

/// Services that are about to leave.
#[derive(Serialize, ToSchema)]
struct LifetimesBody {
    /// The rows.
    rows: Vec<LifetimesRowBody>,
}

/// Services that are about to leave.
///
/// Number of services that expire, and that are completed automatically, within an hour, a day and a week from now.
#[utoipa::path(
    tag = "Queries",
    params(FormatParameters),
    responses(
        (status = 200, description = "The report", content((LifetimesBody = "application/json"),
            (String = "text/csv", example = json!("within_s,expiring,completing\n3600,12,3\n")))),
        ReportProblems,
    )
)]
#[get("/reports/lifetimes")]
pub(super) async fn report_lifetimes(
    store: web::Data<Store>,
    FormatInQuery(csv): FormatInQuery,
) -> Result<HttpResponse, Problem> {
    let rows = store.report_lifetimes().await?.into_iter().map(LifetimesRowBody::from).collect::<Vec<_>>();
    match csv {
        None => Ok(HttpResponse::Ok().json(LifetimesBody { rows })),
        Some(form) => form.answer("lifetimes.csv", &rows),
    }
}

/// Defines the JSON body, the CSV columns and the handler of each report.
macro_rules! reports {
    ($(
        $(#[$doc:meta])* $name:ident, $path:tt, $file:literal like $csv:literal, $body:ident($row:ident), $body_doc:literal,
        [$($head:literal: |$of:ident| $cell:expr),+];
    )+) => {
        $(
            #[doc = $body_doc]
            #[derive(Serialize, ToSchema)]
            struct $body {
                #[serde(flatten)]
                scope: ScopeBody,
                /// The rows.
                rows: Vec<$row>,
            }

            impl Cells for $row {
                const HEAD: &'static [&'static str] = &[$($head),+];

                fn cells(&self) -> Vec<String> {
                    vec![$({ let $of = self; $cell }),+]
                }
            }

            $(#[$doc])*
            #[utoipa::path(
                tag = "Queries",
                params(ReportParameters, FormatParameters),
                responses(
                    (status = 200, description = "The report", content(($body = "application/json"), (String = "text/csv", example = json!($csv)))),
                    ReportProblems,
                )
            )]
            #[get($path)]
            pub(super) async fn $name(store: web::Data<Store>, query: ReportInQuery) -> Result<HttpResponse, Problem> {
                let (scope, csv) = query.scope(&store)?;
                let rows = store.$name(&scope).await?.into_iter().map($row::from).collect::<Vec<_>>();
                match csv {
                    None => Ok(HttpResponse::Ok().json($body { scope: scope.into(), rows })),
                    Some(form) => form.answer($file, &rows),
                }
            }
        )+
    };
}

reports! {
    /// Activity over time.
    ///
    /// Number of services that started, ended and were open in each interval of the period. There are about 48 intervals,
    /// aligned to a whole unit of time (a minute, an hour, a day …). Only events within the period are counted.
    report_activity, "/reports/activity", "activity.csv" like "start,started,ended,open\n2026-02-05T09:00:00.000Z,41,38,7\n", ActivityBody(ActivityRowBody), "Services over time.",
        ["start": |row| row.start.clone(), "started": |row| row.started.to_string(),
         "ended": |row| row.ended.to_string(), "open": |row| row.open.to_string()];
    /// Outcomes by disposition.
    ///
    /// Number of services, states and tasks that ended in the period, by type and disposition.
    report_outcomes, "/reports/outcomes", "outcomes.csv" like "element,type,disposition,ended\ntask,survey,SUCCESS,41\n", OutcomesBody(OutcomeRowBody), "Outcomes by disposition.",
        ["element": |row| row.element.clone(), "type": |row| text(row.kind.as_ref()),
         "disposition": |row| text(row.disposition.as_ref()), "ended": |row| row.ended.to_string()];
    /// Durations of tasks.
    ///
    /// Durations of the tasks that ended in the period, by type, slowest type first. Percentiles are interpolated and
    /// rounded to milliseconds.
    report_durations, "/reports/durations", "durations.csv" like "task_type,tasks,p50_ms,p90_ms,p99_ms,longest_ms\nsurvey,41,47754,93000,120000,121500\n", DurationsBody(DurationRowBody), "Durations of tasks.",
        ["task_type": |row| text(row.task_type.as_ref()), "tasks": |row| row.tasks.to_string(),
         "p50_ms": |row| row.p50_ms.to_string(), "p90_ms": |row| row.p90_ms.to_string(),
         "p99_ms": |row| row.p99_ms.to_string(), "longest_ms": |row| row.longest_ms.to_string()];
    /// Where services stop.
    ///
    /// For services that started in the period, completed or active: the type of the state or task that started last.
    report_stops, "/reports/stops", "stops.csv" like "status,last,type,services\nactive,task,survey,7\n", StopsBody(StopRowBody), "Where services stop.",
        ["status": |row| row.status.clone(), "last": |row| text(row.last.as_ref()),
         "type": |row| text(row.kind.as_ref()), "services": |row| row.services.to_string()];
}
