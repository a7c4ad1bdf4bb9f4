//! The common table expressions from which every overview is made.

use sqlx::{Postgres, QueryBuilder};

use crate::domain::ids::Element;
use crate::domain::journey::TOLERANCE;
use crate::domain::overview::{CONSIDERED, Last, Selection, Wanted};
use crate::domain::query::{Span, Status};
use crate::domain::time::Timestamp;

/// Open services, the most overdue first; then completed services, the newest end first.
pub(super) const ORDER: &str = "order by c.ended is not null, case when c.ended is null then c.elapsed_ms - c.expected_ms end \
                                desc nulls last, c.ended desc, c.started desc, c.service_id desc";

/// Whether a service `s` ended badly: its disposition has the tone `bad`.
pub(super) const ENDED_BADLY: &str = "s.tone = 'bad'";

/// The columns of a service that an overview reads.
const COLUMNS: &str =
    "select service_id, customer_id, contact_key, service_type, started, ended, duration_ms, est_duration_s,
    disposition_name as disposition, disposition_desc, disposition_tone::tone as tone, start_media_type as channel,
    nullif(concat_ws(' ', start_resource_type, start_resource_id), '') as service_agent
  from reporting.services where true";

/// Appends `recent`, the services that are considered, and `measured`, the same with their times.
pub(super) fn push_recent(query: &mut QueryBuilder<'_, Postgres>, selection: &Selection, now: Timestamp) {
    query.push("with recent as materialized (").push(COLUMNS);
    push_span(query, "started", selection.started);
    query.push(" order by started desc, service_id desc limit ").push_bind(CONSIDERED).push(")");
    push_measured(query, "recent", now);
}

/// Appends `given`, the services with these identifiers, `recent`, from which medians are computed, and `measured`, the
/// given services with their times.
pub(super) fn push_given(query: &mut QueryBuilder<'_, Postgres>, services: Vec<i64>, now: Timestamp) {
    query.push("with given as materialized (").push(COLUMNS).push(" and service_id = any(").push_bind(services);
    query.push(")), recent as materialized (").push(COLUMNS);
    query.push(" order by started desc, service_id desc limit ").push_bind(CONSIDERED).push(")");
    push_measured(query, "given", now);
}

