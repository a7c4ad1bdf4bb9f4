//! Columns of a batch: arrays of equal length for `unnest`, with one entry per command.

use chrono::{DateTime, Utc};

use crate::domain::completion::{Complete, End};
use crate::domain::event::Event;
use crate::domain::extension::Extension;
use crate::domain::ids::{Element, ElementKey, ServiceId};
use crate::store::values::ValueIds;

/// The enumeration `element` of the database.
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

/// The key of a row that a statement returned.
pub(super) fn key_of(service_id: i64, element: impl Into<Element>, id: i32) -> ElementKey {
    ElementKey { service: ServiceId(service_id), element: element.into(), id }
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

/// Starts of states or of tasks.
#[derive(Default)]
pub(super) struct StartColumns<'a> {
    pub(super) event: EventColumns<'a>,
    pub(super) service_id: Vec<i64>,
    pub(super) element_id: Vec<i32>,
    /// The previous state of a state, or the state of a task.
    pub(super) state_id: Vec<Option<i32>>,
    pub(super) kind: Vec<Option<i32>>,
    pub(super) est_duration: Vec<Option<i64>>,
    pub(super) extensions: ExtensionColumns<'a>,
}

impl<'a> StartColumns<'a> {
    pub(super) fn push(&mut self, key: ElementKey, event: &'a Event, values: &ValueIds, extensions: &'a [Extension]) {
        self.event.push(event, values);
        self.service_id.push(key.service.0);
        self.element_id.push(key.id);
        self.kind.push(values.kind);
        self.extensions.push(key, extensions);
    }
}

/// Ends of elements of one kind.
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
        let Complete { key, end, digest } = command;
        // Only services have an expiration, which is a further parameter of their statement.
        let End { event, timestamp_given: _, state_id, expiration: _, disposition, extensions } = end;
        self.event.push(event, values);
        self.service_id.push(key.service.0);
        self.element_id.push(key.id);
        self.state_id.push(state_id.map(|state| state.0));
        self.disposition.push(values.disposition);
        self.disposition_desc.push(disposition.description.as_deref());
        self.digest.push(&digest.0);
        self.extensions.push(*key, extensions);
    }
}

/// The extensions of a batch, with one entry each.
#[derive(Default)]
pub(super) struct ExtensionColumns<'a> {
    pub(super) service_id: Vec<i64>,
    pub(super) element_id: Vec<i32>,
    pub(super) schema_id: Vec<i32>,
    pub(super) records: Vec<&'a str>,
}

impl<'a> ExtensionColumns<'a> {
    pub(super) fn push(&mut self, key: ElementKey, extensions: &'a [Extension]) {
        for extension in extensions {
            self.service_id.push(key.service.0);
            self.element_id.push(key.id);
            self.schema_id.push(extension.schema_id.0);
            self.records.push(&extension.json);
        }
    }
}
