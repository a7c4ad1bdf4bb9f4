//! State that all nodes share: the mode of the deployment (docs/api.md §6) and the credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::PgPool;
use tracing::info;

use super::connection::{ACQUIRE_TIMEOUT, within};
use super::lanes::Lanes;
use super::{Store, StoreError, credentials};
use crate::background::{Failure, Job, Next};
use crate::domain::access::Credential;
use crate::domain::mode::Mode;

/// This node's copy of the mode and the credentials.
#[derive(Default, Clone)]
pub(super) struct Deployment(Arc<Known>);

#[derive(Default)]
struct Known {
    maintenance: AtomicBool,
    credentials: ArcSwap<Vec<Credential>>,
    credentials_version: AtomicI64,
}

impl Deployment {
    fn mode(&self) -> Mode {
        if self.0.maintenance.load(Ordering::Relaxed) { Mode::Maintenance } else { Mode::Production }
    }

    pub(super) fn credentials(&self) -> Arc<Vec<Credential>> {
        self.0.credentials.load_full()
    }

    fn set_mode(&self, mode: Mode) {
        let maintenance = mode == Mode::Maintenance;
        if self.0.maintenance.swap(maintenance, Ordering::Relaxed) != maintenance {
            info!(mode = mode.word(), "the mode has changed");
        }
    }

    /// Reads the mode, and the credentials if their version has changed. Returns the numbers of all and of open lanes.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(i64, i64), sqlx::Error> {
        let shared = sqlx::query!(
            r#"-- read_deployment
            select mode, credentials_version, (select count(*) from lanes) as "lanes!",
              (select count(*) from lanes where is_open) as "open_lanes!"
            from deployment"#
        );
        let shared = shared.fetch_one(pool).await?;
        self.set_mode(Mode::parse(&shared.mode).unwrap_or_default());
        if self.0.credentials_version.load(Ordering::Relaxed) != shared.credentials_version {
            // The credentials may be newer than the version. They are then read once more by the next refresh.
            self.0.credentials.store(Arc::new(credentials::read(pool).await?));
            self.0.credentials_version.store(shared.credentials_version, Ordering::Relaxed);
        }
        Ok((shared.lanes, shared.open_lanes))
    }
}

/// Refreshes the mode, the credentials and the lanes, so that a change is in force on every node within a second.
pub(super) struct FollowDeployment {
    pub(super) deployment: Deployment,
    pub(super) lanes: Arc<Lanes>,
    pub(super) pool: PgPool,
}

impl Job for FollowDeployment {
    const NAME: &'static str = "deployment";
    const INTERVAL: Duration = Duration::from_millis(400);
    /// A node that cannot learn of revoked credentials must stop serving.
    const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

    async fn run(&mut self) -> Result<Next, Failure> {
        let (lanes, open) = within(ACQUIRE_TIMEOUT, self.deployment.refresh(&self.pool)).await?;
        if !self.lanes.are_current(lanes, open) {
            self.lanes.refresh(&self.pool).await?;
        }
        Ok(Next::Scheduled)
    }
}

impl Store {
    /// The mode as this node knows it, at most a second old.
    pub fn mode(&self) -> Mode {
        self.deployment.mode()
    }

    /// Changes the mode of the whole deployment: on this node at once, on the others within a second.
    pub async fn change_mode(&self, mode: Mode) -> Result<(), StoreError> {
        sqlx::query!("-- change_mode\nupdate deployment set mode = $1", mode.word()).execute(&self.pool).await?;
        self.deployment.set_mode(mode);
        Ok(())
    }
}
