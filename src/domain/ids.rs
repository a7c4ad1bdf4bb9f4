//! Identifiers of services, states and tasks.

use std::fmt;
use std::num::TryFromIntError;
use std::str::FromStr;

use serde::Serialize;

/// A text that is not a decimal integer of the identifier's width (docs/api.md §1, Identifiers).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a {bits}-bit decimal integer")]
pub struct InvalidId {
    bits: u32,
}

/// Returns whether a text is a decimal integer: digits, optionally after a minus sign.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { bits: <$int>::BITS };
                if !is_decimal(text) {
                    return Err(invalid);
                }
                text.parse().map(Self).map_err(|_| invalid)
            }
        }
    };
}

id!(
    /// The identifier of a service: 64 bits, never reused.
    ServiceId,
    i64
);
id!(
    /// The identifier of a state, unique within its service: 32 bits.
    StateId,
    i32
);
id!(
    /// The identifier of a task, unique within its service: 32 bits.
    TaskId,
    i32
);

id!(
    /// The identifier of a purge: 64 bits.
    PurgeId,
    i64
);

// Columns that hold identifiers of all three kinds are `bigint`.

impl From<i64> for ServiceId {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl TryFrom<i64> for StateId {
    type Error = TryFromIntError;

    fn try_from(number: i64) -> Result<Self, TryFromIntError> {
        i32::try_from(number).map(Self)
    }
}

impl TryFrom<i64> for TaskId {
    type Error = TryFromIntError;

    fn try_from(number: i64) -> Result<Self, TryFromIntError> {
        i32::try_from(number).map(Self)
    }
}

/// The identity of a service, state or task.
///
/// Keys are ordered by service, then by kind, then by identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementKey {
    /// The service, or the service that the state or task belongs to.
    pub service: ServiceId,
    /// The kind of element.
    pub element: Element,
    /// The `state_id` or `task_id`; 0 for the service itself.
    pub id: i32,
}

impl ElementKey {
    /// The key of a service.
    pub const fn service(service: ServiceId) -> Self {
        Self { service, element: Element::Service, id: 0 }
    }

    /// The key of a state.
    pub const fn state(service: ServiceId, state: StateId) -> Self {
        Self { service, element: Element::State, id: state.0 }
    }

    /// The key of a task.
    pub const fn task(service: ServiceId, task: TaskId) -> Self {
        Self { service, element: Element::Task, id: task.0 }
    }
}

/// The three kinds of elements that have a lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// One commitment to a customer.
    Service,
    /// One stage of a service.
    State,
    /// One step of a service or of a state.
    Task,
}

impl Element {
    /// All kinds of elements.
    pub const ALL: [Self; 3] = [Self::Service, Self::State, Self::Task];

    /// The singular, such as `task`.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::State => "state",
            Self::Task => "task",
        }
    }

    /// The plural, such as `tasks`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::State => "states",
            Self::Task => "tasks",
        }
    }

    /// The kind of element with this plural. Case matters.
    pub fn from_plural(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.plural() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_decimal_integer_of_its_width() {
        assert_eq!("2147483647".parse(), Ok(TaskId(i32::MAX)));
        assert_eq!("-2147483648".parse(), Ok(TaskId(i32::MIN)));
        assert_eq!("9223372036854775807".parse(), Ok(ServiceId(i64::MAX)));
        for text in ["", "-", "+1", "1.0", "0x1", " 1", "1e3", "2147483648", "١"] {
            assert!(text.parse::<TaskId>().is_err(), "{text:?}");
        }
        assert!("9223372036854775808".parse::<ServiceId>().is_err());
    }
}
