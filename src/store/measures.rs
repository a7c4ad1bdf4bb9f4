//! The measures of the dashboard that no report has: durations, waits, and funnels. They agree with the `reporting` views
//! (see `ended.rs`).

use sqlx::PgConnection;

use super::batch::ElementColumn;
use super::ended::query_ended;
use super::tone::ToneColumn;
use super::{Store, StoreError};
use crate::domain::funnel::{Funnel, Reached, Stayed, funnels};
use crate::domain::ids::Element;
use crate::domain::report::{Scope, SpanRow};
use crate::domain::tone::Tone;

/// Converts a row of a statement. Each statement has a type of rows of its own.
macro_rules! span_row {
    ($row:expr) => {
        SpanRow {
            element: Element::from($row.element).singular().to_owned(),
            kind: $row.kind,
            count: $row.count,
            p50_ms: $row.p50_ms,
            p90_ms: $row.p90_ms,
            p99_ms: $row.p99_ms,
            longest_ms: $row.longest_ms,
        }
    };
}

impl Store {
    /// Returns percentiles of the duration of services, states and tasks that ended in the period, by type, the slowest
    /// type first.
    pub async fn measure_durations(&self, scope: &Scope) -> Result<Vec<SpanRow>, StoreError> {
        self.spans_of_ended(scope, false).await
    }

