//! A browser at one of our pages: its session, its language, its forms, and the headers that protect them.
use crate::config::SignIn;
use crate::domain::request::Parameters;
use crate::domain::{account, link};
use crate::http::provider::Provider;
use crate::http::session;
use crate::pages;
use crate::store::session::Session;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use hitaji_core::ErrorCode;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::{PlatformCtx, Problem};
use minijinja::{Value, context};
use std::sync::{Arc, Mutex, OnceLock};
use url::Url;

const FORM_COOKIE: &str = "hitaji_form";
const LOCALE_COOKIE: &str = "hitaji_locale";
const DEVICE_COOKIE: &str = "hitaji_device";
/// Holds a sign-in that waits for its second factor.
const PENDING_COOKIE: &str = "hitaji_pending";
/// So many people may share a browser before the one who was longest away is forgotten.
const DEVICE_TOKENS_MAX: usize = 5;
const FORM_BYTES_MAX: usize = 64 << 10;

/// One request of a browser.
pub struct Browser {
    pub ctx: PlatformCtx,
    pub provider: Arc<Provider>,
    pub locale: &'static str,
    /// Binds forms to this browser.
    form_cookie: String,
    cookies: Mutex<Vec<String>>,
    /// How the organisation that a page is for wants it to look.
    brand: OnceLock<Value>,
}

/// Why a page cannot be shown; becomes a page of its own.
#[derive(Debug)]
pub enum PageError {
    /// Status and the key of the texts `<key>_title` and `<key>_text`.
    Page(StatusCode, &'static str),
    Wait(u64),
    Problem(Box<Problem>),
}

impl<E: Into<Problem>> From<E> for PageError {
    fn from(error: E) -> PageError {
        PageError::Problem(Box::new(error.into()))
    }
}

impl From<crate::http::passwords::Busy> for PageError {
    fn from(_: crate::http::passwords::Busy) -> PageError {
        PageError::Page(StatusCode::SERVICE_UNAVAILABLE, "busy")
    }
}

impl From<crate::http::throttle::Wait> for PageError {
    fn from(wait: crate::http::throttle::Wait) -> PageError {
        PageError::Wait(wait.0)
    }
}

pub type PageResult = Result<Response, PageError>;

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Browser, Problem> {
        let ctx = PlatformCtx::from_request_parts(parts, state).await?;
        let provider = ctx.parts().get::<Provider>();
        if provider.settings.sign_in == SignIn::External {
            return Err(Problem::not_found());
        }
        let query = Parameters::parse(parts.uri.query().unwrap_or_default());
        let (mut cookies, asked) = (Vec::new(), query.first("lang").and_then(account::locale_of));
        let jar = &parts.headers;
        let locale = asked
            .or_else(|| cookie(jar, LOCALE_COOKIE).and_then(|tag| account::locale_of(&tag)))
            .or_else(|| query.first("ui_locales").and_then(account::locale_of))
            .or_else(|| query.first("continue").and_then(continued_locale))
            .or_else(|| parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok().and_then(account::locale_of))
            .unwrap_or("en");
        if let Some(locale) = asked {
            cookies.push(set_cookie(&provider, LOCALE_COOKIE, locale, Some(Duration::days(365))));
        }
        let form_cookie = match cookie(jar, FORM_COOKIE).filter(|value| value.len() == 43) {
            Some(value) => value,
            None => {
                let value = random_token();
                cookies.push(set_cookie(&provider, FORM_COOKIE, &value, None));
                value
            }
        };
        Ok(Browser { ctx, provider, locale, form_cookie, cookies: Mutex::new(cookies), brand: OnceLock::new() })
    }
}

fn continued_locale(target: &str) -> Option<&'static str> {
    let (_, query) = target.split_once('?')?;
    Parameters::parse(query).first("ui_locales").and_then(account::locale_of)
}

impl Browser {
    /// The person who is signed in here, if any.
    pub async fn session(&self) -> Result<Option<Session>, Problem> {
        let Some(token) = cookie(&self.ctx.request().headers, session::COOKIE) else {
            return Ok(None);
        };
        session::find(&self.ctx, &token).await
    }

    /// Shows pages in the language that a posted request prefers, unless the person has chosen one.
    pub fn speak(&mut self, tags: Option<&str>) {
        let chosen = cookie(&self.ctx.request().headers, LOCALE_COOKIE);
        if let Some(locale) = tags.and_then(account::locale_of).filter(|_| chosen.is_none()) {
            self.locale = locale;
        }
    }

    /// Gives the browser a session cookie, and remembers that this person signs in here.
    pub fn remember(&self, token: &str, email: &str) {
        self.set(session::COOKIE, token, Some(Duration::days(session::ABSOLUTE_DAYS)));
        let device = link::device_token(&self.provider.master, email);
        let kept = cookie(&self.ctx.request().headers, DEVICE_COOKIE).unwrap_or_default();
        let others = kept.split('.').filter(|token| token.len() == device.len() && *token != device);
        let tokens: Vec<&str> = std::iter::once(device.as_str()).chain(others).take(DEVICE_TOKENS_MAX).collect();
        self.set(DEVICE_COOKIE, &tokens.join("."), Some(Duration::days(365)));
    }

