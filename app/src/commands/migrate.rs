//! `hitaji migrate`: every database to this program's schema, in waves, with what it would do, does and did.
use super::ask::Place;
use super::inspect::print;
use crate::runtime::{self, Failure};
use clap::Args;
use hitaji_core::Clock;
use hitaji_db::{AppliedMigration, Databases};
use hitaji_fleet::migrate::{self, Event, Options, Plan, Status};
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// `hitaji up` does not start where more than this many organisations cannot be brought up to date.
const UP_FAILURES_MAX: usize = 5;

#[derive(Args)]
pub struct MigrateArguments {
    /// Say what would be done, and change nothing.
    #[arg(long, conflicts_with_all = ["retry", "status"])]
    dry_run: bool,
    /// Say what is where, and change nothing.
    #[arg(long, conflicts_with = "retry")]
    status: bool,
    /// Databases at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Copies of how many of the largest organisations are migrated first; 0 for none.
    #[arg(long, default_value_t = 3)]
    shadow: u16,
    /// Stop when this many have failed. Without it: 1 of the first two waves, or 5 in all.
    #[arg(long)]
    max_failures: Option<usize>,
    /// Take up again what failed.
    #[arg(long)]
    retry: bool,
}

pub async fn run(place: &Place, arguments: MigrateArguments) -> Result<(), Failure> {
    let (_, databases) = runtime::databases(&place.opened_config().await?, Clock::system())?;
    if arguments.dry_run {
        return print(&planned(&migrate::plan(&databases, usize::from(arguments.shadow)).await?)?);
    }
    if arguments.status {
        return print(&listed(&migrate::status(&databases).await?)?);
    }
    let options = Options {
        parallel: usize::from(arguments.parallel),
        shadow: usize::from(arguments.shadow),
        failures_max: arguments.max_failures,
        retry: arguments.retry,
    };
    let is_terminal = std::io::stderr().is_terminal();
    let outcome = migrate::migrate(&databases, &options, &|event| tell(&event, is_terminal)).await;
    if is_terminal {
        eprintln!();
    }
    let outcome = outcome?;
    print(&listed(&migrate::status(&databases).await?)?)?;
    match outcome.problem {
        None => Ok(()),
        Some(problem) => {
            Err(format!("{problem}. `hitaji migrate --retry` takes up what failed once its cause is gone").into())
        }
    }
}

/// The same for `hitaji up`, which says nothing unless there is something to say. It starts although single organisations
/// stay behind: only those suffer.
pub async fn quietly(databases: &Databases) -> Result<(), Failure> {
    let options = Options { shadow: 0, failures_max: Some(UP_FAILURES_MAX), retry: true, ..Options::default() };
    let outcome = migrate::migrate(databases, &options, &|event| {
        if let Event::Database { name, error: Some(error), .. } = event {
            tracing::error!(database = name, error, "an organisation's database stays on its old schema");
        }
    });
    let outcome = outcome.await?;
    if outcome.done > 0 {
        tracing::info!(databases = outcome.done, "brought organisations' databases up to date");
    }
    match outcome.problem {
        Some(problem) if outcome.untouched > 0 => Err(format!("migration: {problem}").into()),
        _ => Ok(()),
    }
}

fn tell(event: &Event, is_terminal: bool) {
    match event {
        Event::Control { steps } => eprintln!("control database: {steps} steps"),
        Event::Templates { clusters } => eprintln!("template: ready on {clusters} clusters"),
        Event::Shadow(report) => match &report.error {
            None => eprintln!(
                "copy of {}: {} rows copied in {} ms, migrated in {} ms",
                report.database, report.rows, report.copy_ms, report.migrate_ms
            ),
            Some(error) => eprintln!("copy of {}: {error}", report.database),
        },
        Event::Wave { wave, databases } => {
            let end = if is_terminal && *wave > 1 { "\n" } else { "" };
            eprintln!("{end}wave {wave}: {databases} databases");
        }
        Event::Database { done, failed, total, .. } if is_terminal => {
            eprint!("\r  {done} of {total} done, {failed} failed ");
        }
        Event::Database { name, error: Some(error), .. } => eprintln!("{name}: {error}"),
        Event::Database { .. } => {}
    }
}

fn steps(steps: &[AppliedMigration]) -> String {
    let names: Vec<String> = steps.iter().map(|step| format!("{} {}", step.service, step.version)).collect();
    if names.is_empty() { "none, only the directory is behind".to_owned() } else { names.join(", ") }
}

fn planned(plan: &Plan) -> Result<String, Failure> {
    let mut text = format!("schema            {}\n", plan.fingerprint);
    let control = if plan.control.is_empty() { "up to date".to_owned() } else { steps(&plan.control) };
    writeln!(text, "control database  {control}")?;
    let templates =
        if plan.templates.is_empty() { "there".to_owned() } else { format!("made on {}", plan.templates.join(", ")) };
    writeln!(text, "template          {templates}")?;
    for group in &plan.groups {
        writeln!(text, "{:>6} databases  {}", group.databases.len(), steps(&group.steps))?;
    }
    for (database, error) in &plan.unreadable {
        writeln!(text, "cannot be read    {database}: {error}")?;
    }
    if plan.waves.iter().any(|wave| *wave > 0) {
        let waves: Vec<String> = plan.waves.iter().map(usize::to_string).collect();
        writeln!(text, "waves of          {}", waves.join(", "))?;
        writeln!(text, "first on copies   {}", plan.shadow.join(", "))?;
    } else {
        writeln!(text, "no organisation's database is behind")?;
    }
    Ok(text)
}

fn listed(status: &Status) -> Result<String, Failure> {
    let mut text = String::from("schema         databases\n");
    for (schema, count) in &status.schemas {
        let ours = if schema.as_ref() == Some(&status.fingerprint) { "  this program's" } else { "" };
        writeln!(text, "{:<14} {count:>9}{ours}", schema.as_deref().unwrap_or("unknown"))?;
    }
    if let Some(run) = &status.run {
        let reason = run.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        writeln!(
            text,
            "last run, {}: {}{reason}; {} done, {} failed, {} to do",
            run.started_at.format("%Y-%m-%d %H:%M UTC"),
            run.state,
            run.done,
            run.failed,
            run.pending
        )?;
    }
    for failed in &status.failed {
        let whose = failed.organisation.as_deref().unwrap_or("-");
        let error = failed.error.as_deref().unwrap_or_default();
        writeln!(
            text,
            "failed  {whose}  {} on {}, tried {} times: {error}",
            failed.database, failed.cluster, failed.attempts
        )?;
    }
    Ok(text)
}