/// Appends `medians` and `measured`. Estimates are limited, so that they fit into a `bigint` as milliseconds.
fn push_measured(query: &mut QueryBuilder<'_, Postgres>, of: &str, now: Timestamp) {
    query.push(
        ", medians as (
           select coalesce(service_type, '') as service_type,
             percentile_cont(0.5) within group (order by duration_ms) as median_ms
           from recent where ended is not null group by 1
         ), measured as (
           select r.*, coalesce(r.duration_ms, greatest(0, extract(epoch from ",
    );
    query.push_bind(now.to_datetime());
    query.push(
        "::timestamptz - r.started) * 1000)::bigint) as elapsed_ms,
             case when r.est_duration_s is null then round(m.median_ms)::bigint
               else least(r.est_duration_s, 1000000000000) * 1000 end as expected_ms
           from ",
    );
    query.push(of).push(" r left join medians m on m.service_type = coalesce(r.service_type, ''))");
}

/// Appends `chosen`, the services of `measured` that belong to a selection.
pub(super) fn push_chosen(query: &mut QueryBuilder<'_, Postgres>, selection: &Selection) {
    query.push(", chosen as (select s.* from measured s where true");
    match selection.status {
        Some(Status::Active) => query.push(" and s.ended is null"),
        Some(Status::Completed) => query.push(" and s.ended is not null"),
        None => query,
    };
    push_wanted(query, "s.service_type", &selection.service_type);
    if let Some(channel) = &selection.channel {
        query.push(" and s.channel = ").push_bind(channel.clone());
    }
    if selection.overdue {
        query.push(" and s.elapsed_ms > s.expected_ms");
    }
    if selection.badly {
        query.push(" and ").push(ENDED_BADLY);
    }
    // Without a part, the type of a step is that of the last.
    let step = if selection.part.is_some() { &Wanted::Anything } else { &selection.step };
    push_last(query, selection.last, step);
    push_last_state(query, selection);
    match selection.part {
        Some(Element::State) => push_part(query, selection, ["states", "state_id", "state_type", "state"]),
        Some(Element::Task) => push_part(query, selection, ["tasks", "task_id", "task_type", "task"]),
        Some(Element::Service) | None => {
            push_span(query, "s.ended", selection.completed);
            push_outcome(query, ["s.ended", "s.disposition"], &selection.disposition);
        }
    }
    query.push(") ");
}

/// Appends the condition that a service has a state or task with the selected step, disposition and end.
fn push_part(query: &mut QueryBuilder<'_, Postgres>, selection: &Selection, names: [&str; 4]) {
    let [table, id, kind, element] = names;
    query.push(format!(
        " and exists (
           select from {table} p
           left join dispositions d on d.service_id = p.service_id and d.element = '{element}' and d.element_id = p.{id}
           left join business_attribute_values k on k.value_id = p.{kind}
           left join business_attribute_values o on o.value_id = d.disposition
           where p.service_id = s.service_id"
    ));
    push_wanted(query, "coalesce(k.name, k.dbid::text)", &selection.step);
    push_outcome(query, ["d.ended_at", "coalesce(o.display_name, o.name, o.dbid::text)"], &selection.disposition);
    push_span(query, "p.started_at", selection.part_started);
    push_span(query, "d.ended_at", selection.completed);
    query.push(")");
}

/// The state or task of a service that started last; if two started at the same time, the task, as in `report_stops`.
fn last_step(service: &str) -> String {
    format!(
        "select x.element, coalesce(v.name, v.dbid::text) as step, x.started_at, d.ended_at,
           nullif(concat_ws(' ', coalesce(r.name, r.dbid::text), x.resource_id), '') as agent
         from (
           (select 1 as place, 'state'::element as element, state_id as id, started_at, state_type as kind, resource_type,
              resource_id
            from states where service_id = {service} order by started_at desc, state_id desc limit 1)
           union all
           (select 2, 'task', task_id, started_at, task_type, resource_type, resource_id
            from tasks where service_id = {service} order by started_at desc, task_id desc limit 1)
           order by started_at desc, place desc limit 1
         ) x
         left join dispositions d on d.service_id = {service} and d.element = x.element and d.element_id = x.id
         left join business_attribute_values v on v.value_id = x.kind
         left join business_attribute_values r on r.value_id = x.resource_type"
    )
}

/// Appends the condition that what started last in a service is of this kind and type.
fn push_last(query: &mut QueryBuilder<'_, Postgres>, last: Option<Last>, step: &Wanted) {
    if last == Some(Last::Nothing) {
        for table in ["states", "tasks"] {
            query.push(format!(" and not exists (select from {table} x where x.service_id = s.service_id)"));
        }
    }
    let element = if let Some(Last::Step(element)) = last { Some(element) } else { None };
    if element.is_some() || *step != Wanted::Anything {
        query.push(format!(" and exists (select from ({}) step where true", last_step("s.service_id")));
        if let Some(element) = element {
            query.push(format!(" and step.element = '{}'", element.singular()));
        }
        push_wanted(query, "step.step", step);
        query.push(")");
    }
}

/// Appends the condition on the state that started last in a service, as in a funnel.
fn push_last_state(query: &mut QueryBuilder<'_, Postgres>, selection: &Selection) {
    if selection.no_state {
        query.push(" and not exists (select from states x where x.service_id = s.service_id)");
    }
    if selection.state != Wanted::Anything {
        query.push(
            " and exists (
               select from (
                 select state_type from states where service_id = s.service_id
                 order by started_at desc, state_id desc limit 1
               ) x left join business_attribute_values k on k.value_id = x.state_type where true",
        );
        push_wanted(query, "coalesce(k.name, k.dbid::text)", &selection.state);
        query.push(")");
    }
}

/// Appends the condition on the disposition of something, of which the first column has the end.
fn push_outcome(query: &mut QueryBuilder<'_, Postgres>, [end, disposition]: [&str; 2], wanted: &Wanted) {
    if *wanted == Wanted::Nothing {
        query.push(" and ").push(end).push(" is not null");
    }
    push_wanted(query, disposition, wanted);
}

fn push_wanted(query: &mut QueryBuilder<'_, Postgres>, column: &str, wanted: &Wanted) {
    match wanted {
        Wanted::Anything => query,
        Wanted::Nothing => query.push(" and ").push(column).push(" is null"),
        Wanted::Value(value) => query.push(" and ").push(column).push(" = ").push_bind(value.clone()),
    };
}

/// Appends joins of services `c` with their last step, and with the last start or end of a state or task.
pub(super) fn push_steps(query: &mut QueryBuilder<'_, Postgres>, now: Timestamp) {
    query.push(" left join lateral (").push(last_step("c.service_id"));
    query.push(") step on true left join lateral (select max(at) as last from (select started_at as at from states");
    query.push(
        " where service_id = c.service_id union all select started_at from tasks where service_id = c.service_id",
    );
    query.push(" union all select ended_at from dispositions where service_id = c.service_id and element <> 'service'");
    query.push(") moments where at <= ").push_bind(now.minus(-TOLERANCE).to_datetime()).push(") happened on true ");
}

fn push_span(query: &mut QueryBuilder<'_, Postgres>, column: &str, span: Span) {
    for (operator, at) in [(" >= ", span.from), (" < ", span.to)] {
        if let Some(at) = at {
            query.push(" and ").push(column).push(operator).push_bind(at.to_datetime());
        }
    }
}
