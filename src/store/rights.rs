//! The rights that the service's role needs. The role need not own anything, unless it also migrates the database.

use sqlx::PgPool;

use super::suitability::StartError;

/// The tables whose rows the service reads and writes.
pub const TABLES: [&str; 17] = [
    "auto_completions",
    "business_attribute_values",
    "business_attributes",
    "credentials",
    "customer_lanes",
    "deleted_services",
    "deployment",
    "dispositions",
    "expiry_horizon",
    "extension_schemas",
    "extensions",
    "idempotency_keys",
    "open_services",
    "purges",
    "services",
    "states",
    "tasks",
];

/// Further relations that the service reads: views, and the table of applied migrations.
pub const READ_ONLY: [&str; 8] = [
    "_sqlx_migrations",
    "expired_services",
    "lanes",
    "reporting.services",
    "reporting.states",
    "reporting.tasks",
    "unexpired_extensions",
    "unexpired_services",
];

/// The sequences from which the service draws identifiers.
pub const SEQUENCES: [&str; 9] = [
    "attribute_id_seq",
    "credential_id_seq",
    "purge_id_seq",
    "schema_id_seq",
    "service_id_seq",
    "state_id_seq",
    "task_id_seq",
    "value_dbid_seq",
    "value_id_seq",
];

/// The rights that the role lacks although the service needs them, such as `insert on tasks`.
pub(super) async fn missing_rights(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- missing_rights
        select privilege || ' on ' || name as "missing!"
        from (
          select c.oid, relkind, case nspname when 'public' then '' else nspname || '.' end || relname as name,
            case when nspname = 'reporting' then nspname || '.' else '' end || relname as like_name,
            nspname = 'all_lanes' as is_view_of_all
          from pg_class c join pg_namespace n on n.oid = relnamespace
          where nspname in ('public', 'reporting', 'all_lanes') or nspname ~ '^lane_[0-9]+$'
        ) as relation
        cross join lateral unnest(case
          when is_view_of_all then '{select}'::text[]
          when like_name = any($1::text[]) then '{select,insert,update,delete}'
          when like_name = any($2::text[]) then '{select}'
          when like_name = any($3::text[]) then '{usage,update}'
        end) as privilege
        where not case when relkind = 'S' then has_sequence_privilege(oid, privilege)
          else has_table_privilege(oid, privilege) end
        union all
        select 'usage on schema ' || nspname from pg_namespace
        where (nspname in ('public', 'reporting', 'all_lanes') or nspname ~ '^lane_[0-9]+$')
          and not has_schema_privilege(oid, 'usage')
        union all
        select 'execute on function ' || proname from pg_proc
        where pronamespace = to_regnamespace('public')
          and proname in ('create_reporting_view', 'drop_reporting_view', 'events_lock')
          and not has_function_privilege(oid, 'execute')
        order by 1"#,
        &TABLES.map(str::to_owned)[..],
        &READ_ONLY.map(str::to_owned)[..],
        &SEQUENCES.map(str::to_owned)[..],
    )
    .fetch_all(pool)
    .await
}

/// Refuses a role that lacks a right that the service needs.
pub(super) async fn check_rights(pool: &PgPool) -> Result<(), StartError> {
    let missing = missing_rights(pool).await.map_err(StartError::Unreachable)?;
    if missing.is_empty() {
        return Ok(());
    }
    let (few, rest) = missing.split_at(missing.len().min(3));
    let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
    Err(StartError::Unsuitable(format!(
        "the role of DATABASE_URL does not have all rights that the service needs: it lacks {}{more}. Grant them as the \
         owner of the tables; see \"Two roles\" in docs/operating.md",
        few.join(", ")
    )))
}
