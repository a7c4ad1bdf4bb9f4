//! Identifiers, drawn from their sequences in blocks, so that an identifier is known before its row is inserted and
//! costs no round trip.

use std::collections::VecDeque;

use sqlx::PgPool;
use tokio::sync::Mutex;

use super::{Store, StoreError};
use crate::domain::ids::{ServiceId, StateId, TaskId};

/// The identifiers drawn at a time. The rest of a block is lost when the process stops.
const BLOCK: i32 = 1000;

/// The blocks in use.
#[derive(Default)]
pub(super) struct Ids {
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

impl Store {
    pub(super) async fn draw_service_id(&self) -> Result<ServiceId, StoreError> {
        self.ids.services.draw(&self.pool, "service_id_seq").await.map(ServiceId)
    }

    pub(super) async fn draw_state_id(&self) -> Result<StateId, StoreError> {
        self.ids.states.draw_32(&self.pool, "state_id_seq").await.map(StateId)
    }

    pub(super) async fn draw_task_id(&self) -> Result<TaskId, StoreError> {
        self.ids.tasks.draw_32(&self.pool, "task_id_seq").await.map(TaskId)
    }
}
