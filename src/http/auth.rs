//! Who may call: credentials, roles, rate limits, and the hosts by whose names the service may be called.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpMessage, web};
use actix_web_httpauth::headers::authorization::{Basic, Bearer, Scheme};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::problem::{Code, Problem};
use super::routes::path_of;
use crate::domain::access::{Credential, CredentialKind, SecretHash, role_for};
use crate::store::Store;

/// Passwords that are checked at the same time: each takes 19 MiB, and a core for tens of milliseconds.
const CHECKS: usize = 2;

/// Callers whose password was right, remembered so that it is not checked at every request.
const REMEMBERED: usize = 10_000;

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub struct AccessSettings {
    /// Whether callers must say who they are.
    pub authentication: bool,
    /// The names by which the service may be called; empty: any.
    pub hosts: Vec<String>,
    /// Requests a second of each caller; none: as many as it likes.
    pub rate_limit: Option<NonZeroU32>,
}

/// The caller of a request, for the log.
#[derive(Clone)]
pub(super) struct Caller(pub(super) String);

/// Lets requests in, or not.
pub(super) struct Gate {
    settings: AccessSettings,
    limiter: Option<DefaultKeyedRateLimiter<String>>,
    /// Which credential an `Authorization` header was found to be, by its hash under a key of this process.
    remembered: Cache<[u8; 32], i32>,
    key: [u8; 32],
    checks: Semaphore,
    /// Checked where there is no such user, so that it takes as long as if there were.
    nobody: SecretHash,
}

impl Gate {
    pub(super) fn new(settings: AccessSettings) -> Self {
        let random = *blake3::hash(uuid::Uuid::new_v4().as_bytes()).as_bytes();
        let nobody = if settings.authentication { SecretHash::of_password("", [0; 16]).ok() } else { None };
        Self {
            limiter: settings.rate_limit.map(|limit| RateLimiter::keyed(Quota::per_second(limit))),
            settings,
            remembered: Cache::new(REMEMBERED),
            key: random,
            checks: Semaphore::new(CHECKS),
            nobody: nobody.unwrap_or_else(|| SecretHash(String::new())),
        }
    }

    async fn admit(&self, request: &ServiceRequest, store: &Store) -> Result<Option<Caller>, Problem> {
        let is_read = request.method() == Method::GET;
        let Some(role) = role_for(is_read, request.method() == Method::DELETE, path_of(request.path())) else {
            return Ok(None);
        };
        self.check_host(request)?;
        check_origin(is_read, request)?;
        let address = || request.peer_addr().map(|address| address.ip().to_string());
        if !self.settings.authentication {
            self.check_rate(address)?;
            return Ok(None);
        }
        let Some(credential) = self.identify(request, store).await? else {
            self.check_rate(address)?;
            return Err(Problem::new(Code::Unauthenticated, "expected a user's password or token that is in force"));
        };
        self.check_rate(|| Some(credential.name.clone()))?;
        if credential.role < role {
            let detail = format!("this needs the role {}; the caller's is {}", role.word(), credential.role.word());
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok(Some(Caller(credential.name)))
    }

    /// A page of another site may not be served under its name: it could then read what its visitor can.
    fn check_host(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let hosts = &self.settings.hosts;
        if hosts.is_empty() {
            return Ok(());
        }
        let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has it in the address; HTTP/1.0 may have none, and is no browser.
        let Some(host) = header.or_else(|| request.uri().host()) else { return Ok(()) };
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let name = name.map_or(host, |(name, _)| name);
        if hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "the service may not be called by this name; see the setting ALLOWED_HOSTS"))
    }

    fn check_rate(&self, caller: impl FnOnce() -> Option<String>) -> Result<(), Problem> {
        let limited = self.limiter.as_ref().and_then(|limiter| Some((limiter, caller()?)));
        let within = limited.is_none_or(|(limiter, caller)| limiter.check_key(&caller).is_ok());
        if within {
            Ok(())
        } else {
            Err(Problem::new(Code::RateLimited, "more requests a second than RATE_LIMIT allows"))
        }
    }

    /// The credential that a request brings, if it is in force.
    async fn identify(&self, request: &ServiceRequest, store: &Store) -> Result<Option<Credential>, Problem> {
        let Some(header) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
        let credentials = store.credentials();
        let digest = *blake3::keyed_hash(&self.key, header.as_bytes()).as_bytes();
        let known = self.remembered.get(&digest).and_then(|id| credentials.iter().find(|one| one.id == id));
        if let Some(credential) = known {
            return Ok(Some(credential.clone()));
        }
        let header = with_scheme_as_usual(header);
        let found = if let Ok(bearer) = Bearer::parse(&header) {
            let mut tokens = credentials.iter().filter(|one| one.kind == CredentialKind::Token);
            tokens.find(|one| one.hash.is_of_token(bearer.token())).cloned()
        } else if let Ok(basic) = Basic::parse(&header) {
            self.check_password(basic, &credentials).await?
        } else {
            None
        };
        if let Some(credential) = &found {
            self.remembered.insert(digest, credential.id);
        }
        Ok(found)
    }

    async fn check_password(&self, sent: Basic, known: &Arc<Vec<Credential>>) -> Result<Option<Credential>, Problem> {
        let candidates: Vec<_> = known
            .iter()
            .filter(|one| one.kind == CredentialKind::Password && one.name == sent.user_id())
            .cloned()
            .collect();
        let (password, nobody) = (sent.password().unwrap_or_default().to_owned(), self.nobody.clone());
        let busy = || Problem::new(Code::Overloaded, "too many passwords are being checked");
        let _permit = self.checks.acquire().await.map_err(|_| busy())?;
        let check = move || {
            if candidates.is_empty() {
                nobody.is_of_password(&password);
            }
            candidates.into_iter().find(|one| one.hash.is_of_password(&password))
        };
        web::block(check).await.map_err(|_| busy())
    }
}

/// The scheme may be written in any case, with any blanks after it (RFC 9110).
fn with_scheme_as_usual(header: &HeaderValue) -> HeaderValue {
    let usual = header.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        let scheme = ["Basic", "Bearer"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme))?;
        HeaderValue::from_str(&format!("{scheme} {}", rest.trim_start())).ok()
    });
    usual.unwrap_or_else(|| header.clone())
}

/// A page of another site may not make its visitor's browser change anything.
fn check_origin(is_read: bool, request: &ServiceRequest) -> Result<(), Problem> {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if is_read || matches!(site, None | Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "a page of another site may not send this"))
}

/// Lets a request in, if its caller may send it.
pub(super) async fn authorize(request: &ServiceRequest) -> Result<(), Problem> {
    let state = request.app_data::<web::Data<Gate>>().zip(request.app_data::<web::Data<Store>>());
    let (gate, store) = state.ok_or_else(|| Problem::new(Code::Internal, "nobody guards the service"))?;
    if let Some(caller) = gate.admit(request, store).await? {
        request.extensions_mut().insert(caller);
    }
    Ok(())
}
