//! Protection against guessing passwords. The number of checks must be limited for another reason, too: each needs 19
//! MiB and tens of milliseconds of CPU time.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use actix_web::web;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::problem::{Code, Problem};
use crate::domain::access::{Credential, MOST_PASSWORDS, SecretHash};

/// Password checks that run at the same time.
const CHECKS: usize = 2;

/// Password checks that run or wait. Further ones are refused.
const WAITING: usize = 16;

/// Password checks that an address may cause in a burst after a pause.
const BURST: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");

/// Hashes that each check computes, so that its duration reveals neither whether the user exists nor which password
/// matched.
const HASHES: usize = MOST_PASSWORDS;

/// Consecutive wrong passwords of a user after which each further one doubles the time until the next check.
const PATIENCE: u32 = 5;

/// The longest time until the next check of a user.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The maximum number of users whose wrong passwords are remembered.
const USERS: usize = 10_000;

/// The consecutive wrong passwords of a user.
#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    next_check: Instant,
}

/// Checks passwords.
pub(super) struct PasswordChecks {
    /// `None` if guesses are not limited.
    addresses: Option<DefaultKeyedRateLimiter<String>>,
    failures: Cache<String, Failures>,
    waiting: Semaphore,
    running: Semaphore,
    /// Checked in place of missing passwords if a user has fewer than [`HASHES`].
    nobody: SecretHash,
}

impl PasswordChecks {
    /// Allows `rate` checks per second of each address; `None` for no limit and no delay after wrong passwords.
    pub(super) fn new(nobody: SecretHash, rate: Option<NonZeroU32>) -> Self {
        Self {
            addresses: rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate).allow_burst(BURST.max(rate)))),
            failures: Cache::new(USERS),
            waiting: Semaphore::new(WAITING),
            running: Semaphore::new(CHECKS),
            nobody,
        }
    }

    /// Returns the user's credential to which the password belongs, if any. Fails if the address or the user has made
    /// too many attempts, or too many checks are waiting.
    pub(super) async fn check(
        &self,
        (address, user): (Option<String>, &str),
        password: String,
        candidates: Vec<Credential>,
    ) -> Result<Option<Credential>, Problem> {
        self.refuse_guesses(address, user)?;
        let busy = || Problem::new(Code::Overloaded, "too many passwords are being checked");
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let _running = self.running.acquire().await.map_err(|_| busy())?;
        let nobody = self.nobody.clone();
        let check = move || {
            for _ in candidates.len()..HASHES {
                nobody.is_of_password(&password);
            }
            let matching: Vec<_> = candidates.into_iter().filter(|one| one.hash.is_of_password(&password)).collect();
            matching.into_iter().next()
        };
        let found = web::block(check).await.map_err(|_| busy())?;
        self.remember(user, found.is_some());
        Ok(found)
    }

    fn refuse_guesses(&self, address: Option<String>, user: &str) -> Result<(), Problem> {
        let Some(addresses) = &self.addresses else { return Ok(()) };
        let refused = |whose: &str| {
            Err(Problem::new(
                Code::RateLimited,
                format!("too many passwords of this {whose} were wrong or have not been accepted before; wait"),
            ))
        };
        if self.failures.get(user).is_some_and(|failures| Instant::now() < failures.next_check) {
            return refused("user");
        }
        if address.is_some_and(|address| addresses.check_key(&address).is_err()) {
            return refused("address");
        }
        Ok(())
    }

    fn remember(&self, user: &str, is_right: bool) {
        if is_right {
            self.failures.remove(user);
            return;
        }
        let count = self.failures.get(user).map_or(0, |failures| failures.count) + 1;
        let delay = count.checked_sub(PATIENCE).map_or(Duration::ZERO, |over| Duration::from_secs(1 << over.min(6)));
        let next_check = Instant::now() + delay.min(LONGEST_DELAY);
        self.failures.insert(user.to_owned(), Failures { count, next_check });
    }
}
