//! Typed reporting views that were created by an older release of the program.

use std::time::Duration;

use super::pool::Pool;
use super::reporting::{self, VIEW_VERSION};
use crate::background::{Failure, Job, Next};
use crate::domain::extension::SchemaId;

/// Replaces the views that have an older form. The interval covers nodes of an older release that are still running.
pub(super) struct ReplaceOutdatedViews {
    pub(super) pool: Pool,
}

impl Job for ReplaceOutdatedViews {
    const NAME: &'static str = "outdated_views";
    const INTERVAL: Duration = Duration::from_secs(60);

    async fn run(&mut self) -> Result<Next, Failure> {
        if replace_outdated_view(&self.pool).await? { Ok(Next::After(Duration::ZERO)) } else { Ok(Next::Scheduled) }
    }
}

/// Replaces one outdated view, if there is any. Returns whether there was.
async fn replace_outdated_view(pool: &Pool) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // An analyst's transaction may lock the view for a long time. Other readers of the view must not wait long.
    reporting::limit_wait_for_view(&mut transaction).await?;
    let outdated = sqlx::query_scalar!(
        r#"-- outdated_view
        select schema_id from extension_schemas
        where deleted_at is null and not open and view_version < $1
        order by schema_id limit 1 for update skip locked"#,
        VIEW_VERSION
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(schema_id) = outdated else { return Ok(false) };
    reporting::create_view(&mut transaction, SchemaId(schema_id)).await?;
    sqlx::query!(
        "-- replace_outdated_view\nupdate extension_schemas set view_version = $2 where schema_id = $1",
        schema_id,
        VIEW_VERSION
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}
