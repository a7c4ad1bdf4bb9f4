//! The parts that reports share: the settings of their reads, and the elements that ended in a period.
//!
//! Reports give the same figures as the `reporting` views (tests check this), but do not read them. A view looks up
//! the start of every end one by one, or reads whole tables, and joins six names to every row. Reports select the period
//! first, through indexes on times, aggregate it, and only then look up names.

use sqlx::PgConnection;

use super::{Store, StoreError};

/// Makes plans independent of statistics, which do not cover the time since the last `analyze`. The elements of a period
/// are many, so they are joined by hash. The statements enforce look-ups by primary key, where they are better, by `lateral`
/// with `offset 0`.
const SETTINGS: &str = "-- set_up_report
    set local plan_cache_mode = force_custom_plan; set local jit = off; set local work_mem = '64MB';
    set local enable_nestloop = off; set local enable_mergejoin = off; set local enable_sort = off";

impl Store {
    /// Runs a read over the elements of a period.
    pub(super) async fn read_report<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_replica(async |snapshot| {
            sqlx::raw_sql(SETTINGS).execute(&mut *snapshot).await?;
            work(snapshot).await
        })
        .await
    }
}

/// A statement over `ended`, the elements that ended in the period of a scope, with the time of their start and with
/// their type and disposition as values.
///
/// Most of them started in the period or in one of the same length before (at most a century, so that the time exists in
/// SQL), so the starts of both are read at once. The start of any other element is looked up.
///
/// Arguments: name of the statement; further condition on `dispositions d`; the rest of the statement; scope; optionally
/// a parameter, `$4`.
macro_rules! query_ended {
    ($name:tt, $condition:tt, $rest:tt, $scope:expr $(, $parameter:expr)?) => {
        sqlx::query!(
            "-- " + $name + "
            with near as (
              select 'service'::element as element, service_id, 0 as element_id, service_type as kind, started_at
              from services where started_at >= $1::timestamptz - least($2::timestamptz - $1, interval '100 years')
                and started_at < $2
              union all
              select 'state', service_id, state_id, state_type, started_at
              from states where started_at >= $1::timestamptz - least($2::timestamptz - $1, interval '100 years')
                and started_at < $2
              union all
              select 'task', service_id, task_id, task_type, started_at
              from tasks where started_at >= $1::timestamptz - least($2::timestamptz - $1, interval '100 years')
                and started_at < $2
            ), ended as (
              select d.element, coalesce(n.kind, far.kind) as kind, d.disposition, d.ended_at,
                coalesce(n.started_at, far.started_at) as started_at
              from dispositions d
              left join near n on n.element = d.element and n.service_id = d.service_id and n.element_id = d.element_id
              left join lateral (
                select service_type as kind, started_at from services
                where n.element is null and d.element = 'service' and service_id = d.service_id
                union all
                select state_type, started_at from states
                where n.element is null and d.element = 'state' and service_id = d.service_id and state_id = d.element_id
                union all
                select task_type, started_at from tasks
                where n.element is null and d.element = 'task' and service_id = d.service_id and task_id = d.element_id
                offset 0
              ) far on true
              where d.ended_at >= $1 and d.ended_at < $2 and " + $condition + "
                and (d.service_id in (select unnest(array(select e.service_id from expired_services e)))) is not true
                and ($3::text is null or exists (
                  select from services s
                  where s.service_id = d.service_id and s.service_type = any (array(
                    select value_id from business_attribute_values where coalesce(name, dbid::text) = $3))
                  offset 0))
                and coalesce(n.started_at, far.started_at) is not null
            ), " + $rest,
            $scope.period.from.to_datetime(),
            $scope.period.to.to_datetime(),
            $scope.service_type,
            $($parameter,)?
        )
    };
}

pub(super) use query_ended;
