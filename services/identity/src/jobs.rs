//! Periodic work: what has expired is removed, what an earlier master key sealed is sealed anew, people are counted.
use crate::http::event::KEPT as EVENTS_KEPT;
use crate::http::provider::Provider;
use crate::http::rotation;
use crate::store::{
    device, domain, dpop, event, federation, grant, one_time_code, organisation, pending, pushed, reset, session,
    used_jti,
};
use chrono::TimeDelta;
use hitaji_bus::{Job, JobContext};
use hitaji_core::TenantId;
use std::time::Duration;
use uuid::Uuid;

/// A used code or token is kept so long, so that a second use is recognised.
const KEPT: TimeDelta = TimeDelta::days(1);
/// For so long a proof by DNS is believed.
const DOMAIN_KEPT: TimeDelta = TimeDelta::days(7);

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
        name: "identity.domains",
        every: Duration::from_secs(3600),
        everywhere: false,
        run: |context| Box::pin(recheck(context)),
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

/// Looks at proven domains again, a week after the last time. Where the record is gone the domain is nobody's any more:
/// its people sign in like everybody, and it may have a new owner.
async fn recheck(context: JobContext) -> Result<(), String> {
    let now = context.databases.clock().now();
    let work = async {
        let mut conn = context.databases.control().await?;
        let due = domain::due(&mut conn, now - DOMAIN_KEPT, 100).await?;
        conn.release();
        for mut row in due {
            // Without an answer nothing is known, and nothing changes.
            let Ok(proven) = context.parts.get::<Provider>().dns.is_proven(&row.domain, &row.token).await else {
                continue;
            };
            row.checked_at = Some(now);
            if !proven {
                tracing::warn!(domain = row.id.to_string(), "a domain lost the record that proved it");
                (row.verified_at, row.required_provider, row.auto_join_role) = (None, None, None);
            }
            row.version += 1;
            let mut conn = context.databases.control().await?;
            domain::update(&mut conn, &row).await?;
            conn.release();
        }
        Ok::<_, hitaji_db::DbError>(())
    };
    work.await.map_err(|error| error.to_string())
}

/// Seals anew, where the master key has changed, what it sealed: signing keys, secrets of second factors and of providers.
async fn rewrap(context: JobContext) -> Result<(), String> {
    let work = async {
        let keys = crate::http::keys::rewrap(&context.databases).await?;
        let factors = crate::http::factors::rewrap(&context.databases).await?;
        let providers = crate::http::federation::rewrap(&context.databases).await?;
        Ok::<_, hitaji_db::DbError>((keys, factors, providers))
    };
    let (keys, factors, providers) = work.await.map_err(|error| error.to_string())?;
    if keys + factors + providers > 0 {
        tracing::info!(keys, factors, providers, "secrets were sealed by the new master key");
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
        federation::forget(&mut conn, before).await?;
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
