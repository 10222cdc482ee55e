//! Periodic work: what has expired is removed, what an earlier master key sealed is sealed anew, people are counted.
use crate::http::provider::Provider;
use crate::store::{federation, grant, organisation, reset, session};
use chrono::TimeDelta;
use hitaji_bus::{Job, JobContext};
use hitaji_core::TenantId;
use std::time::Duration;
use uuid::Uuid;

/// A used code or token is kept so long, so that a second use is recognised.
const KEPT: TimeDelta = TimeDelta::days(1);

pub const JOBS: &[Job] = &[
    Job {
        name: "identity.forget",
        every: Duration::from_secs(600),
        everywhere: false,
        run: |context| Box::pin(forget(context)),
    },
    Job {
        name: "identity.rewrap",
        every: Duration::from_secs(10),
        everywhere: false,
        run: |context| Box::pin(rewrap(context)),
    },
    Job {
        name: "identity.count",
        every: Duration::from_secs(3600),
        everywhere: false,
        run: |context| Box::pin(count(context)),
    },
];

/// Seals the signing keys anew where the master key has changed.
async fn rewrap(context: JobContext) -> Result<(), String> {
    let rewrapped = crate::http::keys::rewrap(&context.databases).await.map_err(|error| error.to_string())?;
    let rewrapped =
        rewrapped + crate::http::federation::rewrap(&context.databases).await.map_err(|error| error.to_string())?;
    if rewrapped > 0 {
        tracing::info!(rewrapped, "signing keys and secrets were sealed by the new master key");
    }
    Ok(())
}

/// Says how many people each organisation has, invited ones among them: invitations run out by themselves, and some were
/// there before anybody counted.
async fn count(context: JobContext) -> Result<(), String> {
    let work = async {
        let mut after = Uuid::nil();
        loop {
            let mut conn = context.databases.control().await?;
            let counts = organisation::people_counts(&mut conn, after, context.databases.clock().now(), 200).await?;
            for (id, people) in &counts {
                context.databases.set_users(&mut conn, TenantId(*id), *people).await?;
            }
            conn.release();
            match counts.last() {
                Some((id, _)) => after = *id,
                None => return Ok::<_, hitaji_db::DbError>(()),
            }
        }
    };
    work.await.map_err(|error| error.to_string())
}

async fn forget(context: JobContext) -> Result<(), String> {
    context.parts.get::<Provider>().throttle.forget_idle();
    let before = context.databases.clock().now() - KEPT;
    let work = async {
        let mut conn = context.databases.control().await?;
        let grants = grant::forget(&mut conn, before).await?;
        let sessions = session::forget(&mut conn, before).await?;
        let resets = reset::forget(&mut conn, before).await?;
        federation::forget(&mut conn, before).await?;
        conn.release();
        tracing::info!(grants, sessions, resets, "expired sign-ins were removed");
        Ok::<_, hitaji_db::DbError>(())
    };
    work.await.map_err(|error| error.to_string())
}
