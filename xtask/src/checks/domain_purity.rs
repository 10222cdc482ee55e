//! `domain` is pure: no await, SQL, HTTP, clock or randomness, so that its rules are read and tested without them.

use crate::finding::Finding;
use crate::tree::Tree;

const FORBIDDEN: &[(&str, &str)] = &[
    ("await", "nothing in domain waits"),
    ("sqlx", "SQL belongs into store"),
    ("axum", "HTTP belongs into http"),
    ("reqwest", "HTTP belongs into http"),
    ("tokio", "nothing in domain waits"),
    (": : now (", "time is a parameter"),
    ("Clock", "time is a parameter: take the instant, not the clock"),
    ("rand", "randomness is a parameter"),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        if file.service().is_none() || !(file.path.ends_with("/src/domain.rs") || file.path.contains("/src/domain/")) {
            continue;
        }
        for (sequence, why) in FORBIDDEN {
            for line in source.find(sequence) {
                if !source.in_test_module(line) {
                    let shown = sequence.replace(' ', "");
                    findings.push(Finding::new("domain", &file.path, line, format!("`{shown}` in domain: {why}")));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_and_an_await_in_domain_are_caught() {
        let planted = "//! Rules.\nasync fn a() { b().await; chrono::Utc::now(); }\n";
        let tree = Tree::of(&[("verticals/school/src/domain.rs", planted), ("verticals/school/src/jobs.rs", planted)]);
        let found = check(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|finding| finding.path == "verticals/school/src/domain.rs"));
    }
}
