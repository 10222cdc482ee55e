//! Migrations are numbered without a gap, forward only, and take something away only as a declared contraction.

use crate::finding::Finding;
use crate::sql;
use crate::tree::{File, Tree};

const RULE: &str = "migration";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let migrations: Vec<&File> = tree.files.iter().filter(|file| file.path.contains("/migrations/")).collect();
    let mut findings = numbers(&migrations);
    findings.extend(migrations.iter().flat_map(|file| contractions(file)));
    findings
}

fn numbers(migrations: &[&File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut folder, mut expected) = ("", 1);
    for file in migrations {
        let Some((in_folder, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        if in_folder != folder {
            (folder, expected) = (in_folder, 1);
        }
        if number(name) != Some(expected) {
            let message = format!(
                "a migration is named {expected:04}_lower_case.sql here: numbers have no gaps and are never used twice"
            );
            findings.push(Finding::new(RULE, &file.path, 1, message));
        }
        expected += 1;
    }
    findings
}

fn number(name: &str) -> Option<u32> {
    let (digits, words) = name.strip_suffix(".sql")?.split_once('_')?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if digits.len() == 4 && !words.is_empty() && words.bytes().all(is_plain) { digits.parse().ok() } else { None }
}

fn contractions(file: &File) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_declared = |line: usize| {
        let marked = |line: usize| lines.get(line - 1).is_some_and(|line| line.contains("-- contract:"));
        marked(line) || (line > 1 && marked(line - 1))
    };
    sql::tokens(&file.text)
        .iter()
        .filter(|token| token.is("drop") || token.is("rename"))
        .filter(|token| !is_declared(token.line))
        .map(|token| {
            let message = format!(
                "'{}' takes something from the running version: expand first, and contract in a later migration with `-- contract: why nothing uses it any more` on the line",
                token.text
            );
            Finding::new(RULE, &file.path, token.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_odd_names_are_caught() {
        let tree = Tree::of(&[
            ("services/a/migrations/0001_first.sql", ""),
            ("services/a/migrations/0003_third.sql", ""),
            ("services/b/migrations/0001_First.sql", ""),
            ("services/c/migrations/0001_first.sql", ""),
            ("services/c/migrations/0002_second.sql", ""),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["services/a/migrations/0003_third.sql", "services/b/migrations/0001_First.sql"]);
    }

    #[test]
    fn a_drop_needs_its_contract_line() {
        let text = "-- drop in a comment\nalter table a.b drop column c;\n-- contract: gone since 0.2\nalter table a.b drop column d;\n";
        let found = check(&Tree::of(&[("services/a/migrations/0001_first.sql", text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
