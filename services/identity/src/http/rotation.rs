//! Signing keys change while tokens are signed and checked: by the job when it is time, by the command line at once.
use crate::domain::signing::{self, KeyTimes, Step};
use crate::http::keys;
use crate::store::signing_key::{self, StoredKey};
use chrono::TimeDelta;
use hitaji_db::{Audit, Begun, Databases, DbError, Scope, Tx};
use serde_json::json;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    /// What is due, where a key signs for so many days.
    Due(u32),
    /// The next keys are published now.
    Publish,
    /// The published ones are used now. Processes that have not read them for a minute would refuse what they sign.
    Use,
}

/// Carries the wish out and says how many keys changed. Two processes at once do it once.
pub async fn rotate(databases: &Databases, wish: Wish) -> Result<usize, DbError> {
    let now = databases.clock().now();
    let steps = |keys: &[StoredKey]| {
        let times: Vec<KeyTimes> = keys.iter().map(StoredKey::times).collect();
        match wish {
            Wish::Due(days) => signing::due(&times, now, TimeDelta::days(days.into())),
            Wish::Publish => signing::publish_all(&times),
            Wish::Use => signing::use_all(&times),
        }
    };
    let mut conn = databases.control().await?;
    let wanted = steps(&signing_key::all(&mut conn).await?);
    conn.release();
    // Made before anything is locked: an RSA key takes a tenth of a second, or many.
    let mut made = Vec::new();
    for step in &wanted {
        if let Step::Publish(algorithm) = step {
            made.push(keys::make(databases, algorithm, "next").await?);
        }
    }
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut tx = begin(databases).await?;
    let steps = steps(&signing_key::lock(&mut tx).await?);
    for step in &steps {
        match step {
            Step::Publish(algorithm) => {
                if let Some(key) = made.iter().find(|key| key.algorithm == *algorithm) {
                    signing_key::insert(&mut tx, key).await?;
                }
            }
            Step::Use(id) => signing_key::activate(&mut tx, id, now).await?,
            Step::Remove(id) => signing_key::remove_retired(&mut tx, id).await?,
        }
    }
    let after = Some(json!({"steps": format!("{steps:?}")}).to_string());
    tx.audit(Audit { action: "rotate", resource: "identity.signing_key", record_id: None, before: None, after });
    tx.commit(None).await?;
    tracing::info!(?steps, "signing keys changed");
    Ok(steps.len())
}

async fn begin(databases: &Databases) -> Result<Tx, DbError> {
    let scope = Scope {
        tenant: None,
        service: "identity",
        actor: "service:identity".to_owned(),
        request_id: None,
        traceparent: None,
        at: databases.clock().now(),
    };
    match Tx::begin(databases.control().await?, scope, None, databases.wake().clone()).await? {
        Begun::Fresh(tx) => Ok(*tx),
        _ => Err(DbError::Invalid("a transaction without a key began as a replay".into())),
    }
}
