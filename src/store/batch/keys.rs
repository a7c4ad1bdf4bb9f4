//! Idempotency keys in batches. A key is claimed in the transaction that starts its element.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::once_only::{IdempotencyKey, KEY_LIFETIME};
use crate::domain::refusal::{Refusal, Verdict};
use crate::store::command::Write;

/// Claims the keys of writes that have one. Keys are claimed in order, so that nodes cannot deadlock. Returns the
/// verdicts on writes whose key had been claimed before.
pub(super) async fn claim(
    connection: &mut PgConnection,
    keyed: &mut [&Write],
) -> Result<HashMap<String, Verdict>, sqlx::Error> {
    keyed.sort_unstable_by(|a, b| text(a).cmp(&text(b)));
    let keys: Vec<_> = keyed.iter().filter_map(|write| write.key.as_ref()).collect();
    let key: Vec<_> = keys.iter().map(|key| key.text.clone()).collect();
    let request: Vec<_> = keys.iter().map(|key| key.request.to_vec()).collect();
    let created_at: Vec<_> = keys.iter().map(|key| key.used_at.to_datetime()).collect();
    let element_id: Vec<_> = keyed.iter().map(|write| write.command.started_id()).collect();
    let claimed = sqlx::query_scalar!(
        "-- claim_idempotency_keys
        insert into idempotency_keys as k (created_at, element_id, key, request)
        select g.created_at, g.element_id, g.key, g.request
        from unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::bytea[]) with ordinality
          as g(created_at, element_id, key, request, n)
        order by g.n
        on conflict (key) do update
          set created_at = excluded.created_at, element_id = excluded.element_id, request = excluded.request
          where k.created_at < excluded.created_at - $5::bigint * interval '1 second'
        returning key",
        &created_at,
        &element_id,
        &key,
        &request,
        KEY_LIFETIME.num_seconds(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let lost: Vec<_> = keys.into_iter().filter(|key| !claimed.contains(&key.text)).collect();
    recorded(connection, &lost).await
}

fn text<'a>(write: &'a &Write) -> Option<&'a str> {
    write.key.as_ref().map(|key| key.text.as_str())
}

/// The verdicts on writes whose key was used before.
async fn recorded(
    connection: &mut PgConnection,
    keys: &[&IdempotencyKey],
) -> Result<HashMap<String, Verdict>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let texts: Vec<_> = keys.iter().map(|key| key.text.clone()).collect();
    let rows = sqlx::query!(
        "-- recorded_idempotency_keys
        select key, request, element_id from idempotency_keys where key = any($1)",
        &texts
    )
    .fetch_all(connection)
    .await?;
    let used: HashMap<_, _> = rows.into_iter().map(|row| (row.key, (row.request, row.element_id))).collect();
    let verdict = |key: &&IdempotencyKey| match used.get(&key.text) {
        Some((request, id)) if *request == key.request => Verdict::Repeated(*id),
        Some(_) => Verdict::Refused(Refusal::IdempotencyMismatch),
        // The key has expired and been removed in between.
        None => Verdict::Retry,
    };
    Ok(keys.iter().map(|key| (key.text.clone(), verdict(key))).collect())
}

/// Releases the keys of writes that started nothing after all.
pub(super) async fn release(connection: &mut PgConnection, unused: Vec<String>) -> Result<(), sqlx::Error> {
    if unused.is_empty() {
        return Ok(());
    }
    let statement = sqlx::query!(
        "-- release_idempotency_keys
        delete from idempotency_keys where key = any($1)",
        &unused
    );
    statement.execute(connection).await.map(drop)
}
