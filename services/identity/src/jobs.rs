//! Periodic work: what has expired is removed, what an earlier master key sealed is sealed anew, people are counted.
use crate::http::event::KEPT as EVENTS_KEPT;
use crate::http::provider::Provider;
use crate::http::rotation;
use crate::store::{
    device, dpop, event, grant, one_time_code, organisation, pending, pushed, reset, session, used_jti,
};
use chrono::TimeDelta;
use hitaji_bus::{Job, JobContext};
use hitaji_core::TenantId;
use std::time::Duration;
use uuid::Uuid;

/// A used code or token is kept so long, so that a second use is recognised.
const KEPT: TimeDelta = TimeDelta::days(1);

/// Removed in one round; the next comes in ten minutes.
const EVENTS_AT_MOST: i32 = 50_000;

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
        name: "identity.rotate",
        every: Duration::from_secs(600),
        everywhere: false,
        run: |context| Box::pin(rotate(context)),
    },
    Job {
        name: "identity.backchannel",
        every: Duration::from_secs(2),
        everywhere: false,
        run: |context| Box::pin(backchannel(context)),
    },
    Job {
        name: "identity.count",
        every: Duration::from_secs(3600),
        everywhere: false,
        run: |context| Box::pin(count(context)),
    },
];

/// Seals the signing keys and the secrets of second factors anew where the master key has changed.
async fn rewrap(context: JobContext) -> Result<(), String> {
    let keys = crate::http::keys::rewrap(&context.databases).await.map_err(|error| error.to_string())?;
    let secrets = crate::http::factors::rewrap(&context.databases).await.map_err(|error| error.to_string())?;
    if keys + secrets > 0 {
        tracing::info!(keys, secrets, "signing keys and secrets of second factors were sealed by the new master key");
    }
    Ok(())
}

/// Publishes, uses and removes signing keys when it is time.
async fn rotate(context: JobContext) -> Result<(), String> {
    let provider = context.parts.get::<Provider>();
    let wish = rotation::Wish::Due(provider.settings.key_days.max(2));
    if rotation::rotate(&context.databases, wish).await.map_err(|error| error.to_string())? > 0 {
        provider.keys.forget();
    }
    Ok(())
}

/// Tells clients of sessions that ended.
async fn backchannel(context: JobContext) -> Result<(), String> {
    let provider = context.parts.get::<Provider>();
    crate::http::backchannel::tell_all(&context.databases, &provider).await.map_err(|error| error.to_string())
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
        let codes = one_time_code::forget(&mut conn, before).await?;
        used_jti::forget(&mut conn, context.databases.clock().now()).await?;
        let events = event::forget(&mut conn, context.databases.clock().now() - EVENTS_KEPT, EVENTS_AT_MOST).await?;
        let pushed = pushed::forget(&mut conn, before).await?;
        let devices = device::forget(&mut conn, before).await?;
        dpop::forget(&mut conn, context.databases.clock().now()).await?;
        let waiting = pending::forget(&mut conn, before).await?;
        conn.release();
        tracing::info!(
            grants,
            sessions,
            resets,
            codes,
            events,
            pushed,
            devices,
            waiting,
            "expired sign-ins were removed"
        );
        Ok::<_, hitaji_db::DbError>(())
    };
    work.await.map_err(|error| error.to_string())
}
