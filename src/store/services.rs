//! Services.

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
        self.write_once(key, read, async |command: Box<StartService>, metadata| {
            let kind = command.details.service_type.as_ref();
            let values = self.start_values(metadata, Element::Service, &command.event, kind).await?;
            let id = self.draw_service_id().await?;
            let command = Command::StartService(id, command);
            Ok((command, values, id))
        })
        .await
    }

    /// Gives a service another customer. `read` gives the command (contract §2, SRV.2).
    pub async fn associate_service(
        &self,
        read: impl Fn(Context<'_>) -> Result<AssociateService, Violations>,
    ) -> Result<(), StoreError> {
        self.write(read, async |command: Box<AssociateService>, metadata| {
            let values =
                self.start_values(metadata, Element::Service, &command.event, command.service_type.as_ref()).await?;
            Ok((Command::AssociateService(command), values, ()))
        })
        .await
    }

    /// Says anew when a service is to be deleted. `read` gives the command (contract §2).
    pub async fn update_expiration(
        &self,
        read: impl Fn(Context<'_>) -> Result<UpdateExpiration, Violations>,
    ) -> Result<(), StoreError> {
        self.write(read, async |command, _| Ok((Command::UpdateExpiration(*command), ValueIds::default(), ()))).await
    }

    /// Deletes a service with its states, tasks, dispositions and extensions (contract §2).
    pub async fn delete_service(&self, id: ServiceId) -> Result<(), StoreError> {
        self.write(|_| Ok(id), async |id, _| Ok((Command::DeleteService(*id), ValueIds::default(), ()))).await?;
        self.remains.look();
        Ok(())
    }
}
