//! What the public port answers besides services: the browser application, and the pages that problems point to.
use axum::Router;
use axum::extract::{OriginalUri, Path};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hitaji_core::ErrorCode;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::{Environment, context};
use rust_embed::RustEmbed;

/// The built browser application. Without a build the program still serves its API.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/dist"]
#[allow_missing = true]
struct Web;

const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self' ws: wss:; frame-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none';";

pub fn router() -> Router {
    Router::new().route("/docs", get(docs)).route("/docs/problems/{code}", get(problem)).fallback(get(web))
}

async fn web(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let silent = (path == "silent-callback").then_some("silent-callback.html");
    let path = silent.unwrap_or(path);
    let (name, file) = match Web::get(path) {
        Some(file) => (path, file),
        // A page of the single-page application: what it shows is for its own router to say.
        None => match Web::get("index.html").filter(|_| !path.contains('.')) {
            Some(index) => ("index.html", index),
            None => return (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
        },
    };
    let tag = format!(
        "\"{}\"",
        file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    let unchanged = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_owned().into_response() };
    let hashed = name.starts_with("assets/");
    let cache = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    // Only the answer to a silent renewal may be framed, by ourselves.
    let policy = format!("{POLICY} frame-ancestors {}", if silent.is_some() { "'self'" } else { "'none'" });
    let kind = mime_guess::from_path(name).first_or_octet_stream().to_string();
    let out = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind.as_str()),
        (header::CACHE_CONTROL, cache),
        (header::ETAG, tag.as_str()),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    }
    response
}

const PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<title>{{ title }}</title><h1>{{ title }}</h1>{% for line in lines %}<p>{{ line }}</p>{% endfor %}\
<ul>{% for link in links %}<li><a href='{{ link }}'>{{ link }}</a></li>{% endfor %}</ul>";

fn page(title: &str, lines: &[String], links: &[String]) -> Response {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    match environment.render_str(PAGE, context! { title, lines => lines.to_vec(), links => links.to_vec() }) {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn docs() -> Response {
    let lines = ["One set of conventions for every service. The OpenAPI documents describe each operation.".to_owned()];
    let mut links = vec!["/openapi.json".to_owned()];
    links.extend(crate::registry::services().iter().map(|service| format!("/{}/openapi.json", service.name)));
    links.extend(ErrorCode::ALL.iter().map(|code| format!("/docs/problems/{}", code.code())));
    page("Hitaji API", &lines, &links)
}

async fn problem(Path(code): Path<String>) -> Response {
    match ErrorCode::ALL.iter().find(|known| known.code() == code) {
        Some(code) => {
            let lines = [format!("Code {}, HTTP status {}.", code.code(), code.status())];
            page(code.title(), &lines, &["/docs".to_owned()])
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
