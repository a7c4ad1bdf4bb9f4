//! The typed reporting view of each extension schema, with one row per record and one column per attribute (docs/api.md
//! §4).
//!
//! Functions in the database make and drop the views, with the rights of the owner of the tables. The service's role
//! needs no rights to do so itself.

use sqlx::{Executor, PgConnection};

use crate::domain::extension::SchemaId;
use crate::domain::ids::Element;

/// The version of the views' form. Every migration that changes the form increments it; views of an older version are
/// then replaced.
pub(super) const VIEW_VERSION: i32 = 2;

/// The name of the view, such as `task_survey` for the task schema `Survey`.
pub(super) fn view_of(element: Element, name: &str) -> String {
    format!("{}_{}", element.singular(), name.to_ascii_lowercase())
}

/// Creates or replaces the view of a schema, with comments on the view and its columns.
pub(super) async fn create_view(
    connection: &mut PgConnection,
    SchemaId(schema_id): SchemaId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("-- create_view\nselect from create_reporting_view($1)", schema_id).execute(connection).await.map(drop)
}

/// Limits the time for which a transaction waits to change a view. New readers of the view wait behind the transaction.
pub(super) async fn limit_wait_for_view(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("-- limit_wait_for_view\nset local lock_timeout = 100").await.map(drop)
}

/// Restores the usual limit for the rest of the transaction.
pub(super) async fn lift_wait_for_view(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("-- lift_wait_for_view\nset local lock_timeout = '30s'").await.map(drop)
}

/// Drops the view of a schema.
pub(super) async fn drop_view(connection: &mut PgConnection, SchemaId(schema_id): SchemaId) -> Result<(), sqlx::Error> {
    sqlx::query!("-- drop_view\nselect from drop_reporting_view($1)", schema_id).execute(connection).await.map(drop)
}
