//! No private key and no package registry's host name is committed: keys are made on the machine that uses them,
//! and where packages come from is the reader's own setting.

use crate::finding::Finding;
use crate::tree::Tree;

/// In two parts each, so that this file does not hold what it looks for.
const HOSTS: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("archive.ubuntu", ".com"),
];
const KEY_BEGINS: (&str, &str) = ("-----BEGIN ", "PRIVATE KEY-----");
const KEY_LINE_BYTES_MIN: usize = 40;

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        let mut lines = file.text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            if let Some((name, end)) = HOSTS.iter().find(|(name, end)| line.contains(&format!("{name}{end}"))) {
                let message =
                    format!("'{name}{end}' is a package registry's host: the client's settings name it, not a file");
                findings.push(Finding::new("registry-host", &file.path, index + 1, message));
            }
            let begins = line.contains(KEY_BEGINS.0) && line.contains(KEY_BEGINS.1);
            if begins && lines.peek().is_some_and(|(_, next)| is_key_material(next)) {
                let message = "a private key is committed: remove it and make a new one, this one is spent";
                findings.push(Finding::new("private-key", &file.path, index + 1, message));
            }
        }
    }
    findings
}

fn is_key_material(line: &str) -> bool {
    let line = line.trim();
    line.len() >= KEY_LINE_BYTES_MIN && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_key_is_caught_and_a_mere_header_is_not() {
        let key = format!("{}{}\n{}\n", KEY_BEGINS.0, KEY_BEGINS.1, "A".repeat(64));
        let header = format!("let pem = \"{}{}\";\nprint(pem)\n", KEY_BEGINS.0, KEY_BEGINS.1);
        let found = check(&Tree::of(&[("a.pem", &key), ("app/src/pem.rs", &header)]));
        assert_eq!(found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["a.pem"]);
    }

    #[test]
    fn a_registry_host_is_caught_except_in_the_lock_file() {
        let text = format!("one\nfetch https://{}{}/x\n", HOSTS[1].0, HOSTS[1].1);
        let found = check(&Tree::of(&[("docs/a.md", &text), ("Cargo.lock", &text)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("docs/a.md", 2));
    }
}
