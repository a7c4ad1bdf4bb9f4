//! What the values of rows mean: read once, and remembered, since it never changes.

use std::collections::{BTreeSet, HashMap};

use quick_cache::sync::Cache;
use sqlx::PgConnection;

use crate::domain::attribute::LongOrString;

/// Values remembered.
const REMEMBERED: usize = 100_000;

/// The meanings of values that this node has read.
pub(in crate::store) struct KnownMeanings(Cache<i32, LongOrString>);

impl Default for KnownMeanings {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// The meanings that an answer needs.
pub(super) struct Meanings(HashMap<i32, LongOrString>);

impl Meanings {
    pub(super) fn of(&self, value: Option<i32>) -> Option<LongOrString> {
        value.and_then(|value| self.0.get(&value)).cloned()
    }
}

impl KnownMeanings {
    /// The meanings of values, as the API reads them: the number, or the name.
    pub(super) async fn of(
        &self,
        connection: &mut PgConnection,
        values: BTreeSet<i32>,
    ) -> Result<Meanings, sqlx::Error> {
        let mut meanings = HashMap::with_capacity(values.len());
        let mut unknown = Vec::new();
        for value in values {
            match self.0.get(&value) {
                Some(meaning) => drop(meanings.insert(value, meaning)),
                None => unknown.push(value),
            }
        }
        if unknown.is_empty() {
            return Ok(Meanings(meanings));
        }
        let rows = sqlx::query!(
            r#"-- meanings
            select value_id, dbid, name from business_attribute_values where value_id = any($1)"#,
            &unknown
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            if let Some(meaning) = row.dbid.map(LongOrString::Long).or(row.name.map(LongOrString::String)) {
                self.0.insert(row.value_id, meaning.clone());
                meanings.insert(row.value_id, meaning);
            }
        }
        Ok(Meanings(meanings))
    }
}
