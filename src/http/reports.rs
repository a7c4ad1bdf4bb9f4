//! Reports over HTTP: sums over a period, as JSON, or as CSV for spreadsheets.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::from_path;
use super::openapi::ReportProblems;
use super::problem::{Code, Problem};
use super::query::Parameters;
use crate::domain::report::{ActivityRow, DurationRow, OutcomeRow, Period, Scope, StopRow};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// What a report is over, and its form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
struct ReportParameters {
    /// From this moment on; 24 hours before `to` unless given.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this moment; now unless given.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Services of this type alone: its name, or its number where it has none.
    #[param(example = "book a hotel")]
    service_type: Option<String>,
    /// `json`, or `csv`, in which texts that a spreadsheet would take for formulas begin with `'`.
    #[param(example = "json")]
    format: Option<String>,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// What a report is over, without the clock that says when now is.
pub(super) struct ReportInQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    service_type: Option<String>,
    format: Format,
}

impl ReportInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let (from, to) = (parameters.moment("from")?, parameters.moment("to")?);
        let service_type = parameters.service_type("service_type")?;
        let format = match parameters.one("format")?.as_deref() {
            None | Some("json") => Format::Json,
            Some("csv") => Format::Csv,
            Some(_) => return Err(Problem::invalid_query("format", "expected json or csv".to_owned())),
        };
        parameters.refuse_rest(Self { from, to, service_type, format })
    }

    fn scope(self, store: &Store) -> Result<(Scope, Format), Problem> {
        let period = Period::new(self.from, self.to, store.now()).ok_or_else(backwards)?;
        Ok((Scope { period, service_type: self.service_type }, self.format))
    }
}

from_path!(ReportInQuery, request => ReportInQuery::read(request));

impl Parameters {
    /// A type of services; none where it is not given or empty.
    pub(super) fn service_type(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.one(name)?.filter(|text| !text.is_empty()) {
            Some(text) if text.contains('\0') => Err(Problem::invalid_query(name, "there is a NUL in it".to_owned())),
            text => Ok(text),
        }
    }
}

/// A period that ends before it starts.
pub(super) fn backwards() -> Problem {
    Problem::invalid_query("to", "expected a moment after from".to_owned())
}

/// What a report was over.
#[derive(Serialize, ToSchema)]
struct ScopeBody {
    /// The start of the period.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Its end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// The type of services; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<String>,
}

impl From<Scope> for ScopeBody {
    fn from(Scope { period, service_type }: Scope) -> Self {
        Self { from: period.from, to: period.to, service_type }
    }
}

/// A row of a report as cells of a table.
trait Cells {
    /// What stands above the cells.
    const HEAD: &'static [&'static str];

    /// The cells.
    fn cells(&self) -> Vec<String>;
}

/// One report: its body, its cells, and its operation.
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
                tag = "Reports",
                params(ReportParameters),
                responses(
                    (status = 200, description = "The figures", content(($body = "application/json"), (String = "text/csv", example = json!($csv)))),
                    ReportProblems,
                )
            )]
            #[get($path)]
            pub(super) async fn $name(store: web::Data<Store>, query: ReportInQuery) -> Result<HttpResponse, Problem> {
                let (scope, format) = query.scope(&store)?;
                let rows = store.$name(&scope).await?;
                Ok(match format {
                    Format::Json => HttpResponse::Ok().json($body { scope: scope.into(), rows }),
                    Format::Csv => csv($file, &rows)?,
                })
            }
        )+
    };
}

reports! {
    /// Activity over time.
    ///
    /// Services that started, ended and were open, for each part of the period. The parts are whole steps of time (a
    /// minute, an hour, a day …), about 48 of them; what lies outside of the period is not counted.
    report_activity, "/reports/activity", "activity.csv" like "start,started,ended,open\n2026-02-05T09:00:00.000Z,41,38,7\n", ActivityBody(ActivityRow), "Services over time.",
        ["start": |row| row.start.to_string(), "started": |row| row.started.to_string(),
         "ended": |row| row.ended.to_string(), "open": |row| row.open.to_string()];
    /// Outcomes by disposition.
    ///
    /// Services, states and tasks that ended in the period, by their type and disposition.
    report_outcomes, "/reports/outcomes", "outcomes.csv" like "element,type,disposition,ended\ntask,survey,SUCCESS,41\n", OutcomesBody(OutcomeRow), "Outcomes by disposition.",
        ["element": |row| row.element.clone(), "type": |row| text(row.kind.as_ref()),
         "disposition": |row| text(row.disposition.as_ref()), "ended": |row| row.ended.to_string()];
    /// Durations of tasks.
    ///
    /// How long the tasks took that ended in the period, by their type; the slowest types first. Percentiles are
    /// interpolated, and rounded to milliseconds.
    report_durations, "/reports/durations", "durations.csv" like "task_type,tasks,p50_ms,p90_ms,p99_ms,longest_ms\nsurvey,41,47754,93000,120000,121500\n", DurationsBody(DurationRow), "Durations of tasks.",
        ["task_type": |row| text(row.task_type.as_ref()), "tasks": |row| row.tasks.to_string(),
         "p50_ms": |row| row.p50_ms.to_string(), "p90_ms": |row| row.p90_ms.to_string(),
         "p99_ms": |row| row.p99_ms.to_string(), "longest_ms": |row| row.longest_ms.to_string()];
    /// Where services stop.
    ///
    /// The state or task that started last in the services that started in the period, both of those that have ended
    /// and of those that are active.
    report_stops, "/reports/stops", "stops.csv" like "status,last,type,services\nactive,task,survey,7\n", StopsBody(StopRow), "Where services stop.",
        ["status": |row| row.status.clone(), "last": |row| text(row.last.as_ref()),
         "type": |row| text(row.kind.as_ref()), "services": |row| row.services.to_string()];
}

/// A text, or nothing. Spreadsheets take texts for formulas that begin in one of these ways, and applications may send
/// any: an apostrophe makes them texts again.
fn text(value: Option<&String>) -> String {
    match value {
        Some(value) if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) => {
            format!("'{value}")
        }
        Some(value) => value.clone(),
        None => String::new(),
    }
}

fn csv<T: Cells>(file: &str, rows: &[T]) -> Result<HttpResponse, Problem> {
    let failed = || Problem::new(Code::Internal, "the table could not be written");
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(T::HEAD).map_err(|_| failed())?;
    for row in rows {
        table.write_record(row.cells()).map_err(|_| failed())?;
    }
    let bytes = table.into_inner().map_err(|_| failed())?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(bytes))
}
