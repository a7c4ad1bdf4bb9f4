//! Requirements on the database and its durability, checked at startup and by readiness.

use std::time::Instant;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::Mutex;

use super::connection::{ACQUIRE_TIMEOUT, NoPrimary, within};
use super::error::{has_code, is_cancelled};
use super::{Store, StoreError};

/// The steps of the schema. They are applied under an advisory lock, so that nodes may start together.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// The number of the newest step.
pub(super) fn newest_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Why the store cannot open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database does not answer, or refuses the connection.
    #[error("cannot reach the database ({})", advice(.0))]
    Unreachable(#[source] sqlx::Error),
    /// No host accepts writes.
    #[error(
        "the database is read-only: it is a standby, or default_transaction_read_only is on for this server, database or \
         role; connect to the primary, or turn that off"
    )]
    ReadOnly,
    /// The database cannot be used as it is. The text says what to do.
    #[error("{0}")]
    Unsuitable(String),
    /// The schema is too new for this program.
    #[error(
        "this program knows version {own} of the schema, but the database needs a program that knows version {minimum}: start \
         a newer release"
    )]
    Outdated {
        /// The version that a program must know.
        minimum: i64,
        /// The newest version that this program knows.
        own: i64,
    },
    /// A migration failed.
    #[error("cannot migrate the database")]
    Migration(#[source] MigrateError),
    /// The use of lifetimes cannot be recorded in the database.
    #[error("cannot turn lifetimes on")]
    Lifetimes(#[source] StoreError),
    /// The database acknowledges commits that it may lose.
    #[error("the database may lose committed data: {0} is off; turn it on for this server, database and role")]
    NotDurable(String),
}

/// The remedy for an error that keeps the database from being reached.
fn advice(error: &sqlx::Error) -> &'static str {
    let text = error.to_string();
    let is = |part: &str| text.contains(part);
    match error {
        sqlx::Error::Tls(_) | sqlx::Error::Io(_) if is("NotValidForName") => {
            "its certificate is for another host name: use that name in DATABASE_URL; verify-ca checks it, too, \
             and so does require with sslrootcert"
        }
        sqlx::Error::Tls(_) | sqlx::Error::Io(_) if is("CaUsedAsEndEntity") => {
            "its certificate is that of a certificate authority: give the server a certificate that this authority has signed"
        }
        sqlx::Error::Tls(_) | sqlx::Error::Io(_) if is("UnknownIssuer") => {
            "its certificate was not signed by an authority that sslrootcert, or this machine, knows"
        }
        sqlx::Error::Tls(_) | sqlx::Error::Io(_) if is("invalid peer certificate") => "its certificate is not valid",
        _ if is_cancelled(error) => {
            "statement_timeout of this role or database is too short to begin a session: raise it with `alter role … set \
             statement_timeout = '1min'`, or `alter database …`"
        }
        _ if has_code(error, "53400") => {
            "a limit of this role or database, such as temp_file_limit, is too small: raise or reset it (`alter role … reset …`)"
        }
        _ if has_code(error, "26000") || has_code(error, "42P05") => {
            "a pooler sends the statements of one session to several server connections: its pool_mode must be session"
        }
        _ => "check DATABASE_URL, and that the server runs and accepts this role",
    }
}

impl From<NoPrimary> for StartError {
    fn from(error: NoPrimary) -> Self {
        match error {
            NoPrimary::Unreachable(error) => Self::Unreachable(error),
            NoPrimary::ReadOnly => Self::ReadOnly,
        }
    }
}

/// The readiness of the service (docs/api.md §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The service can do its work.
    Ready,
    /// The service cannot do its work, for this reason.
    NotReady(String),
}

/// The properties of the database that are checked before anything is written to it.
pub(super) struct Facts {
    role: String,
    database: String,
    encoding: String,
    /// Whether this program's tables are there.
    migrated: bool,
    /// Whether the role may read which steps of the schema are applied. `None`: there is no record of steps.
    may_read_migrations: Option<bool>,
    /// The role that owns this program's tables, and whether the role in use has its rights.
    owner: Option<String>,
    is_owner: Option<bool>,
    /// A table of another program that has the name of one of this program's tables.
    foreign_table: Option<String>,
    may_create_tables: bool,
    may_create_schemas: bool,
    /// Whether the schema `reporting` belongs to the role. `None`: there is no such schema.
    owns_reporting: Option<bool>,
}

