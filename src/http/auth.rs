//! Access control: credentials, roles, rate limits, and the host names under which the service may be called.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, web};
use actix_web_httpauth::headers::authorization::{Basic, Bearer, Scheme};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;

use super::cross_site;
use super::guessing::PasswordChecks;
use super::operations::role_for;
use super::path::without_prefix;
use super::problem::{Code, Problem};
use crate::domain::access::{Credential, CredentialKind, Role, SecretHash};
use crate::store::Store;

/// Capacity of the cache of verified `Authorization` headers. A hit saves the password check.
const VERIFIED: usize = 10_000;

/// Settings of access control.
#[derive(Debug, Clone, Default)]
pub struct AccessSettings {
    /// True if callers must authenticate.
    pub authentication: bool,
    /// Host names under which the service may be called; empty for any.
    pub hosts: Vec<String>,
    /// Origins of other sites whose pages may call the API.
    pub origins: Vec<String>,
    /// Requests per second of each caller; `None` for no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Password checks per second of each address; `None` for no limit and no delay after wrong passwords.
    pub password_rate_limit: Option<NonZeroU32>,
}

/// The authenticated caller of a request.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) name: String,
    role: Role,
}

/// Decides which requests are admitted.
pub(super) struct Gate {
    settings: AccessSettings,
    limiter: Option<DefaultKeyedRateLimiter<String>>,
    /// Credentials by verified `Authorization` header, which is hashed with a key of this process.
    verified: Cache<[u8; 32], i32>,
    key: [u8; 32],
    passwords: PasswordChecks,
}

impl Gate {
    pub(super) fn new(settings: AccessSettings) -> Self {
        let random = *blake3::hash(uuid::Uuid::new_v4().as_bytes()).as_bytes();
        let nobody = if settings.authentication { SecretHash::of_password("", [0; 16]).ok() } else { None };
        Self {
            limiter: settings.rate_limit.map(|limit| RateLimiter::keyed(Quota::per_second(limit))),
            passwords: PasswordChecks::new(
                nobody.unwrap_or_else(|| SecretHash(String::new())),
                settings.password_rate_limit,
            ),
            settings,
            verified: Cache::new(VERIFIED),
            key: random,
        }
    }

    async fn admit(&self, request: &ServiceRequest, store: &Store) -> Result<(), Problem> {
        let Some(role) = role_for(request.method(), without_prefix(request.path())) else { return Ok(()) };
        self.check_host(request)?;
        cross_site::refuse_foreign_change(request, &self.settings.origins)?;
        let address = || address_of(request);
        if !self.settings.authentication {
            return self.check_rate(address);
        }
        let Some(credential) = self.identify(request, store).await? else {
            self.check_rate(address)?;
            return Err(Problem::new(Code::Unauthenticated, "expected the password or token of a user"));
        };
        request.extensions_mut().insert(Caller { name: credential.name.clone(), role: credential.role });
        self.check_rate(|| Some(credential.name))?;
        if credential.role < role {
            let (needed, held) = (role.word(), credential.role.word());
            let detail = format!("this request requires the role {needed}; the caller has the role {held}");
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok(())
    }

    /// Refuses foreign host names. Without this check, a site could point its own name at the service and read, through
    /// a visitor's browser, whatever the visitor may read (DNS rebinding).
    fn check_host(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let hosts = &self.settings.hosts;
        if hosts.is_empty() {
            return Ok(());
        }
        let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has the host in the request target. HTTP/1.0 requests may have none, but browsers do not send such
        // requests.
        let Some(host) = header.or_else(|| request.uri().host()) else { return Ok(()) };
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let name = name.map_or(host, |(name, _)| name);
        if hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "this host name is not allowed; see the setting ALLOWED_HOSTS"))
    }

    fn check_rate(&self, caller: impl FnOnce() -> Option<String>) -> Result<(), Problem> {
        let limited = self.limiter.as_ref().and_then(|limiter| Some((limiter, caller()?)));
        let within = limited.is_none_or(|(limiter, caller)| limiter.check_key(&caller).is_ok());
        if within {
            Ok(())
        } else {
            Err(Problem::new(Code::RateLimited, "more requests per second than RATE_LIMIT allows"))
        }
    }

    /// The credential that the request presents, if it is valid.
    async fn identify(&self, request: &ServiceRequest, store: &Store) -> Result<Option<Credential>, Problem> {
        let Some(header) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
        let credentials = store.credentials();
        let digest = *blake3::keyed_hash(&self.key, header.as_bytes()).as_bytes();
        let known = self.verified.get(&digest).and_then(|id| credentials.iter().find(|one| one.id == id));
        if let Some(credential) = known {
            return Ok(Some(credential.clone()));
        }
        let header = with_canonical_scheme(header);
        let found = if let Ok(bearer) = Bearer::parse(&header) {
            let mut tokens = credentials.iter().filter(|one| one.kind == CredentialKind::Token);
            tokens.find(|one| one.hash.is_of_token(bearer.token())).cloned()
        } else if let Ok(basic) = Basic::parse(&header) {
            self.check_password(address_of(request), basic, &credentials).await?
        } else {
            None
        };
        if let Some(credential) = &found {
            self.verified.insert(digest, credential.id);
        }
        Ok(found)
    }

    async fn check_password(
        &self,
        address: Option<String>,
        sent: Basic,
        known: &Arc<Vec<Credential>>,
    ) -> Result<Option<Credential>, Problem> {
        let candidates: Vec<_> = known
            .iter()
            .filter(|one| one.kind == CredentialKind::Password && one.name == sent.user_id())
            .cloned()
            .collect();
        let password = sent.password().unwrap_or_default().to_owned();
        self.passwords.check((address, sent.user_id()), password, candidates).await
    }
}

/// The address from which the request came.
fn address_of(request: &ServiceRequest) -> Option<String> {
    request.peer_addr().map(|address| address.ip().to_string())
}

/// The header with its scheme spelled canonically. The scheme is case-insensitive, and any number of spaces may follow
/// it (RFC 9110).
fn with_canonical_scheme(header: &HeaderValue) -> HeaderValue {
    let canonical = header.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        let scheme = ["Basic", "Bearer"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme))?;
        HeaderValue::from_str(&format!("{scheme} {}", rest.trim_start())).ok()
    });
    canonical.unwrap_or_else(|| header.clone())
}

/// Whether callers must authenticate.
pub(super) fn is_authentication_required(request: &HttpRequest) -> bool {
    request.app_data::<web::Data<Gate>>().is_none_or(|gate| gate.settings.authentication)
}

/// Whether the caller may read the pages for administrators.
pub(super) fn is_administrator(request: &HttpRequest) -> bool {
    !is_authentication_required(request)
        || request.extensions().get::<Caller>().is_some_and(|caller| caller.role >= Role::Administrator)
}

/// Refuses the request unless its caller may send it.
pub(super) async fn authorize(request: &ServiceRequest) -> Result<(), Problem> {
    let state = request.app_data::<web::Data<Gate>>().zip(request.app_data::<web::Data<Store>>());
    let (gate, store) = state.ok_or_else(|| Problem::new(Code::Internal, "access control is not configured"))?;
    gate.admit(request, store).await
}
