//! Periodic work: keep databases ready, remove orphans, finish what a crash interrupted, back up and prove, ship journals.
use crate::config::Backups;
use crate::http::create_organisation::complete;
use crate::http::plans;
use crate::http::support_grants::write_down_expired;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use hitaji_bus::JobContext;
use hitaji_db::{Begun, DbError, Scope, Tx};
use hitaji_fleet::Fleet;

/// Younger half-made things may belong to a sign-up under way.
const ORPHAN_AGE: TimeDelta = TimeDelta::minutes(3);
const UNFINISHED_AGE: TimeDelta = TimeDelta::seconds(30);
/// Organisations at one turn: the next turn comes soon.
const AT_ONE_TURN: i64 = 20;
const ACTOR: &str = "service:tenancy";

type Outcome = BoxFuture<'static, Result<(), String>>;

fn told(error: impl ToString) -> String {
    error.to_string()
}

pub fn refill(context: JobContext) -> Outcome {
    Box::pin(async move {
        while context.databases.refill().await.map_err(told)? {}
        Ok(())
    })
}

pub fn reap(context: JobContext) -> Outcome {
    Box::pin(async move {
        let dropped = context.databases.reap(ORPHAN_AGE).await.map_err(told)?;
        if dropped > 0 {
            tracing::info!(dropped, "removed databases that no organisation uses");
        }
        Ok(())
    })
}

/// Writes down which accesses time has ended; that they are worth nothing is so without it.
pub fn expire_support(context: JobContext) -> Outcome {
    Box::pin(async move {
        let databases = &context.databases;
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

pub fn resume(context: JobContext) -> Outcome {
    Box::pin(async move {
        for id in context.databases.unfinished(UNFINISHED_AGE).await.map_err(told)? {
            complete(&context.databases, id).await.map_err(|error| format!("{id}: {error}"))?;
            tracing::info!(tenant = %id, "finished a sign-up that was interrupted");
        }
        Ok(())
    })
}

/// Ships what this process wrote for journaled organisations; what others left behind is found by their own turns.
pub fn ship(context: JobContext) -> Outcome {
    Box::pin(async move {
        context.parts.get::<Fleet>().ship_journals(false).await.map_err(told)?;
        Ok(())
    })
}

/// Ends work that its process left behind, and goes on with erasures, which are never taken back.
pub fn recover(context: JobContext) -> Outcome {
    Box::pin(async move {
        let fleet = context.parts.get::<Fleet>();
        fleet.recover().await.map_err(told)?;
        let physical = context.parts.get::<Backups>().physical();
        for id in fleet.half_erased().await.map_err(told)? {
            fleet.erase(id, physical, ACTOR).await.map_err(|error| format!("{id}: {error}"))?;
        }
        // A process that died may have left changes that nobody ships.
        fleet.ship_journals(true).await.map_err(told)?;
        Ok(())
    })
}

pub fn retire_roles(context: JobContext) -> Outcome {
    Box::pin(async move {
        context.parts.get::<Fleet>().retire_roles().await.map_err(told)?;
        Ok(())
    })
}

/// Backs up who is due, and removes what is old. One that fails does not keep the others from it.
pub fn back_up(context: JobContext) -> Outcome {
    Box::pin(async move {
        let (fleet, settings) = (context.parts.get::<Fleet>(), context.parts.get::<Backups>());
        if !settings.automatic {
            return Ok(());
        }
        for id in fleet.journal_due(AT_ONE_TURN).await.map_err(told)? {
            let keep = fleet.kept(id).await.map_err(told)?;
            if let Err(error) = fleet.journal_on(id, keep, ACTOR).await {
                tracing::error!(tenant = %id, %error, "an organisation's changes could not be journaled");
            }
        }
        for id in fleet.backup_due(AT_ONE_TURN).await.map_err(told)? {
            let keep = fleet.kept(id).await.map_err(told)?;
            if let Err(error) = fleet.backup(id, keep, ACTOR).await {
                tracing::error!(tenant = %id, %error, "an organisation could not be backed up");
            }
            fleet.expire_journals(id).await.map_err(told)?;
        }
        fleet.expire_backups().await.map_err(told)?;
        Ok(())
    })
}

/// Restores backups into scratch databases, the one that waits longest for its proof first.
pub fn prove(context: JobContext) -> Outcome {
    Box::pin(async move {
        let (fleet, settings) = (context.parts.get::<Fleet>(), context.parts.get::<Backups>());
        if settings.prove_days == 0 {
            return Ok(());
        }
        for id in fleet.proof_due(TimeDelta::days(settings.prove_days.into()), AT_ONE_TURN).await.map_err(told)? {
            if let Err(error) = fleet.prove(id, ACTOR).await {
                tracing::error!(tenant = %id, %error, "an organisation's backup is not proven");
            }
        }
        Ok(())
    })
}

pub fn measure(context: JobContext) -> Outcome {
    Box::pin(async move { context.databases.measure_databases().await.map_err(told) })
}

pub fn warn(context: JobContext) -> Outcome {
    Box::pin(async move {
        let warned = plans::warn(&context.databases).await.map_err(told)?;
        if warned > 0 {
            tracing::info!(warned, "organisations were warned that a limit of their plan comes near");
        }
        Ok(())
    })
}

pub fn forget_usage(context: JobContext) -> Outcome {
    Box::pin(async move {
        let removed = context.databases.forget_usage().await.map_err(told)?;
        tracing::info!(removed, "old lines of the usage ledger were removed");
        Ok(())
    })
}
