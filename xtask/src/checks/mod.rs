//! The list of checks. Each takes the tree and gives what it found; none changes anything.

mod dependencies;
mod domain_purity;
mod lengths;
mod links;
mod manifests;
mod migrations;
mod names;
mod rooms;
mod rust_code;
mod secrets;
mod service_sql;

use crate::finding::Finding;
use crate::tree::Tree;

type Check = fn(&Tree) -> Vec<Finding>;

pub const ALL: &[Check] = &[
    dependencies::check,
    domain_purity::check,
    lengths::check,
    links::check,
    manifests::check,
    migrations::check,
    names::check,
    rooms::check,
    rust_code::check,
    secrets::check,
    service_sql::check,
];
