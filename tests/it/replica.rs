//! Reports and lists of services on a standby.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor};

use crate::support::cluster::Cluster;
use crate::support::postgres::url;
use crate::support::program::{Program, output};
use crate::support::until;

const LIST: &str = "/customers/00K7/services";
const LAG: &str = "context_services_replica_lag_seconds";

async fn listed(program: &Program) -> usize {
    let (status, list) = program.get(LIST).await;
    assert_eq!(status, 200, "{list}");
    list.as_array().unwrap().len()
}

async fn start(program: &Program) -> String {
    let (_, service): (_, Value) = program.post("/services/start", &json!({"customer_id": "00K7"})).await;
    format!("/services/{}", service["service_id"])
}

#[tokio::test]
async fn reports_and_lists_are_read_from_the_standby_and_what_a_caller_wrote_from_the_primary() {
    let mut cluster = Cluster::start().await;
    let (primary, standby) = (url(&cluster.primary_options()), url(&cluster.copy_options("standby")));
    let settings = [("DATABASE_URL", primary.as_str()), ("READ_DATABASE_URL", standby.as_str())];
    // A standby that is away keeps neither the service nor events from working.
    let program = Program::start_with(&settings);
    let first = start(&program).await;
    assert_eq!(program.get(&first).await.0, 200);
    for path in [LIST, "/reports/outcomes"] {
        let (status, problem) = program.get(path).await;
        assert!(status == 503 && problem["code"] == "database_unavailable", "{path}: {status} {problem}");
    }
    let checked = output(&settings, &["check"]);
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.contains("replica     wrong  cannot reach the database"), "{text}");

    cluster.start_standby().await;
    until("the standby is read", async || program.get(LIST).await.0 == 200).await;
    assert!(output(&settings, &["check"]).status.success());
    let mut administrator = cluster.copy_options("standby").connect().await.unwrap();
    administrator.execute("select pg_wal_replay_pause()").await.unwrap();
    let second = start(&program).await;
    assert_eq!((listed(&program).await, program.get(&second).await.0), (1, 200));
    assert_eq!(program.get(&format!("{second}/tasks")).await.0, 200);
    until("the lag is measured", async || program.metric(LAG).await >= 1.0).await;
    administrator.execute("select pg_wal_replay_resume()").await.unwrap();
    until("the standby has caught up", async || listed(&program).await == 2).await;
    until("it does not lag", async || program.metric(LAG).await < 0.5).await;
    program.stop();
}
