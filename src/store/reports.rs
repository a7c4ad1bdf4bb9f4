//! Reports. They agree with analysts' queries of the `reporting` views (see `ended.rs`).

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::batch::ElementColumn;
use super::ended::query_ended;
use super::tone::ToneColumn;
use super::{Store, StoreError};
use crate::domain::buckets::{Buckets, activity};
use crate::domain::ids::Element;
use crate::domain::report::{
    ActivityRow, Change, DurationRow, HORIZONS, LifetimesRow, OutcomeRow, Scope, SpanRow, StopRow,
};
use crate::domain::time_zone::TimeZone;
use crate::domain::tone::Tone;

impl Store {
    /// Counts services that started, that ended, and that were open, over the period, in buckets of UTC.
    pub async fn report_activity(&self, scope: &Scope) -> Result<Vec<ActivityRow>, StoreError> {
        self.measure_activity(scope, &Buckets::of(scope.period, TimeZone::UTC)).await
    }

    /// The same in other buckets of the period.
    ///
    /// A service whose end is dated before its start counts as open at no time.
    pub async fn measure_activity(&self, scope: &Scope, buckets: &Buckets) -> Result<Vec<ActivityRow>, StoreError> {
        let bounds: Vec<_> = buckets.bounds().iter().map(|bound| bound.to_datetime()).collect();
        let changes = self.read_report(async |snapshot| Ok(changes(snapshot, scope, &bounds).await?)).await?;
        Ok(activity(buckets, &changes))
    }

