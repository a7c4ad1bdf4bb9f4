//! Typed reporting views that were created by an older version of the program.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::types::Json;

use super::batch::ElementColumn;
use super::extensions::SchemaRow;
use super::reporting::{self, VIEW_VERSION};
use crate::background::{Failure, Job, Next};
use crate::domain::extension::{AttributeDefinition, SchemaId, UniqueDefinition};

/// Replaces the views that have an older form. The interval covers nodes of an older version that still run.
pub(super) struct ReplaceOutdatedViews {
    pub(super) pool: PgPool,
}

impl Job for ReplaceOutdatedViews {
    const NAME: &'static str = "outdated_views";
    const INTERVAL: Duration = Duration::from_secs(60);

    async fn run(&mut self) -> Result<Next, Failure> {
        if replace_outdated_view(&self.pool).await? { Ok(Next::After(Duration::ZERO)) } else { Ok(Next::Scheduled) }
    }
}

/// Replaces one view, if there is an outdated one.
async fn replace_outdated_view(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // An analyst's transaction may lock the view for a long time. Other readers of the view must not wait long.
    reporting::limit_wait_for_view(&mut transaction).await?;
    let row = sqlx::query_as!(
        SchemaRow,
        r#"-- outdated_view
        select schema_id, element as "element: ElementColumn", name, multi_valued, open,
          attributes as "attributes: Json<Vec<AttributeDefinition>>",
          unique_attributes as "unique_attributes: Json<Vec<UniqueDefinition>>"
        from extension_schemas
        where deleted_at is null and not open and view_version < $1
        order by schema_id limit 1 for update skip locked"#,
        VIEW_VERSION
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let (element, schema_id) = (row.element.into(), row.schema_id);
    reporting::create_view(&mut transaction, (element, SchemaId(schema_id)), &row.into()).await?;
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
