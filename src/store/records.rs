//! Changes of extension records by requests of their own, outside events.

use super::command::Command;
use super::values::ValueIds;
use super::{Store, StoreError};
use crate::domain::context::Context;
use crate::domain::extension::{Change, ChangeRecords, Schema};
use crate::domain::ids::ElementKey;
use crate::domain::violation::Violations;

impl Store {
    /// Changes the records of the extension `name` of an element (docs/api.md §4). `read` validates the change against
    /// the extension's schema.
    pub async fn change_records(
        &self,
        key: ElementKey,
        name: &str,
        read: impl Fn(&Schema) -> Result<Change, Violations>,
    ) -> Result<(), StoreError> {
        let known = self.metadata.current();
        if known.schema(key.element, name).is_none() {
            self.renew(&known).await?;
            let current = self.metadata.current();
            if current.open_schemas_left(key.element) > 0 && current.schema(key.element, name).is_none() {
                self.learn_extensions(&[(key.element, name.to_owned())]).await?;
            }
        }
        let read = |context: Context<'_>| {
            let Some(schema) = context.metadata.schema(key.element, name) else { return Ok(None) };
            Ok(Some(ChangeRecords { key, schema_id: schema.id, change: read(schema)? }))
        };
        let written = self.write(None, read, async |command: Box<Option<ChangeRecords>>, _| {
            let command = command.ok_or(StoreError::UnknownExtension)?;
            Ok((Command::ChangeRecords(Box::new(command)), ValueIds::default()))
        });
        written.await.map(drop)
    }
}
