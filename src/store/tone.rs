//! The enumeration `tone` of the database.

use crate::domain::tone::Tone;

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "tone", rename_all = "lowercase")]
pub(super) enum ToneColumn {
    Good,
    Neutral,
    Bad,
}

impl From<Tone> for ToneColumn {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Good => Self::Good,
            Tone::Neutral => Self::Neutral,
            Tone::Bad => Self::Bad,
        }
    }
}

impl From<ToneColumn> for Tone {
    fn from(column: ToneColumn) -> Self {
        match column {
            ToneColumn::Good => Self::Good,
            ToneColumn::Neutral => Self::Neutral,
            ToneColumn::Bad => Self::Bad,
        }
    }
}
