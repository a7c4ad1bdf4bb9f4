//! The typed reporting view of each extension schema, with one row per record and one column per attribute (docs/api.md
//! §4).

use std::collections::HashSet;

use sqlx::{Executor, PgConnection};

use crate::domain::extension::{AttributeType, SchemaDefinition, SchemaId, ValueKind};
use crate::domain::ids::Element;

/// The longest identifier in PostgreSQL, in bytes.
const MAX_NAME: usize = 63;

/// The form of the views. It grows with every change of the form; views of an older form are then replaced.
pub(super) const VIEW_VERSION: i32 = 2;

/// The name of the view, such as `task_survey` for the task schema `Survey`.
pub(super) fn view_of(element: Element, name: &str) -> String {
    format!("{}_{}", element.singular(), name.to_ascii_lowercase())
}

/// Creates or replaces the view of a schema, with comments on the view and its columns.
pub(super) async fn create_view(
    connection: &mut PgConnection,
    (element, id): (Element, SchemaId),
    definition: &SchemaDefinition,
) -> Result<(), sqlx::Error> {
    connection.execute(&*statements(element, id, definition)).await.map(drop)
}

/// Limits the time for which a transaction waits to change a view. Whoever comes to read the view waits behind it.
pub(super) async fn limit_wait_for_view(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("-- limit_wait_for_view\nset local lock_timeout = 100").await.map(drop)
}

/// Lifts the limit again, for what the transaction waits for after that.
pub(super) async fn lift_wait_for_view(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("-- lift_wait_for_view\nset local lock_timeout = '30s'").await.map(drop)
}

/// Drops the view of a schema.
pub(super) async fn drop_view(connection: &mut PgConnection, element: Element, name: &str) -> Result<(), sqlx::Error> {
    let statement = format!("drop view if exists reporting.{}", quoted(&view_of(element, name)));
    connection.execute(&*statement).await.map(drop)
}

fn statements(element: Element, SchemaId(id): SchemaId, definition: &SchemaDefinition) -> String {
    let view = quoted(&view_of(element, &definition.name));
    let kind = element.singular();
    let own_id = if element == Element::Service { String::new() } else { format!(", x.element_id as {kind}_id") };
    let columns = columns(element, definition);
    let typed = columns.iter().map(|column| format!(",\n  {} as {}", column.value, quoted(&column.name)));
    let records = match definition.kind {
        ValueKind::SingleValued => "(select x.records as record, 1 as record_number) as e",
        ValueKind::MultiValued => "jsonb_array_elements(x.records) with ordinality as e(record, record_number)",
    };
    let create = format!(
        "create or replace view reporting.{view} as select x.service_id{own_id}, e.record_number::integer as record_number{}
         from unexpired_extensions x cross join lateral {records}
         where x.element = '{kind}' and x.schema_id = {id};
         comment on view reporting.{view} is {};",
        typed.collect::<Vec<_>>().concat(),
        literal(&format!("One row per record of the {kind} extension {}.", definition.name)),
    );
    let own = [
        ("service_id".to_owned(), "The service.".to_owned()),
        ("record_number".to_owned(), "Counts from 1 within an element.".to_owned()),
        (format!("{kind}_id"), format!("The {kind}.")),
    ];
    let of_attributes = columns.iter().map(|column| (column.name.clone(), format!("Attribute {}.", column.attribute)));
    // The view of a service extension has no identifier besides that of the service.
    let own = own.into_iter().take(if element == Element::Service { 2 } else { 3 });
    let comments = own.chain(of_attributes).map(|(column, comment)| {
        format!("comment on column reporting.{view}.{} is {};", quoted(&column), literal(&comment))
    });
    create + &comments.collect::<Vec<_>>().concat()
}

struct Column<'a> {
    name: String,
    attribute: &'a str,
    value: String,
}

/// The columns of a view, one per attribute. Names that are too long for PostgreSQL are cut, and numbered if they
/// clash.
fn columns(element: Element, definition: &SchemaDefinition) -> Vec<Column<'_>> {
    let mut taken = HashSet::from(["service_id".to_owned(), "record_number".to_owned()]);
    taken.insert(format!("{}_id", element.singular()));
    let mut columns = Vec::with_capacity(definition.attributes.len());
    for attribute in &definition.attributes {
        let mut name = cut(&attribute.name, "");
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = cut(&attribute.name, &format!("_{number}"));
            number += 1;
        }
        let member = literal(&attribute.name);
        let value = match attribute.kind {
            AttributeType::Json => format!("e.record -> {member}"),
            AttributeType::String => format!("e.record ->> {member}"),
            AttributeType::Boolean => format!("(e.record ->> {member})::boolean"),
            AttributeType::Integer => format!("(e.record ->> {member})::bigint"),
            // A float is any number within the range of a double, and is stored as it was sent.
            AttributeType::Float => format!("(e.record ->> {member})::numeric"),
            // SQL has no year 0, which records of earlier versions may have. It must not make the view fail.
            AttributeType::Date => {
                format!("case when (e.record ->> {member}) !~ '^0000' then (e.record ->> {member})::date end")
            }
            AttributeType::Datetime => {
                format!("case when (e.record ->> {member}) !~ '^0000' then (e.record ->> {member})::timestamptz end")
            }
        };
        columns.push(Column { name, attribute: &attribute.name, value });
    }
    columns
}

/// Cuts a name so that it fits with its suffix.
fn cut(name: &str, end: &str) -> String {
    let mut length = name.len().min(MAX_NAME - end.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{end}", &name[..length])
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string literal. `standard_conforming_strings` is on, so a backslash stands for itself.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
