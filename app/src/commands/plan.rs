//! Plans from the command line: which there are, and giving an organisation another one.
use crate::commands::ask::Place;
use crate::runtime::{self, Failure};
use hitaji_core::Clock;
use hitaji_db::Databases;
use hitaji_tenancy::plans::{self, PlanChange};
use std::fmt::Write as _;

pub async fn list(place: &Place) -> Result<(), Failure> {
    let (_, databases) = runtime::databases(&place.config()?, Clock::system())?;
    let mut out = format!(
        "{:<10} {:>7} {:>12} {:>14} {:>15}  backups\n",
        "plan", "users", "storage", "requests/day", "messages/month"
    );
    for plan in plans::list(&databases).await? {
        let mebibytes = plan.storage_bytes >> 20;
        let restore = if plan.point_in_time { ", any second" } else { "" };
        writeln!(
            out,
            "{:<10} {:>7} {:>8} MiB {:>14} {:>15}  every {} h, kept {} days{restore}",
            plan.key,
            plan.users,
            mebibytes,
            plan.requests_per_day,
            plan.messages_per_month,
            plan.backup_every_hours,
            plan.backup_keep_days
        )?;
    }
    super::inspect::print(&out)
}

pub async fn change(databases: &Databases, slug: &str, plan: &str) -> Result<(), Failure> {
    let tenant = databases.find_by_slug(slug).await?.ok_or_else(|| format!("there is no organisation {slug}"))?;
    match plans::change(databases, tenant.id, plan, "operator").await? {
        PlanChange::Changed => super::inspect::print(&format!("{slug}: {} -> {plan}\n", tenant.plan.key)),
        PlanChange::Same => super::inspect::print(&format!("{slug} has the plan {plan} already\n")),
        PlanChange::UnknownPlan => Err(format!("there is no plan {plan}; see `hitaji plans`").into()),
    }
}
