//! Authority: what a handler may work with. A `Ctx` names one organisation, one subject and its permissions.
use crate::{Answer, Peer, Platform, Problem, SubjectType, Verified};
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_bus::Parts;
use hitaji_core::{AccountId, ErrorCode, TenantId};
use hitaji_db::meter::Account;
use hitaji_db::{Begun, Conn, Databases, Home, IdempotencyKey, Scope, Tenant, Tx};
use http::{HeaderMap, Method, Uri, header};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// What is known of a request before anybody's authority: made once by the outermost layer.
pub struct Request {
    pub id: String,
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub client_ip: Option<IpAddr>,
    pub(crate) traceparent: String,
    pub(crate) body_hash: OnceLock<[u8; 32]>,
    /// Who is charged for it, once that is known.
    pub(crate) account: OnceLock<Arc<Account>>,
}

impl Request {
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// W3C trace context: the caller's trace with a span of ours, or a new trace.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The Idempotency-Key: a structured-field string in quotes, or a bare UUID.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Problem> {
        let Some(value) = self.headers.get("idempotency-key") else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default();
        let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let well_formed = (8..=255).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !well_formed {
            return Err(Problem::new(
                ErrorCode::Malformed,
                "Idempotency-Key is 8 to 255 visible ASCII characters, best a UUID in quotes.",
            ));
        }
        Ok(Some(key))
    }

    /// The version in `If-Match`.
    pub fn if_match(&self) -> Result<Option<i64>, Problem> {
        let Some(value) = self.headers.get(header::IF_MATCH) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
        version.map(Some).ok_or_else(|| {
            Problem::new(ErrorCode::Stale, "If-Match takes the ETag of the record as you read it, for example \"3\".")
        })
    }

    fn hash(&self) -> [u8; 32] {
        let body = self.body_hash.get().copied().unwrap_or_default();
        let mut text = format!("{} {}\n", self.method, self.uri).into_bytes();
        text.extend(body);
        hitaji_db::secrets::sha256(&text)
    }
}

/// How far a permission reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Organisation,
    /// Places of the organisation: branches, campuses, departments. None where the permission is not held at all.
    Nodes(Vec<Uuid>),
}

/// One organisation, one subject, their permissions: the only way to an organisation's data.
#[derive(Clone)]
pub struct Ctx {
    pub(crate) platform: Platform,
    pub(crate) request: Arc<Request>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) verified: Arc<Verified>,
    pub(crate) service: &'static str,
    pub(crate) home: Home,
}

impl Ctx {
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn subject(&self) -> AccountId {
        self.verified.subject
    }

    /// The person that the token is of. A program has no class and no child: what a rule gives to a person by such a
    /// relation it gives to no program.
    pub fn person(&self) -> Option<AccountId> {
        (self.verified.subject_type == SubjectType::User).then_some(self.verified.subject)
    }

