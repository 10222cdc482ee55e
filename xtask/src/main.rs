//! `cargo xtask tidy`: proves the rules of the house that a machine can check. `cargo xtask leaks`: proves that the tests of
//! isolation notice leaks.

mod checks;
mod exceptions;
mod finding;
mod leaks;
mod rust_source;
mod sql;
mod tree;

use std::process::ExitCode;

use finding::Finding;
use tree::Tree;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(),
        ["leaks"] => leaks::run(),
        _ => {
            eprintln!("usage: cargo xtask tidy | cargo xtask leaks");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    let tree = match Tree::read() {
        Ok(tree) => tree,
        Err(problem) => {
            eprintln!("tidy: {problem}");
            return ExitCode::from(2);
        }
    };
    let mut findings: Vec<Finding> = checks::ALL.iter().flat_map(|check| check(&tree)).collect();
    findings = exceptions::apply(&tree, findings);
    findings.sort();
    for finding in &findings {
        eprintln!("{finding}");
    }
    eprintln!("tidy: {} files, {} checks, {} findings", tree.files.len(), checks::ALL.len(), findings.len());
    ExitCode::from(u8::from(!findings.is_empty()))
}
