//! Migrations of the whole fleet: control database, templates, copies of the largest tenants, then tenants in waves.
//!
//! Each database is changed in one transaction, so it is wholly before or wholly after. What was done stands in the ledger
//! in the control database; the truth stands in each database. A run that died is taken up where it was.
mod ledger;
mod plan;
mod status;

pub use plan::{Group, Plan, plan};
pub use status::{Failed, Status, status};

use crate::shadow;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use hitaji_db::directory::cluster;
use hitaji_db::migrate::{self as steps, Recorded};
use hitaji_db::{Conn, Databases, DbError, HOME_CLUSTER, Home, Migration};
use ledger::{Run, Work};
use std::time::{Duration, Instant};

/// The last wave; the ones before it hold one database, 1 % and 10 % of all.
const WAVES: i32 = 4;
/// The first waves, which say whether a migration is any good.
const EARLY_WAVES: i32 = 2;
const EARLY_FAILURES_MAX: usize = 1;
const FAILURES_MAX: usize = 5;
/// How often is looked for databases that came while the run went on.
const ROUNDS_MAX: usize = 20;
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Databases migrated at once.
    pub parallel: usize,
    /// Copies of how many of the largest tenants' databases are migrated first.
    pub shadow: usize,
    /// The run stops when this many failed. None: 1 in the first two waves, 5 in all.
    pub failures_max: Option<usize>,
    /// Take up again what failed.
    pub retry: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { parallel: 4, shadow: 3, failures_max: None, retry: false }
    }
}

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum Event {
    /// The control database was brought up to date by so many steps.
    Control { steps: usize },
    /// Every cluster has the template.
    Templates { clusters: usize },
    /// A copy of a tenant's database was migrated, or not.
    Shadow(shadow::Report),
    /// A wave begins.
    Wave { wave: i32, databases: usize },
    /// A database is done or has failed; counted over the whole run.
    Database { name: String, error: Option<String>, done: usize, failed: usize, total: usize },
}

/// Hears what a run tells.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub done: usize,
    pub failed: usize,
    /// Databases that it did not come to.
    pub untouched: usize,
    /// Why it stopped before the end, or that some failed; none when all is well.
    pub problem: Option<String>,
}

/// Brings every database to this program's schema, or takes up the run that did not finish.
pub async fn migrate(databases: &Databases, options: &Options, progress: Progress<'_>) -> Result<Outcome, DbError> {
    let control = databases.prepare_control().await?;
    progress(Event::Control { steps: control.len() });
    let lock = lock(databases).await?;
    let outcome = run(databases, options, progress).await;
    unlock(lock).await;
    outcome
}

async fn run(databases: &Databases, options: &Options, progress: Progress<'_>) -> Result<Outcome, DbError> {
    let clusters = clusters_in_use(databases).await?;
    let mut templates = Vec::new();
    for cluster in &clusters {
        let made = async {
            shadow::clear(databases, cluster).await?;
            databases.make_templates(std::slice::from_ref(cluster)).await
        };
        templates.extend(made.await.map_err(|error| DbError::Invalid(format!("cluster {cluster}: {error}")))?);
    }
    progress(Event::Templates { clusters: clusters.len() });
    let fingerprint = databases.fingerprint();
    let mut conn = databases.control().await?;
    let behind = ledger::behind(&mut conn, &fingerprint).await?;
    let run = match ledger::unfinished(&mut conn, &fingerprint).await? {
        None if behind.is_empty() => {
            conn.release();
            databases.offer_schema(&templates).await?;
            return Ok(Outcome { done: 0, failed: 0, untouched: 0, problem: None });
        }
        None => ledger::begin(&mut conn, &fingerprint).await?,
        Some(run) => run,
    };
    ledger::take_up(&mut conn, run.id, options.retry).await?;
    conn.release();
    if let Some(problem) = rehearse(databases, &run, options, progress).await? {
        ledger::finish(&mut *databases.control().await?, run.id, Some(&problem)).await?;
        return Ok(Outcome { done: 0, failed: 0, untouched: behind.len(), problem: Some(problem) });
    }
    databases.offer_schema(&templates).await?;
    let mut runner = Runner::new(databases, &run, options, progress);
    let problem = runner.waves().await?;
    ledger::finish(&mut *databases.control().await?, run.id, problem.as_deref()).await?;
    let (done, failed) = (runner.done, runner.failed());
    Ok(Outcome { done, failed, untouched: runner.total.saturating_sub(done + failed), problem })
}

