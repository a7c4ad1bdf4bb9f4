//! The measures of the dashboard that no report has: durations, waits, and funnels. They aggregate the `reporting` views,
//! with the limits of reads.

use sqlx::PgConnection;

use super::tone::ToneColumn;
use super::{Store, StoreError};
use crate::domain::funnel::{Funnel, Reached, Stayed, funnels};
use crate::domain::report::{Scope, SpanRow};
use crate::domain::tone::Tone;

impl Store {
    /// Returns percentiles of the duration of services, states and tasks that ended in the period, by type, the slowest
    /// type first.
    pub async fn measure_durations(&self, scope: &Scope) -> Result<Vec<SpanRow>, StoreError> {
        self.read_replica(async |connection| {
            Ok(sqlx::query_as!(
                SpanRow,
                r#"-- measure_durations
            with of_type as (select service_id from reporting.services where service_type = $3),
            ended as (
              select 1 as place, 'service' as element, service_type as kind, duration_ms, service_id
              from reporting.services where ended >= $1 and ended < $2
              union all
              select 2, 'state', state_type, duration_ms, service_id
              from reporting.states where ended >= $1 and ended < $2
              union all
              select 3, 'task', task_type, duration_ms, service_id
              from reporting.tasks where ended >= $1 and ended < $2
            )
            select element as "element!", kind, count(*) as "count!",
              round(percentile_cont(0.5) within group (order by duration_ms))::bigint as "p50_ms!",
              round(percentile_cont(0.9) within group (order by duration_ms))::bigint as "p90_ms!",
              round(percentile_cont(0.99) within group (order by duration_ms))::bigint as "p99_ms!",
              max(duration_ms) as "longest_ms!"
            from ended
            where $3::text is null or service_id in (select service_id from of_type)
            group by place, element, kind
            order by place, 4 desc, kind collate "C" nulls last"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_all(connection)
            .await?)
        })
        .await
    }

    /// Returns percentiles of the waits before states and tasks that started in the period, by type. A wait is the time
    /// from the end of the last state, or task, that started before in the service. There is none while one is active.
    pub async fn measure_waits(&self, scope: &Scope) -> Result<Vec<SpanRow>, StoreError> {
        self.read_replica(async |connection| {
            Ok(sqlx::query_as!(
                SpanRow,
                r#"-- measure_waits
            with of_type as (select service_id from reporting.services where service_type = $3),
            chosen as (
              select service_id from (
                select service_id from reporting.states where started >= $1 and started < $2
                union
                select service_id from reporting.tasks where started >= $1 and started < $2
              ) began
              where $3::text is null or service_id in (select service_id from of_type)
            ), steps as (
              select 'state' as element, state_type as kind, service_id, state_id as id, started, ended
              from reporting.states where service_id in (select service_id from chosen)
              union all
              select 'task', task_type, service_id, task_id, started, ended
              from reporting.tasks where service_id in (select service_id from chosen)
            ), after as (
              select element, kind, started, max(coalesce(ended, 'infinity')) over (
                partition by element, service_id order by started, id rows between unbounded preceding and 1 preceding
              ) as since
              from steps
            ), waits as (
              select element, kind, (extract(epoch from started - since) * 1000)::bigint as wait_ms
              from after where since <= started and started >= $1 and started < $2
            )
            select element as "element!", kind, count(*) as "count!",
              round(percentile_cont(0.5) within group (order by wait_ms))::bigint as "p50_ms!",
              round(percentile_cont(0.9) within group (order by wait_ms))::bigint as "p90_ms!",
              round(percentile_cont(0.99) within group (order by wait_ms))::bigint as "p99_ms!",
              max(wait_ms) as "longest_ms!"
            from waits
            group by element, kind
            order by element, 4 desc, kind collate "C" nulls last"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_all(connection)
            .await?)
        })
        .await
    }

    /// Returns the funnels of the services that started in the period, by type, in one snapshot. States are in the order
    /// in which services first reach them on average.
    pub async fn measure_funnels(&self, scope: &Scope) -> Result<Vec<Funnel>, StoreError> {
        self.read_replica(async |snapshot| {
            let reached = reached(&mut *snapshot, scope).await?;
            Ok(funnels(reached, stayed(snapshot, scope).await?))
        })
        .await
    }
}

async fn reached(connection: &mut PgConnection, scope: &Scope) -> Result<Vec<Reached>, sqlx::Error> {
    sqlx::query_as!(
        Reached,
        r#"-- measure_reached
        with chosen as (
          select service_id, service_type, started from reporting.services
          where started >= $1 and started < $2 and ($3::text is null or service_type = $3)
        ), steps as (
          select s.service_id, c.service_type, s.state_type, row_number() over of_service as place,
            s.started - case row_number() over of_service when 1 then c.started else lag(s.ended) over of_service end as wait
          from reporting.states s join chosen c on c.service_id = s.service_id
          window of_service as (partition by s.service_id order by s.started, s.state_id)
        ), firsts as (
          select distinct on (service_id, state_type) service_type, state_type, place,
            case when wait is not null then greatest(0, extract(epoch from wait) * 1000) end as wait_ms
          from steps order by service_id, state_type, place
        )
        select service_type, state_type, count(*) as "services!",
          round(percentile_cont(0.5) within group (order by wait_ms))::bigint as median_wait_ms
        from firsts group by service_type, state_type
        order by service_type collate "C" nulls last, avg(place), state_type collate "C" nulls last"#,
        scope.period.from.to_datetime(),
        scope.period.to.to_datetime(),
        scope.service_type,
    )
    .fetch_all(connection)
    .await
}

async fn stayed(connection: &mut PgConnection, scope: &Scope) -> Result<Vec<Stayed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"-- measure_stayed
        with chosen as (
          select service_id, service_type, status, disposition_name, disposition_tone from reporting.services
          where started >= $1 and started < $2 and ($3::text is null or service_type = $3)
        ), last as (
          select distinct on (service_id) service_id, state_type from reporting.states
          where service_id in (select service_id from chosen)
          order by service_id, started desc, state_id desc
        )
        select c.service_type, l.service_id is not null as "has_state!", l.state_type as "state_type?",
          c.status = 'active' as "is_open!", c.disposition_name as disposition,
          max(c.disposition_tone::tone) as "tone: ToneColumn", count(*) as "services!"
        from chosen c left join last l on l.service_id = c.service_id
        group by 1, 2, 3, 4, 5
        order by count(*) desc, c.disposition_name collate "C" nulls last"#,
        scope.period.from.to_datetime(),
        scope.period.to.to_datetime(),
        scope.service_type,
    );
    let stayed = rows.fetch_all(connection).await?.into_iter().map(|row| Stayed {
        service_type: row.service_type,
        has_state: row.has_state,
        state_type: row.state_type,
        is_open: row.is_open,
        disposition: row.disposition,
        tone: row.tone.map(Tone::from),
        services: row.services,
    });
    Ok(stayed.collect())
}
