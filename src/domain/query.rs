//! What a query asks for (contract §3).

use std::fmt;
use std::str::FromStr;

use super::ids::{Element, ServiceId, StateId};
use super::time::Timestamp;

/// Which extensions a query includes: names in any case, or `*` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionSelection {
    /// All there are.
    pub all: bool,
    /// Those of these names, in lower case.
    pub names: Vec<String>,
}

impl ExtensionSelection {
    fn add(&mut self, name: &str) {
        if name == "*" {
            self.all = true;
        } else {
            self.names.push(name.to_ascii_lowercase());
        }
    }

    /// Whether nothing is asked for.
    pub const fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty()
    }
}

/// Which extensions of each kind of element a query includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionSelections([ExtensionSelection; 3]);

impl ExtensionSelections {
    /// All there are, of every kind of element.
    pub fn all() -> Self {
        Self(std::array::from_fn(|_| ExtensionSelection { all: true, names: Vec::new() }))
    }

    /// Adds a comma separated list. `State.Survey` and `Task.*` choose for those elements, plain names for `plain`. A
    /// name that nothing bears selects nothing; an item that is no name is given back.
    pub fn add<'a>(&mut self, plain: Element, list: &'a str) -> Result<(), &'a str> {
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (element, name) = match item.split_once('.') {
                Some((prefix, name)) => {
                    let named = Element::ALL.into_iter().find(|one| one.singular().eq_ignore_ascii_case(prefix));
                    (named.ok_or(item)?, name)
                }
                None => (plain, item),
            };
            if name.is_empty() || name.contains(['\0', '.']) {
                return Err(item);
            }
            self.0[element as usize].add(name);
        }
        Ok(())
    }

    /// Those of one kind of element.
    pub const fn of(&self, element: Element) -> &ExtensionSelection {
        &self.0[element as usize]
    }
}

/// Whether an element has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has not.
    Active,
    /// It has.
    Completed,
}

/// Which of some elements are asked for, by their status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nested {
    /// Those that are active.
    pub active: bool,
    /// Those that are completed.
    pub completed: bool,
}

impl Nested {
    /// Whether any are asked for.
    pub const fn any(self) -> bool {
        self.active || self.completed
    }

    /// The one status that is asked for; none: both.
    pub const fn only(self) -> Option<Status> {
        match (self.active, self.completed) {
            (true, false) => Some(Status::Active),
            (false, true) => Some(Status::Completed),
            _ => None,
        }
    }
}

/// What is given of each element beside itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The states of a service.
    pub states: Nested,
    /// The tasks of a service or state.
    pub tasks: Nested,
    /// The extensions.
    pub extensions: ExtensionSelections,
    /// Whether values are given as the names that a person reads, as in the `reporting` views.
    pub for_people: bool,
}

impl View {
    /// Whole services as a person looks at them: with all states and tasks, and without extensions.
    pub fn of_journey() -> Self {
        let all = Nested { active: true, completed: true };
        Self { states: all, tasks: all, for_people: true, ..Self::default() }
    }

    /// One element as a person looks at it: with its extensions, and without what is nested in it.
    pub fn of_element() -> Self {
        Self { extensions: ExtensionSelections::all(), for_people: true, ..Self::default() }
    }
}

/// A span of time, with its start and without its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

/// Whose services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A customer's.
    Customer(String),
    /// Those of a contact key that have no customer.
    Anonymous(String),
}

/// The elements that are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Services.
    Services(Owner),
    /// States of a service.
    States(ServiceId),
    /// Tasks of a service.
    Tasks(ServiceId),
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By status; none: all.
    pub status: Option<Status>,
    /// By type: numbers or names; none: all.
    pub types: Vec<String>,
    /// By state, of tasks; none: all.
    pub states: Vec<StateId>,
    /// By start.
    pub started: Span,
    /// By end.
    pub completed: Span,
    /// Those before a place in the list.
    pub before: Option<Cursor>,
    /// The most that are given: the newest.
    pub limit: u32,
}

/// A place in a list that is in order of start and identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The start of the element there.
    pub started: Timestamp,
    /// Its identifier.
    pub id: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started.millis(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('.').and_then(|(started, id)| Some((started.parse().ok()?, id.parse().ok()?)));
        let (millis, id) = parsed.ok_or("expected a cursor as a Link gives it")?;
        let started = Timestamp::from_millis(millis);
        if started.millis() == millis && Timestamp::parse(&started.to_string()).is_some() {
            return Ok(Self { started, id });
        }
        Err("expected a cursor as a Link gives it")
    }
}

/// A part of a list: its newest elements in ascending order.
#[derive(Debug)]
pub struct Page<T> {
    /// The elements.
    pub elements: Vec<T>,
    /// Where the older ones end that remain, if any do.
    pub older: Option<Cursor>,
}
