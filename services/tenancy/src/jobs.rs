//! Periodic work: keep databases ready, remove orphans, finish sign-ups that a crash interrupted, measure what organisations
//! use and warn before a limit bites.
use crate::Provisioner;
use crate::http::create_organisation::complete;
use crate::http::plans;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use hitaji_bus::JobContext;

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

pub fn measure(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let Provisioner(databases) = &*context.parts.get::<Provisioner>();
        databases.measure_databases().await.map_err(|error| error.to_string())
    })
}

pub fn warn(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let told = plans::warn(&context.databases).await.map_err(|error| error.to_string())?;
        if told > 0 {
            tracing::info!(told, "organisations were warned that a limit of their plan comes near");
        }
        Ok(())
    })
}

pub fn forget_usage(context: JobContext) -> BoxFuture<'static, Result<(), String>> {
    Box::pin(async move {
        let removed = context.databases.forget_usage().await.map_err(|error| error.to_string())?;
        tracing::info!(removed, "old lines of the usage ledger were removed");
        Ok(())
    })
}
