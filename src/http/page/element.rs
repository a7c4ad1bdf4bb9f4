//! The page of one service, state or task: its two events, the disposition, and the extensions as tables.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::extract::{ServicePath, StatePath, TaskPath};
use super::super::problem::Problem;
use super::super::query::NoParameters;
use super::super::{services, states, tasks};
use super::format::{self, Outcome, chip, name};
use super::layout::{self, Here, Menu};
use super::{links, refresh};
use crate::domain::element::Lifecycle;
use crate::domain::event::Event;
use crate::domain::extension::SchemaDefinition;
use crate::domain::field::LongOrString;
use crate::domain::ids::{Element, ServiceId, StateId};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// The maximum number of records of an extension on its page.
const RECORDS: usize = 100;

/// The content of the page of an element.
struct Shown {
    element: Element,
    id: i64,
    service: ServiceId,
    lifecycle: Lifecycle,
    /// Facts that only this kind of element has.
    own: Vec<(&'static str, Markup)>,
    schemas: Vec<SchemaDefinition>,
    /// The element as the API returns it.
    json: String,
    now: Timestamp,
}

/// The page of a service.
pub(in crate::http) async fn get_service_page(
    store: web::Data<Store>,
    ServicePath(id): ServicePath,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let [service, recorded] = store.show_service(id).await?;
    let json = json(services::ServiceBody::from(recorded));
    let schemas = store.list_extension_schemas(Element::Service).await?;
    let mut own = Vec::new();
    own.extend(service.customer_id.as_ref().map(|customer| ("Customer", link(&links::journey_of(&service), customer))));
    own.extend(service.contact_key.as_ref().map(|key| ("Contact key", html! { (name(key)) })));
    own.extend(service.expires_at.map(|at| ("Expires", format::exact(at))));
    if let Some(seconds) = service.auto_complete_after.filter(|_| service.lifecycle.completed.is_none()) {
        let text = format!("after {} without an event", format::duration(seconds.saturating_mul(1000)));
        own.push(("Completed automatically", html! { (text) }));
    }
    let lifecycle = service.lifecycle;
    let shown =
        Shown { element: Element::Service, id: id.0, service: id, lifecycle, own, schemas, json, now: store.now() };
    page(shown, menu).await
}

/// The page of a state.
pub(in crate::http) async fn get_state_page(
    store: web::Data<Store>,
    StatePath(service, id): StatePath,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let [state, recorded] = store.show_state(service, id).await?;
    let json = json(states::StateBody::from(recorded));
    let schemas = store.list_extension_schemas(Element::State).await?;
    let own = state
        .previous_state_id
        .map(|previous| ("Previous state", link_to_state(service, previous)))
        .into_iter()
        .collect();
    let lifecycle = state.lifecycle;
    let shown =
        Shown { element: Element::State, id: id.0.into(), service, lifecycle, own, schemas, json, now: store.now() };
    page(shown, menu).await
}

/// The page of a task.
pub(in crate::http) async fn get_task_page(
    store: web::Data<Store>,
    TaskPath(service, id): TaskPath,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let [task, recorded] = store.show_task(service, id).await?;
    let json = json(tasks::TaskBody::from(recorded));
    let schemas = store.list_extension_schemas(Element::Task).await?;
    let own = task.state_id.map(|state| ("State", link_to_state(service, state))).into_iter().collect();
    let lifecycle = task.lifecycle;
    let shown =
        Shown { element: Element::Task, id: id.0.into(), service, lifecycle, own, schemas, json, now: store.now() };
    page(shown, menu).await
}

fn json(body: impl Serialize) -> String {
    // This cannot fail: the names in a body are strings, and writing to memory always succeeds.
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

fn link(href: &str, text: &str) -> Markup {
    html! { a href=(href) { (name(text)) } }
}

fn link_to_state(service: ServiceId, state: StateId) -> Markup {
    link(&links::element(service, Element::State, state.0.into()), &format!("state {state}"))
}

async fn page(shown: Shown, menu: Menu) -> Result<HttpResponse, Problem> {
    let word = shown.element.singular();
    let title = format!("{}, {word} {}", format::kind(&shown.lifecycle, word), shown.id);
    layout::answer_tagged(title, menu.at(Here::Journey), move || {
        let lifecycle = &shown.lifecycle;
        let own: Vec<_> = shown.own.iter().map(|(name, text)| (name, &text.0)).collect();
        let content = (&shown.json, lifecycle, own, &shown.schemas);
        let tag = refresh::tag_of_element(&content);
        (article(&shown), tag)
    })
    .await
}

fn article(shown: &Shown) -> Markup {
    let word = shown.element.singular();
    let live = shown.lifecycle.completed.is_none();
    html! {
        p class="back" { a href=(links::journey_of_service(shown.service)) { "← Time line of service " (shown.service) } }
        article id="element" data-live[live] data-now=(shown.now.millis()) {
            header {
                p class="quiet over" { (word) " " (shown.id) }
                h1 { (name(&format::kind(&shown.lifecycle, word))) }
                (chip(&Outcome::of(&shown.lifecycle)))
            }
            (facts(shown))
            (events(&shown.lifecycle))
            @for (name, records) in &shown.lifecycle.extensions {
                @let schema = shown.schemas.iter().find(|schema| schema.name == *name);
                (extension(name, records, schema))
            }
            @if shown.lifecycle.extensions.is_empty() {
                p class="quiet" { "No extensions." }
            }
            details class="json" id=(format!("json-{word}-{}-{}", shown.service, shown.id)) { summary { "JSON" } pre { code { (shown.json) } } }
            p class="links" {
                a href=(links::element(shown.service, shown.element, shown.id)) { "Address of this " (word) }
                button type="button" class="copy" { "Copy link" }
            }
        }
    }
}

fn facts(shown: &Shown) -> Markup {
    let lifecycle = &shown.lifecycle;
    let outcome = lifecycle.completed.as_ref().map(|(_, disposition)| disposition);
    html! {
        dl class="facts" {
            @if shown.element != Element::Service {
                (fact("Service", &link(&links::element(shown.service, Element::Service, shown.service.0), &shown.service.to_string())))
            }
            @for (name, text) in &shown.own { (fact(name, text)) }
            @match lifecycle.duration() {
                Some(millis) => { (fact("Duration", &html! { (format::duration(millis)) })) }
                None => { (fact("Open for", &format::elapsed(lifecycle.started.timestamp, shown.now))) }
            }
            @if let Some(seconds) = lifecycle.est_duration {
                (fact("Estimated", &html! { (format::duration(seconds.saturating_mul(1000))) }))
            }
            @if lifecycle.auto_completed { (fact("Completed", &html! { "automatically" })) }
            @if let Some(outcome) = outcome {
                @let value = outcome.value.as_ref().map_or_else(|| format::NO_OUTCOME.to_owned(), format::value);
                (fact("Disposition", &format::toned(lifecycle.tone, &name(&value))))
                @if let Some(text) = &outcome.description { (fact("Description", &name(text))) }
            }
        }
    }
}

fn fact(name: &str, text: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (text) } } }
}