impl Facts {
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        sqlx::query_as!(
            Facts,
            r#"-- suitability
            select current_user::text as "role!", current_database()::text as "database!",
              current_setting('server_encoding') as "encoding!", deployment.oid is not null as "migrated!",
              (select has_schema_privilege(relnamespace, 'usage') and has_table_privilege(oid, 'select') from pg_class
               where relnamespace = to_regnamespace('public') and relname = '_sqlx_migrations') as may_read_migrations,
              pg_get_userbyid(deployment.relowner)::text as owner, pg_has_role(deployment.relowner, 'usage') as is_owner,
              (select min(relname::text) from pg_class
               where relnamespace = to_regnamespace('public')
                 and relname in ('services', 'states', 'tasks', 'dispositions', 'extensions', 'extension_schemas',
                   'business_attributes', 'business_attribute_values')) as foreign_table,
              coalesce((select has_schema_privilege(oid, 'create') from pg_namespace where nspname = 'public'), false)
                as "may_create_tables!",
              has_database_privilege(current_database(), 'create') as "may_create_schemas!",
              (select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'reporting') as owns_reporting
            from (select) as always
            left join pg_class deployment
              on deployment.relnamespace = to_regnamespace('public') and deployment.relname = 'deployment'"#
        )
        .fetch_one(connection)
        .await
    }

    /// Whether there is a record of applied steps.
    pub(super) fn has_migrations(&self) -> bool {
        self.may_read_migrations.is_some()
    }

    /// Whether the schema `reporting` exists.
    pub(super) fn has_reporting(&self) -> bool {
        self.owns_reporting.is_some()
    }

    /// The reason why the database cannot be used, and what to do about it.
    pub(super) fn objection(&self) -> Option<String> {
        let Self { role, database, encoding, .. } = self;
        if encoding != "UTF8" {
            return Some(format!(
                "the encoding of the database {database:?} is {encoding}, but must be UTF8: create another one with \
                 `create database … encoding 'UTF8' template template0`"
            ));
        }
        if self.may_read_migrations == Some(false) {
            return Some(format!(
                "the role {role:?} may not read the tables of the service in the database {database:?}: see \"Two roles\" in \
                 docs/operating.md"
            ));
        }
        if self.migrated {
            return None;
        }
        if let Some(table) = &self.foreign_table {
            return Some(format!(
                "the database {database:?} has a table {table:?} of another program: give the service a database of its own"
            ));
        }
        if !self.may_create_tables {
            return Some(format!(
                "the role {role:?} may not create tables in the schema public of the database {database:?}: run `grant \
                 create on schema public to {role:?}` in it as its owner, or `context-services migrate` with a role that may"
            ));
        }
        match self.owns_reporting {
            None if !self.may_create_schemas => Some(format!(
                "the role {role:?} may not create the schema reporting in the database {database:?}: run `create schema \
                 reporting authorization {role:?}` in it as its owner"
            )),
            Some(false) => Some(format!(
                "the schema reporting of the database {database:?} does not belong to the role {role:?}: run `alter schema \
                 reporting owner to {role:?}` as its owner, or give the service a database of its own"
            )),
            _ => None,
        }
    }

    /// The reason why this role cannot migrate a database that is suitable in all other respects.
    pub(super) fn objection_to_migration(&self, version: i64) -> Option<String> {
        let Self { role, database, .. } = self;
        let owner = self.owner.as_ref().filter(|_| self.is_owner == Some(false))?;
        Some(format!(
            "the schema of the database {database:?} is older than version {version}, which this program needs, and the role \
             {role:?} may not change it: run `context-services migrate` with the role {owner:?}, which owns the tables"
        ))
    }

    /// The reason why this role cannot change the schema.
    pub(super) fn objection_to_change(&self) -> Option<String> {
        let owner = self.owner.as_ref().filter(|_| self.is_owner == Some(false))?;
        Some(format!(
            "the role {:?} may not change the schema of the database {:?}: use the role {owner:?}, which owns the tables",
            self.role, self.database
        ))
    }

    /// Explains why the schema is not this program's.
    pub(super) fn explain(&self, error: MigrateError) -> StartError {
        match error {
            MigrateError::VersionMissing(_) if !self.migrated => StartError::Unsuitable(format!(
                "the database {:?} has migrations of another program: give the service a database of its own",
                self.database
            )),
            error => StartError::Migration(error),
        }
    }
}

