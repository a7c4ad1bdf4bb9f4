//! `make chaos`: injects one fault after another while two nodes are under load. After each fault, every acknowledged
//! event must be on disk exactly once with its own data, and the rate must recover without help. Meanwhile services
//! expire, are purged and are completed automatically (`leaving.rs`).
//!
//! The environment variables `CHAOS_CYCLES` (200), `CHAOS_LANES` (1) and `CHAOS_SEED` (random) set the number of
//! faults, the number of lanes over which services are spread, and the seed. The seed is printed.

#![expect(clippy::unwrap_used, reason = "a run that cannot continue panics")]

#[path = "../../tests/it/support/audit.rs"]
mod audit;
mod fault;
mod leaving;
mod node;
#[expect(dead_code, reason = "only tests count statements")]
#[path = "../../tests/it/support/proxy.rs"]
mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use context_services::postgres::{EmbeddedPostgres, EmbeddedSettings, NAME};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor, PgConnection};

use audit::Load;
use fastrand::Rng;
use fault::Fault;
use leaving::Leaving;
use node::Node;
use proxy::Proxy;

/// Concurrent clients.
const CLIENTS: usize = 32;

/// The identifiers that each lane has.
const IDENTIFIERS: i64 = 1_000_000_000_000;

/// The period over which the rate is measured before and after a fault.
const WINDOW: Duration = Duration::from_millis(500);

/// The system under test.
pub(crate) struct World {
    postgres: EmbeddedPostgres,
    proxy: Proxy,
    nodes: Vec<Node>,
    lanes: usize,
}

#[tokio::main]
async fn main() {
    let number = |name: &str| std::env::var_os(name).map(|text| text.to_str().unwrap().parse::<u64>().unwrap());
    let cycles = number("CHAOS_CYCLES").unwrap_or(200);
    let lanes = usize::try_from(number("CHAOS_LANES").unwrap_or(1)).unwrap();
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("{cycles} cycles, CHAOS_LANES={lanes}, CHAOS_SEED={seed}");
    let directory = tempfile::Builder::new().prefix("context-services-chaos-").tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let settings = EmbeddedSettings { data_dir: directory.path().to_owned(), bin_dir: None };
    let postgres = EmbeddedPostgres::start(&settings).await.expect("an installed PostgreSQL");
    let proxy = Proxy::before(&postgres.connect_options(NAME)).await;
    let direct = format!("postgres:///{NAME}?host={}&user={NAME}", postgres.socket_dir().display());
    let through = proxy.options(&postgres.connect_options(NAME));
    let through = format!("postgres://{NAME}@127.0.0.1:{}/{NAME}?sslmode=disable", through.get_port());
    let mut world = World { postgres, proxy, nodes: vec![Node::start(through), Node::start(direct)], lanes };
    for node in &world.nodes {
        node.until_ready().await;
    }
    if lanes > 1 {
        world.nodes[1].add_lanes(lanes - 1);
    }
    post(&world.nodes[0], "/metadata/tasks/extensions", &audit::schema()).await;
    let mut tally = Tally::default();
    let mut random = Rng::with_seed(seed);
    for cycle in 1..=cycles {
        tally.cycle(&mut world, cycle, &mut random).await;
    }
    tally.print();
    drop(world.nodes);
    world.postgres.stop().await.unwrap();
}

