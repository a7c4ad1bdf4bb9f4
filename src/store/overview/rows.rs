//! Rows of overviews.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::super::batch::ElementColumn;
use super::super::tone::ToneColumn;
use crate::domain::ids::ServiceId;
use crate::domain::overview::{Match, Share, Standing, Step, Totals};
use crate::domain::time::Timestamp;
use crate::domain::tone::Tone;

/// The columns of the last step of a service, and of the moment since which nothing has happened.
pub(super) const STEP_COLUMNS: &str = "step.element as step_element, step.step as step_type, step.started_at as step_started, \
                                       step.ended_at as step_ended, step.agent as step_agent, \
                                       coalesce(happened.last, c.started) as waiting_since";

#[derive(FromRow)]
pub(super) struct StandingRow {
    service_id: i64,
    customer_id: Option<String>,
    contact_key: Option<String>,
    service_type: Option<String>,
    channel: Option<String>,
    started: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
    disposition: Option<String>,
    disposition_desc: Option<String>,
    tone: Option<ToneColumn>,
    service_agent: Option<String>,
    est_duration_s: Option<i64>,
    elapsed_ms: i64,
    expected_ms: Option<i64>,
    step_element: Option<ElementColumn>,
    step_type: Option<String>,
    step_started: Option<DateTime<Utc>>,
    step_ended: Option<DateTime<Utc>>,
    step_agent: Option<String>,
    waiting_since: DateTime<Utc>,
    pub(super) total: i64,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        let step = row.step_element.zip(row.step_started).map(|(element, started)| Step {
            element: element.into(),
            kind: row.step_type,
            started: Timestamp::cut(started),
            ended: row.step_ended.map(Timestamp::cut),
        });
        Self {
            service_id: ServiceId(row.service_id),
            customer_id: row.customer_id,
            contact_key: row.contact_key,
            service_type: row.service_type,
            channel: row.channel,
            started: Timestamp::cut(row.started),
            ended: row.ended.map(Timestamp::cut),
            disposition: row.disposition,
            disposition_desc: row.disposition_desc,
            tone: row.tone.map(Tone::from),
            step,
            waiting_since: Timestamp::cut(row.waiting_since),
            agent: row.step_agent.or(row.service_agent),
            elapsed_ms: row.elapsed_ms,
            expected_ms: row.expected_ms,
            has_estimate: row.est_duration_s.is_some(),
        }
    }
}

#[derive(FromRow)]
pub(super) struct ShareRow {
    property: String,
    value: String,
    tone: Option<ToneColumn>,
    services: i64,
}

impl From<ShareRow> for Share {
    fn from(ShareRow { property, value, tone, services }: ShareRow) -> Self {
        Self { property, value, tone: tone.map(Tone::from), services }
    }
}

#[derive(FromRow)]
pub(super) struct TotalsRow {
    open: i64,
    overdue: i64,
    ended: i64,
    ended_badly: i64,
    started_today: i64,
    started_week_before: i64,
    considered: i64,
    oldest: Option<DateTime<Utc>>,
}

impl From<TotalsRow> for Totals {
    fn from(row: TotalsRow) -> Self {
        Self {
            open: row.open,
            overdue: row.overdue,
            ended: row.ended,
            ended_badly: row.ended_badly,
            started_today: row.started_today,
            started_week_before: row.started_week_before,
            considered: row.considered,
            oldest: row.oldest.map(Timestamp::cut),
        }
    }
}

#[derive(FromRow)]
pub(super) struct MatchRow {
    service_id: i64,
    exact: bool,
}

impl From<MatchRow> for Match {
    fn from(MatchRow { service_id, exact }: MatchRow) -> Self {
        Self { service_id: ServiceId(service_id), is_exact: exact }
    }
}
