//! Every service has the same rooms, so that a newcomer finds any of them without looking.

use crate::finding::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "rooms";
const README_LINES_MAX: usize = 30;
/// What may stand in `src/`: as a file, and where marked as a folder of files too.
const ROOMS: &[(&str, bool)] = &[
    ("lib", false),
    ("config", false),
    ("resources", false),
    ("domain", true),
    ("http", true),
    ("store", true),
    ("events", false),
    ("jobs", false),
    ("error", false),
    ("pages", true),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, _) in tree.services() {
        findings.extend(furniture(tree, &folder));
        findings.extend(tree.files.iter().filter(|file| file.path.starts_with(&format!("{folder}/"))).filter_map(
            |file| {
                let inside = &file.path[folder.len() + 1..];
                (!has_a_room(inside)).then(|| {
                    let message =
                        "there is no such room in a service: see \"The rooms of a service\" in ARCHITECTURE.md";
                    Finding::new(RULE, &file.path, 1, message)
                })
            },
        ));
    }
    findings
}

fn furniture(tree: &Tree, folder: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, what) in [
        ("README.md", "what it owns, publishes and consumes, and its invariants"),
        ("Cargo.toml", "its dependencies"),
        ("src/lib.rs", "`pub fn service() -> Service`"),
    ] {
        let path = format!("{folder}/{name}");
        match tree.file(&path) {
            None => findings.push(Finding::new(RULE, &path, 1, format!("the file is missing: it holds {what}"))),
            Some(file) => findings.extend(content(file, name)),
        }
    }
    findings
}

fn content(file: &File, name: &str) -> Option<Finding> {
    let lines = file.text.lines().count();
    match name {
        "README.md" if lines > README_LINES_MAX => {
            let message = format!(
                "{lines} lines, the limit is {README_LINES_MAX}: say only what the service owns, publishes, consumes and never breaks"
            );
            Some(Finding::new(RULE, &file.path, 1, message))
        }
        "src/lib.rs" if !file.text.contains("pub fn service(") => {
            Some(Finding::new(RULE, &file.path, 1, "lib.rs has no `pub fn service()`: it is where a reader begins"))
        }
        _ => None,
    }
}

fn has_a_room(inside: &str) -> bool {
    match inside.split('/').collect::<Vec<_>>().as_slice() {
        ["README.md" | "Cargo.toml" | "build.rs"] => true,
        ["migrations" | "templates", ..] => true,
        ["tests", "it", ..] => true,
        ["src", file] => ROOMS.iter().any(|(room, _)| file.strip_suffix(".rs") == Some(*room)),
        ["src", folder, ..] => ROOMS.iter().any(|(room, may_be_folder)| folder == room && *may_be_folder),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(files: &[(&str, &str)]) -> Vec<String> {
        let mut paths: Vec<String> = check(&Tree::of(files)).into_iter().map(|finding| finding.path).collect();
        paths.sort();
        paths
    }

    const LIB: &str = "//! A service.\npub fn service() {}\n";

    #[test]
    fn a_plain_service_has_all_it_needs() {
        let files = [
            ("services/a/README.md", "# a\n"),
            ("services/a/Cargo.toml", ""),
            ("services/a/migrations/0001_a.sql", ""),
            ("services/a/src/lib.rs", LIB),
            ("services/a/src/http/close.rs", ""),
            ("services/a/tests/it/main.rs", ""),
        ];
        assert!(paths(&files).is_empty());
    }

    #[test]
    fn missing_furniture_and_unknown_rooms_are_caught() {
        let readme = "x\n".repeat(31);
        let files = [
            ("services/a/README.md", readme.as_str()),
            ("services/a/src/lib.rs", "//! Nothing.\n"),
            ("services/a/src/helpers.rs", ""),
            ("services/a/src/jobs/one.rs", ""),
            ("services/a/tests/other.rs", ""),
        ];
        assert_eq!(
            paths(&files),
            [
                "services/a/Cargo.toml",
                "services/a/README.md",
                "services/a/src/helpers.rs",
                "services/a/src/jobs/one.rs",
                "services/a/src/lib.rs",
                "services/a/tests/other.rs"
            ]
        );
    }
}
