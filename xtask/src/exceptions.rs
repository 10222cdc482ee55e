//! The list of places where a rule does not hold yet. It only shrinks: an entry that is not needed is a finding.

use crate::finding::Finding;
use crate::tree::Tree;

const PATH: &str = "xtask/src/exceptions.txt";

/// `rule subject [size] # reason`
struct Exception {
    line: usize,
    rule: String,
    subject: String,
    size: Option<usize>,
}

/// Takes away what is excepted, and adds what is wrong with the list itself.
pub fn apply(tree: &Tree, findings: Vec<Finding>) -> Vec<Finding> {
    let text = tree.file(PATH).map(|file| file.text.as_str()).unwrap_or_default();
    let mut left = Vec::new();
    let mut exceptions = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match parse(index + 1, line) {
            Ok(exception) => exceptions.extend(exception),
            Err(problem) => left.push(Finding::new("exceptions", PATH, index + 1, problem)),
        }
    }
    for exception in &exceptions {
        let covered: Vec<&Finding> = findings.iter().filter(|finding| exception.names(finding)).collect();
        let largest = covered.iter().filter_map(|finding| finding.size).max();
        if covered.is_empty() {
            let problem = "this exception is no longer needed: remove the line, so that the list only shrinks";
            left.push(Finding::new("exceptions", PATH, exception.line, problem));
        } else if let (Some(allowed), Some(largest)) = (exception.size, largest)
            && largest < allowed
        {
            let problem = format!("{} has shrunk: write {largest} here instead of {allowed}", exception.subject);
            left.push(Finding::new("exceptions", PATH, exception.line, problem));
        }
    }
    left.extend(findings.into_iter().filter(|finding| !exceptions.iter().any(|exception| exception.covers(finding))));
    left
}

fn parse(line: usize, text: &str) -> Result<Option<Exception>, String> {
    if text.trim().is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (entry, reason) = text.split_once('#').unwrap_or((text, ""));
    if reason.trim().is_empty() {
        return Err("an exception needs its reason: rule subject [size] # reason".into());
    }
    match entry.split_whitespace().collect::<Vec<_>>().as_slice() {
        [rule, subject] => Ok(Some(Exception { line, rule: (*rule).into(), subject: (*subject).into(), size: None })),
        [rule, subject, size] => {
            let size = size.parse().map_err(|_| format!("'{size}' is no number of lines"))?;
            Ok(Some(Exception { line, rule: (*rule).into(), subject: (*subject).into(), size: Some(size) }))
        }
        _ => Err("an exception reads: rule subject [size] # reason".into()),
    }
}

impl Exception {
    fn names(&self, finding: &Finding) -> bool {
        finding.rule == self.rule && finding.subject == self.subject
    }

    /// A length is only excepted up to the size that was written down.
    fn covers(&self, finding: &Finding) -> bool {
        self.names(finding) && finding.size.is_none_or(|size| self.size.is_some_and(|allowed| size <= allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(list: &str, findings: Vec<Finding>) -> Vec<String> {
        apply(&Tree::of(&[(PATH, list)]), findings).into_iter().map(|finding| finding.message).collect()
    }

    fn long(size: usize) -> Finding {
        Finding { size: Some(size), ..Finding::new("file-length", "app/src/a.rs", 1, "too long") }
    }

    #[test]
    fn an_exception_covers_its_finding_up_to_its_size() {
        assert!(after("file-length app/src/a.rs 600 # a table", vec![long(600)]).is_empty());
        assert_eq!(after("file-length app/src/a.rs 600 # a table", vec![long(601)]), ["too long"]);
    }

    #[test]
    fn the_list_only_shrinks() {
        assert!(after("file-length app/src/a.rs 600 # a table", vec![])[0].contains("no longer needed"));
        assert!(after("file-length app/src/a.rs 600 # a table", vec![long(550)])[0].contains("write 550"));
    }

    #[test]
    fn an_exception_without_a_reason_is_refused() {
        assert!(after("unwrap app/src/a.rs", vec![])[0].contains("reason"));
    }
}
