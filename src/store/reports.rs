//! Reports: aggregates of the `reporting` views, so that they agree with analysts' queries.

use super::tone::ToneColumn;
use super::{Store, StoreError};
use crate::domain::buckets::{Buckets, activity};
use crate::domain::report::{ActivityRow, Change, DurationRow, HORIZONS, LifetimesRow, OutcomeRow, Scope, StopRow};
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
        let changes = self
            .read_replica(async |connection| {
                Ok(sqlx::query_as!(
                    Change,
                    r#"-- report_activity
            with of_type as (
              select started, ended, greatest(started, ended) as closed from reporting.services
              where started < $2 and ($3::text is null or service_type = $3)
            ), moments as (
              select started as at, 1 as started, 0 as ended, 1 as opened from of_type
              union all
              select ended, 0, 1, 0 from of_type where ended < $2
              union all
              select closed, 0, 0, -1 from of_type where ended is not null and closed < $2
            )
            select case when at < $1 then -1 else width_bucket(at, $4::timestamptz[]) - 1 end::bigint as "bucket!",
              sum(started) as "started!", sum(ended) as "ended!", sum(opened) as "opened!"
            from moments group by 1 order by 1"#,
                    scope.period.from.to_datetime(),
                    scope.period.to.to_datetime(),
                    scope.service_type,
                    &bounds,
                )
                .fetch_all(connection)
                .await?)
            })
            .await?;
        Ok(activity(buckets, &changes))
    }

    /// Counts the elements that ended in the period by type and disposition.
    pub async fn report_outcomes(&self, scope: &Scope) -> Result<Vec<OutcomeRow>, StoreError> {
        self.read_replica(async |connection| {
            let rows = sqlx::query!(
                r#"-- report_outcomes
            with of_type as (select service_id from reporting.services where service_type = $3),
            ended as (
              select 1 as place, 'service' as element, service_type as kind, disposition_name as disposition,
                disposition_tone as tone, service_id
              from reporting.services where ended >= $1 and ended < $2
              union all
              select 2, 'state', state_type, disposition_name, disposition_tone, service_id
              from reporting.states where ended >= $1 and ended < $2
              union all
              select 3, 'task', task_type, disposition_name, disposition_tone, service_id
              from reporting.tasks where ended >= $1 and ended < $2
            )
            select element as "element!", kind, disposition, max(tone::tone) as "tone: ToneColumn", count(*) as "ended!"
            from ended
            where $3::text is null or service_id in (select service_id from of_type)
            group by place, element, kind, disposition
            order by place, kind collate "C" nulls last, count(*) desc, disposition collate "C" nulls last"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_all(connection)
            .await?;
            let outcome = rows.into_iter().map(|row| OutcomeRow {
                element: row.element,
                kind: row.kind,
                disposition: row.disposition,
                tone: row.tone.map(Tone::from),
                ended: row.ended,
            });
            Ok(outcome.collect())
        })
        .await
    }

    /// Returns percentiles of the duration of tasks that ended in the period, by type.
    pub async fn report_durations(&self, scope: &Scope) -> Result<Vec<DurationRow>, StoreError> {
        self.read_replica(async |connection| Ok(sqlx::query_as!(
            DurationRow,
            r#"-- report_durations
            select task_type, count(*) as "tasks!",
              round(percentile_cont(0.5) within group (order by duration_ms))::bigint as "p50_ms!",
              round(percentile_cont(0.9) within group (order by duration_ms))::bigint as "p90_ms!",
              round(percentile_cont(0.99) within group (order by duration_ms))::bigint as "p99_ms!",
              max(duration_ms) as "longest_ms!"
            from reporting.tasks
            where ended >= $1 and ended < $2
              and ($3::text is null or service_id in (select service_id from reporting.services where service_type = $3))
            group by task_type
            order by 4 desc, task_type collate "C" nulls last"#,
            scope.period.from.to_datetime(),
            scope.period.to.to_datetime(),
            scope.service_type,
        )
        .fetch_all(connection)
        .await?)).await
    }

    /// Counts the services that started in the period by the state or task that started last in them. For completed
    /// services it is where they finished, for active ones where they are. A task wins over a state that started at the
    /// same time.
    pub async fn report_stops(&self, scope: &Scope) -> Result<Vec<StopRow>, StoreError> {
        self.read_replica(async |connection| {
            Ok(sqlx::query_as!(
                StopRow,
                r#"-- report_stops
            with chosen as (
              select service_id, status from reporting.services
              where started >= $1 and started < $2 and ($3::text is null or service_type = $3)
            ), steps as (
              select service_id, 1 as place, 'state' as last, state_type as kind, started, state_id as id
              from reporting.states where service_id in (select service_id from chosen)
              union all
              select service_id, 2, 'task', task_type, started, task_id
              from reporting.tasks where service_id in (select service_id from chosen)
            ), stops as (
              select distinct on (service_id) service_id, last, kind from steps
              order by service_id, started desc, place desc, id desc
            )
            select c.status as "status!", s.last as "last?", s.kind as "kind?", count(*) as "services!"
            from chosen c
            left join stops s on s.service_id = c.service_id
            group by c.status, s.last, s.kind
            order by count(*) desc, c.status, s.last nulls last, s.kind collate "C" nulls last"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_all(connection)
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
