//! No crate, module or component is called by a word that says nothing.

use std::path::Path;

use crate::finding::Finding;
use crate::tree::Tree;

const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "types", "util", "utils"];
const EXTENSIONS: &[&str] = &["rs", "ts", "svelte", "css", "sql", "toml"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| EXTENSIONS.contains(&file.extension())) {
        let path = Path::new(&file.path).with_extension("");
        for part in path.iter().filter_map(|part| part.to_str()) {
            if EMPTY_NAMES.contains(&part.to_ascii_lowercase().as_str()) {
                let message = format!("'{part}' says nothing and gathers everything: name it by what it is about");
                findings.push(Finding::new("name", &file.path, 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_of_files_and_folders_are_caught() {
        let tree = Tree::of(&[
            ("kernel/core/src/utils.rs", ""),
            ("web/src/helpers/date.ts", ""),
            ("web/src/lib/date.ts", ""),
            ("docs/types.md", ""),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["kernel/core/src/utils.rs", "web/src/helpers/date.ts"]);
    }
}
