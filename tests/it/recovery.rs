//! Recovery to a point in time, from a base backup and the WAL archived since.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor};

use crate::support::cluster::Cluster;
use crate::support::postgres::url;
use crate::support::program::{Program, output};
use crate::support::until;

#[tokio::test]
async fn a_backup_and_the_archived_wal_restore_a_moment_and_no_identifier_is_assigned_again() {
    let mut cluster = Cluster::start_archiving().await;
    let program = Program::start_with(&[("DATABASE_URL", &url(&cluster.primary_options()))]);
    let before_the_backup = program.journey().await;
    cluster.back_up("restored", &[]);
    let after_the_backup = program.journey().await;
    let mut primary = cluster.primary_options().connect().await.unwrap();
    let moment: String = sqlx::query_scalar("select clock_timestamp()::text").fetch_one(&mut primary).await.unwrap();
    let (_, after_the_moment) = program.post("/services/start", &json!({"customer_id": "00K8"})).await;
    let written: String =
        sqlx::query_scalar("select pg_walfile_name(pg_current_wal_lsn())").fetch_one(&mut primary).await.unwrap();
    primary.execute("select pg_switch_wal()").await.unwrap();
    until("the WAL is archived", async || {
        let archived = "select coalesce(last_archived_wal >= $1, false) from pg_stat_archiver";
        sqlx::query_scalar(archived).bind(&written).fetch_one(&mut primary).await.unwrap()
    })
    .await;
    program.stop();
    cluster.kill_primary();

    cluster.recover_until("restored", &moment);
    cluster.start_copy("restored").await;
    let mut restored = cluster.copy_options("restored").connect().await.unwrap();
    until("the recovery has ended", async || {
        sqlx::query_scalar("select not pg_is_in_recovery()").fetch_one(&mut restored).await.unwrap()
    })
    .await;
    let settings = [("DATABASE_URL", url(&cluster.copy_options("restored")))];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert!(output(&settings, &["after-restore"]).status.success());
    let program = Program::start_with(&settings);
    for task in [before_the_backup, after_the_backup] {
        let (status, read) = program.get(&task).await;
        assert!(status == 200 && read["completed"].is_object(), "{status} {read}");
    }
    let id = |started: &Value| started["service_id"].as_i64().unwrap();
    assert_eq!(program.get(&format!("/services/{}", id(&after_the_moment))).await.0, 404);
    let (_, next) = program.post("/services/start", &json!({"customer_id": "00K9"})).await;
    assert!(id(&next) > id(&after_the_moment), "{next} {after_the_moment}");
    program.stop();
}
