//! Drift: what in a tenant's database, or in who may connect to it, is not as its schema says.
mod rights;
mod words;

pub use rights::open_maintenance;
pub use words::differences;

use futures::StreamExt as _;
use hitaji_core::TenantId;
use hitaji_db::catalogue::{self, Catalogue};
use hitaji_db::directory::database::{self, DatabaseRow};
use hitaji_db::directory::{self};
use hitaji_db::migrate::{self, Recorded};
use hitaji_db::{Databases, DbError, Home, Migration, cluster};
use rights::Rights;
use sqlx::types::Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::Mutex;

const AT_ONCE: usize = 4;
/// More differences than this are not listed.
const FINDINGS_MAX: usize = 200;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    pub databases: Vec<Checked>,
    /// What is wrong with templates, by cluster.
    pub clusters: Vec<(String, Vec<String>)>,
}

impl Inspection {
    /// Whether everything is as it should be, and could be looked at.
    pub fn is_clean(&self) -> bool {
        self.clusters.is_empty()
            && self.databases.iter().all(|checked| checked.drift.is_empty() && checked.unreadable.is_none())
    }
}

/// One database of a tenant, looked at.
#[derive(Clone, Debug)]
pub struct Checked {
    pub tenant: Option<TenantId>,
    pub database: String,
    pub cluster: String,
    /// What differs, in words.
    pub drift: Vec<String>,
    /// What was put right in the directory.
    pub note: Option<String>,
    /// Why it could not be looked at.
    pub unreadable: Option<String>,
}

/// Compares the databases in use (of one tenant, or all) with what their schemas say, writes down what differs, and puts
/// right what the directory says of their schemas: the truth stands in the database.
pub async fn check(databases: &Databases, only: Option<TenantId>) -> Result<Inspection, DbError> {
    let mut conn = databases.control().await?;
    let rows = database::claimed(&mut conn).await?;
    let clusters = directory::cluster::list(&mut conn).await?;
    conn.release();
    let rows: Vec<DatabaseRow> = rows.into_iter().filter(|row| only.is_none() || row.tenant() == only).collect();
    let mut inspection = Inspection::default();
    let mut rights = HashMap::new();
    for found in clusters {
        if only.is_some() && !rows.iter().any(|row| row.cluster == found.name) {
            continue;
        }
        match rights::read(databases, &found.name).await {
            Ok(read) => {
                let wrong = rights::templates(&read, databases.control_name());
                if !wrong.is_empty() {
                    inspection.clusters.push((found.name.clone(), wrong));
                }
                rights.insert(found.name, read);
            }
            Err(error) => inspection.clusters.push((found.name, vec![format!("it cannot be looked at: {error}")])),
        }
    }
    let checker = Checker { databases, plan: databases.plan(Home::Tenant), rights, expected: Mutex::default() };
    let mut checked = futures::stream::iter(&rows).map(|row| checker.database(row)).buffered(AT_ONCE);
    while let Some(checked) = checked.next().await {
        inspection.databases.push(checked?);
    }
    Ok(inspection)
}

/// None for a schema that nothing is known of.
type Expected = Option<Arc<Catalogue>>;

struct Checker<'a> {
    databases: &'a Databases,
    plan: Vec<Migration>,
    /// By cluster.
    rights: HashMap<String, Rights>,
    /// By fingerprint and server version. Locked while one is made, so that it is made once.
    expected: Mutex<HashMap<(String, String), Expected>>,
}

/// What a database says of itself.
struct Found {
    schema: Option<String>,
    drift: Vec<String>,
}