/// The settings, among those that only a superuser can change, whose value changes the meaning of a statement.
async fn misleading_settings(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- misleading_settings
        select name || ' is ' || setting as "setting!" from pg_settings
        where (name, setting) in (('session_replication_role', 'replica'), ('track_activities', 'off'),
          ('zero_damaged_pages', 'on'), ('ignore_checksum_failure', 'on'))
        order by name"#
    )
    .fetch_all(pool)
    .await
}

/// Refuses a database or a role with settings under which a commit may not be durable, or a statement has another
/// meaning.
pub(super) async fn check_settings(pool: &PgPool) -> Result<(), StartError> {
    let losing = unsafe_settings(pool).await.map_err(StartError::Unreachable)?;
    if !losing.is_empty() {
        return Err(StartError::NotDurable(losing.join(" and ")));
    }
    let misleading = misleading_settings(pool).await.map_err(StartError::Unreachable)?;
    if misleading.is_empty() {
        return Ok(());
    }
    Err(StartError::Unsuitable(format!(
        "settings of the database keep the service from working: {}; reset them for the server, database and role",
        misleading.join(" and ")
    )))
}

async fn unsafe_settings(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- unsafe_settings
        select name as "name!" from pg_settings
        where name in ('synchronous_commit', 'fsync', 'full_page_writes') and setting = 'off' order by name"#
    )
    .fetch_all(pool)
    .await
}

/// When readiness was found last, and what it was; none if the database did not answer.
#[derive(Default)]
pub(super) struct LastReadiness(Mutex<Option<(Instant, Option<Readiness>)>>);

impl Store {
    /// Whether the database can be reached, accepts writes, has this program's schema, and keeps what it commits. Those who
    /// ask at the same time share an answer: anyone may ask, as often as they like.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let asked = Instant::now();
        let mut last = self.last_readiness.0.lock().await;
        if let Some((_, known)) = last.as_ref().filter(|(found, _)| *found > asked) {
            return known.clone().ok_or(StoreError::Unavailable(None));
        }
        let found = within(ACQUIRE_TIMEOUT * 2, find_readiness(&self.control)).await;
        *last = Some((Instant::now(), found.as_ref().ok().cloned()));
        Ok(found?)
    }
}

async fn find_readiness(pool: &PgPool) -> Result<Readiness, sqlx::Error> {
    let state = sqlx::query!(
        r#"-- readiness
            select max(version) as "version!", current_setting('transaction_read_only') = 'on' as "read_only!",
              pg_is_in_recovery() as "standby!", (select minimum_version from deployment) as "minimum!",
              (select string_agg(lane::text, ', ' order by lane) from lanes
               where version < $1 and exists (select from lanes where lane > 0)) as behind
            from _sqlx_migrations where success"#,
        newest_version()
    )
    .fetch_one(pool)
    .await?;
    if state.read_only {
        let why = if state.standby { "it is a standby" } else { "default_transaction_read_only is on" };
        return Ok(Readiness::NotReady(format!("the database is read-only: {why}")));
    }
    let newest = newest_version();
    if state.version < newest {
        return Ok(Readiness::NotReady(format!("the schema is at version {}, not at {newest}", state.version)));
    }
    if state.minimum > newest {
        let minimum = state.minimum;
        return Ok(Readiness::NotReady(format!(
            "the schema needs a program that knows version {minimum}, not {newest}"
        )));
    }
    if let Some(lanes) = state.behind {
        return Ok(Readiness::NotReady(format!("the schema is older than version {newest} in these lanes: {lanes}")));
    }
    let losing = unsafe_settings(pool).await?;
    if !losing.is_empty() {
        return Ok(Readiness::NotReady(format!("{} is off: committed data may be lost", losing.join(" and "))));
    }
    let misleading = misleading_settings(pool).await?;
    if !misleading.is_empty() {
        return Ok(Readiness::NotReady(misleading.join(" and ")));
    }
    Ok(Readiness::Ready)
}
