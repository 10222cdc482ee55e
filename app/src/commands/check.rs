//! `hitaji tenant check`: whether organisations' databases are as their schemas say, and closed to everybody else.
use super::inspect::print;
use crate::runtime::Failure;
use hitaji_db::Databases;
use hitaji_fleet::drift::{self, Inspection};
use std::fmt::Write as _;

pub async fn run(databases: &Databases, slug: Option<&str>) -> Result<(), Failure> {
    let only = match slug {
        None => None,
        Some(slug) => {
            Some(databases.find_by_slug(slug).await?.ok_or_else(|| format!("there is no organisation {slug}"))?.id)
        }
    };
    let inspection = drift::check(databases, only).await?;
    print(&listed(databases, &inspection).await?)?;
    if inspection.is_clean() { Ok(()) } else { Err("something is not as it should be; see above".into()) }
}

async fn listed(databases: &Databases, inspection: &Inspection) -> Result<String, Failure> {
    let mut text = String::new();
    for (cluster, findings) in &inspection.clusters {
        for finding in findings {
            writeln!(text, "cluster {cluster}: {finding}")?;
        }
    }
    let mut clean = 0;
    for checked in &inspection.databases {
        if checked.drift.is_empty() && checked.note.is_none() && checked.unreadable.is_none() {
            clean += 1;
            continue;
        }
        let whose = match checked.tenant {
            Some(id) => databases.describe(id).await?.slug.clone(),
            None => "-".to_owned(),
        };
        writeln!(text, "{whose}  {} on {}", checked.database, checked.cluster)?;
        let unreadable = checked.unreadable.as_ref().map(|error| format!("cannot be looked at: {error}"));
        for said in checked.drift.iter().chain(&checked.note).chain(&unreadable) {
            writeln!(text, "    {said}")?;
        }
    }
    writeln!(text, "{} databases looked at, {clean} as they should be", inspection.databases.len())?;
    Ok(text)
}
