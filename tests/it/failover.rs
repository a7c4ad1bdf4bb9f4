//! A database that is read-only for a while, several hosts, and a standby that becomes the primary.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use context_services::domain::clock::SystemClock;
use context_services::postgres::{EmbeddedPostgres, EmbeddedSettings, NAME};
use context_services::store::{DatabaseAddress, Store, StoreSettings};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;

use crate::support::postgres::{Database, open_directory, settings};
use crate::support::proxy::{Line, Proxy};
use crate::support::world::survey;
use crate::support::{TestApp, until};

#[tokio::test]
async fn while_the_database_is_read_only_events_are_503_and_afterwards_they_flow_by_themselves() {
    let app = TestApp::spawn().await;
    let path = app.a_task_path().await;
    let name = app.database.name();
    // As by a failover to a standby: what is open is lost, and what is opened is read-only.
    app.database.administer(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let end_sessions = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    app.database.administer(&end_sessions).await;
    for _ in 0..3 {
        app.post(&format!("{path}/end"), &json!({})).await.refused(503, "database_unavailable");
        app.post("/metadata/tasks/extensions", &survey()).await.refused(503, "database_unavailable");
    }
    until("readiness names the reason", async || {
        let ready = app.get("/health/ready").await;
        ready.status == 503 && ready.body["detail"].as_str().unwrap().contains("read-only")
    })
    .await;
    app.get("/health/live").await.is(200);
    // What is open stays read-only: only new sessions accept writes.
    app.database.administer(&format!("alter database {name} reset default_transaction_read_only")).await;
    until("events flow again", async || app.post(&format!("{path}/end"), &json!({})).await.status == 204).await;
    until("it is ready again", async || app.get("/health/ready").await.status == 200).await;
    until("schemas are created again", async || app.post("/metadata/tasks/extensions", &survey()).await.status == 201)
        .await;
}

#[tokio::test]
async fn of_several_hosts_the_one_that_answers_is_used_and_the_other_when_it_is_gone() {
    let database = Arc::new(Database::create().await);
    let (one, other) = (Proxy::before(&database.options).await, Proxy::before(&database.options).await);
    let hosts = vec![one.options(&database.options), other.options(&database.options)];
    one.set(Line::Cut);
    let settings = StoreSettings { database: DatabaseAddress::new(hosts), ..settings(database.options.clone()) };
    let app = TestApp::with_settings(database, settings).await;
    let service = app.a_service().await;
    for (gone, there) in [(&other, &one), (&one, &other)] {
        let path = format!("/services/{service}/tasks/{}", app.a_task(service).await);
        there.set(Line::Open);
        gone.set(Line::Cut);
        until("events flow to the other host", async || {
            app.post(&format!("{path}/end"), &json!({})).await.status == 204
        })
        .await;
        until("it is ready", async || app.get("/health/ready").await.status == 200).await;
        app.get(&path).await.is(200);
    }
}

/// A primary with a standby, both in one directory. Dropping it stops them.
struct Cluster {
    primary: EmbeddedPostgres,
    standby: Option<Child>,
    home: PathBuf,
    _directory: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let directory = open_directory();
        let home = directory.path().join("postgres");
        let settings = EmbeddedSettings { data_dir: directory.path().to_owned(), bin_dir: None };
        let primary = EmbeddedPostgres::start(&settings).await.unwrap();
        Self { primary, standby: None, home, _directory: directory }
    }

    /// A program of PostgreSQL, to be run as the account that owns the primary's data.
    fn program(&self, name: &str) -> Command {
        let options = fs::read_to_string(self.home.join("data/postmaster.opts")).unwrap();
        let postgres = Path::new(options.split(' ').next().unwrap());
        let mut command = Command::new(postgres.with_file_name(name));
        let owner = fs::metadata(self.home.join("data")).unwrap();
        command.uid(owner.uid()).gid(owner.gid()).current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn standby_options(&self) -> PgConnectOptions {
        let socket = self.home.join("standby");
        PgConnectOptions::new_without_pgpass().socket(socket).username(NAME).database(NAME)
    }

    async fn start_standby(&mut self) {
        let mut backup = self.program("pg_basebackup");
        backup
            .args(["-D", "standby", "-U", NAME, "-R", "-c", "fast", "--no-sync", "-h"])
            .arg(self.primary.socket_dir());
        assert!(backup.status().unwrap().success());
        let mut standby = self.program("postgres");
        standby.args(["-D", "standby", "-c"]).arg(format!("unix_socket_directories={}/standby", self.home.display()));
        self.standby = Some(standby.spawn().unwrap());
        let options = self.standby_options();
        until("the standby answers", async || options.connect().await.is_ok()).await;
    }

    fn promote(&self) {
        assert!(self.program("pg_ctl").args(["-D", "standby", "-w", "promote"]).status().unwrap().success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut standby) = self.standby.take() {
            drop(self.program("pg_ctl").args(["-D", "standby", "-m", "immediate", "-w", "stop"]).status());
            drop(standby.wait());
        }
        let stop = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            drop(runtime.block_on(self.primary.stop()));
        };
        std::thread::scope(|scope| scope.spawn(stop).join()).unwrap();
    }
}

#[tokio::test]
async fn the_service_follows_a_failover_to_the_standby_and_loses_nothing() {
    let mut cluster = Cluster::start().await;
    let primary = cluster.primary.connect_options(NAME);
    let hosts = DatabaseAddress::new(vec![cluster.standby_options(), primary.clone()]);
    let database = Arc::new(Database::create().await);
    let settings = StoreSettings { database: hosts, ..settings(database.options.clone()) };
    let app = TestApp::with_settings(database, settings.clone()).await;
    cluster.start_standby().await;
    let service = app.a_service().await;
    let first = app.a_task(service).await;
    let end = async |task: i64| app.post(&format!("/services/{service}/tasks/{task}/end"), &json!({})).await;
    end(first).await.is(204);

    let on_standby = StoreSettings { database: cluster.standby_options().into(), ..settings };
    let Err(error) = Store::open(on_standby, Arc::new(SystemClock)).await else { panic!("it starts on a standby") };
    assert!(error.to_string().contains("the database is read-only: it is a standby"), "{error}");

    // A primary that is set read-only for a while keeps its sessions.
    let second = app.a_task(service).await;
    let mut administrator = primary.connect().await.unwrap();
    for (setting, status) in [("on", 503), ("off", 204)] {
        administrator.execute("set default_transaction_read_only = off").await.unwrap();
        let alter = format!("alter system set default_transaction_read_only = {setting}");
        administrator.execute(&*alter).await.unwrap();
        administrator.execute("select pg_reload_conf()").await.unwrap();
        until("events are answered otherwise", async || end(second).await.status == status).await;
        let ready = if status == 204 { 200 } else { 503 };
        until("so is readiness", async || app.get("/health/ready").await.status == ready).await;
    }

    let third = app.a_task(service).await;
    cluster.primary.stop().await.unwrap();
    end(third).await.refused(503, "database_unavailable");
    until("the node sees a standby", async || {
        app.get("/health/ready").await.refused(503, "database_unavailable");
        end(third).await.status == 503
    })
    .await;
    cluster.promote();
    until("events flow to the new primary", async || end(third).await.status == 204).await;
    until("it is ready", async || app.get("/health/ready").await.status == 200).await;
    for task in [first, second, third] {
        let read = app.get(&format!("/services/{service}/tasks/{task}")).await.is(200).body;
        assert!(read["completed"].is_object(), "{read:#}");
    }
}
