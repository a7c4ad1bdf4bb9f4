//! The PostgreSQL server of all tests: the server of `DATABASE_URL`, or else an embedded one that ends with the test
//! process.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use context_services::domain::clock::SystemClock;
use context_services::postgres::{EmbeddedPostgres, EmbeddedSettings};
use context_services::store::{self, LifetimeSettings, ReadSettings, Store, StoreSettings, WriterSettings};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;
use tokio::sync::OnceCell;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

struct Server {
    options: PgConnectOptions,
    template: String,
}

/// A database for one test. Dropping it drops the database.
pub(crate) struct Database {
    pub(crate) options: PgConnectOptions,
    name: String,
    admin: PgConnectOptions,
}

impl Database {
    /// Creates a copy of the migrated template.
    pub(crate) async fn create() -> Self {
        let server = SERVER.get_or_init(Server::start).await;
        let name = format!("{}_{}", server.template, DATABASES.fetch_add(1, Ordering::Relaxed));
        let statement = format!("create database {name} template {}", server.template);
        server.options.connect().await.unwrap().execute(&*statement).await.unwrap();
        Self { options: server.options.clone().database(&name), name, admin: server.options.clone() }
    }

    /// Creates an empty database, with these clauses of `create database`.
    pub(crate) async fn empty(clauses: &str) -> Self {
        let server = SERVER.get_or_init(Server::start).await;
        let name = format!("{}_{}", server.template, DATABASES.fetch_add(1, Ordering::Relaxed));
        let database = Self { options: server.options.clone().database(&name), name, admin: server.options.clone() };
        database.administer(&format!("create database {} {clauses}", database.name)).await;
        database
    }

    /// Creates an empty database that belongs to a role of its own, which is not a superuser and has the database's
    /// name.
    pub(crate) async fn of_a_role() -> Self {
        let mut database = Self::empty("").await;
        let name = &database.name;
        database.administer(&format!("create role {name} login")).await;
        database.administer(&format!("alter database {name} owner to {name}")).await;
        database.options = database.options.clone().username(&database.name);
        database
    }

    /// The name of the database, and of its role if it has one of its own.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a statement on the server, as its administrator.
    pub(crate) async fn administer(&self, statement: &str) {
        self.admin.connect().await.unwrap().execute(statement).await.unwrap();
    }

    /// Runs a statement in the database, as the server's administrator.
    pub(crate) async fn administer_inside(&self, statement: &str) {
        let options = self.admin.clone().database(&self.name);
        options.connect().await.unwrap().execute(statement).await.unwrap();
    }

    /// Runs a statement in each lane, as the server's administrator.
    pub(crate) async fn administer_lanes(&self, statement: &str) {
        self.administer_inside(statement).await;
        for lane in 1..lanes() {
            self.administer_inside(&format!("set search_path = lane_{lane}, public; {statement}")).await;
        }
    }

    /// Opens a connection to the database, which sees the tables of all lanes as one.
    pub(crate) async fn connect(&self) -> PgConnection {
        let mut connection = self.options.connect().await.unwrap();
        if lanes() > 1 {
            connection.execute("set search_path = all_lanes, public").await.unwrap();
        }
        connection
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), &self.name);
        let statements = [format!("drop database {name} with (force)"), format!("drop role if exists {name}")];
        let drop_it = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = admin.connect().await.unwrap();
                for statement in &statements {
                    connection.execute(&**statement).await.unwrap();
                }
            });
        };
        std::thread::spawn(drop_it).join().unwrap();
    }
}

impl Server {
    async fn start() -> Self {
        let options = match std::env::var_os("DATABASE_URL").filter(|url| !url.is_empty()) {
            Some(url) => url.to_str().unwrap().parse().unwrap(),
            None => start_embedded().await,
        };
        let template = format!("test_{}", std::process::id());
        let mut admin: PgConnection = options.connect().await.unwrap();
        admin.execute(&*format!("drop database if exists {template} with (force)")).await.unwrap();
        admin.execute(&*format!("create database {template}")).await.unwrap();
        admin.close().await.unwrap();
        let store = Store::open(settings(options.clone().database(&template)), Arc::new(SystemClock)).await.unwrap();
        store.close().await;
        if lanes() > 1 {
            add_lanes(&options.clone().database(&template), lanes() - 1).await;
        }
        Self { options, template }
    }
}

/// The number of lanes of every database that is a copy of the template.
pub(crate) fn lanes() -> u32 {
    std::env::var_os("TEST_LANES").map_or(1, |lanes| lanes.to_str().unwrap().parse().unwrap())
}

/// The schema with the rows of a service.
pub(crate) fn schema_of(service: i64) -> String {
    match service / 1_000_000_000_000 {
        0 => "public".to_owned(),
        lane => format!("lane_{lane}"),
    }
}

/// Adds lanes to a database, whose tables can then be written as if they were in one lane.
pub(crate) async fn add_lanes(database: &PgConnectOptions, count: u32) {
    store::add_lanes(database.clone().into(), count, Duration::ZERO).await.unwrap();
    database.connect().await.unwrap().execute(include_str!("lanes.sql")).await.unwrap();
}

/// The store's settings in tests.
pub(crate) fn settings(database: PgConnectOptions) -> StoreSettings {
    StoreSettings {
        database: database.into(),
        pool_size: 4,
        replica: None,
        reads: ReadSettings { connections: 4, timeout: Duration::from_secs(30) },
        max_learned_values: 10_000,
        open_extensions: false,
        lifetimes: LifetimeSettings::default(),
        map_names: false,
        writer: WriterSettings { batch: 64, queue: 512 },
    }
}

async fn start_embedded() -> PgConnectOptions {
    let directory = open_directory();
    let settings = EmbeddedSettings { data_dir: directory.path().to_owned(), bin_dir: None };
    let server = EmbeddedPostgres::start(&settings).await.expect("an installed PostgreSQL");
    end_with_this_process(directory);
    server.connect_options("postgres")
}

/// The address of a database, as a URL.
pub(crate) fn url(options: &PgConnectOptions) -> String {
    let (user, name, port) = (options.get_username(), options.get_database().unwrap(), options.get_port());
    match options.get_socket() {
        Some(socket) => format!("postgres:///{name}?host={}&port={port}&user={user}", socket.display()),
        None => format!("postgres://{user}@{}:{port}/{name}", options.get_host()),
    }
}

/// The error with which the service does not start on a database.
pub(crate) async fn refusal(database: &Database) -> String {
    match Store::open(settings(database.options.clone()), Arc::new(SystemClock)).await {
        Ok(_) => panic!("the database is accepted"),
        Err(error) => error.to_string(),
    }
}

/// A temporary directory that the account of PostgreSQL can enter.
pub(crate) fn open_directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("context-services-test-").tempdir().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Starts a process that waits for this one to end, in whatever way, and then stops the server.
fn end_with_this_process(directory: TempDir) {
    let directory = directory.keep();
    let script = r#"cat; kill -QUIT $(head -1 "$0/postgres/data/postmaster.pid"); sleep 1; rm -rf "$0""#;
    let watch = |directory: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(directory).current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Its standard input closes when this process ends.
    std::mem::forget(watch(&directory));
}