    /// Whether this person has signed in here before.
    pub fn knows(&self, email: &str) -> bool {
        let kept = cookie(&self.ctx.request().headers, DEVICE_COOKIE).unwrap_or_default();
        kept.split('.').take(DEVICE_TOKENS_MAX).any(|token| link::is_device_token(&self.provider.master, email, token))
    }

    /// The token of a sign-in that waits for its second factor.
    pub fn pending(&self) -> Option<String> {
        cookie(&self.ctx.request().headers, PENDING_COOKIE).filter(|token| token.len() == 43)
    }

    /// Keeps such a token, or forgets it.
    pub fn keep_pending(&self, token: Option<&str>) {
        let age = if token.is_some() { Duration::minutes(10) } else { Duration::ZERO };
        self.set(PENDING_COOKIE, token.unwrap_or_default(), Some(age));
    }

    pub fn keep_locale(&self, locale: &str) {
        self.set(LOCALE_COOKIE, locale, Some(Duration::days(365)));
    }

    /// The same page with our one script for passkeys, which asks nobody but us.
    pub fn with_script(&self, page: PageResult) -> PageResult {
        let mut response = page?;
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|value| value.to_str().ok());
        let policy = format!("{}; script-src 'self'; connect-src 'self'", policy.unwrap_or("default-src 'none'"));
        let policy = HeaderValue::from_str(&policy).map_err(Problem::internal)?;
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        Ok(response)
    }

    pub fn forget(&self) {
        self.set(session::COOKIE, "", Some(Duration::ZERO));
    }

    fn set(&self, name: &'static str, value: &str, age: Option<Duration>) {
        let text = set_cookie(&self.provider, name, value, age);
        self.cookies.lock().expect("cannot be poisoned: pushing does not panic").push(text);
    }

    /// Under which name failed attempts at this account are counted: a browser that its person has used before is
    /// not slowed down by strangers.
    pub fn attempt_key(&self, email: &str) -> String {
        format!("{email}/{}", if self.knows(email) { "known" } else { "any" })
    }

    /// A hash of a secret that only this browser can bring back.
    pub fn bound(&self, secret: &str) -> [u8; 32] {
        sha256(format!("{secret}.{}", self.form_cookie).as_bytes())
    }

    /// Whether a form was given out by us to this browser.
    pub fn check_form(&self, form: &Form) -> Result<(), PageError> {
        let foreign = self.ctx.request().header("sec-fetch-site") == Some("cross-site");
        let token = form.0.first("form_token").unwrap_or_default();
        if foreign || !link::is_form_token(&self.provider.master, &self.form_cookie, token) {
            return Err(PageError::Page(StatusCode::FORBIDDEN, "form_expired"));
        }
        Ok(())
    }

    /// Pages of this answer look as an organisation wants them; the first one counts.
    pub fn dress(&self, brand: Value) {
        let _ = self.brand.set(brand);
    }

    pub fn text(&self, key: &str) -> &'static str {
        pages::text(self.locale, key)
    }

    pub fn page(&self, template: &str, values: Value) -> PageResult {
        self.page_for(StatusCode::OK, template, values, None)
    }

    /// A page whose form ends, by redirect, at another origin: browsers apply `form-action` to redirects too.
    pub fn page_for(&self, status: StatusCode, template: &str, values: Value, leads_to: Option<&str>) -> PageResult {
        let others = pages::LANGUAGES.into_iter().filter(|(tag, _)| *tag != self.locale);
        let languages: Vec<Value> = others
            .map(|(tag, name)| context! { tag => tag, name => name, href => self.in_language(tag, &values) })
            .collect();
        let frame = context! {
            lang => self.locale,
            t => pages::texts(self.locale),
            form_token => link::form_token(&self.provider.master, &self.form_cookie),
            stylesheet => pages::stylesheet_path(),
            script => self.provider.webauthn.is_some().then(|| pages::path_of(pages::PASSKEY)),
            languages => languages,
            brand => self.brand.get(),
            ..values
        };
        let html = self.provider.pages.render(template, frame).map_err(Problem::internal)?;
        let mut response = (status, Body::from(html)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        protect(headers, leads_to);
        Ok(self.finish(response))
    }

    /// 303, so that a posted form is never posted on (RFC 9700 section 4.12).
    pub fn redirect(&self, to: &str) -> PageResult {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let headers = response.headers_mut();
        protect(headers, None);
        headers.insert(header::LOCATION, HeaderValue::from_str(to).map_err(Problem::internal)?);
        Ok(self.finish(response))
    }

    /// The page, or the page that says why there is none.
    pub fn answer(&self, result: PageResult) -> Response {
        let (status, key, wait) = match result {
            Ok(response) => return response,
            Err(PageError::Page(status, key)) => (status, key, None),
            Err(PageError::Wait(seconds)) => (StatusCode::TOO_MANY_REQUESTS, "slow_down", Some(seconds)),
            Err(PageError::Problem(problem)) => {
                let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                if problem.code == ErrorCode::Internal {
                    tracing::error!(request_id = self.ctx.request().id, ?problem, "a page failed on our side");
                }
                (status, if status.as_u16() >= 503 { "busy" } else { "failed" }, problem.retry_after_s)
            }
        };
        let values = context! {
            title => self.text(&format!("{key}_title")),
            body => self.text(&format!("{key}_text")).replace("{seconds}", &wait.unwrap_or_default().to_string()),
            request_id => self.ctx.request().id.clone(),
        };
        let page = self.page_for(status, "message.html", values, None);
        let mut response = page.unwrap_or_else(|_| status.into_response());
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn finish(&self, mut response: Response) -> Response {
        let cookies = std::mem::take(&mut *self.cookies.lock().expect("cannot be poisoned: taking does not panic"));
        for value in cookies.iter().filter_map(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
        response
    }

    /// This page in another language, with where it leads.
    fn in_language(&self, tag: &str, values: &Value) -> String {
        let uri = &self.ctx.request().uri;
        let mut query = Parameters::parse(uri.query().unwrap_or_default()).with("lang", Some(tag));
        if let Some(target) = values.get_attr("target").ok().and_then(|target| target.as_str().map(str::to_owned)) {
            query = query.with("continue", Some(&target));
        }
        format!("{}?{}", uri.path(), query.encode())
    }
}

/// What every page and redirect of ours carries.
fn protect(headers: &mut HeaderMap, leads_to: Option<&str>) {
    let extra = leads_to.and_then(form_target).map_or_else(String::new, |target| format!(" {target}"));
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'{extra}; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The source expression for where a form may end: an origin, or a private scheme.
fn form_target(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let origin = url.origin();
    if origin.is_tuple() { Some(origin.ascii_serialization()) } else { Some(format!("{}:", url.scheme())) }
}

pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(Cookie::split_parse)
        .flatten()
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

fn set_cookie(provider: &Provider, name: &'static str, value: &str, age: Option<Duration>) -> String {
    let mut cookie = Cookie::build((name, value.to_owned()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(provider.origin.starts_with("https:"));
    if let Some(age) = age {
        cookie = cookie.max_age(age);
    }
    cookie.build().to_string()
}

/// A form of at most 64 KiB.
pub struct Form(pub Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Form, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = content_type.is_some_and(|value| {
            value
                .split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        });
        if !is_form {
            return Err(Problem::new(ErrorCode::UnsupportedMediaType, "Send a form."));
        }
        let body = axum::body::to_bytes(request.into_body(), FORM_BYTES_MAX)
            .await
            .map_err(|_| Problem::new(ErrorCode::TooLarge, "The form is too large."))?;
        let text =
            std::str::from_utf8(&body).map_err(|_| Problem::new(ErrorCode::Malformed, "The form is not UTF-8."))?;
        Ok(Form(Parameters::parse(text)))
    }
}

impl Form {
    /// What was typed, trimmed; nothing where the field is missing.
    pub fn typed(&self, name: &str) -> &str {
        self.0.first(name).unwrap_or_default().trim()
    }

    /// A password exactly as typed.
    pub fn secret(&self, name: &str) -> &str {
        self.0.first(name).unwrap_or_default()
    }
}

/// A path of ours that a person may be sent on to, and nothing else: an authorization request, the application, an
/// invitation, the account.
pub fn continue_to(target: Option<&str>) -> String {
    let allowed = |target: &&str| {
        target.len() <= 8192
            && target.bytes().all(|byte| byte.is_ascii_graphic())
            && !target.contains('\\')
            && (*target == "/"
                || target.starts_with("/oauth/authorize?")
                || target.starts_with("/invitations/")
                || *target == "/device"
                || target.starts_with("/device?")
                || is_account_page(target))
    };
    target.filter(allowed).unwrap_or("/").to_owned()
}

fn is_account_page(target: &str) -> bool {
    let rest = target.strip_prefix("/account");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') && !rest.contains("//") && !rest.contains(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_on_to_our_own_pages_only() {
        for good in [
            "/",
            "/oauth/authorize?client_id=x",
            "/invitations/abc",
            "/device",
            "/device?user_code=X",
            "/account",
            "/account/security",
        ] {
            assert_eq!(continue_to(Some(good)), good);
        }
        for bad in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/oauth/logout?x",
            "javascript:x",
            "/devices",
            "",
            "/a\r\nb",
            "/accounts",
            "/account/../oauth",
        ] {
            assert_eq!(continue_to(Some(bad)), "/", "{bad}");
        }
    }

    #[test]
    fn a_form_may_end_at_the_clients_origin() {
        assert_eq!(form_target("https://a.example:8443/cb?x=1").as_deref(), Some("https://a.example:8443"));
        assert_eq!(form_target("http://127.0.0.1:5000/cb").as_deref(), Some("http://127.0.0.1:5000"));
        assert_eq!(form_target("org.example.app:/cb").as_deref(), Some("org.example.app:"));
    }
}