/// Clusters that hold databases, or may come to.
async fn clusters_in_use(databases: &Databases) -> Result<Vec<String>, DbError> {
    let mut conn = databases.control().await?;
    let clusters = cluster::list(&mut conn).await?;
    conn.release();
    let in_use = |found: &cluster::Cluster| found.databases > 0 || found.state == "open" || found.name == HOME_CLUSTER;
    Ok(clusters.into_iter().filter(in_use).map(|found| found.name).collect())
}

/// Migrates copies of the largest tenants' databases, unless this run did so before. Says what went wrong, if anything did.
async fn rehearse(
    databases: &Databases,
    run: &Run,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Option<String>, DbError> {
    if run.is_rehearsed || options.shadow == 0 {
        return Ok(None);
    }
    let mut conn = databases.control().await?;
    let behind = ledger::behind(&mut conn, &databases.fingerprint()).await?;
    conn.release();
    let mut reports = Vec::new();
    for row in shadow::largest(databases, behind, options.shadow).await? {
        let report = shadow::rehearse(databases, &row).await;
        progress(Event::Shadow(report.clone()));
        reports.push(report);
    }
    let broken = reports.iter().find_map(|report| {
        report
            .error
            .as_ref()
            .map(|error| format!("on a copy of {}: {error}; no organisation was touched", report.database))
    });
    if broken.is_none() {
        ledger::rehearsed(&mut *databases.control().await?, run.id, &reports).await?;
    }
    Ok(broken)
}

struct Runner<'a> {
    databases: &'a Databases,
    run: &'a Run,
    options: &'a Options,
    progress: Progress<'a>,
    plan: Vec<Migration>,
    fingerprint: String,
    total: usize,
    done: usize,
    failed_early: usize,
    failed_later: usize,
}

impl<'a> Runner<'a> {
    fn new(databases: &'a Databases, run: &'a Run, options: &'a Options, progress: Progress<'a>) -> Runner<'a> {
        let (plan, fingerprint) = (databases.plan(Home::Tenant), databases.fingerprint());
        let (total, done, failed_early, failed_later) = (0, 0, 0, 0);
        Runner { databases, run, options, progress, plan, fingerprint, total, done, failed_early, failed_later }
    }

    fn failed(&self) -> usize {
        self.failed_early + self.failed_later
    }

    /// How many more may fail before the run stops.
    fn budget(&self, wave: i32) -> usize {
        match self.options.failures_max {
            Some(most) => most.saturating_sub(self.failed()),
            None if wave <= EARLY_WAVES => EARLY_FAILURES_MAX.saturating_sub(self.failed_early),
            None if self.failed_early >= EARLY_FAILURES_MAX => 0,
            None => FAILURES_MAX.saturating_sub(self.failed()),
        }
    }

    /// All waves, and then the databases that came meanwhile. Says what went wrong, if anything did.
    async fn waves(&mut self) -> Result<Option<String>, DbError> {
        for _ in 0..ROUNDS_MAX {
            let mut conn = self.databases.control().await?;
            ledger::enlist(&mut conn, self.run.id, &self.fingerprint, WAVES).await?;
            let counts = ledger::counts(&mut conn, self.run.id, EARLY_WAVES).await?;
            conn.release();
            (self.total, self.done) = (counts.total, counts.done);
            (self.failed_early, self.failed_later) = (counts.failed_early, counts.failed_later);
            if counts.pending == 0 {
                let failed = self.failed();
                return Ok((failed > 0).then(|| format!("{failed} failed; the others are done")));
            }
            for wave in 1..=WAVES {
                if let Some(problem) = self.wave(wave).await? {
                    return Ok(Some(problem));
                }
            }
        }
        Ok(Some("databases of an older schema keep coming; is an older program making them?".to_owned()))
    }

    async fn wave(&mut self, wave: i32) -> Result<Option<String>, DbError> {
        let mut conn = self.databases.control().await?;
        let work = ledger::pending(&mut conn, self.run.id, wave).await?;
        conn.release();
        if work.is_empty() {
            return Ok(None);
        }
        (self.progress)(Event::Wave { wave, databases: work.len() });
        let mut waiting = work.into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            // As many at once as may all fail without going over the budget.
            while under_way.len() < self.options.parallel.max(1).min(self.budget(wave)) {
                match waiting.next() {
                    Some(work) => under_way.push(one(self.databases, self.run, &self.plan, &self.fingerprint, work)),
                    None => break,
                }
            }
            let Some(finished) = under_way.next().await else {
                break;
            };
            let (name, error) = finished?;
            match &error {
                None => self.done += 1,
                Some(_) if wave <= EARLY_WAVES => self.failed_early += 1,
                Some(_) => self.failed_later += 1,
            }
            let (done, failed, total) = (self.done, self.failed(), self.total);
            (self.progress)(Event::Database { name, error, done, failed, total });
        }
        Ok((waiting.len() > 0 || self.budget(wave) == 0).then(|| {
            format!(
                "stopped in wave {wave}: {} failed, {} were not touched",
                self.failed(),
                self.total - self.done - self.failed()
            )
        }))
    }
}

