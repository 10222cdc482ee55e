//! Periodic work: keep databases ready, remove orphans, finish sign-ups that a crash interrupted, note expired access.
use crate::Provisioner;
use crate::http::create_organisation::complete;
use crate::http::support_grants::write_down_expired;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use hitaji_bus::JobContext;
use hitaji_db::{Begun, DbError, Scope, Tx};

/// Younger half-made things may belong to a sign-up under way.
const ORPHAN_AGE: TimeDelta = TimeDelta::minutes(3);
const UNFINISHED_AGE: TimeDelta = TimeDelta::seconds(30);

pub fn refill(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let Provisioner(databases) = &*context.parts.get::<Provisioner>();
        while databases.refill().await.map_err(|error| error.to_string())? {}
        Ok(())
    })
}

pub fn reap(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let Provisioner(databases) = &*context.parts.get::<Provisioner>();
        let dropped = databases.reap(ORPHAN_AGE).await.map_err(|error| error.to_string())?;
        if dropped > 0 {
            tracing::info!(dropped, "removed databases that no organisation uses");
        }
        Ok(())
    })
}

/// Writes down which accesses time has ended; that they are worth nothing is so without it.
pub fn expire_support(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let Provisioner(databases) = &*context.parts.get::<Provisioner>();
        let scope = Scope {
            tenant: None,
            service: "tenancy",
            actor: "service:tenancy".to_owned(),
            request_id: None,
            traceparent: None,
            at: databases.clock().now(),
        };
        let work = async {
            let conn = databases.control().await?;
            if let Begun::Fresh(mut tx) = Tx::begin(conn, scope, None, databases.wake().clone()).await? {
                write_down_expired(&mut tx, databases.clock().now()).await?;
                tx.commit(None).await?;
            }
            Ok::<_, DbError>(())
        };
        work.await.map_err(|error| error.to_string())
    })
}

pub fn resume(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let Provisioner(databases) = &*context.parts.get::<Provisioner>();
        for id in databases.unfinished(UNFINISHED_AGE).await.map_err(|error| error.to_string())? {
            complete(databases, id).await.map_err(|error| format!("{id}: {error}"))?;
            tracing::info!(tenant = %id, "finished a sign-up that was interrupted");
        }
        Ok(())
    })
}
