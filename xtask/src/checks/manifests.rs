//! Dependencies are declared once, in the root `Cargo.toml`, each with what it is for; members only take them over.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "manifest";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.file("Cargo.toml") else {
        return vec![Finding::new(RULE, "Cargo.toml", 1, "the workspace has no Cargo.toml")];
    };
    // The fuzz targets are no member of the workspace: another compiler builds them.
    let is_member = |file: &&File| file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/");
    let members: Vec<&File> = tree.files.iter().filter(is_member).collect();
    let mut findings = purposes(root);
    findings.extend(unused(root, &members));
    findings.extend(members.iter().flat_map(|member| taken_over(member)));
    findings
}

/// Every dependency from outside has its purpose behind it on the line.
fn purposes(root: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, name, declaration) in declared(root) {
        let is_ours = declaration.contains("path =");
        let purpose = declaration.rsplit_once('#').map(|(_, purpose)| purpose.trim()).unwrap_or_default();
        if !is_ours && purpose.len() < 3 {
            let message = format!("'{name}' does not say what it is for: add `# purpose` at the end of the line");
            findings.push(Finding::new(RULE, &root.path, line, message));
        }
    }
    findings
}

fn unused(root: &File, members: &[&File]) -> Vec<Finding> {
    let used: Vec<String> =
        members.iter().flat_map(|member| dependencies(&member.text)).map(|(name, _)| name).collect();
    let mut findings = Vec::new();
    for (line, name, declaration) in declared(root) {
        if !used.iter().any(|used| used == name) && !declaration.contains("path =") {
            let message = format!("no member uses '{name}': remove it");
            findings.push(Finding::new(RULE, &root.path, line, message));
        }
    }
    findings
}

/// `(line, name, whole line)` of what `[workspace.dependencies]` declares.
fn declared(root: &File) -> Vec<(usize, &str, &str)> {
    let mut declared = Vec::new();
    let mut section = "";
    for (index, line) in root.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[workspace.dependencies]"
            && let Some((name, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            declared.push((index + 1, name.trim().trim_end_matches(".workspace"), line));
        }
    }
    declared
}

fn taken_over(member: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, declaration) in dependencies(&member.text) {
        let is_taken_over = declaration.as_table().is_some_and(|table| {
            table.get("workspace") == Some(&Value::Boolean(true))
                && table.keys().all(|key| matches!(key.as_str(), "workspace" | "features" | "optional"))
        });
        if !is_taken_over {
            let line = member.text.lines().position(|line| line.starts_with(&name)).unwrap_or_default() + 1;
            let message = format!(
                "'{name}' has a version or a place of its own: write `{name}.workspace = true` and declare it in the root"
            );
            findings.push(Finding::new(RULE, &member.path, line, message));
        }
    }
    findings
}

/// All dependencies of a manifest: normal, dev, build, and those of one target.
fn dependencies(text: &str) -> Vec<(String, Value)> {
    let Ok(manifest) = text.parse::<Table>() else {
        return Vec::new();
    };
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let mut found = Vec::new();
    for table in std::iter::once(&manifest).chain(targets.filter_map(Value::as_table)) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let section = table.get(kind).and_then(Value::as_table);
            found.extend(section.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str =
        "[workspace.dependencies]\nours = { path = \"app\" }\nserde = \"1\" # serialisation\ncsv = \"1\"\n";

    #[test]
    fn a_dependency_without_purpose_or_user_is_caught() {
        let member = "[dependencies]\nserde.workspace = true\ncsv = { workspace = true, features = [\"x\"] }\n";
        let found = check(&Tree::of(&[("Cargo.toml", ROOT), ("app/Cargo.toml", member)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [4], "{found:?}");
        assert!(check(&Tree::of(&[("Cargo.toml", ROOT)])).iter().any(|finding| finding.message.contains("no member")));
    }

    #[test]
    fn a_version_in_a_member_is_caught_in_every_section() {
        let member = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\ncsv = { version = \"1\" }\n\
                      [target.'cfg(unix)'.dependencies]\ncsv = { git = \"x\" }\n";
        let found = taken_over(&File::new("app/Cargo.toml", member));
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
