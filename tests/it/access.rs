//! Access control: credentials, roles, allowed hosts and the rate limit.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::header::TryIntoHeaderValue;
use actix_web_httpauth::headers::authorization::Basic;
use context_services::domain::access::{CredentialKind, Role, SecretHash};
use context_services::http::AccessSettings;
use reqwest::Method;
use serde_json::json;

use crate::openapi::OPERATIONS;
use crate::support::app::Answer;
use crate::support::postgres::Database;
use crate::support::{TestApp, until};

/// The value of a caller's `Authorization` header.
type Caller = Option<String>;

/// A service that requires authentication.
async fn guarded() -> TestApp {
    let access = AccessSettings { authentication: true, ..AccessSettings::default() };
    TestApp::with_access(Arc::new(Database::create().await), access).await
}

/// Adds a token for a user and returns its header.
async fn token(app: &TestApp, name: &str, role: Role) -> Caller {
    let secret = format!("token of {name} {}", role.word()).replace(' ', "-");
    app.store.add_credential(name, CredentialKind::Token, role, &SecretHash::of_token(&secret)).await.unwrap();
    Some(format!("Bearer {secret}"))
}

/// Adds a password for a user and returns its number and header.
async fn password(app: &TestApp, name: &str, password: &str) -> (i32, Caller) {
    let hash = SecretHash::of_password(password, [1; 16]).unwrap();
    let id = app.store.add_credential(name, CredentialKind::Password, Role::Writer, &hash).await.unwrap();
    (id, Some(basic(name, password)))
}

fn basic(name: &str, password: &str) -> String {
    let header = Basic::new(name.to_owned(), Some(password.to_owned())).try_into_value().unwrap();
    header.to_str().unwrap().to_owned()
}

async fn call(app: &TestApp, caller: &Caller, method: &Method, path: &str) -> Answer {
    let headers: Vec<_> = caller.iter().map(|header| ("authorization", header.as_str())).collect();
    app.send_with(method.clone(), path, &headers, None).await
}

/// The documented role of each operation.
fn promised(name: &str) -> Option<Role> {
    match name {
        "live" | "ready" => None,
        "delete_service"
        | "list_refused"
        | "create_extension_schema"
        | "delete_extension_schema"
        | "change_server_mode"
        | "define_business_attribute"
        | "remove_business_attribute"
        | "purge_services"
        | "get_purge" => Some(Role::Administrator),
        _ if ["start_", "complete_", "transition_", "associate_", "update_", "merge_", "delete_"]
            .iter()
            .any(|verb| name.starts_with(verb)) =>
        {
            Some(Role::Writer)
        }
        _ => Some(Role::Reader),
    }
}

#[tokio::test]
async fn every_operation_asks_for_its_role_and_a_refusal_writes_nothing() {
    let app = guarded().await;
    let mut callers = vec![(None, None)];
    for role in Role::ALL {
        callers.push((Some(role), token(&app, "u", role).await));
    }
    for (name, method, template) in OPERATIONS {
        let path = template.replace("{elements}", "tasks").replace("{name}", "Survey").replace(['{', '}'], "");
        let path =
            path.replace("service_id", "1").replace("task_id", "1").replace("state_id", "1").replace("purge_id", "1");
        let method: Method = method.to_uppercase().parse().unwrap();
        for prefix in ["", "/genesys/1/cs"] {
            for (role, caller) in &callers {
                let answer = call(&app, caller, &method, &format!("{prefix}{path}")).await;
                match (promised(name), role) {
                    (None, _) => _ = answer.is(200),
                    (Some(_), None) => {
                        let refused = answer.refused(401, "unauthenticated");
                        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"), "{name}");
                    }
                    (Some(needed), Some(role)) if *role < needed => _ = answer.refused(403, "forbidden"),
                    (Some(_), Some(role)) => {
                        assert!(!matches!(answer.status, 401 | 403), "{name} as {}: {}", role.word(), answer.body);
                    }
                }
            }
        }
    }
    assert_eq!(app.value::<i64>("select count(*) from services").await, 0);
}

