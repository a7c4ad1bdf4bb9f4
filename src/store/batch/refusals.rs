//! The reasons why commands of a batch were not written.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::ids::{Element, ElementKey, StateId};
use crate::domain::once_only::RecordedEnd;
use crate::domain::refusal::{OnRecord, Verdict};
use crate::domain::time::Timestamp;
use crate::store::command::Basis;
use crate::store::command::Write;

use super::columns::ElementColumn;

/// Reads the recorded data about commands that were not written, and judges each command. All are retried if the
/// database has newer metadata than `basis.version`, against which they were validated.
pub(super) async fn explain(
    connection: &mut PgConnection,
    missing: &[&Write],
    basis: Basis,
) -> Result<HashMap<ElementKey, Verdict>, sqlx::Error> {
    if missing.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = missing.iter().map(|write| write.command.key()).collect();
    let service_id: Vec<_> = keys.iter().map(|key| key.service.0).collect();
    let element: Vec<ElementColumn> = keys.iter().map(|key| key.element.into()).collect();
    let element_id: Vec<_> = keys.iter().map(|key| key.id).collect();
    let state_id: Vec<_> = missing.iter().map(|write| write.command.named_state().map(|id| id.0)).collect();
    let schema_id: Vec<_> = missing.iter().map(|write| write.command.changed_schema().map(|id| id.0)).collect();
    let rows = sqlx::query!(
        r#"-- explain_refusals
        select g.n as "n!", s.service_id is not null as "service!", p.state_id is not null as "state!",
          coalesce(t.task_id, o.state_id) is not null as "element!", t.state_id as "task_state?", d.ended_at as "ended_at?",
          d.digest as "digest?", octet_length(x.records::text) as "recorded_bytes?", (select metadata_version from deployment) as "version!"
        from unnest($1::bigint[], $2::element[], $3::int[], $4::int[], $5::int[])
          with ordinality as g(service_id, element, element_id, state_id, schema_id, n)
        left join unexpired_services s on s.service_id = g.service_id
        left join states p on p.service_id = g.service_id and p.state_id = g.state_id
        left join tasks t on g.element = 'task' and t.service_id = g.service_id and t.task_id = g.element_id
        left join states o on g.element = 'state' and o.service_id = g.service_id and o.state_id = g.element_id
        left join extensions x on x.service_id = g.service_id and x.element = g.element
          and x.element_id = g.element_id and x.schema_id = g.schema_id
        left join dispositions d
          on d.service_id = g.service_id and d.element = g.element and d.element_id = g.element_id
            and d.auto_completed is null
        order by g.n"#,
        &service_id,
        &element as _,
        &element_id,
        &state_id as _,
        &schema_id as _,
    )
    .fetch_all(connection)
    .await?;
    let verdicts = missing.iter().zip(keys).zip(rows).map(|((write, key), row)| {
        if row.version != basis.version.0 {
            return (key, Verdict::Retry);
        }
        let end = row.ended_at.zip(row.digest);
        let on_record = OnRecord {
            service: row.service,
            state: row.state,
            element: row.element || key.element == Element::Service,
            recorded_bytes: row.recorded_bytes.and_then(|bytes| usize::try_from(bytes).ok()),
            task_state: row.task_state.map(StateId),
            end: end.map(|(at, digest)| RecordedEnd { ended_at: Timestamp::cut(at), digest }),
        };
        (key, write.command.judge(&on_record))
    });
    Ok(verdicts.collect())
}
