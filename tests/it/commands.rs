//! The subcommands, and a service whose role may only read and write rows.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use context_services::store::{READ_ONLY, SEQUENCES, TABLES};
use rcgen::generate_simple_self_signed;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor};

use crate::databases::story;
use crate::support::postgres::{Database, open_directory, url};
use crate::support::program::{Program, command, output};
use crate::support::{TestApp, until};

/// Runs the program to its end. Returns its status, and what it printed to standard output and standard error.
fn run(settings: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let ended = output(settings, arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

/// The statements of docs/operating.md that let a role serve.
fn documented_grants(role: &str) -> String {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
    let (_, section) = manual.split_once("### Two roles\n").unwrap();
    let (_, block) = section.split_once("```sql\n").unwrap();
    block.split_once("```").unwrap().0.replace("cs_app", role)
}

#[tokio::test]
async fn a_role_that_may_only_read_and_write_rows_serves_what_another_has_migrated() {
    let expected = story(&TestApp::spawn().await).await;
    let mut database = Database::of_a_role().await;
    let (owner, role) = (database.options.clone(), format!("{}_app", database.name()));
    database.administer(&format!("create role {role} login")).await;
    database.options = owner.clone().username(&role);
    let (as_owner, as_app) = (url(&owner), url(&database.options));
    let (as_owner, as_app) = ([("DATABASE_URL", as_owner.as_str())], [("DATABASE_URL", as_app.as_str())]);

    let (status, listed, _) = run(&as_owner, &["migrate", "--check"]);
    assert!(status == Some(1) && listed.starts_with("pending: 0001 data model\n"), "{listed}");
    let (status, _, said) = run(&as_app, &[]);
    assert!(status == Some(1) && said.contains("`context-services migrate` with a role that may"), "{said}");
    let (status, done, said) = run(&as_owner, &["migrate"]);
    assert!(status == Some(0) && done.contains("steps applied"), "{done}{said}");
    let (status, listed, _) = run(&as_owner, &["migrate", "--check"]);
    assert!(status == Some(0) && listed.starts_with("nothing is pending"), "{listed}");
    let (status, _, said) = run(&as_app, &["serve"]);
    assert!(status == Some(1) && said.contains("may not read the tables of the service"), "{said}");

    let grants = documented_grants(&role);
    let (first, others) = grants.split_once(';').unwrap();
    assert!(first.contains("create role"), "the role is there already: {first}");
    owner.connect().await.unwrap().execute(others).await.unwrap();
    let (status, checked, said) = run(&as_app, &["check"]);
    assert!(status == Some(0) && checked.lines().all(|line| line.contains(" ok ")), "{checked}{said}");
    for subject in ["settings", "database", "durability", "clock", "rights", "schema"] {
        assert!(checked.lines().any(|line| line.starts_with(subject)), "{subject}: {checked}");
    }
    serves(&Arc::new(database), expected, &role, &as_app, &owner).await;
}

/// Asserts that the service works with the role of the database.
async fn serves(
    database: &Arc<Database>,
    expected: Vec<serde_json::Value>,
    role: &str,
    as_app: &[(&str, &str)],
    owner: &PgConnectOptions,
) {
    let app = TestApp::on(Arc::clone(database)).await;
    assert_eq!(story(&app).await, expected);
    app.post(
        "/metadata/tasks/extensions",
        &json!({"name": "Note", "type": "single-valued", "attributes": [{"name": "text", "type": "string"}]}),
    )
    .await
    .is(201);
    let attribute = json!({"cv_attributes": ["Task.task_type"], "values": [{"dbid": 1, "name": "a"}]});
    app.put("/metadata/business-attributes/kinds", &attribute).await.is(201);
    app.a_task_path().await;
    let purge = json!({"limit": "2027-01-01T00:00:00Z", "operation": "purge.service.all"});
    app.post("/maintenance/purge", &purge).await.is(200);
    until("the rows are removed", async || app.value::<i64>("select count(*) from services").await == 0).await;
    app.stop().await;

    let mut owner = owner.connect().await.unwrap();
    owner.execute(&*format!("revoke insert on tasks from {role}")).await.unwrap();
    let (status, _, said) = run(as_app, &[]);
    assert!(status == Some(1) && said.contains("it lacks insert on tasks. Grant them"), "{said}");
    owner
        .execute("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .await
        .unwrap();
    let (status, _, said) = run(as_app, &[]);
    assert!(status == Some(1) && said.contains("run `context-services migrate` with the role"), "{said}");
    database.administer_inside(&format!("drop owned by {role}; drop role {role}")).await;
}

#[tokio::test]
async fn after_a_restore_identifiers_are_not_assigned_again() {
    let app = TestApp::spawn().await;
    let (first, database) = (app.a_service().await, Arc::clone(&app.database));
    app.stop().await;
    let mut connection = database.connect().await;
    let mut value =
        async |statement: &str| -> i64 { sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap() };
    value("select setval('task_id_seq', 2147483600)").await;
    let address = url(&database.options);
    let (status, done, said) = run(&[("DATABASE_URL", &address)], &["after-restore", "--skip", "5000"]);
    assert!(status == Some(0) && done.contains("5000 identifiers are skipped"), "{done}{said}");
    assert_eq!(value("select last_value from task_id_seq").await, 4953);
    let app = TestApp::on(database).await;
    assert!(app.a_service().await > first + 5000);
}

#[tokio::test]
async fn the_rights_that_are_checked_are_those_of_all_tables_views_and_sequences() {
    let database = Database::create().await;
    let mut connection = database.connect().await;
    let mut names = async |kinds: &str| -> Vec<String> {
        let statement = format!(
            "select case nspname when 'public' then '' else nspname || '.' end || relname
             from pg_class c join pg_namespace n on n.oid = relnamespace
             where nspname in ('public', 'reporting') and relkind in ({kinds}) order by 1"
        );
        sqlx::query_scalar(&statement).fetch_all(&mut connection).await.unwrap()
    };
    let (mut tables, mut views) = (names("'r', 'p'").await, names("'v', 'm'").await);
    // The service reads which steps are applied and which lanes there are, and never changes that.
    tables.retain(|name| name != "_sqlx_migrations" && name != "lanes");
    views.extend(["_sqlx_migrations", "lanes"].map(str::to_owned));
    // Analysts read this one.
    views.retain(|name| name != "reporting.extensions");
    views.sort();
    assert_eq!((tables, views), (TABLES.map(str::to_owned).to_vec(), READ_ONLY.map(str::to_owned).to_vec()));
    assert_eq!(names("'S'").await, SEQUENCES);
}

#[tokio::test]
async fn check_says_what_is_wrong_and_changes_nothing() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap())];
    let (status, checked, said) = run(&settings, &["check"]);
    assert!(status == Some(0) && checked.contains("will create one"), "{checked}{said}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is created");
    let unreachable = [("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x")];
    let (status, checked, said) = run(&unreachable, &["check"]);
    let wrong = checked.lines().find(|line| line.starts_with("database")).unwrap();
    assert!(
        status == Some(1) && wrong.contains(" wrong  cannot reach the database (check DATABASE_URL, "),
        "{checked}{said}"
    );
    assert!(!checked.contains("hunter2"), "{checked}");
    let database = Database::empty("").await;
    let (status, checked, _) = run(&[("DATABASE_URL", &url(&database.options))], &["check"]);
    assert!(status == Some(1) && checked.contains("steps are missing"), "{checked}");
}

