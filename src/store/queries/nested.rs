//! States and tasks that are nested in the elements of a page. Their number is limited.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::rows::{ElementRow, Owners};
use super::spread;
use crate::domain::ids::Element;
use crate::domain::query::Nested;

/// The rows of one kind that are nested in the elements of a page.
pub(super) struct NestedRows {
    by_owner: HashMap<i64, Vec<ElementRow>>,
    /// The number of owners, from the first on, whose rows are complete.
    complete: usize,
    /// The number of rows of the first owner that are left out: its oldest.
    omitted: u64,
}

impl NestedRows {
    /// Reads at most `most` rows: the newest of the first owner, and then the rows of the next owners.
    pub(super) async fn read(
        connection: &mut PgConnection,
        element: Element,
        owners: Owners<'_>,
        asked: Nested,
        most: usize,
    ) -> Result<Self, sqlx::Error> {
        let ids = owners.ids();
        let mut nested = Self { by_owner: HashMap::new(), complete: ids.len(), omitted: 0 };
        if !asked.any() || ids.is_empty() {
            return Ok(nested);
        }
        let mut rows = spread::nested(&mut *connection, element, owners, asked.only(), most + 1).await?;
        if let Some(row) = if rows.len() > most { rows.pop() } else { None } {
            let owner = owner_of(owners, &row);
            nested.complete = ids.iter().position(|id| *id == owner).unwrap_or_default();
        }
        if nested.complete == 0 {
            let all = spread::count_nested(connection, element, owners.first(), asked.only()).await?;
            nested.omitted = u64::try_from(all).unwrap_or_default().saturating_sub(rows.len() as u64);
        }
        for row in rows.into_iter().rev() {
            nested.by_owner.entry(owner_of(owners, &row)).or_default().push(row);
        }
        Ok(nested)
    }

    /// Wraps rows that another statement has read, in ascending order.
    pub(super) fn of_services(rows: Vec<ElementRow>) -> Self {
        let mut nested = Self { by_owner: HashMap::new(), complete: usize::MAX, omitted: 0 };
        for row in rows {
            nested.by_owner.entry(row.service_id).or_default().push(row);
        }
        nested
    }

    /// The number of owners whose rows fit into a response: at least one, even if some of its rows are left out.
    pub(super) fn fitting(&self) -> usize {
        self.complete.max(1)
    }

    /// All rows, in any order.
    pub(super) fn rows(&self) -> impl Iterator<Item = &ElementRow> {
        self.by_owner.values().flatten()
    }

    /// Removes and returns the rows of an owner, in ascending order, with the number of rows that are left out.
    pub(super) fn take(&mut self, owner: i64) -> (Vec<ElementRow>, u64) {
        // Rows are left out only if there is no other owner in the response.
        (self.by_owner.remove(&owner).unwrap_or_default(), std::mem::take(&mut self.omitted))
    }
}

impl Owners<'_> {
    fn first(self) -> Self {
        match self {
            Self::Services(ids) => Self::Services(ids.get(..1).unwrap_or_default()),
            Self::Spread(ids, lanes) => Self::Spread(ids.get(..1).unwrap_or_default(), lanes),
            Self::StatesOf(service, ids) => Self::StatesOf(service, ids.get(..1).unwrap_or_default()),
        }
    }
}

fn owner_of(owners: Owners<'_>, row: &ElementRow) -> i64 {
    match owners {
        Owners::Services(_) | Owners::Spread(..) => row.service_id,
        Owners::StatesOf(..) => row.state_id.unwrap_or_default().into(),
    }
}
