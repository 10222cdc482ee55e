//! What no Rust file may do, seen in its tokens: comments and strings do not count.

use crate::finding::Finding;
use crate::rust_source::RustSource;
use crate::tree::{File, Tree};

/// A sequence of tokens that is refused, where, and what to do instead.
struct Ban {
    rule: &'static str,
    sequence: &'static str,
    place: Place,
    message: &'static str,
}

enum Place {
    Everywhere,
    Tests,
    OutsideTests,
}

const BANS: &[Ban] = &[
    Ban {
        rule: "allow",
        sequence: "# [ allow",
        place: Place::Everywhere,
        message: "`#[allow]` stays when its reason is gone: write `#[expect(lint, reason = \"…\")]`",
    },
    Ban {
        rule: "allow",
        sequence: "# ! [ allow",
        place: Place::Everywhere,
        message: "`#![allow]` stays when its reason is gone: write `#![expect(lint, reason = \"…\")]`",
    },
    Ban {
        rule: "unwrap",
        sequence: ". unwrap ( )",
        place: Place::OutsideTests,
        message: "`unwrap` says nothing when it fails: return an error, or `expect` with why it cannot fail",
    },
    Ban {
        rule: "todo",
        sequence: "todo !",
        place: Place::Everywhere,
        message: "`todo!` panics on a user: build it, or leave it out",
    },
    Ban {
        rule: "todo",
        sequence: "unimplemented !",
        place: Place::Everywhere,
        message: "`unimplemented!` panics on a user: build it, or leave it out",
    },
    Ban {
        rule: "ignore",
        sequence: "# [ ignore",
        place: Place::Everywhere,
        message: "an ignored test proves nothing: repair it or remove it",
    },
    Ban {
        rule: "sleep",
        sequence: "sleep (",
        place: Place::Tests,
        message: "a test that sleeps is slow or flaky: wait for the thing itself with testkit",
    },
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs") {
        if !file.text.starts_with("//!") {
            let message = "a module starts with one sentence that says what it is: `//! …` on the first line";
            findings.push(Finding::new("module-doc", &file.path, 1, message));
        }
        match &file.rust {
            Some(Ok(source)) => findings.extend(BANS.iter().flat_map(|ban| banned(file, source, ban))),
            Some(Err(error)) => {
                let line = error.span().start().line;
                findings.push(Finding::new("syntax", &file.path, line, format!("this does not parse: {error}")));
            }
            None => {}
        }
    }
    findings
}

fn banned(file: &File, source: &RustSource, ban: &Ban) -> Vec<Finding> {
    let is_tool = ["testkit/", "bench/", "xtask/"].iter().any(|folder| file.path.starts_with(folder));
    source
        .find(ban.sequence)
        .into_iter()
        .filter(|line| {
            let is_test = file.is_test() || source.in_test_module(*line);
            match ban.place {
                Place::Everywhere => true,
                Place::Tests => is_test,
                Place::OutsideTests => !is_test && !is_tool,
            }
        })
        .map(|line| Finding::new(ban.rule, &file.path, line, ban.message))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn every_ban_is_caught() {
        assert_eq!(rules("app/src/a.rs", "fn a() {}\n"), ["module-doc"]);
        assert_eq!(rules("app/src/a.rs", "//! A.\n#[allow(dead_code)]\nfn a() {}\n"), ["allow"]);
        assert_eq!(rules("app/src/a.rs", "//! A.\n#![allow(dead_code)]\n"), ["allow"]);
        assert_eq!(rules("app/src/a.rs", "//! A.\nfn a() { b().unwrap(); }\n"), ["unwrap"]);
        assert_eq!(rules("app/src/a.rs", "//! A.\nfn a() { assert!(b().unwrap()); }\n"), ["unwrap"]);
        assert_eq!(rules("app/src/a.rs", "//! A.\nfn a() { todo!() }\n"), ["todo"]);
        assert_eq!(rules("app/tests/it/a.rs", "//! A.\n#[test]\n#[ignore]\nfn a() {}\n"), ["ignore"]);
        assert_eq!(rules("app/tests/it/a.rs", "//! A.\nfn a() { tokio::time::sleep(b); }\n"), ["sleep"]);
        assert_eq!(rules("app/src/a.rs", "//! A.\nfn a( {\n"), ["syntax"]);
    }

    #[test]
    fn tests_may_unwrap_and_programs_may_sleep() {
        assert!(
            rules("app/src/a.rs", "//! A.\n#[cfg(test)]\nmod tests {\n    fn a() { b().unwrap(); }\n}\n").is_empty()
        );
        assert!(rules("testkit/src/a.rs", "//! A.\nfn a() { b().unwrap(); sleep(c); }\n").is_empty());
        assert!(rules("kernel/bus/src/a.rs", "//! A.\nfn a() { sleep(c); }\n").is_empty());
        assert!(rules("app/src/a.rs", "//! A.\n// x.unwrap()\nfn a() { b(\"x.unwrap()\"); }\n").is_empty());
    }
}
