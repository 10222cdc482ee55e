//! The one way to change data: a transaction that commits state, audit, events and the idempotent answer together.
use crate::denials::{self, Which};
use crate::{Conn, DbError, Place, Wake};
use chrono::{DateTime, Utc};
use hitaji_core::{Event, TenantId, new_id};
use sqlx::PgConnection;
use std::ops::{Deref, DerefMut};
use uuid::Uuid;

/// Who works, for which organisation and service; written to audit and events.
#[derive(Clone, Debug)]
pub struct Scope {
    pub tenant: Option<TenantId>,
    pub service: &'static str,
    /// An account id, or `service:NAME`.
    pub actor: String,
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
    /// The time of everything this transaction writes.
    pub at: DateTime<Utc>,
}

/// A client's Idempotency-Key with what it was sent for.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Whose key it is; together with the database this is tenant + subject.
    pub subject: String,
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
}

/// An answer as it was first given.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredAnswer {
    pub status: i16,
    pub location: Option<String>,
    pub etag: Option<String>,
    pub body: Vec<u8>,
}

/// How a transaction with an idempotency key begins.
pub enum Begun {
    Fresh(Box<Tx>),
    /// Done before: this was the answer.
    Replay(StoredAnswer),
    /// The key was used for another request.
    Reused,
    /// The same request runs just now.
    InProgress,
}

/// One line of the audit trail.
#[derive(Clone, Debug)]
pub struct Audit<'a> {
    /// `create`, `update`, `delete` or a command's name.
    pub action: &'a str,
    /// `school.student`.
    pub resource: &'a str,
    pub record_id: Option<Uuid>,
    /// JSON of the record, or of what changed in it.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// An open transaction. Dropped without commit it is rolled back.
pub struct Tx {
    conn: Conn,
    scope: Scope,
    key: Option<IdempotencyKey>,
    wake: Wake,
    audits: AuditColumns,
    events: EventColumns,
    denied: Vec<(Uuid, Which)>,
}

#[derive(Default)]
struct AuditColumns {
    action: Vec<String>,
    resource: Vec<String>,
    record_id: Vec<Option<Uuid>>,
    before: Vec<Option<String>>,
    after: Vec<Option<String>>,
}

#[derive(Default)]
struct EventColumns {
    id: Vec<Uuid>,
    kind: Vec<&'static str>,
    subject: Vec<String>,
    data: Vec<String>,
}

const CLAIM: &str =
    "with claim as materialized (select pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) as granted)
select claim.granted, stored.request_hash, stored.status, stored.location, stored.etag, stored.body
from claim left join hitaji.idempotency stored on stored.subject = $1 and stored.key = $2";

const FLUSH: &str = "with audited as (
    insert into hitaji.audit (at, service, actor, request_id, action, resource, record_id, before, after)
    select $1, $2, $3, $4, line.action, line.resource, line.record_id, line.before::json, line.after::json
    from unnest($5::text[], $6::text[], $7::uuid[], $8::text[], $9::text[]) as line (action, resource, record_id, before, after)
), emitted as (
    insert into hitaji.outbox (time, service, actor, traceparent, id, type, subject, data)
    select $1, $2, $3, $10, event.id, event.type, event.subject, event.data::json
    from unnest($11::uuid[], $12::text[], $13::text[], $14::text[]) with ordinality as event (id, type, subject, data, place)
    order by event.place
)
insert into hitaji.idempotency (subject, key, request_hash, status, location, etag, body, at)
select $15, $16, $17, $18, $19, $20, $21, $1 where $15::text is not null";

#[derive(sqlx::FromRow)]
struct Claim {
    granted: bool,
    request_hash: Option<Vec<u8>>,
    status: Option<i16>,
    location: Option<String>,
    etag: Option<String>,
    body: Option<Vec<u8>>,
}

