//! Meanings of value rows. Numbers and names never change, so they are read once and remembered.

use std::collections::{BTreeSet, HashMap};

use quick_cache::sync::Cache;
use sqlx::PgConnection;

use crate::domain::field::LongOrString;
use crate::domain::tone::Tone;
use crate::store::tone::ToneColumn;

/// The most meanings remembered.
const REMEMBERED: usize = 100_000;

/// The meanings that this node has read.
pub(in crate::store) struct KnownMeanings {
    known: Cache<i32, LongOrString>,
    map_names: bool,
}

/// The meanings that one response needs.
#[derive(Default)]
pub(super) struct Meanings {
    values: HashMap<i32, LongOrString>,
    /// Display names and tones are read for people only.
    display_names: HashMap<i32, String>,
    tones: HashMap<i32, Tone>,
}

impl Meanings {
    pub(super) fn of(&self, value: Option<i32>) -> Option<LongOrString> {
        value.and_then(|value| self.values.get(&value)).cloned()
    }

    /// The meaning of a disposition: for people, its display name if it has one.
    pub(super) fn of_disposition(&self, value: Option<i32>) -> Option<LongOrString> {
        let name = value.and_then(|value| self.display_names.get(&value)).cloned();
        name.map(LongOrString::String).or_else(|| self.of(value))
    }

    pub(super) fn tone_of(&self, value: Option<i32>) -> Option<Tone> {
        value.and_then(|value| self.tones.get(&value)).copied()
    }

    /// Reads names as the `reporting` views have them, and display names and tones, which may change, so they are not
    /// remembered.
    pub(super) async fn for_people(connection: &mut PgConnection, values: BTreeSet<i32>) -> Result<Self, sqlx::Error> {
        let values: Vec<_> = values.into_iter().collect();
        let rows = sqlx::query!(
            r#"-- meanings_for_people
            select value_id, dbid, name, display_name, tone as "tone: ToneColumn"
            from business_attribute_values where value_id = any($1)"#,
            &values
        )
        .fetch_all(connection)
        .await?;
        let mut meanings = Self::default();
        for row in rows {
            let meaning = row.name.map(LongOrString::String).or(row.dbid.map(LongOrString::Long));
            meanings.values.extend(meaning.map(|meaning| (row.value_id, meaning)));
            meanings.display_names.extend(row.display_name.map(|name| (row.value_id, name)));
            meanings.tones.extend(row.tone.map(|tone| (row.value_id, tone.into())));
        }
        Ok(meanings)
    }
}

impl KnownMeanings {
    /// An empty cache. With `map_names`, a value that has a number and a name is given by its name.
    pub(in crate::store) fn new(map_names: bool) -> Self {
        Self { known: Cache::new(REMEMBERED), map_names }
    }

    /// Returns whether names are given for values that have a number, too.
    pub(in crate::store) const fn map_names(&self) -> bool {
        self.map_names
    }

    /// The meanings as the API gives them: a number or a name.
    pub(super) async fn of(
        &self,
        connection: &mut PgConnection,
        values: BTreeSet<i32>,
    ) -> Result<Meanings, sqlx::Error> {
        let mut meanings = Meanings { values: HashMap::with_capacity(values.len()), ..Meanings::default() };
        let mut unknown = Vec::new();
        for value in values {
            match self.known.get(&value) {
                Some(meaning) => drop(meanings.values.insert(value, meaning)),
                None => unknown.push(value),
            }
        }
        if unknown.is_empty() {
            return Ok(meanings);
        }
        let rows = sqlx::query!(
            r#"-- meanings
            select value_id, dbid, name from business_attribute_values where value_id = any($1)"#,
            &unknown
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let (number, name) = (row.dbid.map(LongOrString::Long), row.name.map(LongOrString::String));
            if let Some(meaning) = if self.map_names { name.or(number) } else { number.or(name) } {
                self.known.insert(row.value_id, meaning.clone());
                meanings.values.insert(row.value_id, meaning);
            }
        }
        Ok(meanings)
    }
}
