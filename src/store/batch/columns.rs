//! Columns of a batch: arrays of equal length, one entry per command, for `unnest`.

use chrono::{DateTime, Utc};

use crate::domain::completion::Complete;
use crate::domain::event::Event;
use crate::domain::extension::Extension;
use crate::domain::ids::{Element, ElementKey};
use crate::store::attributes::ValueIds;

/// The database's enumeration `element`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "element", rename_all = "lowercase")]
pub(in crate::store) enum ElementColumn {
    Service,
    State,
    Task,
}

impl From<Element> for ElementColumn {
    fn from(element: Element) -> Self {
        match element {
            Element::Service => Self::Service,
            Element::State => Self::State,
            Element::Task => Self::Task,
        }
    }
}

impl From<ElementColumn> for Element {
    fn from(column: ElementColumn) -> Self {
        match column {
            ElementColumn::Service => Self::Service,
            ElementColumn::State => Self::State,
            ElementColumn::Task => Self::Task,
        }
    }
}

/// The fields that all events share.
#[derive(Default)]
pub(super) struct EventColumns<'a> {
    pub(super) at: Vec<DateTime<Utc>>,
    pub(super) session_id: Vec<Option<&'a str>>,
    pub(super) interaction_id: Vec<Option<&'a str>>,
    pub(super) application_type: Vec<Option<i32>>,
    pub(super) application_id: Vec<Option<i64>>,
    pub(super) resource_type: Vec<Option<i32>>,
    pub(super) resource_id: Vec<Option<i64>>,
    pub(super) media_type: Vec<Option<i32>>,
}

impl<'a> EventColumns<'a> {
    pub(super) fn push(&mut self, event: &'a Event, values: &ValueIds) {
        self.at.push(event.timestamp.to_datetime());
        self.session_id.push(event.session_id.as_deref());
        self.interaction_id.push(event.interaction_id.as_deref());
        self.application_type.push(values.application_type);
        self.application_id.push(event.application_id);
        self.resource_type.push(values.resource_type);
        self.resource_id.push(event.resource_id);
        self.media_type.push(values.media_type);
    }
}

/// The ends of elements of one kind.
#[derive(Default)]
pub(super) struct EndColumns<'a> {
    pub(super) event: EventColumns<'a>,
    pub(super) service_id: Vec<i64>,
    pub(super) element_id: Vec<i32>,
    pub(super) state_id: Vec<Option<i32>>,
    pub(super) disposition: Vec<Option<i32>>,
    pub(super) disposition_desc: Vec<Option<&'a str>>,
    pub(super) digest: Vec<&'a [u8]>,
    pub(super) extensions: ExtensionColumns<'a>,
}

impl<'a> EndColumns<'a> {
    pub(super) fn push(&mut self, command: &'a Complete, values: &ValueIds) {
        self.event.push(&command.event, values);
        self.service_id.push(command.key.0.0);
        self.element_id.push(command.key.2);
        self.state_id.push(command.state_id.map(|state| state.0));
        self.disposition.push(values.disposition);
        self.disposition_desc.push(command.disposition.description.as_deref());
        self.digest.push(&command.digest.0);
        self.extensions.push(command.key, &command.extensions);
    }
}

/// What the commands of a batch attach, one entry per extension.
#[derive(Default)]
pub(super) struct ExtensionColumns<'a> {
    pub(super) service_id: Vec<i64>,
    pub(super) element_id: Vec<i32>,
    pub(super) schema_id: Vec<i32>,
    pub(super) records: Vec<&'a str>,
}

impl<'a> ExtensionColumns<'a> {
    pub(super) fn push(&mut self, (service, _, element_id): ElementKey, extensions: &'a [Extension]) {
        for extension in extensions {
            self.service_id.push(service.0);
            self.element_id.push(element_id);
            self.schema_id.push(extension.schema_id.0);
            self.records.push(&extension.json);
        }
    }
}
