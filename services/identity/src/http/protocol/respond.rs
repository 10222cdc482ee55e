//! The answer to an authorization request: by redirect, or by a form that posts itself.
use crate::domain::request::{Destination, Parameters, Refusal};
use crate::http::browser::{Browser, PageResult};
use crate::pages;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::{Value, context};

pub fn refused(refusal: &Refusal) -> [(&'static str, &'static str); 2] {
    [("error", refusal.error), ("error_description", refusal.description)]
}

/// The answer to the client, with `state` and `iss` (RFC 9207). Only the answer of prompt=none may stand in a frame,
/// and only in one of our own origin.
pub fn back(browser: &Browser, destination: &Destination, said: &[(&str, &str)], silent: bool) -> PageResult {
    let mut answer: Vec<(&str, &str)> = said.to_vec();
    answer.extend(destination.state.as_deref().map(|state| ("state", state)));
    answer.push(("iss", &browser.provider.origin));
    if destination.form_post {
        return by_form(browser, destination, &answer, silent);
    }
    let answer = answer.into_iter().fold(Parameters::default(), |all, (name, value)| all.with(name, Some(value)));
    let glue = if destination.redirect_uri.contains('?') { '&' } else { '?' };
    let mut response = browser.redirect(&format!("{}{glue}{}", destination.redirect_uri, answer.encode()))?;
    if silent {
        may_be_framed(response.headers_mut(), "default-src 'none'; base-uri 'none'; frame-ancestors 'self'");
    }
    Ok(response)
}

/// OAuth 2.0 Form Post Response Mode: our own script sends the form, and where there is no script a button does.
fn by_form(browser: &Browser, destination: &Destination, answer: &[(&str, &str)], silent: bool) -> PageResult {
    let fields: Vec<Value> = answer.iter().map(|(name, value)| context! { name => *name, value => *value }).collect();
    let values = context! {
        action => destination.redirect_uri.clone(),
        client => destination.client.name.clone(),
        fields => fields,
        submit_script => pages::path_of(pages::SUBMIT_FORM),
    };
    let mut response = browser.page_for(StatusCode::OK, "form_post.html", values, Some(&destination.redirect_uri))?;
    let headers = response.headers_mut();
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let policy = policy.unwrap_or_default().replacen("style-src", "script-src 'self'; style-src", 1);
    let policy = if silent { policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'") } else { policy };
    if silent {
        may_be_framed(headers, &policy);
    } else if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

fn may_be_framed(headers: &mut HeaderMap, policy: &str) {
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}