async fn post(node: &Node, path: &str, body: &Value) -> Value {
    let answer = reqwest::Client::new().post(format!("{}{path}", node.url)).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

impl World {
    /// Starts a service in each lane, and clients of each.
    async fn loads(&self) -> Vec<Arc<Load>> {
        let urls: Vec<_> = self.nodes.iter().map(|node| node.url.clone()).collect();
        let (mut loads, mut reached) = (Vec::new(), BTreeSet::new());
        for at in 0.. {
            let start = json!({"customer_id": format!("chaos {at}"), "ttl": 86_400});
            let service = post(&self.nodes[1], "/services/start", &start).await["service_id"].as_i64().unwrap();
            if reached.insert(service / IDENTIFIERS) {
                loads.push(Load::on(urls.clone(), service));
            }
            if loads.len() == self.lanes {
                break;
            }
        }
        loads
    }

    /// Opens a session that sees the tables of all lanes as one.
    async fn connect(&self) -> PgConnection {
        let mut connection = self.postgres.connect_options(NAME).connect().await.unwrap();
        if self.lanes > 1 {
            connection.execute("set search_path = all_lanes, public").await.unwrap();
        }
        connection
    }
}

/// The results of all cycles.
#[derive(Default)]
struct Tally {
    ends: usize,
    /// Services that expired, were purged or were completed automatically.
    left: usize,
    by_fault: BTreeMap<&'static str, Vec<Cycle>>,
}

/// Acknowledged events per second before and after a fault, and the time to recovery.
struct Cycle {
    before: f64,
    after: f64,
    back: Duration,
}

impl Tally {
    async fn cycle(&mut self, world: &mut World, cycle: u64, random: &mut Rng) {
        let urls: Vec<_> = world.nodes.iter().map(|node| node.url.clone()).collect();
        let loads = world.loads().await;
        let of_clients = loads.iter().cycle().take(CLIENTS.max(loads.len()));
        let clients: Vec<_> = of_clients.map(|load| tokio::spawn(Arc::clone(load).run())).collect();
        flow(&loads).await;
        let before = rate(&loads).await;
        let mut leaving = Leaving::start(world).await;
        let leaving = tokio::spawn(async move {
            leaving.leave(&urls).await;
            leaving
        });
        let fault = Fault::any(random);
        print!("{cycle:>4} {:<44}", fault.name());
        std::io::stdout().flush().unwrap();
        fault.inject(world, random).await;
        let over = Instant::now();
        flow(&loads).await;
        for node in &world.nodes {
            node.until_ready().await;
        }
        let back = over.elapsed();
        // Right after a fault, statements are prepared anew, caches are cold and clients back off. The lasting rate is
        // measured.
        tokio::time::sleep(WINDOW).await;
        let after = rate(&loads).await;
        for load in &loads {
            load.stop();
        }
        for client in clients {
            client.await.unwrap();
        }
        let (mut connection, mut ends) = (world.connect().await, 0);
        for load in loads {
            ends += load.audit(&mut connection).await;
        }
        self.left += leaving.await.unwrap().audit(world, &mut connection).await;
        println!(" {ends:>6} ends, {before:>6.0}/s before, {after:>6.0}/s after, back in {:>4} ms", back.as_millis());
        self.ends += ends;
        self.by_fault.entry(fault.name()).or_default().push(Cycle { before, after, back });
    }

    fn print(&self) {
        println!("\n{:<44} {:>6} {:>12} {:>12} {:>10}", "fault", "cycles", "after/before", "back, median", "back, max");
        for (fault, cycles) in &self.by_fault {
            let back = |at: usize| {
                let mut back: Vec<_> = cycles.iter().map(|cycle| cycle.back.as_millis()).collect();
                back.sort_unstable();
                back[at]
            };
            let ratio = ratio(cycles.iter());
            let (median, max) = (back(cycles.len() / 2), back(cycles.len() - 1));
            println!("{fault:<44} {:>6} {ratio:>12.2} {median:>9} ms {max:>7} ms", cycles.len());
        }
        let all = ratio(self.by_fault.values().flatten());
        println!("\n{} acknowledged ends, none lost, duplicated or mixed up; rate after/before {all:.2}", self.ends);
        println!("{} services expired, were purged or ended by themselves, and left no row behind", self.left);
    }
}

/// The median rate after faults divided by the median rate before. A single window on a shared machine means little.
fn ratio<'a>(cycles: impl Iterator<Item = &'a Cycle> + Clone) -> f64 {
    let median = |rates: &mut dyn Iterator<Item = f64>| {
        let mut rates: Vec<_> = rates.collect();
        rates.sort_unstable_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    median(&mut cycles.clone().map(|cycle| cycle.after)) / median(&mut cycles.map(|cycle| cycle.before))
}

/// Waits until 200 more events have been acknowledged, with several lanes as many in each as its share of them.
async fn flow(loads: &[Arc<Load>]) {
    let wanted: Vec<_> = loads.iter().map(|load| load.acknowledged() + 200 / loads.len() as u64).collect();
    let flowing = async {
        while loads.iter().zip(&wanted).any(|(load, wanted)| load.acknowledged() < *wanted) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), flowing).await.expect("events are acknowledged again");
}

async fn rate(loads: &[Arc<Load>]) -> f64 {
    let acknowledged = || loads.iter().map(|load| load.acknowledged()).sum::<u64>();
    let (before, start) = (acknowledged(), Instant::now());
    tokio::time::sleep(WINDOW).await;
    let more = u32::try_from(acknowledged() - before).unwrap();
    f64::from(more) / start.elapsed().as_secs_f64()
}
