//! The page of users. Passwords and tokens are kept as hashes, which are not shown.

use actix_web::{HttpResponse, web};
use maud::html;

use super::super::format::name;
use super::super::layout::{self, Here, Menu};
use super::{heading, table};
use crate::http::problem::Problem;
use crate::http::query::NoParameters;
use crate::store::Store;

/// The page of users.
pub(in crate::http) async fn get_users_page(
    store: web::Data<Store>,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let credentials = store.credentials();
    let main = move || {
        html! {
            (heading("/administration/users"))
            p class="quiet" { "They are added and removed with " code { "context-services user" } "." }
            @if credentials.is_empty() {
                p class="quiet nothing" { "There are none." }
            } @else {
                (table("users", &["Name", "Role", "Credential", "Number"], &html! {
                    @for credential in credentials.iter() {
                        tr {
                            th scope="row" { (name(&credential.name)) }
                            td { (credential.role.word()) } td { (credential.kind.word()) } td class="number" { (credential.id) }
                        }
                    }
                }))
            }
        }
    };
    layout::answer_elsewhere("Users".to_owned(), menu.at(Here::Administration), main).await
}
