//! Services.

use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::event::Context;
use crate::domain::ids::{Element, ServiceId};
use crate::domain::service::StartService;
use crate::domain::violation::Violations;

impl Store {
    /// Starts a service with an identifier drawn for it. `read` gives the command (contract §2, SRV.1).
    pub async fn start_service(
        &self,
        read: impl Fn(Context<'_>) -> Result<StartService, Violations>,
    ) -> Result<ServiceId, StoreError> {
        self.write(read, async |command: StartService| {
            let kind = command.details.service_type.as_ref();
            let values = self.start_values(Element::Service, &command.event, kind).await?;
            let id = self.draw_service_id().await?;
            let command = Command::StartService(id, Box::new(command));
            Ok((command, values, id))
        })
        .await
    }
}