    /// Counts the elements that ended in the period by type and disposition.
    pub async fn report_outcomes(&self, scope: &Scope) -> Result<Vec<OutcomeRow>, StoreError> {
        self.read_report(async |snapshot| {
            let rows = query_ended!(
                "report_outcomes",
                "true",
                r#"counted as (
                  select element, kind, disposition, count(*) as ended from ended group by element, kind, disposition
                ), named as (
                  select c.element, coalesce(k.name, k.dbid::text) as kind,
                    coalesce(o.display_name, o.name, o.dbid::text) as disposition, o.tone, c.ended
                  from counted c
                  left join business_attribute_values k on k.value_id = c.kind
                  left join business_attribute_values o on o.value_id = c.disposition
                )
                select n.element as "element!: ElementColumn", n.kind, n.disposition, max(n.tone) as "tone: ToneColumn",
                  sum(n.ended)::bigint as "ended!"
                from named n group by n.element, n.kind, n.disposition
                order by n.element, n.kind collate "C" nulls last, sum(n.ended) desc, n.disposition collate "C" nulls last"#,
                scope
            )
            .fetch_all(snapshot)
            .await?;
            let outcome = rows.into_iter().map(|row| OutcomeRow {
                element: Element::from(row.element).singular().to_owned(),
                kind: row.kind,
                disposition: row.disposition,
                tone: row.tone.map(Tone::from),
                ended: row.ended,
            });
            Ok(outcome.collect())
        })
        .await
    }

    /// Returns percentiles of the duration of tasks that ended in the period, by type, the highest 90th percentile first.
    pub async fn report_durations(&self, scope: &Scope) -> Result<Vec<DurationRow>, StoreError> {
        let mut rows = self.spans_of_ended(scope, true).await?;
        rows.sort_by(|one, other| {
            let place = |row: &SpanRow| (Reverse(row.p90_ms), row.kind.is_none());
            place(one).cmp(&place(other)).then_with(|| one.kind.cmp(&other.kind))
        });
        let row = |SpanRow { element: _, kind, count, p50_ms, p90_ms, p99_ms, longest_ms }| DurationRow {
            task_type: kind,
            tasks: count,
            p50_ms,
            p90_ms,
            p99_ms,
            longest_ms,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Counts the services that started in the period by the state or task that started last in them. For completed
    /// services it is where they finished, for active ones where they are. A task wins over a state that started at the
    /// same time.
    pub async fn report_stops(&self, scope: &Scope) -> Result<Vec<StopRow>, StoreError> {
        self.read_report(async |snapshot| {
            Ok(sqlx::query_as!(
                StopRow,
                r#"-- report_stops
            with stops as (
              select exists (
                  select from dispositions d
                  where d.service_id = s.service_id and d.element = 'service' and d.element_id = 0 offset 0) as ended,
                last.step, last.kind
              from unexpired_services s
              left join lateral (
                (select 'state' as step, 1 as place, state_type as kind, started_at from states
                 where service_id = s.service_id order by started_at desc, state_id desc limit 1)
                union all
                (select 'task', 2, task_type, started_at from tasks
                 where service_id = s.service_id order by started_at desc, task_id desc limit 1)
                order by started_at desc, place desc limit 1
              ) last on true
              where s.started_at >= $1 and s.started_at < $2
                and ($3::text is null or s.service_type = any (array(
                  select value_id from business_attribute_values where coalesce(name, dbid::text) = $3)))
            ), counted as (
              select ended, step, kind, count(*) as services from stops group by ended, step, kind
            ), named as (
              select case when c.ended then 'completed' else 'active' end as status, c.step as last,
                coalesce(v.name, v.dbid::text) as kind, c.services
              from counted c left join business_attribute_values v on v.value_id = c.kind
            )
            select status as "status!", last as "last?", kind as "kind?", sum(services)::bigint as "services!"
            from named group by status, last, kind
            order by sum(services) desc, status, last nulls last, kind collate "C" nulls last"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_all(snapshot)
            .await?)
        })
        .await
    }

    /// Counts the services that expire, or are completed automatically, within an hour, a day and a week.
    ///
    /// The time of automatic completion is the one computed when the service was last checked. Events since then
    /// postpone it.
    pub async fn report_lifetimes(&self) -> Result<Vec<LifetimesRow>, StoreError> {
        let now = self.now().to_datetime();
        let ttl = self.lifetimes.service_ttl.map(|ttl| ttl.num_seconds());
        self.read_replica(async |connection| Ok(sqlx::query_as!(
            LifetimesRow,
            r#"-- report_lifetimes
            select w.within_s as "within_s!",
              (select count(*) from unexpired_services s where s.expires_at <= $1::timestamptz + w.within_s * interval '1 second')
              + (select count(*) from unexpired_services s
                 where s.expires_at is null and s.started_at <= $1::timestamptz + (w.within_s - $2::bigint) * interval '1 second')
                as "expiring!",
              (select count(*) from auto_completions a
               join unexpired_services s on s.service_id = a.service_id
               where a.due_at <= $1::timestamptz + w.within_s * interval '1 second' and not exists (
                 select from dispositions d
                 where d.service_id = a.service_id and d.element = 'service' and d.element_id = 0)) as "completing!"
            from unnest($3::bigint[]) as w(within_s)
            order by w.within_s"#,
            now,
            ttl,
            &HORIZONS,
        )
        .fetch_all(connection)
        .await?)).await
    }

    /// The values of `service_type`, declared or learned, as the `reporting` views name them, whether or not a service
    /// has had them. Returns the first `limit` in alphabetical order.
    pub async fn list_service_types(&self, limit: i64) -> Result<Vec<String>, StoreError> {
        self.read_replica(async |connection| {
            Ok(sqlx::query_scalar!(
                r#"-- list_service_types
            select distinct coalesce(v.name, v.dbid::text) collate "C" as "name!"
            from business_attribute_values v
            join business_attributes a on a.attribute_id = v.attribute_id
            where 'Service.service_type' = any(a.fields)
            order by 1 limit $1"#,
                limit
            )
            .fetch_all(connection)
            .await?)
        })
        .await
    }
}

/// The changes of a period. Its first row sums up what was open before: the services that are still open, and those that
/// have ended since, without a look at the others.
async fn changes(
    snapshot: &mut PgConnection,
    scope: &Scope,
    bounds: &[DateTime<Utc>],
) -> Result<Vec<Change>, sqlx::Error> {
    sqlx::query_as!(
        Change,
        r#"-- report_activity
        with of_type as not materialized (
          select s.service_id, s.started_at from unexpired_services s
          where s.started_at < $2 and ($3::text is null or s.service_type = any (array(
            select value_id from business_attribute_values where coalesce(name, dbid::text) = $3)))
        ), started as (
          select service_id, started_at from of_type where started_at >= $1
        ), ended as (
          select s.started_at, d.ended_at from dispositions d cross join lateral (
            select started_at from of_type where service_id = d.service_id offset 0
          ) s where d.element = 'service' and d.ended_at >= $1 and d.ended_at < $2
        ), before as (
          select s.service_id from open_services o cross join lateral (
            select service_id from of_type where service_id = o.service_id and started_at < $1 offset 0
          ) s where not exists (
            select from dispositions d
            where d.service_id = o.service_id and d.element = 'service' and d.element_id = 0 offset 0)
          union all
          select s.service_id from (
            select d.service_id from dispositions d where d.element = 'service' and d.ended_at >= $1
              and not exists (select from services s where s.service_id = d.service_id and s.started_at >= $1)
          ) d cross join lateral (
            select service_id from of_type where service_id = d.service_id and started_at < $1 offset 0
          ) s
        ), moments as (
          select '-infinity'::timestamptz as at, 0 as started, 0 as ended, 1 as opened from before
          union all
          select started_at, 1, 0, 1 from started
          union all
          select ended_at, 0, 1, 0 from ended
          union all
          select greatest(started_at, ended_at), 0, 0, -1 from ended
          union all
          select s.started_at, 0, 0, -1 from started s where exists (
            select from dispositions d
            where d.service_id = s.service_id and d.element = 'service' and d.element_id = 0 and d.ended_at < $1 offset 0)
        )
        select case when at < $1 then -1 else width_bucket(at, $4::timestamptz[]) - 1 end::bigint as "bucket!",
          sum(started) as "started!", sum(ended) as "ended!", sum(opened) as "opened!"
        from moments group by 1 order by 1"#,
        scope.period.from.to_datetime(),
        scope.period.to.to_datetime(),
        scope.service_type,
        bounds,
    )
    .fetch_all(snapshot)
    .await
}
