//! Every link in a Markdown file to another file of the repository leads somewhere.

use crate::finding::Finding;
use crate::tree::Tree;

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        let mut in_code = false;
        for (index, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            for target in targets(line) {
                if !leads_somewhere(tree, &file.path, target) {
                    let message = format!("the link to '{target}' leads nowhere: correct the path, or remove the link");
                    findings.push(Finding::new("link", &file.path, index + 1, message));
                }
            }
        }
    }
    findings
}

/// What stands between `](` and `)`, outside of `code`.
fn targets(line: &str) -> Vec<&str> {
    line.split('`')
        .step_by(2)
        .flat_map(|prose| prose.split("](").skip(1))
        .filter_map(|rest| {
            let target = rest.split(')').next()?.split_whitespace().next()?;
            Some(target.trim_start_matches('<').trim_end_matches('>'))
        })
        .collect()
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    path.is_empty()
        || tree.file(&path).is_some()
        || tree.files.iter().any(|file| file.path.starts_with(&format!("{path}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_and_folders_are_followed() {
        let text = "[a](../README.md#top) [b](adr) [c](https://example.org/x) `[d](nowhere)`\n```\n[e](nowhere)\n```\n";
        let tree = Tree::of(&[("docs/guide.md", text), ("README.md", ""), ("docs/adr/0001.md", "")]);
        assert!(check(&tree).is_empty(), "{:?}", check(&tree));
    }

    #[test]
    fn a_dead_link_is_caught_with_its_line() {
        let tree = Tree::of(&[("docs/guide.md", "one\n[a](missing.md) [b](../../outside.md)\n")]);
        assert_eq!(check(&tree).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 2]);
    }
}
