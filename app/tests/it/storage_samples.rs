//! Samples of long work on whole organisations: each has a throw-away organisation of its own.
use crate::operations::Operation;
use crate::samples::{Sample, World};
use hitaji_db::directory::{cluster, operation};
use hitaji_testkit::{Organisation, test_postgres, until};
use serde_json::{Value, json};

/// Where samples of a move go.
const OTHER_CLUSTER: &str = "elsewhere";

impl World<'_> {
    /// A good request to begin or stop long work, or to take everything along.
    pub async fn of_storage(&self, operation: &Operation, serial: i64) -> Option<Sample> {
        let path = operation.path.as_str();
        let reason = format!("{} {serial}", self.marker);
        if path == "/tenancy/v1/operations/{id}/cancel" {
            return Some(Sample::at(&path.replace("{id}", &self.unattended(serial).await)));
        }
        if path.starts_with("/tenancy/v1/exports") {
            return Some(Sample::at(&path.replace("{id}", &self.export(operation.writes()).await)));
        }
        if path == "/tenancy/v1/organisations/{id}/storage" {
            return Some(Sample::at(&path.replace("{id}", &self.organisation.id.to_string())));
        }
        let action = path.strip_prefix("/tenancy/v1/organisations/{id}/")?;
        if !["back-up", "prove", "restore", "move", "erase"].contains(&action) {
            return None;
        }
        let made = self.elsewhere(serial, action).await;
        let body = match action {
            "prove" | "restore" => {
                self.back_up(&made).await;
                json!({"reason": reason})
            }
            "move" => {
                self.add_cluster().await;
                json!({"reason": reason, "cluster": OTHER_CLUSTER})
            }
            "erase" => json!({"reason": reason, "confirm": made.slug}),
            _ => json!({"reason": reason}),
        };
        Some(Sample::json(path.replace("{id}", &made.id.to_string()), body))
    }

    /// Everything that was begun has ended.
    pub async fn rest(&self) {
        until("long work has ended", async || {
            let running = "select id from directory.operation where finished_at is null and actor <> 'a sample'";
            self.app.control_rows(running).await.is_empty().then_some(())
        })
        .await;
    }

    /// Work that is recorded and that nobody does: it runs until it is cancelled.
    async fn unattended(&self, serial: i64) -> String {
        let made = self.elsewhere(serial, "cancel").await;
        let mut conn = self.app.platform.databases().control().await.expect("a connection");
        let begun = operation::begin(&mut conn, "backup", Some(made.id), "a sample", &Value::Null).await;
        conn.release();
        begun.expect("an operation").to_string()
    }

    async fn back_up(&self, organisation: &Organisation) {
        let path = format!("/tenancy/v1/organisations/{}/back-up", organisation.id);
        self.operator.post(&path, &json!({"reason": "to have one"})).await.ok();
        self.rest().await;
    }

    /// The same server under another name.
    async fn add_cluster(&self) {
        let databases = self.app.platform.databases();
        let mut conn = databases.control().await.expect("a connection");
        let added = cluster::put(&mut conn, databases.master(), OTHER_CLUSTER, &test_postgres().await).await;
        added.expect("a cluster");
        // New organisations do not go there.
        cluster::set(&mut conn, OTHER_CLUSTER, "full", 1000).await.expect("a full cluster");
        conn.release();
    }

    /// A copy of the organisation that can be downloaded; another one may be begun where none runs.
    async fn export(&self, another: bool) -> String {
        let path = "/tenancy/v1/exports";
        if self.owner.get(path).await.ok()["ready"] == json!([]) {
            self.owner.post(path, &Value::Null).await.ok();
        }
        until("the export is ready", async || {
            let seen = self.owner.get(path).await.ok();
            if another && seen["running"] == true {
                return None;
            }
            seen["ready"][0]["id"].as_str().map(str::to_owned)
        })
        .await
    }
}
