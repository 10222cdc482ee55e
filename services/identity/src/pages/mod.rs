//! The hosted pages and mails: templates, texts in all languages, and the one stylesheet.
mod texts;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_db::secrets::{hex, sha256};
use minijinja::{Environment, Error, UndefinedBehavior, Value};
use std::sync::OnceLock;
pub use texts::{LANGUAGES, text};

const STYLESHEET: &str = include_str!("identity.css");
const SCRIPT: &str = include_str!("passkey.js");

const TEMPLATES: &[(&str, &str)] = &[
    ("account.html", include_str!("account.html")),
    ("account_app.html", include_str!("account_app.html")),
    ("account_codes.html", include_str!("account_codes.html")),
    ("account_data.html", include_str!("account_data.html")),
    ("account_devices.html", include_str!("account_devices.html")),
    ("account_parts.html", include_str!("account_parts.html")),
    ("account_security.html", include_str!("account_security.html")),
    ("base.html", include_str!("base.html")),
    ("connect.html", include_str!("connect.html")),
    ("elsewhere.html", include_str!("elsewhere.html")),
    ("consent.html", include_str!("consent.html")),
    ("device.html", include_str!("device.html")),
    ("device_confirm.html", include_str!("device_confirm.html")),
    ("device_organisation.html", include_str!("device_organisation.html")),
    ("factor.html", include_str!("factor.html")),
    ("fields.html", include_str!("fields.html")),
    ("form_post.html", include_str!("form_post.html")),
    ("forgot_password.html", include_str!("forgot_password.html")),
    ("invitation.html", include_str!("invitation.html")),
    ("mail.html", include_str!("mail.html")),
    ("mail.txt", include_str!("mail.txt")),
    ("message.html", include_str!("message.html")),
    ("organisations.html", include_str!("organisations.html")),
    ("phone.html", include_str!("phone.html")),
    ("phone_code.html", include_str!("phone_code.html")),
    ("reset_password.html", include_str!("reset_password.html")),
    ("reset_sent.html", include_str!("reset_sent.html")),
    ("scopes.html", include_str!("scopes.html")),
    ("sign_in.html", include_str!("sign_in.html")),
    ("sign_out.html", include_str!("sign_out.html")),
    ("sign_up.html", include_str!("sign_up.html")),
    ("signed_out.html", include_str!("signed_out.html")),
    ("verify_email.html", include_str!("verify_email.html")),
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

/// A file of our own that pages refer to. Its name changes with its content, so it can be kept for ever.
pub struct Asset {
    content: &'static str,
    ending: &'static str,
    media_type: &'static str,
}

/// Sends a page's first form; pages work without it, by a button.
pub const SUBMIT_FORM: usize = 1;
/// Speaks to authenticators.
pub const PASSKEY: usize = 2;
const ASSETS: [Asset; 3] = [
    Asset { content: STYLESHEET, ending: "css", media_type: "text/css; charset=utf-8" },
    Asset { content: include_str!("submit_form.js"), ending: "js", media_type: "text/javascript; charset=utf-8" },
    Asset { content: SCRIPT, ending: "js", media_type: "text/javascript; charset=utf-8" },
];

/// Where the asset with this index is.
pub fn path_of(asset: usize) -> &'static str {
    static PATHS: OnceLock<Vec<String>> = OnceLock::new();
    let path = |asset: &Asset| format!("/assets-id/{}.{}", hex(&sha256(asset.content.as_bytes())[..6]), asset.ending);
    &PATHS.get_or_init(|| ASSETS.iter().map(path).collect())[asset]
}

pub fn stylesheet_path() -> &'static str {
    path_of(0)
}

pub async fn asset(Path(file): Path<String>) -> Response {
    let wanted = format!("/assets-id/{file}");
    let Some(found) = (0..ASSETS.len()).find(|index| path_of(*index) == wanted) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = ASSETS[found].content.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, ASSETS[found].media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
