//! Services.

use std::time::Duration;

use sqlx::PgPool;
use tracing::warn;

use super::attributes::ValueIds;
use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::event::Context;
use crate::domain::ids::{Element, ServiceId};
use crate::domain::once_only::IdempotencyKey;
use crate::domain::service::{AssociateService, StartService, UpdateExpiration};
use crate::domain::violation::Violations;

impl Store {
    /// Starts a service with an identifier drawn for it. `read` gives the command (contract §2, SRV.1).
    pub async fn start_service(
        &self,
        key: Option<&IdempotencyKey>,
        read: impl Fn(Context<'_>) -> Result<StartService, Violations>,
    ) -> Result<ServiceId, StoreError> {
        self.write_once(key, read, async |command: StartService, metadata| {
            let kind = command.details.service_type.as_ref();
            let values = self.start_values(metadata, Element::Service, &command.event, kind).await?;
            let id = self.draw_service_id().await?;
            let command = Command::StartService(id, Box::new(command));
            Ok((command, values, id))
        })
        .await
    }

    /// Gives a service another customer. `read` gives the command (contract §2, SRV.2).
    pub async fn associate_service(
        &self,
        read: impl Fn(Context<'_>) -> Result<AssociateService, Violations>,
    ) -> Result<(), StoreError> {
        self.write(read, async |command: AssociateService, metadata| {
            let values =
                self.start_values(metadata, Element::Service, &command.event, command.service_type.as_ref()).await?;
            Ok((Command::AssociateService(Box::new(command)), values, ()))
        })
        .await
    }

    /// Says anew when a service is to be deleted. `read` gives the command (contract §2).
    pub async fn update_expiration(
        &self,
        read: impl Fn(Context<'_>) -> Result<UpdateExpiration, Violations>,
    ) -> Result<(), StoreError> {
        self.write(read, async |command, _| Ok((Command::UpdateExpiration(command), ValueIds::default(), ()))).await
    }

    /// Deletes a service with its states, tasks, dispositions and extensions (contract §2).
    pub async fn delete_service(&self, id: ServiceId) -> Result<(), StoreError> {
        self.write(|_| Ok(id), async |id, _| Ok((Command::DeleteService(id), ValueIds::default(), ()))).await?;
        tokio::spawn(delete_remains(self.pool.clone(), id));
        Ok(())
    }
}

/// Deletes what another node wrote of a service while it was being deleted: ends and extensions have no foreign key that
/// would have kept it from that. Transactions that may still see the service are waited for.
async fn delete_remains(pool: PgPool, id: ServiceId) {
    if let Err(error) = try_delete_remains(&pool, id).await {
        warn!(error = %error, service.id = id.0, "what was written of a deleted service may remain");
    }
}

async fn try_delete_remains(pool: &PgPool, id: ServiceId) -> Result<(), sqlx::Error> {
    let deleted = sqlx::query_scalar!(
        r#"-- snapshot_after_deletion
        select pg_snapshot_xmax(pg_current_snapshot())::text as "xmax!""#
    )
    .fetch_one(pool)
    .await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let over = sqlx::query_scalar!(
            r#"-- older_transactions_are_over
            select not exists (
              select from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid()
                and age(backend_xmin) > age($1::text::xid8::xid)
            ) as "over!""#,
            deleted
        )
        .fetch_one(pool)
        .await?;
        if over {
            break;
        }
    }
    sqlx::query!(
        r#"-- delete_remains
        with ends as (
          delete from dispositions d where d.service_id = $1
            and not exists (select from services s where s.service_id = d.service_id)
        )
        delete from extensions x where x.service_id = $1
          and not exists (select from services s where s.service_id = x.service_id)"#,
        id.0
    )
    .execute(pool)
    .await?;
    Ok(())
}