impl Tx {
    /// Begins, and claims the key in the same database that will hold the effect.
    pub async fn begin(conn: Conn, scope: Scope, key: Option<IdempotencyKey>, wake: Wake) -> Result<Begun, DbError> {
        let (audits, events) = (AuditColumns::default(), EventColumns::default());
        let mut tx = Tx { conn, scope, key, wake, audits, events, denied: Vec::new() };
        sqlx::raw_sql("begin").execute(&mut *tx.conn).await?;
        let Some(key) = &tx.key else {
            return Ok(Begun::Fresh(Box::new(tx)));
        };
        let claim: Claim = sqlx::query_as(CLAIM).bind(&key.subject).bind(&key.key).fetch_one(&mut *tx.conn).await?;
        let begun = match (claim.granted, claim.request_hash, claim.status, claim.body) {
            (_, Some(hash), Some(status), Some(body)) if hash == key.request_hash => {
                Begun::Replay(StoredAnswer { status, location: claim.location, etag: claim.etag, body })
            }
            (_, Some(_), ..) => Begun::Reused,
            (false, None, ..) => Begun::InProgress,
            (true, None, ..) => return Ok(Begun::Fresh(Box::new(tx))),
        };
        tx.rollback().await?;
        Ok(begun)
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Publishes `event` about the record `subject` when this transaction commits. Hold the record's row lock.
    pub fn emit<E: Event>(&mut self, subject: impl ToString, event: &E) -> Uuid {
        let data = serde_json::to_string(event).expect("cannot fail: event payloads have string keys");
        self.emit_json(E::TYPE, subject.to_string(), data)
    }

    /// [`Tx::emit`] for the resource engine, whose event types are declared, not typed.
    pub fn emit_json(&mut self, kind: &'static str, subject: String, data: String) -> Uuid {
        let id = new_id();
        self.events.id.push(id);
        self.events.kind.push(kind);
        self.events.subject.push(subject);
        self.events.data.push(data);
        id
    }

    pub fn audit(&mut self, line: Audit<'_>) {
        self.audits.action.push(line.action.to_owned());
        self.audits.resource.push(line.resource.to_owned());
        self.audits.record_id.push(line.record_id);
        self.audits.before.push(line.before);
        self.audits.after.push(line.after);
    }

    /// From the commit on, every process refuses the tokens that hang on `id`: a session, a consent, anything that is
    /// over. On the control database only.
    pub fn deny(&mut self, id: Uuid) {
        self.denied.push((id, Which::All));
    }

    /// [`Tx::deny`] for what goes on: an account, a member. Tokens issued from a few seconds after this are good.
    pub fn deny_issued(&mut self, id: Uuid) {
        self.denied.push((id, Which::Issued));
    }

    /// Commits. `answer` is stored where the request named an idempotency key.
    pub async fn commit(mut self, answer: Option<&StoredAnswer>) -> Result<(), DbError> {
        let stored = self.key.take().zip(answer);
        let emitted = !self.events.id.is_empty();
        if emitted || !self.audits.action.is_empty() || stored.is_some() {
            self.flush(stored).await?;
        }
        let denied = self.write_denials().await?;
        sqlx::raw_sql("commit").execute(&mut *self.conn).await?;
        self.wake.denylist().extend(denied);
        self.wake.written(self.conn.place());
        if emitted {
            self.wake.wake(self.conn.place().clone());
        }
        self.conn.release();
        Ok(())
    }

    pub async fn rollback(mut self) -> Result<(), DbError> {
        sqlx::raw_sql("rollback").execute(&mut *self.conn).await?;
        self.conn.release();
        Ok(())
    }

    async fn write_denials(&mut self) -> Result<Vec<denials::Denial>, DbError> {
        if self.denied.is_empty() {
            return Ok(Vec::new());
        }
        if *self.conn.place() != Place::Control {
            return Err(DbError::Invalid("tokens are denied in the control database only".into()));
        }
        denials::write(&mut self.conn, &self.denied, self.scope.at).await
    }

    async fn flush(&mut self, stored: Option<(IdempotencyKey, &StoredAnswer)>) -> Result<(), DbError> {
        let (audits, events, scope) = (&self.audits, &self.events, &self.scope);
        let (key, answer) = stored.unzip();
        let key = key.as_ref();
        sqlx::query(FLUSH)
            .bind(scope.at)
            .bind(scope.service)
            .bind(&scope.actor)
            .bind(&scope.request_id)
            .bind(&audits.action)
            .bind(&audits.resource)
            .bind(&audits.record_id)
            .bind(&audits.before)
            .bind(&audits.after)
            .bind(&scope.traceparent)
            .bind(&events.id)
            .bind(&events.kind)
            .bind(&events.subject)
            .bind(&events.data)
            .bind(key.map(|key| &key.subject))
            .bind(key.map(|key| &key.key))
            .bind(key.map(|key| key.request_hash.to_vec()))
            .bind(answer.map(|answer| answer.status))
            .bind(answer.and_then(|answer| answer.location.as_ref()))
            .bind(answer.and_then(|answer| answer.etag.as_ref()))
            .bind(answer.map(|answer| &answer.body))
            .execute(&mut *self.conn)
            .await
            .map_err(|error| match DbError::from(error) {
                error if error.constraint() == Some("idempotency_pkey") => DbError::IdempotencyRace,
                error => error,
            })?;
        Ok(())
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}
