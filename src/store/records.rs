//! Records of extensions, apart from events.

use super::attributes::ValueIds;
use super::writer::Command;
use super::{Store, StoreError};
use crate::domain::extension::{Change, ChangeRecords, Schema};
use crate::domain::ids::ElementKey;
use crate::domain::violation::Violations;

impl Store {
    /// Changes what is recorded under the extension `name` of an element (contract §4, SRV.4, SRV.17, SRV.18). `read`
    /// gives the change, checked against the extension's schema.
    pub async fn change_records(
        &self,
        key: ElementKey,
        name: &str,
        read: impl Fn(&Schema) -> Result<Change, Violations>,
    ) -> Result<(), StoreError> {
        let known = self.metadata.current();
        if known.schema(key.1, name).is_none() {
            self.renew(&known).await?;
            if known.open_extensions && self.metadata.current().schema(key.1, name).is_none() {
                self.learn_extensions(&[(key.1, name.to_owned())]).await?;
            }
        }
        let read = |context: crate::domain::event::Context<'_>| {
            let Some(schema) = context.metadata.schema(key.1, name) else { return Ok(None) };
            Ok(Some(ChangeRecords { key, schema_id: schema.id, change: read(schema)? }))
        };
        self.write(read, async |command: Box<Option<ChangeRecords>>, _| {
            let command = command.ok_or(StoreError::UnknownExtension)?;
            Ok((Command::ChangeRecords(Box::new(command)), ValueIds::default(), ()))
        })
        .await
    }
}
