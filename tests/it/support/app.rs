//! The service on its own database and port, and its responses.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use context_services::domain::clock::ManualClock;
use context_services::domain::time::Timestamp;
use context_services::http::{self, AccessSettings, HttpSettings};
use context_services::store::{Store, StoreSettings, WriterSettings};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use tokio_util::sync::CancellationToken;

use super::postgres::{Database, settings};

/// The time at which the manual clock of every test starts.
pub(crate) const START: &str = "2026-02-05T09:11:00.000Z";

/// The service under test.
pub(crate) struct TestApp {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: web::Data<Store>,
    pub(crate) database: Arc<Database>,
    pub(crate) url: String,
    client: reqwest::Client,
    handle: ServerHandle,
}

impl TestApp {
    /// The service on an empty database. Its clock stands at [`START`], and its identifiers begin at 1.
    pub(crate) async fn spawn() -> Self {
        Self::on(Arc::new(Database::create().await)).await
    }

    /// Another node on the same database.
    pub(crate) async fn another_node(&self) -> Self {
        Self::on(Arc::clone(&self.database)).await
    }

    /// The service on a database.
    pub(crate) async fn on(database: Arc<Database>) -> Self {
        let writer = settings(database.options.clone()).writer;
        Self::with_writer(database, writer).await
    }

    /// The service on a database, with these settings of the writer.
    pub(crate) async fn with_writer(database: Arc<Database>, writer: WriterSettings) -> Self {
        let settings = StoreSettings { writer, ..settings(database.options.clone()) };
        Self::with_settings(database, settings).await
    }

    /// The service on a database, with these settings of the store.
    pub(crate) async fn with_settings(database: Arc<Database>, settings: StoreSettings) -> Self {
        Self::with(database, settings, AccessSettings::default()).await
    }

    /// The service on a database, with access control.
    pub(crate) async fn with_access(database: Arc<Database>, access: AccessSettings) -> Self {
        let settings = settings(database.options.clone());
        Self::with(database, settings, access).await
    }

    async fn with(database: Arc<Database>, settings: StoreSettings, access: AccessSettings) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::parse(START).unwrap()));
        let store = web::Data::new(Store::open(settings, Arc::clone(&clock) as _).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = HttpSettings {
            workers: 1,
            max_body_bytes: 64 * 1024,
            max_body_memory: 1024 * 1024,
            max_answer_memory: 4 * 1024 * 1024,
            http2: true,
            shutdown_timeout: 5,
            request_timeout: Duration::from_secs(2),
            keep_alive: Duration::from_secs(2),
            max_connections: 1024,
            access,
            tls: None,
        };
        let server = http::serve(listener, web::Data::clone(&store), settings, CancellationToken::new()).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self { clock, store, database, url, client: reqwest::Client::new(), handle }
    }

    /// POSTs a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(("application/json", body.to_string()))).await
    }

    /// POSTs text of any content type.
    pub(crate) async fn post_text(&self, path: &str, content_type: &str, body: impl Into<String>) -> Answer {
        self.send(Method::POST, path, Some((content_type, body.into()))).await
    }

    /// GETs a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// PUTs a JSON body.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", body.to_string()))).await
    }

    /// DELETEs a path.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends any request with headers and an optional JSON body.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request =
            body.into_iter().fold(request, |request, body| request.header(CONTENT_TYPE, "application/json").body(body));
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends any request.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some((content_type, text)) = body {
            request = request.header(CONTENT_TYPE, content_type).body(text);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// A connection to the database.
    pub(crate) async fn sql(&self) -> PgConnection {
        self.database.connect().await
    }

    /// The single value that a statement returns.
    pub(crate) async fn value<T>(&self, statement: &str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
    {
        sqlx::query_scalar(statement).fetch_one(&mut self.sql().await).await.unwrap()
    }

    /// Stops the service, as on SIGTERM.
    pub(crate) async fn stop(self) {
        self.handle.stop(true).await;
        self.store.close().await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // `stop` sends the command when called; its future only waits for the result.
        drop(self.handle.stop(false));
    }
}

/// A response of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body as JSON, as a string if it is not JSON, or null if it is empty.
    pub(crate) body: Value,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = match serde_json::from_str(&text) {
            Ok(json) => json,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Self { status, headers, body }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts the status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    /// Asserts a complete and well-formed problem with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.body["code"], code, "{:#}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.body["type"], format!("/problems/{code}"));
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.body["exception"], code);
        assert_eq!(answer.body["message"], answer.body["detail"]);
        assert!(answer.body["title"].is_string() && answer.body["detail"] != "", "{:#}", answer.body);
        assert_eq!(answer.header("retry-after").is_some(), matches!(status, 429 | 503));
        answer
    }

    /// The pointers of an `invalid_event` or `invalid_schema`, in order.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}