    pub fn token(&self) -> &Verified {
        &self.verified
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn parts(&self) -> &Parts {
        self.platform.parts()
    }

    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Whether the token carries this permission.
    pub fn may(&self, scope: &str) -> bool {
        self.platform.registry().number(scope).is_some_and(|number| self.verified.permissions.contains(number))
    }

    pub fn require(&self, scope: &'static str) -> Result<(), Problem> {
        if self.may(scope) { Ok(()) } else { Err(insufficient(scope)) }
    }

    /// How far a permission of the token reaches. A route that is declared `by_node` must ask.
    pub fn reach(&self, scope: &str) -> Reach {
        let Some(number) = self.platform.registry().number(scope) else { return Reach::Nodes(Vec::new()) };
        if self.verified.permissions.contains(number) {
            return Reach::Organisation;
        }
        let held = self.verified.nodes.iter().filter(|(_, permissions)| permissions.contains(number));
        Reach::Nodes(held.map(|(id, _)| *id).collect())
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.platform.clock().now()
    }

    /// Today in the organisation's time zone.
    pub fn business_date(&self) -> NaiveDate {
        self.platform.clock().business_date(self.tenant.time_zone)
    }

    /// A connection for reads of one statement each.
    pub async fn read(&self) -> Result<Conn, Problem> {
        Ok(match self.home {
            Home::Control => self.platform.databases().control().await?,
            Home::Tenant => self.platform.databases().tenant(self.tenant.id, self.service).await?,
        })
    }

    /// A transaction. With an Idempotency-Key it is claimed here; a repeated request ends with the stored answer.
    pub async fn tx(&self) -> Result<Tx, Problem> {
        let conn = self.read().await?;
        let scope =
            Scope { tenant: Some(self.tenant.id), ..scope(&self.platform, &self.request, self.service, &self.actor()) };
        let key = self.request.idempotency_key()?.map(|key| IdempotencyKey {
            subject: match self.home {
                Home::Tenant => self.actor(),
                Home::Control => format!("{}/{}", self.tenant.id, self.actor()),
            },
            key: key.to_owned(),
            request_hash: self.request.hash(),
        });
        begun(Tx::begin(conn, scope, key, self.platform.databases().wake().clone()).await?)
    }

    /// Commits, keeps the answer for a repeated request, and gives it back.
    pub async fn commit(&self, tx: Tx, answer: Answer) -> Result<Answer, Problem> {
        tx.commit(Some(answer.stored())).await?;
        Ok(answer)
    }

    fn actor(&self) -> String {
        self.verified.actor()
    }
}

/// Authority without an organisation: sign-up, sign-in, protocol endpoints, operators, questions of other services.
#[derive(Clone)]
pub struct PlatformCtx {
    pub(crate) platform: Platform,
    pub(crate) request: Arc<Request>,
    pub(crate) service: &'static str,
    pub(crate) peer: Option<Peer>,
    pub(crate) operator: Option<Arc<Verified>>,
}

impl PlatformCtx {
    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn parts(&self) -> &Parts {
        self.platform.parts()
    }

    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    pub fn databases(&self) -> &Databases {
        self.platform.databases()
    }

    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Who of the people that run the platform asks, on a route that is theirs.
    pub fn operator(&self) -> Result<AccountId, Problem> {
        Ok(self.operators_token()?.subject)
    }

    pub fn operators_token(&self) -> Result<&Verified, Problem> {
        self.operator.as_deref().ok_or_else(|| Problem::internal("a handler wants an operator on another's route"))
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.platform.clock().now()
    }

    pub async fn read(&self) -> Result<Conn, Problem> {
        Ok(self.platform.databases().control().await?)
    }

    /// A transaction of an operator about one organisation, with their idempotency key.
    pub async fn operator_tx(&self, tenant: TenantId) -> Result<Tx, Problem> {
        let actor = self.operators_token()?.actor();
        self.begin(&actor, Some(tenant)).await
    }

    /// A transaction on the control database, in the name of `actor`.
    pub async fn tx(&self, actor: &str) -> Result<Tx, Problem> {
        self.begin(actor, None).await
    }

    async fn begin(&self, actor: &str, tenant: Option<TenantId>) -> Result<Tx, Problem> {
        let conn = self.read().await?;
        let scope = Scope { tenant, ..scope(&self.platform, &self.request, self.service, actor) };
        let key = self.request.idempotency_key()?.map(|key| IdempotencyKey {
            subject: format!("{}/{actor}", self.service),
            key: key.to_owned(),
            request_hash: self.request.hash(),
        });
        begun(Tx::begin(conn, scope, key, self.platform.databases().wake().clone()).await?)
    }

    pub async fn commit(&self, tx: Tx, answer: Answer) -> Result<Answer, Problem> {
        tx.commit(Some(answer.stored())).await?;
        Ok(answer)
    }
}

pub(crate) fn insufficient(scope: &'static str) -> Problem {
    let mut problem = Problem::new(
        ErrorCode::InsufficientScope,
        format!("This needs the permission {scope}. Ask the owner of your organisation for it."),
    );
    problem.scope = Some(scope);
    problem
}

fn scope(platform: &Platform, request: &Request, service: &'static str, actor: &str) -> Scope {
    Scope {
        tenant: None,
        service,
        actor: actor.to_owned(),
        request_id: Some(request.id.clone()),
        traceparent: Some(request.traceparent().to_owned()),
        at: platform.clock().now(),
    }
}

fn begun(begun: Begun) -> Result<Tx, Problem> {
    match begun {
        Begun::Fresh(tx) => Ok(*tx),
        Begun::Replay(stored) => Err(Problem::replay(stored.into())),
        Begun::Reused => Err(Problem::new(
            ErrorCode::IdempotencyKeyReused,
            "This Idempotency-Key was used for another request. Make a new key for a new request.",
        )),
        Begun::InProgress => {
            let mut problem = Problem::new(
                ErrorCode::IdempotencyInProgress,
                "The first request with this key still runs; ask again.",
            );
            problem.retry_after_s = Some(1);
            Err(problem)
        }
    }
}
