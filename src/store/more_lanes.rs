//! Lanes as an operator sees them: which there are, how more are added, and whether all is in order.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};

use super::connection::{Database, DatabaseAddress, SHARED};
use super::lane_steps::{note_version, patiently, unite};
use super::lanes::enter;
use super::migrations::{self, lock_migrations};
use super::suitability::{Facts, StartError, newest_version};

/// How many identifiers of services a lane has. In the number of a service one can read its lane.
const IDENTIFIERS: i64 = 1_000_000_000_000;

/// The most lanes. With more, identifiers would not fit into the numbers of JavaScript.
const MOST_LANES: i32 = 1000;

/// A lane.
#[derive(Debug)]
pub struct LaneState {
    /// Its number.
    pub lane: i32,
    /// The lowest identifier of its services.
    pub first_service_id: i64,
    /// The highest identifier of its services.
    pub last_service_id: i64,
    /// Whether services start in it.
    pub is_open: bool,
}

/// What is wrong with a lane, or how many services it has.
#[derive(Debug)]
pub struct LaneFinding {
    /// Its number.
    pub lane: i32,
    /// The number of services, or what is wrong.
    pub result: Result<i64, String>,
}

/// The lanes of a deployment.
pub async fn list_lanes(database: DatabaseAddress) -> Result<Vec<LaneState>, StartError> {
    read(&mut connect(database).await?).await.map_err(StartError::Unreachable)
}

/// Adds lanes while the service runs. Services start in them after `pause`, in which every node learns of them. Lanes
/// that an interrupted call has left are opened, too.
pub async fn add_lanes(database: DatabaseAddress, count: u32, pause: Duration) -> Result<Vec<LaneState>, StartError> {
    let mut connection = connect(database).await?;
    let facts = Facts::of(&mut connection).await.map_err(StartError::Unreachable)?;
    if let Some(objection) = facts.objection_to_change() {
        return Err(StartError::Unsuitable(objection));
    }
    lock_migrations(&mut connection).await.map_err(StartError::Unreachable)?;
    let known = read(&mut connection).await.map_err(StartError::Unreachable)?;
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    if i32::try_from(known.len()).unwrap_or(MOST_LANES).saturating_add(count) > MOST_LANES {
        return Err(StartError::Unsuitable(format!("a deployment can have at most {MOST_LANES} lanes")));
    }
    let added = async {
        patiently(&mut connection, async |connection| make(connection, &known, count).await).await?;
        tokio::time::sleep(pause).await;
        sqlx::query!("-- open_lanes\nupdate lanes set is_open = true where not is_open")
            .execute(&mut connection)
            .await?;
        read(&mut connection).await
    };
    added.await.map_err(StartError::Unreachable)
}

/// Opens a session for the owner of the tables, on a schema that is up to date.
async fn connect(database: DatabaseAddress) -> Result<PgConnection, StartError> {
    let database = Database::new(database);
    database.find_primary().await?;
    let mut connection = database.connect_for_writes(SHARED).await.map_err(StartError::Unreachable)?;
    let facts = Facts::of(&mut connection).await.map_err(StartError::Unreachable)?;
    if !migrations::compare(&mut connection, &facts).await?.pending.is_empty() {
        return Err(StartError::Unsuitable(
            "the schema is not that of this program: start the service or run `context-services migrate` first"
                .to_owned(),
        ));
    }
    connection.execute("set statement_timeout = 0").await.map_err(StartError::Unreachable)?;
    Ok(connection)
}

async fn read(connection: &mut PgConnection) -> Result<Vec<LaneState>, sqlx::Error> {
    sqlx::query_as!(
        LaneState,
        "-- list_lanes
        select lane, first_service_id, last_service_id, is_open from lanes order by lane"
    )
    .fetch_all(connection)
    .await
}

