//! Tokens that are honoured no more although they have not expired: written in the transaction that ends what they hang
//! on, told to every process by PostgreSQL, and looked up for every request in memory.
use crate::secrets::sha256;
use crate::{Databases, DbError};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

/// Longer than any access token lives.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// A token that was being made while its membership ended is no older than this when it comes out.
const IN_THE_MAKING: TimeDelta = TimeDelta::seconds(5);
/// What was denied in this time is read again at every upkeep, should the news have been lost.
const READ_AGAIN: TimeDelta = TimeDelta::minutes(1);
pub(crate) const CHANNEL: &str = "hitaji_denial";

/// Which tokens of an id are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All: the id is never used again.
    All,
    /// Those that are out now: the id goes on, with new tokens.
    Issued,
}

/// One denial, in seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize, sqlx::FromRow)]
pub(crate) struct Denial {
    id: Uuid,
    until: i64,
    issued_until: Option<i64>,
}

/// What this process knows of denials. Clones share it.
#[derive(Clone)]
pub struct Denylist(Arc<Known>);

struct Known {
    /// By id, until when and up to which time of issue. Bounded by what is ended within a quarter of an hour.
    denials: RwLock<HashMap<Uuid, (i64, i64)>>,
    changed: watch::Sender<()>,
    /// Set once those that are alive have been read.
    read: OnceCell<()>,
}

impl Default for Denylist {
    fn default() -> Denylist {
        let known = Known { denials: RwLock::default(), changed: watch::Sender::new(()), read: OnceCell::new() };
        Denylist(Arc::new(known))
    }
}

impl Denylist {
    /// Whether a token issued at `issued_at` (seconds since 1970) that hangs on these ids is refused.
    pub fn denies(&self, ids: &[Uuid], issued_at: i64) -> bool {
        let denials = self.0.denials.read().expect("cannot be poisoned: nothing panics while it is held");
        if denials.is_empty() {
            return false;
        }
        ids.iter().any(|id| denials.get(id).is_some_and(|(_, issued_until)| issued_at <= *issued_until))
    }

    /// Resolves after each change: for connections that stay open.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    pub(crate) fn extend(&self, denials: impl IntoIterator<Item = Denial>) {
        let mut new = false;
        {
            let mut known = self.0.denials.write().expect("cannot be poisoned: nothing panics while it is held");
            for denial in denials {
                let issued_until = denial.issued_until.unwrap_or(i64::MAX);
                let entry = known.entry(denial.id).or_insert((0, i64::MIN));
                new |= entry.1 < issued_until;
                *entry = (entry.0.max(denial.until), entry.1.max(issued_until));
            }
        }
        if new {
            self.0.changed.send_replace(());
        }
    }

    fn forget(&self, now: DateTime<Utc>) {
        let now = now.timestamp();
        let old = |known: &HashMap<Uuid, (i64, i64)>| known.values().any(|(until, _)| *until < now);
        if old(&self.0.denials.read().expect("cannot be poisoned: nothing panics while it is held")) {
            let mut known = self.0.denials.write().expect("cannot be poisoned: nothing panics while it is held");
            known.retain(|_, (until, _)| *until >= now);
        }
    }
}

/// The id by which tokens of one application are denied.
pub fn client(id: &str) -> Uuid {
    derived(&[b"client ", id.as_bytes()])
}

/// The id by which tokens of one application in one session are denied: a family of refresh tokens.
pub fn in_session(client: &str, session: Uuid) -> Uuid {
    derived(&[b"in session ", session.as_bytes(), client.as_bytes()])
}

fn derived(parts: &[&[u8]]) -> Uuid {
    let hash = sha256(&parts.concat());
    uuid::Builder::from_custom_bytes(hash[..16].try_into().expect("cannot fail: a hash has 32 bytes")).into_uuid()
}

