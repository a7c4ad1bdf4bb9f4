//! Changes of extension records outside of events.

use actix_web::{HttpResponse, delete, put, web};
use serde_json::json;

use super::extract::{Body, Keyed, NamePath, ServicePath, StatePath, TaskPath};
use super::problem::Problem;
use super::problems::{ChangeRecordsProblems, DeleteRecordsProblems};
use super::query::NoParameters;
use crate::domain::extension::Change;
use crate::store::Store;

/// Defines the handlers that update, merge and delete the extension records of one kind of element.
macro_rules! changes_of_records {
    ($element:literal, $of:ident, [$($parameter:tt)*], $update:ident $update_path:tt, $merge:ident $merge_path:tt,
        $delete:ident $delete_path:tt) => {
        /// Update the records of an extension of an element.
        ///
        /// The body is a record, or an array of records if the extension is multi-valued. It replaces all recorded data of
        /// the extension. Completed elements accept it too.
        #[utoipa::path(
            tag = "Extensions",
            summary = concat!("Update the records of an extension of a ", $element, "."),
            params($($parameter)* ("name" = String, Path, description = "The extension, case-insensitive")),
            request_body(content = serde_json::Value, example = json!({"url": "http://ourServer", "question1": 7})),
            responses((status = 200, description = "The records are on disk", body = serde_json::Value, example = json!({})),
                ChangeRecordsProblems)
        )]
        #[put($update_path)]
        pub(super) async fn $update(
            store: web::Data<Store>,
            element: $of,
            name: NamePath,
            _: NoParameters,
            body: Body,
        ) -> Result<HttpResponse, Problem> {
            let records = body.records()?;
            store.change_records(element.key(), &name.0, |schema| Change::replace(schema, &records)).await?;
            Ok(HttpResponse::Ok().json(json!({})))
        }

        /// Merge attributes into the record of a single-valued extension of an element.
        ///
        /// Adds or replaces the attributes in the body and keeps the others; `null` counts as absent. If nothing is recorded
        /// yet, the body must be a complete record.
        #[utoipa::path(
            tag = "Extensions",
            summary = concat!("Merge attributes into the record of a single-valued extension of a ", $element, "."),
            params($($parameter)* ("name" = String, Path, description = "The extension, case-insensitive")),
            request_body(content = serde_json::Value, example = json!({"question1": 8})),
            responses((status = 200, description = "The record is on disk", body = serde_json::Value, example = json!({})),
                ChangeRecordsProblems)
        )]
        #[put($merge_path)]
        pub(super) async fn $merge(
            store: web::Data<Store>,
            element: $of,
            name: NamePath,
            _: NoParameters,
            body: Body,
        ) -> Result<HttpResponse, Problem> {
            let record = body.records()?;
            store.change_records(element.key(), &name.0, |schema| Change::merge(schema, &record)).await?;
            Ok(HttpResponse::Ok().json(json!({})))
        }

        /// Delete the records of an extension of an element.
        ///
        /// 404 `unknown_extension` if there are none.
        #[utoipa::path(
            tag = "Extensions",
            summary = concat!("Delete the records of an extension of a ", $element, "."),
            params($($parameter)* ("name" = String, Path, description = "The extension, case-insensitive")),
            responses((status = 204, description = "The records are deleted"), DeleteRecordsProblems)
        )]
        #[delete($delete_path)]
        pub(super) async fn $delete(
            store: web::Data<Store>,
            element: $of,
            name: NamePath,
            _: NoParameters,
        ) -> Result<HttpResponse, Problem> {
            store.change_records(element.key(), &name.0, |_| Ok(Change::Delete)).await?;
            Ok(HttpResponse::NoContent().finish())
        }
    };
}

changes_of_records! {
    "service", ServicePath, [("service_id" = i64, Path, description = "The service"),],
    update_service_extension "/services/{service_id}/extensions/{name}",
    merge_service_extension "/services/{service_id}/extensions/{name}/merge",
    delete_service_extension "/services/{service_id}/extensions/{name}"
}

changes_of_records! {
    "state", StatePath,
    [("service_id" = i64, Path, description = "The service"), ("state_id" = i32, Path, description = "The state"),],
    update_state_extension "/services/{service_id}/states/{state_id}/extensions/{name}",
    merge_state_extension "/services/{service_id}/states/{state_id}/extensions/{name}/merge",
    delete_state_extension "/services/{service_id}/states/{state_id}/extensions/{name}"
}

changes_of_records! {
    "task", TaskPath,
    [("service_id" = i64, Path, description = "The service"), ("task_id" = i32, Path, description = "The task"),],
    update_task_extension "/services/{service_id}/tasks/{task_id}/extensions/{name}",
    merge_task_extension "/services/{service_id}/tasks/{task_id}/extensions/{name}/merge",
    delete_task_extension "/services/{service_id}/tasks/{task_id}/extensions/{name}"
}
