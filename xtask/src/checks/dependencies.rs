//! The folder names are the dependency direction: who may depend on whom, and which crates sit behind one door.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::finding::Finding;
use crate::tree::Tree;

/// Crates that cost much to compile, or a protocol of their own: one member wraps each, the others use the wrapper.
const HEAVY: &[&str] = &["argon2", "async-nats", "lettre", "mongodb", "redis", "socketioxide", "typst"];

/// A member of the workspace: its folder and what it depends on.
struct Member {
    folder: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// The folder of a dependency that is a member too.
    folder: Option<String>,
    is_dev: bool,
}

pub fn check(tree: &Tree) -> Vec<Finding> {
    match read(tree) {
        Ok(members) => members.iter().flat_map(direction).chain(heavy(&members)).collect(),
        Err(error) => vec![Finding::new("dependencies", "Cargo.toml", 1, format!("cargo metadata fails: {error}"))],
    }
}

fn read(tree: &Tree) -> Result<Vec<Member>, cargo_metadata::Error> {
    let metadata = MetadataCommand::new().current_dir(&tree.root).no_deps().exec()?;
    let inside = |path: &cargo_metadata::camino::Utf8Path| {
        path.strip_prefix(&metadata.workspace_root).map(|path| path.to_string()).ok()
    };
    let member = |package: &cargo_metadata::Package| Member {
        folder: package.manifest_path.parent().and_then(inside).unwrap_or_default(),
        dependencies: package
            .dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency.name.clone(),
                folder: dependency.path.as_deref().and_then(inside),
                is_dev: dependency.kind == DependencyKind::Development,
            })
            .collect(),
    };
    Ok(metadata.packages.iter().map(member).collect())
}

fn direction(member: &Member) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &member.dependencies {
        let Some(target) = dependency.folder.as_deref() else {
            continue;
        };
        if let Some(why) = refusal(&member.folder, target, dependency.is_dev) {
            let message = format!("{} depends on {target}: {why}. See \"The house\" in ARCHITECTURE.md", member.folder);
            findings.push(Finding::new("dependencies", &format!("{}/Cargo.toml", member.folder), 1, message));
        }
    }
    findings
}

/// Why `from` may not depend on `target`, if so.
fn refusal(from: &str, target: &str, is_dev: bool) -> Option<&'static str> {
    let layer = |folder: &str| folder.split('/').next().unwrap_or_default().to_owned();
    match (layer(from).as_str(), layer(target).as_str()) {
        // The test kit starts the whole program, as it is.
        ("testkit", "app") => None,
        (_, "app") => Some("nobody depends on app; move what both need into the kernel"),
        (_, "testkit") if !is_dev => Some("testkit is only ever a dev-dependency"),
        ("app" | "testkit" | "bench" | "xtask", _) => None,
        _ if is_dev => None,
        ("services" | "verticals", "services" | "verticals") => {
            Some("no service depends on another; ask by a question or an event in contracts")
        }
        ("services" | "verticals", "contracts" | "kernel") => None,
        ("contracts", _) if target == "kernel/core" => None,
        ("contracts", _) => Some("contracts are types only and rest on kernel/core alone"),
        ("kernel", "kernel") if from == "kernel/core" => Some("kernel/core rests on nothing of ours"),
        ("kernel", "kernel") => None,
        ("kernel", _) => Some("the kernel knows no service"),
        _ => Some("this folder has no place in the house"),
    }
}

fn heavy(members: &[Member]) -> Vec<Finding> {
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in members {
        for dependency in &member.dependencies {
            if HEAVY.contains(&dependency.name.as_str()) {
                users.entry(&dependency.name).or_default().push(&member.folder);
            }
        }
    }
    let mut findings = Vec::new();
    for (name, mut folders) in users {
        folders.dedup();
        for folder in folders.iter().skip(1) {
            let message = format!("{name} is a heavy crate and sits behind {} alone; use what that offers", folders[0]);
            findings.push(Finding::new("dependencies", &format!("{folder}/Cargo.toml"), 1, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_stands() {
        for (from, target) in [
            ("app", "services/tenancy"),
            ("verticals/school", "contracts"),
            ("services/identity", "kernel/web"),
            ("contracts", "kernel/core"),
            ("kernel/web", "kernel/db"),
        ] {
            assert_eq!(refusal(from, target, false), None, "{from} → {target}");
        }
        assert_eq!(refusal("verticals/school", "testkit", true), None);
    }

    #[test]
    fn planted_arrows_against_the_direction_are_caught() {
        for (from, target, is_dev) in [
            ("verticals/school", "services/identity", false),
            ("services/identity", "services/tenancy", false),
            ("services/identity", "testkit", false),
            ("contracts", "kernel/db", false),
            ("kernel/web", "services/identity", false),
            ("kernel/web", "contracts", false),
            ("kernel/core", "kernel/db", false),
            ("services/identity", "app", false),
            ("bench", "app", true),
        ] {
            assert!(refusal(from, target, is_dev).is_some(), "{from} → {target}");
        }
    }

    #[test]
    fn a_second_user_of_a_heavy_crate_is_caught() {
        let uses = |folder: &str, name: &str| Member {
            folder: folder.into(),
            dependencies: vec![Dependency { name: name.into(), folder: None, is_dev: false }],
        };
        let found = heavy(&[uses("services/identity", "argon2"), uses("services/tenancy", "argon2")]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "services/tenancy/Cargo.toml");
        assert!(heavy(&[uses("services/identity", "lettre"), uses("services/tenancy", "serde")]).is_empty());
    }
}
