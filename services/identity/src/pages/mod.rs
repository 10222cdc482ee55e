//! The hosted pages and mails: templates, texts in all languages, and the one stylesheet.
mod texts;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_db::secrets::sha256;
use minijinja::{Environment, Error, UndefinedBehavior, Value};
use std::sync::OnceLock;
pub use texts::{LANGUAGES, text};

const STYLESHEET: &str = include_str!("identity.css");

const TEMPLATES: &[(&str, &str)] = &[
    ("base.html", include_str!("base.html")),
    ("connect.html", include_str!("connect.html")),
    ("elsewhere.html", include_str!("elsewhere.html")),
    ("fields.html", include_str!("fields.html")),
    ("forgot_password.html", include_str!("forgot_password.html")),
    ("invitation.html", include_str!("invitation.html")),
    ("mail.html", include_str!("mail.html")),
    ("mail.txt", include_str!("mail.txt")),
    ("message.html", include_str!("message.html")),
    ("organisations.html", include_str!("organisations.html")),
    ("reset_password.html", include_str!("reset_password.html")),
    ("reset_sent.html", include_str!("reset_sent.html")),
    ("sign_in.html", include_str!("sign_in.html")),
    ("sign_out.html", include_str!("sign_out.html")),
    ("sign_up.html", include_str!("sign_up.html")),
    ("signed_out.html", include_str!("signed_out.html")),
];

/// All templates, parsed. Names ending in `.html` are escaped.
pub struct Pages(Environment<'static>);

impl Pages {
    pub fn new() -> Result<Pages, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).map_err(|error| format!("page {name}: {error}"))?;
        }
        Ok(Pages(environment))
    }

    pub fn render(&self, template: &str, values: Value) -> Result<String, Error> {
        self.0.get_template(template)?.render(values)
    }
}

/// All texts of a language, for templates.
pub fn texts(locale: &str) -> Value {
    static ALL: OnceLock<Vec<Value>> = OnceLock::new();
    let all = ALL.get_or_init(|| LANGUAGES.iter().map(|(tag, _)| Value::from_pairs(texts::all(tag))).collect());
    all[LANGUAGES.iter().position(|(tag, _)| *tag == locale).unwrap_or_default()].clone()
}

/// The stylesheet's name changes with its content, so it can be kept for ever.
pub fn stylesheet_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let hash: String = sha256(STYLESHEET.as_bytes())[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("/assets-id/{hash}.css")
    })
}

pub async fn stylesheet(Path(file): Path<String>) -> Response {
    if !stylesheet_path().ends_with(&format!("/{file}")) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = STYLESHEET.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