    /// The same, of tasks alone if wished. Durations are collected by the value of the type, before names are joined.
    pub(super) async fn spans_of_ended(&self, scope: &Scope, tasks: bool) -> Result<Vec<SpanRow>, StoreError> {
        self.read_report(async |snapshot| {
            let rows = query_ended!(
                "measure_durations",
                "(not $4 or d.element = 'task')",
                r#"spans as (
                  select element, kind,
                    array_agg(round(greatest(0, date_part('epoch', ended_at - started_at) * 1000))) as ms
                  from ended group by element, kind
                ), named as (
                  select s.element, coalesce(v.name, v.dbid::text) as kind, s.ms
                  from spans s left join business_attribute_values v on v.value_id = s.kind
                )
                select k.element as "element!: ElementColumn", k.kind, m.count as "count!",
                  round(m.at[1])::bigint as "p50_ms!", round(m.at[2])::bigint as "p90_ms!",
                  round(m.at[3])::bigint as "p99_ms!", m.longest::bigint as "longest_ms!"
                from (select distinct element, kind from named) k cross join lateral (
                  select count(*) as count, max(x.ms) as longest,
                    percentile_cont(array[0.5, 0.9, 0.99]) within group (order by x.ms) as at
                  from named n cross join lateral unnest(n.ms) as x(ms)
                  where n.element = k.element and n.kind is not distinct from k.kind
                ) m
                order by k.element, 4 desc, k.kind collate "C" nulls last"#,
                scope,
                tasks
            )
            .fetch_all(snapshot)
            .await?;
            Ok(rows.into_iter().map(|row| span_row!(row)).collect())
        })
        .await
    }

    /// Counts the tasks that ended in the period, of which [`Self::measure_durations`] tells the durations.
    pub async fn count_ended_tasks(&self, scope: &Scope) -> Result<i64, StoreError> {
        self.read_report(async |snapshot| {
            Ok(sqlx::query_scalar!(
                r#"-- count_ended_tasks
            select count(*) as "count!" from dispositions d
            where d.element = 'task' and d.ended_at >= $1 and d.ended_at < $2
              and (d.service_id in (select unnest(array(select e.service_id from expired_services e)))) is not true
              and ($3::text is null or exists (
                select from services s
                where s.service_id = d.service_id and s.service_type = any (array(
                  select value_id from business_attribute_values where coalesce(name, dbid::text) = $3))
                offset 0))"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_one(snapshot)
            .await?)
        })
        .await
    }

    /// Returns percentiles of the waits before states and tasks that started in the period, by type. A wait is the time
    /// from the end of the last state, or task, that started before in the service. There is none while one is active.
    #[expect(clippy::too_many_lines, reason = "one statement with its parameters")]
    pub async fn measure_waits(&self, scope: &Scope) -> Result<Vec<SpanRow>, StoreError> {
        self.read_report(async |snapshot| {
            let rows = sqlx::query!(
                r#"-- measure_waits
                with began as (
                  select service_id from states where started_at >= $1 and started_at < $2
                  union
                  select service_id from tasks where started_at >= $1 and started_at < $2
                ), chosen as materialized (
                  select b.service_id from began b cross join lateral (
                    select from unexpired_services s
                    where s.service_id = b.service_id and ($3::text is null or s.service_type = any (array(
                      select value_id from business_attribute_values where coalesce(name, dbid::text) = $3)))
                    offset 0
                  ) s
                ), steps as (
                  select step.* from chosen c cross join lateral (
                    select 'state'::element as element, s.service_id, s.state_type as kind, s.state_id as id, s.started_at,
                      d.ended_at
                    from states s left join dispositions d
                      on d.service_id = s.service_id and d.element = 'state' and d.element_id = s.state_id
                    where s.service_id = c.service_id
                    union all
                    select 'task', t.service_id, t.task_type, t.task_id, t.started_at, d.ended_at
                    from tasks t left join dispositions d
                      on d.service_id = t.service_id and d.element = 'task' and d.element_id = t.task_id
                    where t.service_id = c.service_id
                    offset 0
                  ) step
                ), after as (
                  select element, kind, started_at, max(coalesce(ended_at, 'infinity')) over (
                    partition by element, service_id order by started_at, id
                    rows between unbounded preceding and 1 preceding
                  ) as since
                  from steps
                ), spans as (
                  select element, kind, array_agg(round(date_part('epoch', started_at - since) * 1000)) as ms
                  from after where since <= started_at and started_at >= $1 and started_at < $2 group by element, kind
                ), named as (
                  select s.element, coalesce(v.name, v.dbid::text) as kind, s.ms
                  from spans s left join business_attribute_values v on v.value_id = s.kind
                )
                select k.element as "element!: ElementColumn", k.kind, m.count as "count!",
                  round(m.at[1])::bigint as "p50_ms!", round(m.at[2])::bigint as "p90_ms!",
                  round(m.at[3])::bigint as "p99_ms!", m.longest::bigint as "longest_ms!"
                from (select distinct element, kind from named) k cross join lateral (
                  select count(*) as count, max(x.ms) as longest,
                    percentile_cont(array[0.5, 0.9, 0.99]) within group (order by x.ms) as at
                  from named n cross join lateral unnest(n.ms) as x(ms)
                  where n.element = k.element and n.kind is not distinct from k.kind
                ) m
                order by k.element, 4 desc, k.kind collate "C" nulls last"#,
                scope.period.from.to_datetime(),
                scope.period.to.to_datetime(),
                scope.service_type,
            )
            .fetch_all(snapshot)
            .await?;
            Ok(rows.into_iter().map(|row| span_row!(row)).collect())
        })
        .await
    }

    /// Returns the funnels of the services that started in the period, by type, in one snapshot. States are in the order
    /// in which services first reach them on average.
    pub async fn measure_funnels(&self, scope: &Scope) -> Result<Vec<Funnel>, StoreError> {
        self.read_report(async |snapshot| {
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
        with chosen as materialized (
          select s.service_id, s.started_at, coalesce(v.name, v.dbid::text) as service_type
          from unexpired_services s left join business_attribute_values v on v.value_id = s.service_type
          where s.started_at >= $1 and s.started_at < $2 and ($3::text is null or coalesce(v.name, v.dbid::text) = $3)
        ), steps as (
          select c.service_id, c.service_type, coalesce(v.name, v.dbid::text) as state_type,
            row_number() over of_service as place,
            s.started_at - case row_number() over of_service
              when 1 then c.started_at else lag(s.ended_at) over of_service end as wait
          from chosen c cross join lateral (
            select s.state_id, s.state_type, s.started_at, d.ended_at
            from states s left join dispositions d
              on d.service_id = s.service_id and d.element = 'state' and d.element_id = s.state_id
            where s.service_id = c.service_id offset 0
          ) s left join business_attribute_values v on v.value_id = s.state_type
          window of_service as (partition by c.service_id order by s.started_at, s.state_id)
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
        with stayed as (
          select s.service_type, last.has_state, last.state_type, d.service_id is null as is_open, d.disposition
          from unexpired_services s
          left join lateral (
            select service_id, disposition from dispositions
            where service_id = s.service_id and element = 'service' and element_id = 0 offset 0
          ) d on true
          left join lateral (
            select true as has_state, state_type from states
            where service_id = s.service_id order by started_at desc, state_id desc limit 1
          ) last on true
          where s.started_at >= $1 and s.started_at < $2
            and ($3::text is null or s.service_type = any (array(
              select value_id from business_attribute_values where coalesce(name, dbid::text) = $3)))
        ), counted as (
          select service_type, has_state, state_type, is_open, disposition, count(*) as services
          from stayed group by service_type, has_state, state_type, is_open, disposition
        ), named as (
          select coalesce(t.name, t.dbid::text) as service_type, coalesce(c.has_state, false) as has_state,
            coalesce(k.name, k.dbid::text) as state_type, c.is_open,
            coalesce(o.display_name, o.name, o.dbid::text) as disposition, o.tone, c.services
          from counted c
          left join business_attribute_values t on t.value_id = c.service_type
          left join business_attribute_values k on k.value_id = c.state_type
          left join business_attribute_values o on o.value_id = c.disposition
        )
        select service_type, has_state as "has_state!", state_type, is_open as "is_open!", disposition,
          max(tone) as "tone: ToneColumn", sum(services)::bigint as "services!"
        from named group by service_type, has_state, state_type, is_open, disposition
        order by sum(services) desc, disposition collate "C" nulls last"#,
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