#[tokio::test]
async fn a_service_that_runs_is_checked_and_migrated_without_disturbing_it() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let settings = [("DATA_DIR", directory.path().to_str().unwrap())];
    for arguments in [&["check"][..], &["migrate"], &["migrate", "--check"], &["user", "list"]] {
        let (status, printed, said) = run(&settings, arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {printed}{said}");
    }
    program.journey().await;
    program.stop();
    let (status, printed, said) = run(&settings, &["migrate", "--check"]);
    assert_eq!(status, Some(0), "with a PostgreSQL of its own: {printed}{said}");
    assert!(!directory.path().join("postgres/data/postmaster.pid").exists(), "which it has stopped");
}

/// An address of this machine that nobody listens on.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn healthcheck(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let (status, printed, said) = run(settings, &["healthcheck"]);
    assert_eq!(printed, "");
    assert!(said.lines().count() <= 1, "{said}");
    (status, said)
}

#[tokio::test]
async fn the_health_of_a_running_service_is_checked_with_tls_and_without() {
    let directory = open_directory();
    let made = generate_simple_self_signed(["context.example.com".to_owned()]).unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("tls.crt"), made.cert.pem()).unwrap();
    fs::write(path("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let (data, certificate, key) = (path("data"), path("tls.crt"), path("tls.key"));
    let address = free_address();
    let plain = [("DATA_DIR", data.as_str()), ("BIND_ADDRESS", &address), ("ALLOWED_HOSTS", "context.example.com")];
    let tls = [&plain[..], &[("TLS_CERTIFICATE", certificate.as_str()), ("TLS_KEY", &key)]].concat();

    let program = Program::start_with(&plain);
    assert_eq!(healthcheck(&plain), (Some(0), String::new()));
    assert_eq!(healthcheck(&tls).0, Some(1));
    program.stop();
    let (status, said) = healthcheck(&plain);
    assert!(status == Some(1) && said.contains("the service does not answer"), "{said}");

    let program = Program::start_with(&tls);
    assert_eq!(healthcheck(&tls), (Some(0), String::new()));
    assert_eq!(healthcheck(&plain).0, Some(1));
    program.stop();
}

#[test]
fn user_on_a_directory_without_a_service_says_so_and_creates_nothing() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap())];
    for arguments in [&["user", "list"][..], &["user", "add", "ivr", "--role", "reader"]] {
        let (status, printed, said) = run(&settings, arguments);
        assert!(status == Some(1) && said.contains("there is no database in"), "{printed}{said}");
        assert_eq!((printed.as_str(), said.lines().count()), ("", 1));
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (status, printed, said) = run(&[], &["completions", shell]);
        assert!(status == Some(0) && printed.contains("healthcheck"), "{shell}: {said}");
    }
    let (_, page, _) = run(&[], &["man"]);
    assert!(page.starts_with(".ie") || page.contains(".TH context-services 1"), "{page}");
    assert!(page.contains("BIND_ADDRESS") && page.contains("migrate"), "{page}");
    let (_, page, _) = run(&[], &["man", "migrate"]);
    assert!(page.contains("context-services-migrate") && page.contains("DATABASE_URL"), "{page}");
    assert!(!page.contains("WRITE_BATCH"), "{page}");
    assert_eq!(run(&[], &["man", "nothing"]).0, Some(1));
}

