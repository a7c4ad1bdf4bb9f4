//! A node: the program as a process that can be killed and restarted on the same address.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running node.
pub(crate) struct Node {
    pub(crate) url: String,
    address: String,
    database_url: String,
    child: Child,
}

impl Node {
    /// Starts a node on a database.
    pub(crate) fn start(database_url: String) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = spawn(&address, &database_url);
        Self { url: format!("http://{address}"), address, database_url, child }
    }

    /// Kills the node with SIGKILL and starts it again.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.address, &self.database_url);
    }

    /// Stops the node with SIGTERM, checks that it exits cleanly, and starts it again.
    pub(crate) fn restart(&mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "SIGTERM ends the node cleanly: {status}");
        self.child = spawn(&self.address, &self.database_url);
    }

    /// Adds lanes to the database of the node.
    pub(crate) fn add_lanes(&self, count: usize) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_context-services"));
        program.env_clear().env("DATABASE_URL", &self.database_url).current_dir("/").stdout(Stdio::null());
        let status = program.args(["lanes", "add", &count.to_string()]).status().unwrap();
        assert!(status.success(), "lanes are added: {status}");
    }

    /// Waits until the node is ready.
    pub(crate) async fn until_ready(&self) {
        let ready = async {
            while !reqwest::get(format!("{}/health/ready", self.url)).await.is_ok_and(|answer| answer.status() == 200) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("the node is ready again");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn spawn(address: &str, database_url: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_context-services"))
        .env_clear()
        .envs([("BIND_ADDRESS", address), ("DATABASE_URL", database_url), ("LOG_LEVEL", "off")])
        .current_dir("/")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
