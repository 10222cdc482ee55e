//! One broken rule at one place.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub rule: &'static str,
    /// What is wrong, why it is a rule, what to do.
    pub message: String,
    /// What an exception names: the path, for a function `path::name`.
    pub subject: String,
    /// The measured length, for rules that have a limit.
    pub size: Option<usize>,
}

impl Finding {
    pub fn new(rule: &'static str, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, rule, message: message.into(), subject: path.into(), size: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {} [{}]", self.path, self.line, self.message, self.rule)
    }
}