#[tokio::test]
async fn the_database_url_may_be_in_a_file() {
    let database = Database::empty("").await;
    let directory = open_directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("url"), format!("{}\n", url(&database.options))).unwrap();
    fs::write(path("empty"), "").unwrap();
    let file = path("url");
    let (status, printed, said) = run(&[("DATABASE_URL_FILE", &file)], &["migrate"]);
    assert!(status == Some(0) && printed.contains("steps applied"), "{printed}{said}");
    for (settings, sentence) in [
        (&[("DATABASE_URL_FILE", path("empty"))][..], "is empty"),
        (&[("DATABASE_URL_FILE", path("none"))], "cannot read DATABASE_URL_FILE"),
        (&[("DATABASE_URL_FILE", file.clone()), ("DATABASE_URL", "postgres://u:hunter2@db/x".to_owned())], "both set"),
    ] {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, printed, said) = run(&settings, &[]);
        assert!(status == Some(2) && said.contains(sentence) && said.lines().count() == 1, "{printed}{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// Runs the program in a directory with this file `.env`.
fn with_env_file(directory: &Path, text: &str) -> (Option<i32>, String) {
    fs::write(directory.join(".env"), text).unwrap();
    let ended = command(&[]).current_dir(directory).args(["completions", "bash"]).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn an_unknown_name_in_the_env_file_is_an_error() {
    let directory = open_directory();
    let known = "LOG_LEVEL=info\nPOSTGRES_PASSWORD=hunter2\nCOMPOSE_PROJECT_NAME=x\n# LOGLEVEL=info\n";
    assert_eq!(with_env_file(directory.path(), known), (Some(0), String::new()));
    let (status, said) = with_env_file(directory.path(), "LOGLEVEL=hunter2\n");
    assert!(status == Some(2) && said.contains("sets LOGLEVEL, which is not a setting"), "{said}");
    assert!(said.lines().count() == 1 && !said.contains("hunter2"), "{said}");
    let (status, said) = with_env_file(directory.path(), "LOG_LEVEL 'hunter2\n");
    assert!(status == Some(2) && said.lines().count() == 1 && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_name_of_this_machine_is_an_address_to_listen_on() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("BIND_ADDRESS", "localhost:0")];
    let program = Program::start_with(&settings);
    assert!(program.url.starts_with("http://127.0.0.1:"), "{}", program.url);
    program.journey().await;
    program.stop();
}