#[tokio::test]
async fn pages_and_their_files_need_a_reader() {
    let app = guarded().await;
    let reader = token(&app, "ruth", Role::Reader).await;
    let journey = call(&app, &reader, &Method::GET, "/journey").await.is(200);
    let html = journey.body.as_str().unwrap();
    let file = html.split('"').find(|text| text.starts_with("/assets/")).unwrap();
    for path in ["/journey", "/journey?q=00K7", "/dashboard", "/reports/stops?format=csv", file] {
        call(&app, &None, &Method::GET, path).await.refused(401, "unauthenticated");
        call(&app, &reader, &Method::GET, path).await.is(200);
    }
    // An unauthenticated caller cannot learn which paths exist.
    for path in ["/journey/services/1", "/journey/services/x"] {
        call(&app, &None, &Method::GET, path).await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_refused_event_writes_nothing_and_tells_nothing() {
    let app = guarded().await;
    let (writer, reader) =
        (token(&app, "w", Role::Writer).await.unwrap(), token(&app, "r", Role::Reader).await.unwrap());
    let start = async |caller: &str| {
        let body = Some(json!({"customer_id": "00K7"}).to_string());
        app.send_with(Method::POST, "/services/start", &[("authorization", caller)], body).await
    };
    start(&reader).await.refused(403, "forbidden");
    for spelled in [writer.replace("Bearer", "bearer"), writer.replace("Bearer ", "BEARER   ")] {
        let answer = app.send_with(Method::GET, "/services/1", &[("authorization", &spelled)], None).await;
        answer.refused(404, "unknown_service");
    }
    start("Bearer nonsense").await.refused(401, "unauthenticated");
    start("Nonsense").await.refused(401, "unauthenticated");
    assert_eq!(app.value::<i64>("select count(*) from services").await, 0);
    start(&writer).await.is(201);
    let there = call(&app, &None, &Method::GET, "/services/1").await.refused(401, "unauthenticated");
    let not_there = call(&app, &None, &Method::GET, "/services/2").await.refused(401, "unauthenticated");
    assert_eq!(there.body, not_there.body);
}

#[tokio::test]
async fn a_user_may_have_several_passwords_until_one_is_removed() {
    let app = guarded().await;
    let (old_id, old) = password(&app, "ivr", "the old password").await;
    let (_, new) = password(&app, "ivr", "the new pass:wörd").await;
    let status = async |caller: &Caller| call(&app, caller, &Method::GET, "/server/status").await.status;
    for _ in 0..2 {
        assert_eq!((status(&old).await, status(&new).await), (200, 200));
    }
    for wrong in [basic("ivr", "another password"), basic("iv", "the old password"), basic("ivr", "")] {
        assert_eq!(status(&Some(wrong)).await, 401);
    }
    assert_eq!(app.store.remove_credentials("ivr", Some(old_id)).await.unwrap(), 1);
    assert_eq!((status(&old).await, status(&new).await), (401, 200), "even though the node remembered it");
    let kept: String = app.value("select string_agg(hash, ' ') from credentials").await;
    assert!(kept.starts_with("$argon2id$") && !kept.contains("password"), "{kept}");
}

#[tokio::test]
async fn a_credential_is_in_force_and_out_of_it_on_every_node_within_a_second() {
    let app = guarded().await;
    let access = AccessSettings { authentication: true, ..AccessSettings::default() };
    let node = TestApp::with_access(Arc::clone(&app.database), access).await;
    let caller = token(&app, "u", Role::Reader).await;
    let becomes = async |status: u16| {
        until("the credential", async || call(&node, &caller, &Method::GET, "/server/status").await.status == status)
            .await;
    };
    becomes(200).await;
    app.store.remove_credentials("u", None).await.unwrap();
    becomes(401).await;
}

#[tokio::test]
async fn other_names_and_other_sites_are_turned_away() {
    let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    let access = AccessSettings { hosts, ..AccessSettings::default() };
    let app = TestApp::with_access(Arc::new(Database::create().await), access).await;
    let call = async |method: Method, path: &str, header: (&str, &str)| {
        let body = (method == Method::POST).then(|| r#"{"contact_key":"k"}"#.to_owned());
        app.send_with(method, path, &[header], body).await
    };
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"] {
        call(Method::GET, "/server/status", ("host", host)).await.is(200);
    }
    for host in ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example"] {
        call(Method::GET, "/server/status", ("host", host)).await.refused(403, "forbidden");
        call(Method::GET, "/health/live", ("host", host)).await.is(200);
    }
    for site in ["cross-site", "same-site"] {
        call(Method::POST, "/services/start", ("sec-fetch-site", site)).await.refused(403, "forbidden");
    }
    assert_eq!(app.value::<i64>("select count(*) from services").await, 0);
    call(Method::POST, "/services/start", ("sec-fetch-site", "same-origin")).await.is(201);
    call(Method::GET, "/services/1", ("sec-fetch-site", "cross-site")).await.is(200);
}

#[tokio::test]
async fn a_caller_that_sends_too_much_is_told_so_and_no_other_is() {
    let access = AccessSettings { authentication: true, rate_limit: NonZeroU32::new(5), ..AccessSettings::default() };
    let app = TestApp::with_access(Arc::new(Database::create().await), access).await;
    let (busy, calm) = (token(&app, "busy", Role::Reader).await, token(&app, "calm", Role::Reader).await);
    let calls = (0..100).map(|_| call(&app, &busy, &Method::GET, "/server/status"));
    let answers = futures::future::join_all(calls).await;
    let (limited, served): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status != 200);
    assert!(served.len() >= 5 && !limited.is_empty(), "{} served, {} limited", served.len(), limited.len());
    for answer in limited {
        assert_eq!(answer.refused(429, "rate_limited").header("retry-after"), Some("1"));
    }
    call(&app, &calm, &Method::GET, "/server/status").await.is(200);
}