impl Checker<'_> {
    async fn database(&self, row: &DatabaseRow) -> Result<Checked, DbError> {
        let mut checked = Checked {
            tenant: row.tenant(),
            database: row.name.clone(),
            cluster: row.cluster.clone(),
            drift: Vec::new(),
            note: None,
            unreadable: None,
        };
        match self.look(row).await {
            Err(error) => checked.unreadable = Some(error.to_string()),
            Ok(found) => {
                checked.drift = found.drift;
                if let Some(rights) = self.rights.get(&row.cluster) {
                    checked.drift.extend(rights::of_tenant(rights, row));
                }
                checked.drift.truncate(FINDINGS_MAX);
                if found.schema != row.schema {
                    let name = |schema: &Option<String>| schema.clone().unwrap_or_else(|| "unknown".to_owned());
                    checked.note = Some(format!(
                        "the directory said schema {}, the database says {}; the directory is put right",
                        name(&row.schema),
                        name(&found.schema)
                    ));
                }
                store(self.databases, row, found.schema.as_deref(), &checked.drift).await?;
            }
        }
        Ok(checked)
    }

    async fn look(&self, row: &DatabaseRow) -> Result<Found, DbError> {
        let mut conn = self.databases.admin(&row.cluster, &row.name).await?;
        let recorded = Recorded::read(&mut conn).await?;
        let version = catalogue::server_version(&mut conn).await?;
        let found = catalogue::read(&mut conn).await?;
        conn.close();
        let ran = match recorded.split(&self.plan) {
            Ok((ran, _)) => ran,
            Err(error) => return Ok(Found { schema: row.schema.clone(), drift: vec![error.to_string()] }),
        };
        let truth = recorded.fingerprint(&self.plan)?;
        // A newer program's schema: the directory knows it better than we do, unless it names ours.
        let newer = || row.schema.clone().filter(|known| *known != migrate::fingerprint(&self.plan));
        let ours = truth.as_ref().map(|_| ran.as_slice());
        let schema = truth.clone().or_else(newer);
        let expected = match &schema {
            Some(schema) => self.expected(row, schema, version, ours).await?,
            None => None,
        };
        let drift = expected.map(|expected| differences(&expected, &found)).unwrap_or_default();
        Ok(Found { schema, drift })
    }

    /// What should be there: as kept when the template was made, else made anew from nothing. None for a schema of a newer
    /// program that kept nothing.
    async fn expected(
        &self,
        row: &DatabaseRow,
        schema: &str,
        version: String,
        steps: Option<&[Migration]>,
    ) -> Result<Expected, DbError> {
        let key = (schema.to_owned(), version);
        let mut known = self.expected.lock().await;
        if let Some(expected) = known.get(&key) {
            return Ok(expected.clone());
        }
        let mut conn = self.databases.control().await?;
        let mut expected = directory::catalogue(&mut conn, schema, &key.1).await?;
        conn.release();
        if let (None, Some(steps)) = (&expected, steps) {
            let made = from_nothing(self.databases, &row.cluster, steps).await?;
            directory::store_catalogue(&mut *self.databases.control().await?, schema, &key.1, &made).await?;
            expected = Some(made);
        }
        let expected = expected.map(Arc::new);
        known.insert(key, expected.clone());
        Ok(expected)
    }
}

/// The catalogue of a scratch database that the steps ran in, one after the other.
pub async fn from_nothing(databases: &Databases, cluster: &str, steps: &[Migration]) -> Result<Catalogue, DbError> {
    let name = format!("{}_scratch_{}", databases.control_name(), migrate::fingerprint(steps));
    let mut admin = databases.maintenance(cluster).await?;
    // Two checks at once make it one after the other.
    sqlx::query("select pg_advisory_lock(hashtext($1))").bind(&name).execute(&mut *admin).await?;
    cluster::make_scratch(&mut admin, &name).await?;
    let made = async {
        let mut conn = databases.admin(cluster, &name).await?;
        for end in 1..=steps.len() {
            migrate::run(&mut conn, &steps[..end]).await?;
        }
        let made = catalogue::read(&mut conn).await?;
        conn.close();
        Ok(made)
    };
    let made = made.await;
    cluster::drop_database(&mut admin, &name).await?;
    admin.close();
    made
}

/// What the directory says of a row's schema changes only if it still says what was read: a migration may have come between.
async fn store(
    databases: &Databases,
    row: &DatabaseRow,
    schema: Option<&str>,
    drift: &[String],
) -> Result<(), DbError> {
    let mut conn = databases.control().await?;
    let drift: BTreeSet<&String> = drift.iter().collect();
    sqlx::query(
        "update directory.database set drift = $2, checked_at = $3,
             schema = case when schema is not distinct from $4 then $5 else schema end where id = $1",
    )
    .bind(row.id)
    .bind((!drift.is_empty()).then_some(Json(drift)))
    .bind(databases.clock().now())
    .bind(&row.schema)
    .bind(schema)
    .execute(&mut *conn)
    .await?;
    conn.release();
    Ok(())
}
