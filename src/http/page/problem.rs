//! The page of a problem, at the address that its `type` names: why it occurs, and what the caller should do.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::layout::{self, Menu};
use crate::http::problem::{Code, Problem};
use crate::http::query::NoParameters;

/// The page of a problem.
pub(in crate::http) async fn get_problem_page(
    request: HttpRequest,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let asked = request.match_info().query("code");
    let unknown = || Problem::new(Code::NotFound, format!("expected the code of a problem, found {asked:?}"));
    let code = Code::ALL.iter().find(|code| code.entry().0 == asked).ok_or_else(unknown)?;
    Ok(layout::answer(code.entry().2, menu, &page(*code)))
}

fn page(code: Code) -> Markup {
    let ((name, status, title), (cause, advice)) = (code.entry(), code.explanation());
    html! {
        section class="notice" {
            h1 { (title) }
            p class="quiet" { "Status " (status.as_u16()) ", " code { (name) } }
            dl class="facts explanation" {
                div { dt { "Cause" } dd { (with_names(cause)) } }
                div { dt { "What to do" } dd { (with_names(advice)) } }
            }
            p { "The answer to such a request says more in " code { "detail" } " and, if it has them, " code { "errors" } "." }
            p { "The " a href="/docs/" { "API" } " describes every operation with its fields." }
        }
    }
}

/// A text whose names in backquotes are shown as such.
fn with_names(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
