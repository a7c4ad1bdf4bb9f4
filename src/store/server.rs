//! The mode of the deployment, which is held in the database and followed by every node (contract §6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tracing::{info, warn};

use super::{Store, StoreError};
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;

/// How often a node looks which mode it is.
const LOOK: Duration = Duration::from_millis(400);

/// The mode as this node knows it.
#[derive(Default, Clone)]
pub(super) struct KnownMode(Arc<AtomicBool>);

impl KnownMode {
    fn learn(&self, mode: Mode) {
        if self.0.swap(mode == Mode::Maintenance, Ordering::Relaxed) != (mode == Mode::Maintenance) {
            info!(mode = mode.word(), "the mode has changed");
        }
    }

    /// Reads the mode, and goes on reading it until the pool closes.
    pub(super) async fn follow(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        self.learn(read(pool).await?);
        let (mode, pool) = (self.clone(), pool.clone());
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut away = false;
            loop {
                looks.tick().await;
                match read(&pool).await {
                    Ok(read) => {
                        mode.learn(read);
                        away = false;
                    }
                    Err(sqlx::Error::PoolClosed) => break,
                    Err(error) if away => drop(error),
                    Err(error) => {
                        warn!(error = %error, "cannot tell which mode it is");
                        away = true;
                    }
                }
            }
        });
        Ok(())
    }
}

async fn read(pool: &PgPool) -> Result<Mode, sqlx::Error> {
    let mode = sqlx::query_scalar!("-- read_mode\nselect mode from deployment").fetch_one(pool).await?;
    Ok(Mode::parse(&mode).unwrap_or_default())
}

impl Store {
    /// The mode as this node knows it: at most a second old.
    pub fn mode(&self) -> Mode {
        if self.mode.0.load(Ordering::Relaxed) { Mode::Maintenance } else { Mode::Production }
    }

    /// Puts the whole deployment into a mode: this node at once, the others within a second.
    pub async fn change_mode(&self, mode: Mode) -> Result<(), StoreError> {
        sqlx::query!("-- change_mode\nupdate deployment set mode = $1", mode.word()).execute(&self.pool).await?;
        self.mode.learn(mode);
        Ok(())
    }

    /// The present moment, by the clock that was handed in.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
