//! The handle to everything in this crate, and how its long work is recorded, watched, cancelled and taken up.
use crate::FleetError;
use crate::store::Store;
use chrono::TimeDelta;
use hitaji_core::TenantId;
use hitaji_db::directory::operation::{self, Operation};
use hitaji_db::{Databases, cluster};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Work that gave no sign of life for so long is nobody's any more.
const ABANDONED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// Works on whole databases. Clones share everything.
#[derive(Clone)]
pub struct Fleet {
    pub(crate) databases: Databases,
    pub(crate) store: Store,
    /// Work that is recorded already; the next that is done is it.
    begun: Option<Uuid>,
}

/// Work under way: its row in the directory, how far it is, and whether it is still wanted.
pub struct Work {
    pub id: Uuid,
    databases: Databases,
    progress: Arc<Progress>,
    heartbeat: JoinHandle<()>,
}

#[derive(Default)]
struct Progress {
    done: AtomicU64,
    cancelled: AtomicBool,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

impl Work {
    /// Says how far it is; false when it was cancelled.
    pub fn reached(&self, done: u64) -> bool {
        self.progress.done.store(done, Ordering::Relaxed);
        !self.progress.cancelled.load(Ordering::Relaxed)
    }

    /// Records a step that is done for good.
    pub async fn step(&self, step: &str, detail: Value) -> Result<(), FleetError> {
        Ok(operation::step(&mut *self.databases.control().await?, self.id, step, &detail).await?)
    }
}

impl Fleet {
    pub fn new(databases: Databases, store: Store) -> Fleet {
        Fleet { databases, store, begun: None }
    }

    /// A handle for the one piece of work that `operation::begin` recorded, in the transaction that decided on it.
    pub fn taking_up(&self, operation: Uuid) -> Fleet {
        Fleet { begun: Some(operation), ..self.clone() }
    }

    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Does `work` with a row in the directory that tells how it goes and how it ended. One at a time on a tenant.
    pub(crate) async fn operate<T>(
        &self,
        kind: &str,
        tenant: Option<TenantId>,
        actor: &str,
        work: impl AsyncFnOnce(&Work) -> Result<T, FleetError>,
    ) -> Result<T, FleetError> {
        let id = match self.begun {
            Some(id) => id,
            None => {
                let mut conn = self.databases.control().await?;
                let id = operation::begin(&mut conn, kind, tenant, actor, &json!({})).await?;
                conn.release();
                id
            }
        };
        let progress = Arc::new(Progress::default());
        let heartbeat = tokio::spawn(beat(self.databases.clone(), id, progress.clone()));
        let under_way = Work { id, databases: self.databases.clone(), progress, heartbeat };
        let outcome = work(&under_way).await;
        drop(under_way);
        let told = outcome.as_ref().map(|_| ()).map_err(ToString::to_string);
        let told = match &told {
            Ok(()) => Ok(()),
            Err(reason) => Err(reason.as_str()),
        };
        let mut conn = self.databases.control().await?;
        operation::finish(&mut conn, id, told).await?;
        outcome
    }

    /// Ends work that its process left behind, and opens what it had closed. What was half loaded goes at the next round of
    /// upkeep. Returns how many.
    pub async fn recover(&self) -> Result<usize, FleetError> {
        let mut conn = self.databases.control().await?;
        let before = self.databases.clock().now() - ABANDONED_AFTER;
        let abandoned = operation::abandoned(&mut conn, before).await?;
        conn.release();
        let mut ended = 0;
        for work in &abandoned {
            match self.end_abandoned(work).await {
                Ok(()) => ended += 1,
                // Its server is away, maybe: that keeps nobody else's work from being ended.
                Err(error) => tracing::warn!(kind = work.kind, %error, "work that was left behind cannot be ended yet"),
            }
        }
        Ok(ended)
    }

    async fn end_abandoned(&self, work: &Operation) -> Result<(), FleetError> {
        if let Some(tenant) = work.tenant_id.map(TenantId) {
            self.reopen(tenant).await?;
            if work.kind == "move" {
                self.end_journaling(tenant).await?;
            }
        }
        let mut conn = self.databases.control().await?;
        operation::finish(&mut conn, work.id, Err("the process that did it ended")).await?;
        conn.release();
        tracing::warn!(kind = work.kind, step = work.step, "work on a database was left behind and is ended");
        Ok(())
    }

    /// Whatever databases the directory leads to are open.
    pub(crate) async fn reopen(&self, tenant: TenantId) -> Result<(), FleetError> {
        let mut conn = self.databases.control().await?;
        let rows = hitaji_db::directory::database::of_tenant(&mut conn, tenant).await?;
        conn.release();
        for row in rows.iter().filter(|row| row.state == "claimed") {
            let mut admin = self.databases.maintenance(&row.cluster).await?;
            cluster::unfence(&mut admin, &row.name).await?;
        }
        Ok(())
    }
}

/// Tells the directory each second how far the work is, and the work whether somebody cancelled it.
async fn beat(databases: Databases, id: Uuid, progress: Arc<Progress>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let done = progress.done.load(Ordering::Relaxed);
        let Ok(mut conn) = databases.control().await else { continue };
        match operation::progress(&mut conn, id, done as i64).await {
            Ok(false) => progress.cancelled.store(true, Ordering::Relaxed),
            Ok(true) => {}
            Err(error) => tracing::debug!(%error, "progress could not be recorded"),
        }
        conn.release();
    }
}
