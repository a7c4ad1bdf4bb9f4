//! Tones: the meaning of values of business attributes to people (docs/api.md §5).

use super::json::Json;
use super::reader::ObjectReader;

/// The meaning of a value to the people who read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Something went well.
    Good,
    /// Nothing in particular.
    Neutral,
    /// Something went badly.
    Bad,
}

impl Tone {
    /// The name in the API and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Neutral => "neutral",
            Self::Bad => "bad",
        }
    }

    /// The tone of this name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Good, Self::Neutral, Self::Bad].into_iter().find(|tone| tone.word() == word)
    }

    /// Takes the member `tone`.
    pub(super) fn take(reader: &mut ObjectReader<'_, '_>) -> Option<Self> {
        const MEMBER: &str = "tone";
        const EXPECTED: &str = "`good`, `neutral` or `bad`";
        let found = reader.take(MEMBER)?;
        let tone = if let Json::String(word) = found { Self::parse(word) } else { None };
        tone.or_else(|| reader.expected(MEMBER, EXPECTED, found))
    }
}