/// The label of an event's field, and its getter.
type Field = (&'static str, fn(&Event) -> Option<String>);

/// A table of the start and end events, side by side.
fn events(lifecycle: &Lifecycle) -> Markup {
    let end = lifecycle.completed.as_ref().map(|(event, _)| event);
    let fields: [Field; 7] = [
        ("Session", |event| event.session_id.clone()),
        ("Interaction", |event| event.interaction_id.clone()),
        ("Medium", |event| text_of(event.media_type.as_ref())),
        ("Application type", |event| text_of(event.application_type.as_ref())),
        ("Application", |event| event.application_id.map(|id| id.to_string())),
        ("Resource type", |event| text_of(event.resource_type.as_ref())),
        ("Resource", |event| event.resource_id.map(|id| id.to_string())),
    ];
    html! {
        section aria-label="Events" {
            h2 { "Events" }
            div class="scroll" {
                table class="events" {
                    thead { tr { td {} th scope="col" { "Start" } th scope="col" { "End" } } }
                    tbody {
                        tr {
                            th scope="row" { "Time (UTC)" }
                            td { (format::exact(lifecycle.started.timestamp)) }
                            td { @if let Some(end) = end { (format::exact(end.timestamp)) } @else { "not yet" } }
                        }
                        @for (label, field) in fields {
                            @let (start, end) = (field(&lifecycle.started), end.and_then(field));
                            @if start.is_some() || end.is_some() {
                                tr {
                                    th scope="row" { (label) }
                                    td { (name(&start.unwrap_or_default())) }
                                    td { (name(&end.unwrap_or_default())) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn text_of(value: Option<&LongOrString>) -> Option<String> {
    value.map(format::value)
}

type Record<'a> = BTreeMap<String, &'a RawValue>;

/// A table of an extension's records, one row per record. A single record is shown as name and value pairs.
fn extension(name: &str, records: &RawValue, schema: Option<&SchemaDefinition>) -> Markup {
    let many = serde_json::from_str::<Vec<Record<'_>>>(records.get());
    let records = many.or_else(|_| serde_json::from_str(records.get()).map(|one| vec![one])).unwrap_or_default();
    let declared = schema.iter().flat_map(|schema| &schema.attributes).map(|attribute| attribute.name.as_str());
    let mut columns: Vec<&str> =
        declared.filter(|name| records.iter().any(|record| record.contains_key(*name))).collect();
    for name in records.iter().flat_map(Record::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let label = format!("Records of {name}");
    html! {
        section class="extension" aria-label=(format!("Extension {name}")) {
            h2 { bdi { (name) } " " span class="quiet" { "extension, " (format::count(records.len(), "record", "records")) } }
            div class="scroll" tabindex="0" role="group" aria-label=(label) {
                @match records.as_slice() {
                    [] => { p class="quiet" { "The list is empty." } }
                    [one] => { table { tbody { @for column in columns { tr {
                        th scope="row" { bdi { (column) } }
                        td { (text(one.get(column).copied())) }
                    } } } } }
                    many => {
                        table {
                            thead { tr { @for column in &columns { th scope="col" { bdi { (column) } } } } }
                            tbody { @for record in many.iter().take(RECORDS) {
                                tr { @for column in &columns { td { (text(record.get(*column).copied())) } } }
                            } }
                        }
                        @if many.len() > RECORDS { p class="quiet" { "and " (many.len() - RECORDS) " more" } }
                    }
                }
            }
        }
    }
}

/// A value as it was sent: a string as text, anything else as JSON.
fn text(value: Option<&RawValue>) -> Markup {
    let Some(value) = value else { return html! { span class="quiet" { "–" } } };
    let text = serde_json::from_str::<String>(value.get());
    text.map_or_else(|_| html! { code { (value.get()) } }, |text| name(&text))
}
