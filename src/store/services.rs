//! Services.

use super::command::Command;
use super::values::ValueIds;
use super::write::{Attempt, started};
use super::{Store, StoreError};
use crate::domain::completion::EndEvent;
use crate::domain::ids::{Element, ServiceId};
use crate::domain::json::Members;
use crate::domain::once_only::IdempotencyKey;
use crate::domain::service::{AssociateService, StartService, UpdateExpiration};

impl Store {
    /// Starts a service and returns its identifier (docs/api.md §2).
    pub async fn start_service(
        &self,
        body: &Members<'_>,
        key: Option<&IdempotencyKey>,
    ) -> Result<ServiceId, StoreError> {
        let id = self.write(
            key,
            |context| StartService::read(body, context),
            async |command: Box<StartService>, attempt| {
                let kind = command.details.service_type.as_ref();
                let values = self.start_values(attempt.metadata, Element::Service, &command.event, kind).await?;
                let owner = command.details.customer_id.as_ref().or(command.details.contact_key.as_ref());
                let home = self.lanes.home_of(owner.map(String::as_str).unwrap_or_default());
                let lane = home.ok_or(StoreError::Unavailable(None))?;
                Ok((Command::StartService(lane.ids.draw_service_id(attempt.taken).await?, command), values))
            },
        );
        started(id.await?)
    }

    /// Associates a service with a customer, in place of any former customer (docs/api.md §2).
    pub async fn associate_service(
        &self,
        service: ServiceId,
        customer_id: &str,
        body: &Members<'_>,
    ) -> Result<(), StoreError> {
        let written = self.write(
            None,
            |context| AssociateService::read(service, customer_id, body, context),
            async |command: Box<AssociateService>, attempt| {
                self.note_lane_of_customer(service, &command.customer_id).await?;
                let kind = command.service_type.as_ref();
                let values = self.start_values(attempt.metadata, Element::Service, &command.event, kind).await?;
                Ok((Command::AssociateService(command), values))
            },
        );
        written.await.map(drop)
    }

    /// Notes that a customer may have a service in a lane where none of theirs starts, so that lists look there. It
    /// does no harm if the association is refused after that.
    async fn note_lane_of_customer(&self, service: ServiceId, customer: &str) -> Result<(), StoreError> {
        let lane = self.lane_of(service).await?.number;
        if self.lanes.homes_of(customer).contains(&lane) {
            return Ok(());
        }
        sqlx::query!(
            "-- note_lane_of_customer
            insert into customer_lanes (customer_id, lane) values ($1, $2) on conflict do nothing",
            customer,
            lane
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a service, once (docs/api.md §2; §1, Repeated requests).
    pub async fn complete_service(&self, service: ServiceId, body: &Members<'_>) -> Result<(), StoreError> {
        self.complete(&EndEvent::service(service, body), Command::CompleteService).await
    }

    /// Changes when a service is to be deleted (docs/api.md §2).
    pub async fn update_expiration(&self, service: ServiceId, body: &Members<'_>) -> Result<(), StoreError> {
        let written = self.write(
            None,
            |context| UpdateExpiration::read(service, body, context),
            async |command, _| Ok((Command::UpdateExpiration(*command), ValueIds::default())),
        );
        written.await.map(drop)
    }

    /// Deletes a service with its states, tasks, dispositions and extensions (docs/api.md §2). It disappears for every
    /// caller at once, and its rows are removed in the background.
    pub async fn delete_service(&self, service: ServiceId) -> Result<(), StoreError> {
        let command = async |_: Box<()>, _: Attempt<'_>| Ok((Command::DeleteService(service), ValueIds::default()));
        self.write(None, |_| Ok(()), command).await?;
        self.removal.wake();
        Ok(())
    }
}
