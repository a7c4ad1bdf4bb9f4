//! What all nodes share and each follows: the mode of the deployment (contract §6), and who may call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::PgPool;
use tracing::{info, warn};

use super::{Store, StoreError, credentials};
use crate::domain::access::Credential;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;

/// How often a node looks what has changed.
const LOOK: Duration = Duration::from_millis(400);

/// What is shared, as this node knows it.
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

    fn learn_mode(&self, mode: Mode) {
        let maintenance = mode == Mode::Maintenance;
        if self.0.maintenance.swap(maintenance, Ordering::Relaxed) != maintenance {
            info!(mode = mode.word(), "the mode has changed");
        }
    }

    /// Looks once what has changed.
    pub(super) async fn look(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let shared = sqlx::query!("-- read_deployment\nselect mode, credentials_version from deployment")
            .fetch_one(pool)
            .await?;
        self.learn_mode(Mode::parse(&shared.mode).unwrap_or_default());
        if self.0.credentials_version.load(Ordering::Relaxed) != shared.credentials_version {
            // What is read may be newer than the version, and is then read again.
            self.0.credentials.store(Arc::new(credentials::read(pool).await?));
            self.0.credentials_version.store(shared.credentials_version, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Looks, and goes on looking until the pool closes.
    pub(super) async fn follow(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        self.look(pool).await?;
        let (deployment, pool) = (self.clone(), pool.clone());
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut away = false;
            loop {
                looks.tick().await;
                match deployment.look(&pool).await {
                    Ok(()) => away = false,
                    Err(sqlx::Error::PoolClosed) => break,
                    Err(error) if away => drop(error),
                    Err(error) => {
                        warn!(error = %error, "cannot tell which mode it is, and who may call");
                        away = true;
                    }
                }
            }
        });
        Ok(())
    }
}

impl Store {
    /// The mode as this node knows it: at most a second old.
    pub fn mode(&self) -> Mode {
        self.deployment.mode()
    }

    /// Puts the whole deployment into a mode: this node at once, the others within a second.
    pub async fn change_mode(&self, mode: Mode) -> Result<(), StoreError> {
        sqlx::query!("-- change_mode\nupdate deployment set mode = $1", mode.word()).execute(&self.pool).await?;
        self.deployment.learn_mode(mode);
        Ok(())
    }

    /// The present moment, by the clock that was handed in.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
