//! Builders for tests of lifetimes.

use std::sync::Arc;

use chrono::TimeDelta;
use context_services::store::{LifetimeSettings, StoreSettings};
use serde_json::{Value, json};

use super::postgres::{Database, settings};
use super::{TestApp, until};

/// Counts the rows of all tables that hold data of services.
const ROWS: &str = "select (select count(*) from services) + (select count(*) from states)
    + (select count(*) from tasks) + (select count(*) from dispositions) + (select count(*) from extensions)
    + (select count(*) from deleted_services) + (select count(*) from auto_completions)";

/// The service under test with these settings of lifetimes.
pub(crate) async fn with_lifetimes(database: &Arc<Database>, lifetimes: LifetimeSettings) -> TestApp {
    let settings = StoreSettings { lifetimes, ..settings(database.options.clone()) };
    TestApp::with_settings(Arc::clone(database), settings).await
}

/// The setting `SERVICE_TTL`.
pub(crate) fn service_ttl(seconds: i64) -> LifetimeSettings {
    LifetimeSettings { service_ttl: Some(TimeDelta::seconds(seconds)), ..LifetimeSettings::default() }
}

/// The setting `AUTO_COMPLETE_AFTER`.
pub(crate) fn auto_complete_after(seconds: i64) -> LifetimeSettings {
    LifetimeSettings { auto_complete_after: Some(TimeDelta::seconds(seconds)), ..LifetimeSettings::default() }
}

impl TestApp {
    /// A service of customer 00K7 with further fields.
    pub(crate) async fn a_service_with(&self, fields: Value) -> i64 {
        let mut body = json!({"customer_id": "00K7"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.start("/services/start", &body).await
    }

    /// Whether callers can see a service.
    pub(crate) async fn is_there(&self, service: i64) -> bool {
        self.get(&format!("/services/{service}")).await.status == 200
    }

    /// Waits until callers cannot see a service any more.
    pub(crate) async fn until_gone(&self, service: i64) {
        until("the service is gone", async || !self.is_there(service).await).await;
    }

    /// Waits until a service has been completed automatically, and returns it.
    pub(crate) async fn until_auto_completed(&self, service: i64) -> Value {
        let path = format!("/services/{service}");
        until("the service has ended by itself", async || self.get(&path).await.body["auto_completed"] == true).await;
        self.get(&path).await.body
    }

    /// The number of rows of all services.
    pub(crate) async fn rows(&self) -> i64 {
        self.value(ROWS).await
    }

    /// Waits until the background jobs have run once more. A service that expires now is hidden afterwards.
    pub(crate) async fn jobs_have_run(&self) {
        let witness = self.a_service_with(json!({"ttl": 0})).await;
        self.until_gone(witness).await;
    }
}
