//! The mode of a deployment (docs/api.md §6).

use super::json::{Json, Members};
use super::reader::ObjectReader;
use super::violation::{Place, Violations};

/// The mode of a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything is served.
    #[default]
    Production,
    /// Lifecycle events and queries are refused; metadata can be changed.
    Maintenance,
}

impl Mode {
    /// The name of the mode in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Maintenance => "maintenance",
        }
    }

    /// The mode of this name. Case is ignored.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Production, Self::Maintenance].into_iter().find(|mode| mode.word().eq_ignore_ascii_case(word))
    }

    /// Reads the body that changes the mode.
    pub fn read(body: &Members<'_>) -> Result<Self, Violations> {
        const EXPECTED: &str = "`production` or `maintenance`";
        let mut reader = ObjectReader::new(body, Place::Body);
        let mode = match reader.take("mode") {
            Some(Json::String(word)) => Self::parse(word),
            _ => None,
        };
        if mode.is_none() {
            reader.add_violation("mode", format!("expected {EXPECTED}"));
        }
        reader.refuse_rest();
        reader.violations.or(mode.unwrap_or_default())
    }
}
