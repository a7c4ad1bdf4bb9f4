//! Pages for administrators: refused requests, schemas, business attributes and users.

mod metadata;
mod refused;
mod users;

use maud::{Markup, html};

pub(in crate::http) use metadata::{get_business_attributes_page, get_schemas_page};
pub(in crate::http) use refused::get_refused_page;
pub(in crate::http) use users::get_users_page;

/// The pages, each with its path and label.
const PAGES: [(&str, &str); 4] = [
    ("/administration/refused", "Refused requests"),
    ("/administration/schemas", "Extension schemas"),
    ("/administration/business-attributes", "Business attributes"),
    ("/administration/users", "Users"),
];

/// The heads of columns of numbers.
const NUMBERS: [&str; 2] = ["Requests", "Number"];

/// The heading of the page at `path`, below links to all of them.
fn heading(path: &str) -> Markup {
    let label = PAGES.iter().find(|(known, _)| *known == path).map_or("", |(_, label)| *label);
    html! {
        nav class="filters" aria-label="Administration" {
            @for (to, label) in PAGES { a class="filter" href=(to) aria-current=[(to == path).then_some("page")] { (label) } }
        }
        h1 { (label) }
    }
}

/// A table that scrolls if it is wider than the page.
fn table(label: &str, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(format!("Table: {label}")) {
            table {
                thead { tr { @for head in heads { th scope="col" class=[NUMBERS.contains(head).then_some("number")] { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}
