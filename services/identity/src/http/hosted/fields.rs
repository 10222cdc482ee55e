//! What stands in the fields of a form that is shown again: what was typed, and what is wrong with it.
use crate::http::browser::{Browser, Form};
use crate::http::sign_up::Flaw;
use minijinja::Value;
use std::collections::BTreeMap;

/// Errors by field name, in the browser's language.
#[derive(Default)]
pub struct Errors(BTreeMap<&'static str, String>);

impl Errors {
    /// `text` is the key of a text.
    pub fn add(&mut self, browser: &Browser, field: &'static str, text: &str) {
        self.0
            .entry(field)
            .or_insert_with(|| browser.text(text).to_owned());
    }

    /// The same for flaws of a command, whose pointers are the field names.
    pub fn of(browser: &Browser, flaws: &[Flaw]) -> Errors {
        let mut errors = Errors::default();
        for flaw in flaws {
            errors.add(browser, flaw.pointer.trim_start_matches('/'), flaw.text);
        }
        errors
    }

    /// A text that is no key of ours, from another service.
    pub fn say(&mut self, field: &'static str, text: String) {
        self.0.entry(field).or_insert(text);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn value(&self) -> Value {
        Value::from_pairs(self.0.iter().map(|(name, text)| (*name, text.as_str())))
    }
}

/// What was typed into these fields. Passwords are never among them.
pub fn typed(form: &Form, names: &[&'static str]) -> Value {
    Value::from_pairs(names.iter().map(|name| (*name, form.typed(name))))
}
