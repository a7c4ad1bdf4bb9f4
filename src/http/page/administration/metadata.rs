//! The pages of extension schemas and of business attributes.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::super::format::{self, name};
use super::super::layout::{self, Here, Menu};
use super::{heading, table};
use crate::domain::business_attribute::BusinessAttribute;
use crate::domain::extension::{AttributeDefinition, SchemaDefinition, ValueKind};
use crate::domain::ids::Element;
use crate::http::problem::Problem;
use crate::http::query::NoParameters;
use crate::store::Store;

/// The page of extension schemas.
pub(in crate::http) async fn get_schemas_page(
    store: web::Data<Store>,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let mut of_elements = Vec::new();
    for element in [Element::Service, Element::State, Element::Task] {
        of_elements.push((element, store.list_extension_schemas(element).await?));
    }
    let main = move || {
        html! {
            (heading("/administration/schemas"))
            @for (element, schemas) in &of_elements {
                h2 { "Of " (element.plural()) }
                @if schemas.is_empty() { p class="quiet" { "None." } }
                @for schema in schemas { (self::schema(*element, schema)) }
            }
        }
    };
    layout::answer_elsewhere("Extension schemas".to_owned(), menu.at(Here::Administration), main).await
}

fn schema(element: Element, schema: &SchemaDefinition) -> Markup {
    let unique: Vec<_> = schema.unique.iter().map(|unique| unique.names().join(" + ")).collect();
    html! {
        section class="panel" {
            h3 { (name(&schema.name)) }
            p class="quiet" {
                @match schema.kind { ValueKind::SingleValued => "one record", ValueKind::MultiValued => "any number of records" }
                @if schema.open { ", takes any record, since it was not declared" }
                @if !unique.is_empty() { ", unique: " (name(&unique.join(", "))) }
                ", view " code { "reporting." (element.singular()) "_" (schema.name.to_ascii_lowercase()) }
            }
            @if !schema.attributes.is_empty() {
                (table(&schema.name, &["Attribute", "Type", "Mandatory", "Default"], &html! {
                    @for attribute in &schema.attributes { (self::attribute(attribute)) }
                }))
            }
        }
    }
}

fn attribute(attribute: &AttributeDefinition) -> Markup {
    html! {
        tr {
            th scope="row" { (name(&attribute.name)) }
            td { (attribute.kind.word()) @if let Some(length) = attribute.length { " up to " (length) } }
            td { @if attribute.mandatory { "yes" } }
            td { @if let Some(default) = &attribute.default { code { (name(default.get())) } } }
        }
    }
}

/// The page of business attributes.
pub(in crate::http) async fn get_business_attributes_page(
    store: web::Data<Store>,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let attributes = store.list_business_attributes().await?;
    let main = move || {
        html! {
            (heading("/administration/business-attributes"))
            @if attributes.is_empty() {
                p class="quiet nothing" { "There are none: every field takes any value." }
            }
            @for attribute in &attributes { (business_attribute(attribute)) }
        }
    };
    layout::answer_elsewhere("Business attributes".to_owned(), menu.at(Here::Administration), main).await
}

fn business_attribute(attribute: &BusinessAttribute) -> Markup {
    html! {
        section class="panel" {
            h2 { (name(&attribute.name)) @if let Some(text) = &attribute.display_name { " " span class="quiet" { (name(text)) } } }
            @if let Some(text) = &attribute.description { p { (name(text)) } }
            p class="quiet" {
                @if attribute.fields.is_empty() { "Mapped to no field" } @else { "Values of " }
                @for (at, field) in attribute.fields.iter().enumerate() { @if at > 0 { ", " } code { (field) } }
                "."
            }
            (table(&attribute.name, &["Number", "Name", "Display name", "Description", "Default"], &html! {
                @for value in &attribute.values {
                    tr {
                        td class="number" { (value.dbid) }
                        td { (format::toned(value.tone, &name(&value.name))) }
                        td { @if let Some(text) = &value.display_name { (name(text)) } }
                        td { @if let Some(text) = &value.description { (name(text)) } }
                        td { @if Some(value.value_id) == attribute.default { "yes" } }
                    }
                }
            }))
        }
    }
}
