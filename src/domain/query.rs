//! Parameters of queries (docs/api.md §3).

use std::fmt;
use std::str::FromStr;

use super::ids::{Element, ServiceId, StateId};
use super::time::Timestamp;

/// The extensions of one kind of element that a query selects: names in any case, or `*` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionSelection {
    /// Whether all extensions are selected.
    pub all: bool,
    /// Whether all extensions are selected unless an extension has the name of this kind of element.
    pub all_unless_named: bool,
    /// The selected names in lower case.
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

    /// Returns whether nothing is selected.
    pub const fn is_empty(&self) -> bool {
        !self.all && !self.all_unless_named && self.names.is_empty()
    }
}

/// The extensions that a query selects for each kind of element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionSelections([ExtensionSelection; 3]);

impl ExtensionSelections {
    /// Selects all extensions of every kind of element.
    pub fn all() -> Self {
        Self(std::array::from_fn(|_| ExtensionSelection { all: true, ..ExtensionSelection::default() }))
    }

    /// Adds a comma-separated list. A plain name selects extensions of every kind of element; `State.Survey` and
    /// `Task.*` select extensions of one kind. `Task` alone means `Task.*` unless an extension has that name. Unknown
    /// names select nothing. Fails with the first item that is not a valid name.
    pub fn add<'a>(&mut self, list: &'a str) -> Result<(), &'a str> {
        let kind = |word: &str| Element::ALL.into_iter().find(|one| one.singular().eq_ignore_ascii_case(word));
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (prefix, name) = item.split_once('.').map_or((None, item), |(prefix, name)| (Some(prefix), name));
            if name.is_empty() || name.contains(['\0', '.']) {
                return Err(item);
            }
            if let Some(prefix) = prefix {
                self.0[kind(prefix).ok_or(item)? as usize].add(name);
                continue;
            }
            self.0.iter_mut().for_each(|selection| selection.add(name));
            if let Some(element) = kind(name) {
                self.0[element as usize].all_unless_named = true;
            }
        }
        Ok(())
    }

    /// The selection for one kind of element.
    pub const fn of(&self, element: Element) -> &ExtensionSelection {
        &self.0[element as usize]
    }
}

/// The status of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The element has not ended.
    Active,
    /// The element has ended.
    Completed,
}

/// The nested elements that a query selects, by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nested {
    /// Whether active elements are selected.
    pub active: bool,
    /// Whether completed elements are selected.
    pub completed: bool,
}

impl Nested {
    /// Returns whether any elements are selected.
    pub const fn any(self) -> bool {
        self.active || self.completed
    }

    /// The only selected status. `None` if both or neither are selected.
    pub const fn only(self) -> Option<Status> {
        match (self.active, self.completed) {
            (true, false) => Some(Status::Active),
            (false, true) => Some(Status::Completed),
            _ => None,
        }
    }
}

/// The most states, and the most tasks, that are nested in the elements of a response.
const MOST_NESTED: usize = 5000;

/// The parts of each element that a query selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The states of a service.
    pub states: Nested,
    /// The tasks of a service or state.
    pub tasks: Nested,
    /// The extensions.
    pub extensions: ExtensionSelections,
    /// Whether values are given as in the `reporting` views: by name, and dispositions by display name.
    pub for_people: bool,
    /// The most states, and the most tasks, that are nested in all elements together. If a single element has more, the
    /// newest are given.
    pub most_nested: usize,
}

impl Default for View {
    fn default() -> Self {
        Self {
            states: Nested::default(),
            tasks: Nested::default(),
            extensions: ExtensionSelections::default(),
            for_people: false,
            most_nested: MOST_NESTED,
        }
    }
}

impl View {
    /// Whole services for display: with their states and tasks, without extensions.
    pub fn of_journey() -> Self {
        let all = Nested { active: true, completed: true };
        Self { states: all, tasks: all, for_people: true, ..Self::default() }
    }

    /// A single element for display: with its extensions, without nested elements.
    pub fn of_element() -> Self {
        Self { extensions: ExtensionSelections::all(), for_people: true, ..Self::default() }
    }

    /// A single element with its extensions and its recorded values, without nested elements.
    pub fn of_record() -> Self {
        Self { for_people: false, ..Self::of_element() }
    }
}

/// A half-open span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The start, inclusive.
    pub from: Option<Timestamp>,
    /// The end, exclusive.
    pub to: Option<Timestamp>,
}

/// The owner of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A customer.
    Customer(String),
    /// A contact key. It owns the services that have this key and no customer.
    Anonymous(String),
}

/// The elements that a list contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// The services of an owner.
    Services(Owner),
    /// The states of a service.
    States(ServiceId),
    /// The tasks of a service.
    Tasks(ServiceId),
}

/// The conditions that listed elements meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The status. `None`: any.
    pub status: Option<Status>,
    /// The types, as numbers or names. Empty: any.
    pub types: Vec<String>,
    /// The states of tasks. Empty: any.
    pub states: Vec<StateId>,
    /// The span in which elements started.
    pub started: Span,
    /// The span in which elements ended.
    pub completed: Span,
    /// Only elements before this position in the list are given.
    pub before: Option<Cursor>,
    /// The most elements: the newest that match.
    pub limit: u32,
}

/// A position in a list ordered by start and identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The start of the element at this position.
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
        let (millis, id) = parsed.ok_or("expected a cursor from a Link header")?;
        let started = Timestamp::from_millis(millis);
        if started.millis() == millis && Timestamp::parse(&started.to_string()).is_some() {
            return Ok(Self { started, id });
        }
        Err("expected a cursor from a Link header")
    }
}

/// A page of a list: its newest elements in ascending order.
#[derive(Debug)]
pub struct Page<T> {
    /// The elements.
    pub elements: Vec<T>,
    /// The cursor of the next older page, if older elements remain.
    pub older: Option<Cursor>,
}
