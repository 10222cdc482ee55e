//! What stands in the fields of a form that is shown again: what was typed, and what is wrong with it.
use crate::http::browser::{Browser, Form};
use crate::http::sign_up::Flaw;
use minijinja::{Value, context};

/// Errors by field name in the order of the form, in the browser's language. One for each field.
#[derive(Default)]
pub struct Errors(Vec<(&'static str, String)>);

impl Errors {
    /// `text` is the key of a text.
    pub fn add(&mut self, browser: &Browser, field: &'static str, text: &str) {
        self.say(field, browser.text(text).to_owned());
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
        if !self.0.iter().any(|(known, _)| *known == field) {
            self.0.push((field, text));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `list` in the order of the form, `of` by field, and the `first` field to look at.
    pub fn value(&self) -> Value {
        let list: Vec<Value> = self.0.iter().map(|(name, text)| context! { name => *name, message => text }).collect();
        let of = Value::from_pairs(self.0.iter().map(|(name, text)| (*name, text.as_str())));
        context! { list => list, of => of, first => self.0.first().map(|(name, _)| *name) }
    }
}

/// What was typed into these fields. Passwords are never among them.
pub fn typed(form: &Form, names: &[&'static str]) -> Value {
    Value::from_pairs(names.iter().map(|name| (*name, form.typed(name))))
}
