//! Pages of other sites cannot send changes through their visitor's browser, and passwords cannot be guessed.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::header::TryIntoHeaderValue;
use actix_web_httpauth::headers::authorization::Basic;
use context_services::domain::access::{CredentialKind, Role, SecretHash};
use context_services::http::AccessSettings;
use reqwest::Method;

use crate::support::TestApp;
use crate::support::app::Answer;
use crate::support::postgres::Database;

const SERVICE: &str = r#"{"contact_key":"k"}"#;

async fn guarded() -> TestApp {
    let access =
        AccessSettings { authentication: true, password_rate_limit: NonZeroU32::new(5), ..AccessSettings::default() };
    TestApp::with_access(Arc::new(Database::create().await), access).await
}

fn basic(password: &str) -> String {
    let header = Basic::new("anna", Some(password.to_owned())).try_into_value().unwrap();
    header.to_str().unwrap().to_owned()
}

/// A guarded service with a user whose password is `right`.
async fn with_a_user() -> TestApp {
    let app = guarded().await;
    let hash = SecretHash::of_password("right", [1; 16]).unwrap();
    app.store.add_credential("anna", CredentialKind::Password, Role::Writer, &hash).await.unwrap();
    app
}

async fn start(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    app.send_with(Method::POST, "/services/start", headers, Some(SERVICE.to_owned())).await
}

#[tokio::test]
async fn a_change_from_a_page_of_another_site_is_refused_without_the_help_of_the_browser() {
    let app = TestApp::spawn().await;
    let host = app.url.strip_prefix("http://").unwrap();
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "http://evil.127.0.0.1"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1"),
        ("referer", "http://evil.example/page?of=http://127.0.0.1"),
    ] {
        start(&app, &[(name, value)]).await.refused(403, "forbidden");
        app.send_with(Method::DELETE, "/services/1", &[(name, value)], None).await.refused(403, "forbidden");
        app.send_with(Method::GET, "/services/1", &[(name, value)], None).await.refused(404, "unknown_service");
    }
    assert_eq!(app.value::<i64>("select count(*) from services").await, 0);
    start(&app, &[("origin", &app.url)]).await.is(201);
    start(&app, &[("origin", &format!("https://{host}"))]).await.is(201);
    start(&app, &[("referer", &format!("{}/journey", app.url))]).await.is(201);
    start(&app, &[("origin", "https://cs.example"), ("x-forwarded-host", "cs.example")]).await.is(201);
    start(&app, &[("origin", "https://cs.example"), ("host", "cs.example:443")]).await.is(201);
    start(&app, &[]).await.is(201);
}

#[tokio::test]
async fn a_change_with_a_password_from_a_browser_says_that_it_is_json() {
    let app = with_a_user().await;
    let password = ("authorization", &*basic("right"));
    let origin = ("origin", &*app.url.clone());
    let plain = start(&app, &[password, origin, ("content-type", "")]).await;
    plain.refused(415, "unsupported_media_type");
    start(&app, &[password, ("sec-ch-ua", "x"), ("content-type", "")]).await.refused(415, "unsupported_media_type");
    start(&app, &[password, origin, ("content-type", "application/json; charset=utf-8")]).await.is(201);
    start(&app, &[password]).await.is(201);
    let end = app.send_with(Method::POST, "/services/1/end", &[password, origin], None).await;
    end.is(204);
}

#[tokio::test]
async fn every_answer_forbids_browsers_to_guess_its_type() {
    let app = TestApp::spawn().await;
    for path in ["/services/1", "/health/live", "/openapi.json", "/reports/stops?format=csv", "/journey", "/nowhere"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test]
async fn a_user_whose_password_is_guessed_is_checked_less_and_less_often_and_still_served() {
    let app = with_a_user().await;
    let status = async |password: &str| {
        let header = basic(password);
        app.send_with(Method::GET, "/server/status", &[("authorization", &header)], None).await
    };
    status("right").await.is(200);
    for guess in 0..5 {
        status(&format!("guess {guess}")).await.refused(401, "unauthenticated");
    }
    let refused = status("another guess").await;
    assert!(refused.refused(429, "rate_limited").header("retry-after").is_some());
    status("right").await.is(200);
}

#[tokio::test]
async fn an_address_that_guesses_is_limited_whatever_names_it_tries() {
    let app = with_a_user().await;
    let guesses = (0..60).map(async |guess| {
        let header = Basic::new(format!("user {guess}"), Some("guess")).try_into_value().unwrap();
        let header = header.to_str().unwrap().to_owned();
        app.send_with(Method::GET, "/server/status", &[("authorization", &header)], None).await.status
    });
    let statuses = futures::future::join_all(guesses).await;
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(!statuses.contains(&200), "{statuses:?}");
}