/// What a browser accepts when it opens a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn the_menu_leads_only_to_pages_that_the_caller_may_read() {
    let app = guarded().await;
    for role in Role::ALL {
        let caller = token(&app, "ann", role).await;
        for path in ["/", "/list", "/journey", "/journey?q=1", "/dashboard", "/problems/not_found", "/docs/"] {
            let page = call(&app, &caller, &Method::GET, path).await.is(200).body.to_string();
            let leads = page.contains("/administration/refused");
            assert_eq!(leads, role == Role::Administrator, "{path} for {}: {page}", role.word());
        }
    }
}

#[tokio::test]
async fn a_browser_that_is_refused_is_shown_a_page() {
    let app = guarded().await;
    let (reader, root) = (token(&app, "ann", Role::Reader).await, token(&app, "root", Role::Administrator).await);
    let get = async |caller: &Caller, path: &str, accept: &str| {
        let credentials = caller.iter().map(|header| ("authorization", header.as_str()));
        let headers: Vec<_> = credentials.chain([("accept", accept)]).collect();
        app.send_with(Method::GET, path, &headers, None).await
    };
    for (caller, path, status, code) in [
        (&None, "/dashboard", 401, "unauthenticated"),
        (&reader, "/administration/refused", 403, "forbidden"),
        (&reader, "/administration/nothing", 403, "forbidden"),
        (&root, "/administration/nothing", 404, "not_found"),
        (&root, "/nothing", 404, "not_found"),
        (&root, "/docs/nothing", 404, "not_found"),
    ] {
        let page = get(caller, path, BROWSER).await.is(status);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; "), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.header("www-authenticate").is_some(), status == 401, "{path}");
        let html = page.body.as_str().unwrap();
        assert!(html.contains(code) && html.contains("<nav"), "{path}: {html}");
        assert_eq!(html.contains("/administration/refused"), caller == &root, "{path}: {html}");
        for accept in ["*/*", "application/json", "application/json, text/html;q=0.5"] {
            get(caller, path, accept).await.refused(status, code);
        }
    }
    // Problems of the API are JSON, whoever asks.
    get(&reader, "/refused", BROWSER).await.refused(403, "forbidden");
    get(&reader, "/services/1", BROWSER).await.refused(404, "unknown_service");
}