/// Makes lanes, which are not open yet, in one transaction. Programs that know nothing of lanes may not serve from now
/// on.
async fn make(connection: &mut PgConnection, known: &[LaneState], count: i32) -> Result<(), sqlx::Error> {
    let (Some(newest), true) = (known.last(), count > 0) else { return Ok(()) };
    let mut transaction = connection.begin().await?;
    let after = if newest.lane == 0 { bound_first_lane(&mut transaction).await? } else { newest.last_service_id };
    for number in 1..=count {
        let (lane, first) = (newest.lane + number, after + 1 + i64::from(number - 1) * IDENTIFIERS);
        let (last, of_lanes) = (first + IDENTIFIERS - 1, newest.lane + count + 1);
        sqlx::query!(
            "-- create_lane
            with made as (
              insert into lanes (lane, first_service_id, last_service_id, of_lanes, is_open, version)
              values ($1, $2, $3, $4, false, $5)
            )
            select from create_lane($1, $2, $3)",
            lane,
            first,
            last,
            of_lanes,
            newest_version(),
        )
        .execute(&mut *transaction)
        .await?;
    }
    unite(&mut transaction).await?;
    note_version(&mut transaction, 0, newest_version()).await?;
    sqlx::query!(
        "-- require_lanes
        update deployment set minimum_version = greatest(minimum_version, 40)"
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// Ends the range of the first lane after the identifiers that its services have, and returns the highest.
async fn bound_first_lane(transaction: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let last = sqlx::query_scalar!(
        "-- bound_first_lane
        update lanes set last_service_id = greatest(last_service_id,
          (coalesce((select max(service_id) from services), 0) / $1 + 1) * $1 - 1)
        where lane = 0 returning last_service_id",
        IDENTIFIERS
    );
    let last = last.fetch_one(&mut *transaction).await?;
    transaction.execute(&*format!("alter sequence service_id_seq maxvalue {last}")).await?;
    Ok(last)
}

/// Looks whether each lane has what it should have, and nothing else.
pub async fn check_lanes(database: DatabaseAddress) -> Result<Vec<LaneFinding>, StartError> {
    let mut connection = connect(database).await?;
    let mut findings = Vec::new();
    for lane in read(&mut connection).await.map_err(StartError::Unreachable)? {
        let result = check(&mut connection, &lane).await.map_err(StartError::Unreachable)?;
        findings.push(LaneFinding { lane: lane.lane, result });
    }
    Ok(findings)
}

async fn check(connection: &mut PgConnection, lane: &LaneState) -> Result<Result<i64, String>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    enter(&mut transaction, &super::lanes::path_of(lane.lane)).await?;
    let found = sqlx::query!(
        r#"-- check_lane
        select count(*) as "services!", count(*) filter (where service_id not between $1 and $2) as "strangers!",
          (select count(*) from dispositions d
           where not exists (select from services s where s.service_id = d.service_id)
             and not exists (select from deleted_services g where g.service_id = d.service_id)) as "ends!",
          (select count(*) from extensions x
           where not exists (select from services s where s.service_id = x.service_id)
             and not exists (select from deleted_services g where g.service_id = x.service_id)) as "extensions!",
          (select last_value not between $1 and $2 from service_id_seq) as "sequence!"
        from services"#,
        lane.first_service_id,
        lane.last_service_id
    )
    .fetch_one(&mut *transaction)
    .await?;
    let differing = differences(&mut transaction, lane.lane).await?;
    transaction.rollback().await?;
    let wrong = [
        (found.strangers > 0).then(|| format!("{} services have identifiers of another lane", found.strangers)),
        (found.ends > 0).then(|| format!("{} ends have no service", found.ends)),
        (found.extensions > 0).then(|| format!("{} extensions have no service", found.extensions)),
        found.sequence.then(|| "its sequence of identifiers is that of another lane".to_owned()),
        differing.first().map(|first| format!("{} definitions differ from lane 0, such as: {first}", differing.len())),
    ];
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    Ok(if wrong.is_empty() { Ok(found.services) } else { Err(wrong.join(", ")) })
}

/// What only the first lane or only this one has of columns, indexes, constraints, triggers and views. The search path is
/// that of the lane: PostgreSQL names the schema of everything that it does not find there.
async fn differences(connection: &mut PgConnection, lane: i32) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- compare_lane
        with relation as (
          select c.oid, c.relname, c.relkind, n.nspname as place
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname in ('public', lane_schema($1)) and c.relname = any(lane_tables() || lane_views())
        ), definition as (
          select r.*, format('column %s.%s %s%s', r.relname, a.attname, format_type(a.atttypid, a.atttypmod),
            case when a.attnotnull then ' not null' end) as text
          from relation r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
          union all
          select r.*, pg_get_indexdef(i.indexrelid) from relation r join pg_index i on i.indrelid = r.oid
          union all
          select r.*, format('%s %s %s', r.relname, c.conname, pg_get_constraintdef(c.oid))
          from relation r join pg_constraint c on c.conrelid = r.oid
          union all
          select r.*, pg_get_triggerdef(t.oid)
          from relation r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal
          union all
          select r.*, pg_get_viewdef(r.oid) from relation r where r.relkind = 'v'
        )
        select replace(text, place || '.', '') as "text!" from definition
        where $1 > 0 group by 1 having count(distinct place) = 1
        order by 1"#,
        lane
    )
    .fetch_all(connection)
    .await
}
