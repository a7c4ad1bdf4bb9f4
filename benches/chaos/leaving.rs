//! Services that expire, are purged or are completed automatically while faults are injected.
//!
//! No acknowledged event is lost early, no removed service reappears, and no row is left behind.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{World, post};

/// The number of services of each kind in a cycle.
const EACH: usize = 10;

/// The lifetime of services that expire, and the idle time after which others are completed automatically, in seconds.
const LIFETIME: u64 = 2;

/// Counts the rows that belong to services without a row of their own.
const ORPHANS: &str = "
    select count(*) from (
      select service_id from states union all select service_id from tasks union all select service_id from dispositions
      union all select service_id from extensions union all select service_id from auto_completions
    ) of_service
    where not exists (select from services s where s.service_id = of_service.service_id)";

/// The services of a cycle.
pub(crate) struct Leaving {
    expiring: Vec<i64>,
    purged: Vec<i64>,
    idle: Vec<i64>,
    /// The service and the open task of each service that is completed automatically.
    open: Vec<(i64, i64)>,
    /// The service and the task of each acknowledged end in these services.
    ended: Vec<(i64, i64)>,
}

impl Leaving {
    /// Starts services of each kind, each with a state, and a task that has an extension record.
    pub(crate) async fn start(world: &World) -> Self {
        let start = async |owner: &str, mut service: Value| {
            let mut services = Vec::new();
            for at in 0..EACH {
                // Customers differ, so that the services are in different lanes.
                service[owner] = format!("leaves {at}").into();
                services.push(start_service(world, &service).await);
            }
            services
        };
        let ids = |services: &[(i64, i64)]| services.iter().map(|(service, _)| *service).collect();
        let open = start("customer_id", json!({"auto_complete_after": LIFETIME})).await;
        Self {
            expiring: ids(&start("customer_id", json!({"ttl": LIFETIME})).await),
            purged: ids(&start("contact_key", json!({})).await),
            idle: ids(&open),
            open,
            ended: Vec::new(),
        }
    }

    /// Purges the services to be purged, and ends a task in every second service that is about to be completed
    /// automatically. Each call is repeated until it is acknowledged.
    pub(crate) async fn leave(&mut self, nodes: &[String]) {
        let purge = json!({"operation": "purge.service.started.anonymous", "limit": "2100-01-01T00:00:00Z"});
        until_acknowledged(nodes, "/maintenance/purge", &purge).await;
        for (service, task) in self.open.iter().step_by(2) {
            let end = format!("/services/{service}/tasks/{task}/end");
            until_acknowledged(nodes, &end, &json!({"disposition": 7})).await;
            self.ended.push((*service, *task));
        }
    }

    /// Waits until every service has left or ended, and compares the tables with the acknowledgements. Returns the
    /// number of services.
    pub(crate) async fn audit(&self, world: &World, connection: &mut PgConnection) -> usize {
        let gone: Vec<_> = self.expiring.iter().chain(&self.purged).copied().collect();
        for node in &world.nodes {
            for service in &gone {
                until_gone(&format!("{}/services/{service}", node.url)).await;
            }
        }
        let left = "select count(*) from services where service_id = any($1)";
        until_none(connection, left, &gone).await;
        let open = "select count(*) from services s where service_id = any($1) and not exists (
            select from dispositions d where d.service_id = s.service_id and d.element = 'service')";
        until_none(connection, open, &self.idle).await;
        until_none(connection, "select count(*) from deleted_services where $1::bigint[] is not null", &[]).await;
        let elements = "select count(*) from dispositions where service_id = any($1)";
        assert_eq!(
            count(connection, elements, &self.idle).await,
            3 * i64::try_from(self.idle.len()).unwrap(),
            "all is ended, once"
        );
        for (service, task) in &self.ended {
            let kept: i64 = sqlx::query_scalar(
                "select count(*) from dispositions where service_id = $1 and element = 'task' and element_id = $2
                 and auto_completed is null",
            )
            .bind(service)
            .bind(i32::try_from(*task).unwrap())
            .fetch_one(&mut *connection)
            .await
            .unwrap();
            assert_eq!(kept, 1, "the acknowledged end of task {task} of {service} is lost");
        }
        let orphans: i64 = sqlx::query_scalar(ORPHANS).fetch_one(connection).await.unwrap();
        assert_eq!(orphans, 0, "rows without a service");
        gone.len() + self.idle.len()
    }
}

/// Starts a service. Returns its identifier and the identifier of its open task.
async fn start_service(world: &World, service: &Value) -> (i64, i64) {
    let node = &world.nodes[0];
    let id = post(node, "/services/start", service).await["service_id"].as_i64().unwrap();
    let state = post(node, &format!("/services/{id}/states/start"), &json!({})).await["state_id"].clone();
    let task = json!({"state_id": state, "Mark": {"mark": "leaves"}});
    let task = post(node, &format!("/services/{id}/tasks/start"), &task).await["task_id"].as_i64().unwrap();
    (id, task)
}

/// Sends a request to the nodes in turn until one acknowledges it.
async fn until_acknowledged(nodes: &[String], path: &str, body: &Value) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(40)).build().unwrap();
    for node in nodes.iter().cycle() {
        match client.post(format!("{node}{path}")).json(body).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => assert_eq!(answer.status(), 503, "{path}: {}", answer.text().await.unwrap_or_default()),
            // The connection broke: the request may have been carried out.
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_gone(url: &str) {
    let gone = async {
        while !reqwest::get(url).await.is_ok_and(|answer| answer.status() == 404) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the service is gone");
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404, "what is gone does not come back");
}

async fn until_none(connection: &mut PgConnection, statement: &str, services: &[i64]) {
    let none = async {
        while count(connection, statement, services).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), none)
        .await
        .unwrap_or_else(|_| panic!("not within a minute: {statement}"));
}

async fn count(connection: &mut PgConnection, statement: &str, services: &[i64]) -> i64 {
    sqlx::query_scalar(statement).bind(services).fetch_one(connection).await.unwrap()
}
