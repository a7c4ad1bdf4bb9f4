//! Identifiers, drawn from their sequences in blocks, so that an identifier is known before its row is inserted and
//! costs no round trip.
//!
//! A drawn identifier may already be taken within its service, because a 32-bit sequence has wrapped around or a
//! database was restored without its sequences. The next identifiers are then tried; if these are taken as well, a free
//! one is searched for.

use std::collections::VecDeque;

use sqlx::PgPool;
use tokio::sync::Mutex;

use super::StoreError;
use super::connection::{Database, DatabaseAddress, SHARED};
use super::rights::SEQUENCES;
use super::suitability::StartError;
use crate::domain::ids::{ServiceId, StateId, TaskId};

/// Skips this many identifiers of every kind, so that none that was assigned after a backup is assigned again. 32-bit
/// sequences wrap around. No node may be running, because it draws from its block.
pub async fn skip_identifiers(database: DatabaseAddress, count: u32) -> Result<(), StartError> {
    let database = Database::new(database);
    database.find_primary().await?;
    let mut connection = database.connect_for_writes(SHARED).await.map_err(StartError::Unreachable)?;
    sqlx::query!(
        r#"-- skip_identifiers
        select setval(seqrelid::regclass, (coalesce(pg_sequence_last_value(seqrelid), seqstart) + $2 - 1) % seqmax + 1)
        from pg_sequence
        where seqrelid = any($1::text[]::regclass[]) or seqrelid in (
          select c.oid from pg_class c join lanes l on c.relnamespace = to_regnamespace(lane_schema(l.lane))
          where c.relname = 'service_id_seq')"#,
        &SEQUENCES.map(str::to_owned),
        i64::from(count)
    )
    .fetch_all(&mut connection)
    .await
    .map_err(StartError::Unreachable)?;
    Ok(())
}

/// The identifiers drawn at a time. The rest of a block is lost when the process stops.
const BLOCK: i32 = 1000;

/// How many identifiers that are taken are drawn for an element before a free one is looked for.
const TRIED: usize = 3;

/// The identifiers of a lane: the blocks in use.
pub(super) struct Ids {
    /// Connections with the search path of the lane. It finds the lane's own sequence of services, and those of states and
    /// tasks, which lanes share.
    pool: PgPool,
    services: Block,
    states: Block,
    tasks: Block,
}

#[derive(Default)]
struct Block(Mutex<VecDeque<i64>>);

impl Block {
    async fn draw(&self, pool: &PgPool, sequence: &str) -> Result<i64, StoreError> {
        let mut ids = self.0.lock().await;
        if let Some(id) = ids.pop_front() {
            return Ok(id);
        }
        ids.extend(Box::pin(draw_ids(pool, sequence)).await?);
        ids.pop_front().ok_or(StoreError::Corrupt { table: "sequence", column: "last_value" })
    }

    /// Forgets the identifiers that are left.
    async fn forget(&self) {
        self.0.lock().await.clear();
    }

    async fn draw_32(&self, pool: &PgPool, sequence: &'static str) -> Result<i32, StoreError> {
        let id = self.draw(pool, sequence).await?;
        i32::try_from(id).map_err(|_| StoreError::Corrupt { table: sequence, column: "last_value" })
    }
}

async fn draw_ids(pool: &PgPool, sequence: &str) -> Result<Vec<i64>, sqlx::Error> {
    let drawn = sqlx::query_scalar!(
        r#"-- draw_ids
        select nextval($1::text::regclass) as "id!" from generate_series(1, $2::integer)"#,
        sequence,
        BLOCK
    );
    drawn.fetch_all(pool).await
}

impl Ids {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, services: Block::default(), states: Block::default(), tasks: Block::default() }
    }

    /// Draws an identifier for a service. `taken` identifiers that were drawn for it before were in use.
    pub(super) async fn draw_service_id(&self, taken: usize) -> Result<ServiceId, StoreError> {
        if taken == TRIED {
            Box::pin(self.skip_taken_service_ids()).await?;
        }
        self.services.draw(&self.pool, "service_id_seq").await.map(ServiceId)
    }

    pub(super) async fn draw_state_id(&self, service: ServiceId, taken: usize) -> Result<StateId, StoreError> {
        if taken >= TRIED {
            return Box::pin(self.free_state_id(service)).await;
        }
        self.states.draw_32(&self.pool, "state_id_seq").await.map(StateId)
    }

    pub(super) async fn draw_task_id(&self, service: ServiceId, taken: usize) -> Result<TaskId, StoreError> {
        if taken >= TRIED {
            return Box::pin(self.free_task_id(service)).await;
        }
        self.tasks.draw_32(&self.pool, "task_id_seq").await.map(TaskId)
    }

    async fn skip_taken_service_ids(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "-- skip_taken_service_ids
            select setval('service_id_seq', greatest(last_value, (select max(service_id) from services)))
            from service_id_seq"
        )
        .fetch_one(&self.pool)
        .await?;
        self.services.forget().await;
        Ok(())
    }

    /// An identifier that no state of the service has, at random: others that look for one at the same time find another.
    async fn free_state_id(&self, service: ServiceId) -> Result<StateId, StoreError> {
        let free = sqlx::query_scalar!(
            r#"-- free_state_id
            select g.id as "id!"
            from (select (1 + floor(random() * 2147483647))::int as id from generate_series(1, 100)) g
            where not exists (select from states s where s.service_id = $1 and s.state_id = g.id) limit 1"#,
            service.0
        );
        let free = free.fetch_optional(&self.pool).await?;
        free.map(StateId).ok_or(StoreError::Corrupt { table: "states", column: "state_id" })
    }

    /// An identifier that no task of the service has, at random.
    async fn free_task_id(&self, service: ServiceId) -> Result<TaskId, StoreError> {
        let free = sqlx::query_scalar!(
            r#"-- free_task_id
            select g.id as "id!"
            from (select (1 + floor(random() * 2147483647))::int as id from generate_series(1, 100)) g
            where not exists (select from tasks t where t.service_id = $1 and t.task_id = g.id) limit 1"#,
            service.0
        );
        let free = free.fetch_optional(&self.pool).await?;
        free.map(TaskId).ok_or(StoreError::Corrupt { table: "tasks", column: "task_id" })
    }
}