/// Writes denials; the trigger tells every process when the transaction commits.
pub(crate) async fn write(
    conn: &mut PgConnection,
    denied: &[(Uuid, Which)],
    at: DateTime<Utc>,
) -> Result<Vec<Denial>, DbError> {
    let (until, issued_until) = (at + LIFETIME, at + IN_THE_MAKING);
    let ids: Vec<Uuid> = denied.iter().map(|(id, _)| *id).collect();
    let all: Vec<bool> = denied.iter().map(|(_, which)| *which == Which::All).collect();
    sqlx::query(
        "insert into directory.denial as known (id, until, issued_until)
         select denied.id, $3, case when not bool_or(denied.whole) then $4 end
         from unnest($1::uuid[], $2::bool[]) as denied (id, whole) group by denied.id order by denied.id
         on conflict (id) do update set until = greatest(known.until, excluded.until),
            issued_until = case when known.issued_until is null or excluded.issued_until is null then null
                           else greatest(known.issued_until, excluded.issued_until) end",
    )
    .bind(&ids)
    .bind(&all)
    .bind(until)
    .bind(issued_until)
    .execute(conn)
    .await?;
    let until = until.timestamp() + 1;
    let denial = |(id, which): &(Uuid, Which)| {
        let issued_until = (*which == Which::Issued).then(|| issued_until.timestamp());
        Denial { id: *id, until, issued_until }
    };
    Ok(denied.iter().map(denial).collect())
}

async fn alive(conn: &mut PgConnection, after: DateTime<Utc>) -> Result<Vec<Denial>, DbError> {
    Ok(sqlx::query_as(
        "select id, ceil(extract(epoch from until))::bigint as until,
                floor(extract(epoch from issued_until))::bigint as issued_until
         from directory.denial where until > $1",
    )
    .bind(after)
    .fetch_all(conn)
    .await?)
}

impl Databases {
    pub fn denylist(&self) -> &Denylist {
        self.wake().denylist()
    }

    /// Reads every denial that is alive, once in the life of a process: before it believes its first token.
    pub async fn know_denials(&self) -> Result<(), DbError> {
        self.denylist().0.read.get_or_try_init(|| self.read_denials()).await.map(|_| ())
    }

    pub(crate) async fn read_denials(&self) -> Result<(), DbError> {
        let mut conn = self.control().await?;
        let denials = alive(&mut conn, self.clock().now()).await?;
        conn.release();
        self.denylist().extend(denials);
        Ok(())
    }

    /// What the listening connection was told.
    pub(crate) fn told_of_denial(&self, payload: &str) {
        match serde_json::from_str(payload) {
            Ok(denial) => self.denylist().extend([denial]),
            Err(error) => tracing::error!(%error, "a denial cannot be read; upkeep reads it within seconds"),
        }
    }

    /// Reads what was denied lately, and forgets what is over.
    pub(crate) async fn keep_denials(&self, conn: &mut PgConnection) -> Result<(), DbError> {
        let now = self.clock().now();
        self.denylist().extend(alive(conn, now + LIFETIME - READ_AGAIN).await?);
        self.denylist().forget(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_denied_whole_or_up_to_a_time_of_issue() {
        let (list, session, person) = (Denylist::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let mut changes = list.changes();
        assert!(!list.denies(&[session, person], 0));
        let denial = |id, issued_until| Denial { id, until: 1_000, issued_until };
        list.extend([denial(session, None), denial(person, Some(100))]);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(list.denies(&[session], 5_000) && list.denies(&[person], 100) && !list.denies(&[person], 101));
        list.extend([denial(session, Some(1))]);
        assert!(list.denies(&[session], 5_000), "what is denied whole stays so");
        assert!(!changes.has_changed().unwrap(), "nothing new");
        list.forget(DateTime::from_timestamp(1_001, 0).unwrap());
        assert!(!list.denies(&[session, person], 0));
    }

    #[test]
    fn applications_have_ids_of_their_own() {
        assert_eq!(client("hitaji-web"), client("hitaji-web"));
        assert_ne!(client("hitaji-web"), client("hitaji-console"));
        assert_ne!(in_session("hitaji-web", Uuid::nil()), in_session("hitaji-web", Uuid::max()));
    }
}
