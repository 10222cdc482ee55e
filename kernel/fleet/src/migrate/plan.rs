//! What a run would do: read only, from the databases themselves where the directory says that they are behind.
use super::WAVES;
use super::ledger::{behind, wave_of};
use crate::shadow;
use futures::{StreamExt as _, TryFutureExt as _};
use hitaji_db::directory::database::DatabaseRow;
use hitaji_db::migrate::Recorded;
use hitaji_db::{AppliedMigration, Databases, DbError, HOME_CLUSTER, Home, cluster};
use std::collections::BTreeMap;

const AT_ONCE: usize = 4;

/// What `hitaji migrate` would do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub fingerprint: String,
    /// Steps that the control database misses.
    pub control: Vec<AppliedMigration>,
    /// Clusters without a template of this schema.
    pub templates: Vec<String>,
    /// Databases of tenants that are to change, by the steps they miss.
    pub groups: Vec<Group>,
    /// Databases whose own record cannot be read, or does not fit this program, with the reason.
    pub unreadable: Vec<(String, String)>,
    /// Databases whose copies are migrated first.
    pub shadow: Vec<String>,
    /// How many are in each wave.
    pub waves: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub steps: Vec<AppliedMigration>,
    pub databases: Vec<String>,
}

/// Plans without changing anything, not even making a control database. A database that is up to date by the directory's
/// word is not asked; the check for drift does that.
pub async fn plan(databases: &Databases, shadows: usize) -> Result<Plan, DbError> {
    let mut plan = Plan {
        fingerprint: databases.fingerprint(),
        control: Vec::new(),
        templates: Vec::new(),
        groups: Vec::new(),
        unreadable: Vec::new(),
        shadow: Vec::new(),
        waves: Vec::new(),
    };
    let mut maintenance = databases.maintenance(HOME_CLUSTER).await?;
    let exists = cluster::database_exists(&mut maintenance, databases.control_name()).await?;
    maintenance.close();
    let recorded = if exists {
        let mut conn = databases.admin(HOME_CLUSTER, databases.control_name()).await?;
        let recorded = Recorded::read(&mut conn).await?;
        conn.close();
        recorded
    } else {
        Recorded::default()
    };
    plan.control = names(&recorded.missing(&databases.plan(Home::Control))?);
    // Before its third step the directory does not say which schema a database has.
    if plan.control.iter().any(|step| step.service == "kernel" && step.version <= 3) {
        plan.templates.push(HOME_CLUSTER.to_owned());
        return Ok(plan);
    }
    for name in super::clusters_in_use(databases).await? {
        let mut admin = databases.maintenance(&name).await?;
        if !cluster::template_ready(&mut admin, &databases.template()).await? {
            plan.templates.push(name);
        }
        admin.close();
    }
    let mut conn = databases.control().await?;
    let rows = behind(&mut conn, &plan.fingerprint).await?;
    conn.release();
    group(databases, &rows, &mut plan).await?;
    plan.waves = vec![0; usize::try_from(WAVES).unwrap_or_default()];
    for place in 0..rows.len() {
        plan.waves[usize::try_from(wave_of(place, rows.len(), WAVES) - 1).unwrap_or_default()] += 1;
    }
    plan.shadow = shadow::largest(databases, rows, shadows).await?.into_iter().map(|row| row.name).collect();
    Ok(plan)
}

async fn group(databases: &Databases, rows: &[DatabaseRow], plan: &mut Plan) -> Result<(), DbError> {
    let wanted = databases.plan(Home::Tenant);
    let read = async |row: &DatabaseRow| {
        let mut conn = databases.admin(&row.cluster, &row.name).await?;
        let recorded = Recorded::read(&mut conn).await?;
        conn.close();
        Ok::<_, DbError>(names(&recorded.missing(&wanted)?))
    };
    let mut groups: BTreeMap<Vec<AppliedMigration>, Vec<String>> = BTreeMap::new();
    let mut found = futures::stream::iter(rows)
        .map(|row| read(row).map_ok(|steps| (row.name.clone(), steps)).map_err(|error| (row.name.clone(), error)))
        .buffered(AT_ONCE);
    while let Some(found) = found.next().await {
        match found {
            Ok((name, steps)) => groups.entry(steps).or_default().push(name),
            Err((name, error)) => plan.unreadable.push((name, error.to_string())),
        }
    }
    plan.groups = groups.into_iter().map(|(steps, databases)| Group { steps, databases }).collect();
    Ok(())
}

fn names(steps: &[hitaji_db::Migration]) -> Vec<AppliedMigration> {
    steps.iter().map(|step| AppliedMigration { service: step.service.to_owned(), version: step.version }).collect()
}