/// Migrates one database and writes down how it went. Its error is a result; an error of the ledger ends the run.
async fn one(
    databases: &Databases,
    run: &Run,
    plan: &[Migration],
    fingerprint: &str,
    work: Work,
) -> Result<(String, Option<String>), DbError> {
    let started = Instant::now();
    let result = change(databases, plan, &work).await;
    let took_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
    let mut conn = databases.control().await?;
    let error = match result {
        Ok(changed) => {
            let schema = (!changed.is_newer).then_some(fingerprint);
            ledger::succeeded(&mut conn, run.id, work.id, schema, changed.steps, took_ms).await?;
            None
        }
        Err(error) => {
            let error = error.to_string();
            ledger::failed(&mut conn, run.id, work.id, &error, took_ms).await?;
            Some(error)
        }
    };
    conn.release();
    Ok((work.name, error))
}

struct Changed {
    steps: i32,
    /// A newer program was here before us; what it did stays.
    is_newer: bool,
}

async fn change(databases: &Databases, plan: &[Migration], work: &Work) -> Result<Changed, DbError> {
    let mut conn = databases.admin(&work.cluster, &work.name).await?;
    let applied = steps::run(&mut conn, plan).await?;
    let is_newer = applied.is_empty() && Recorded::read(&mut conn).await?.is_newer_than(plan);
    conn.close();
    Ok(Changed { steps: i32::try_from(applied.len()).unwrap_or(i32::MAX), is_newer })
}

/// One runner at a time. The lock of one that died is free once PostgreSQL has noticed, which is waited for.
async fn lock(databases: &Databases) -> Result<Conn, DbError> {
    let mut conn = databases.admin(HOME_CLUSTER, databases.control_name()).await?;
    for _ in 0..LOCK_TRIES {
        let free: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtext('hitaji.fleet.migrate'))")
            .fetch_one(&mut *conn)
            .await?;
        if free {
            return Ok(conn);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    conn.close();
    Err(DbError::Invalid("another `hitaji migrate` is at work; watch it with --status".into()))
}

async fn unlock(mut lock: Conn) {
    // A connection that is lost has freed it already.
    let _ = sqlx::query("select pg_advisory_unlock(hashtext('hitaji.fleet.migrate'))").execute(&mut *lock).await;
    lock.close();
}
