//! How a client proves itself at protocol endpoints (RFC 6749 section 2.3).
use crate::domain::client::{Client, ClientAuth};
use crate::domain::request::Parameters;
use crate::http::browser::Form;
use crate::http::protocol::assertion::{self, JWT_BEARER};
use crate::http::protocol::reply::OauthError;
use crate::http::protocol::token::one;
use crate::http::provider::Provider;
use crate::http::throttle::Try;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hitaji_web::{PlatformCtx, Problem};
use std::sync::Arc;

/// What [`authenticate`] takes, by its names in discovery.
pub const METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The way into every endpoint that clients call by themselves: this address asks not too often, the form is readable,
/// and the client is who it says.
pub async fn admitted_client(
    ctx: &PlatformCtx,
    form: Result<Form, impl Into<OauthError>>,
) -> Result<(Arc<Provider>, Parameters, Arc<Client>), OauthError> {
    let provider = ctx.parts().get::<Provider>();
    provider
        .throttle
        .address(Try::Token, ctx.request().client_ip)
        .map_err(|wait| OauthError::unavailable(StatusCode::TOO_MANY_REQUESTS, wait.0))?;
    let form = form.map_err(Into::into)?.0;
    let client = authenticate(ctx, &provider, &form).await?;
    Ok((provider, form, client))
}

/// The client, by exactly one method: Basic, a secret in the form, a signed assertion, or none for public clients.
async fn authenticate(ctx: &PlatformCtx, provider: &Provider, form: &Parameters) -> Result<Arc<Client>, OauthError> {
    let (in_form, secret) = (one(form, "client_id")?, one(form, "client_secret")?);
    let (assertion, kind) = (one(form, "client_assertion")?, one(form, "client_assertion_type")?);
    let basic = ctx.request().header(header::AUTHORIZATION).map(basic);
    let signed = assertion.is_some() || kind.is_some();
    if [basic.is_some(), secret.is_some(), signed].iter().filter(|used| **used).count() > 1 {
        return Err(OauthError::new("invalid_request", "authenticate in one way only"));
    }
    if signed {
        let (Some(assertion), Some(kind)) = (assertion, kind) else {
            let error = "client_assertion and client_assertion_type go together";
            return Err(OauthError::new("invalid_request", error));
        };
        if kind != JWT_BEARER {
            return Err(OauthError::invalid_client(true));
        }
        return assertion::authenticate(ctx, provider, in_form, assertion).await;
    }
    let (id, secret) = match (&basic, secret) {
        (Some(None), _) => return Err(OauthError::invalid_client(true)),
        (Some(Some((id, secret))), _) => {
            if in_form.is_some_and(|other| other != id) {
                return Err(OauthError::new("invalid_request", "two clients are named"));
            }
            (id.as_str(), Some(secret.as_str()))
        }
        (None, secret) => (in_form.ok_or(OauthError::invalid_client(true))?, secret),
    };
    let found = provider.client(id).await.map_err(Problem::from)?;
    let client = found.ok_or(OauthError::invalid_client(true))?;
    let proven = match (&client.auth, secret) {
        (ClientAuth::Secret(_), Some(secret)) => client.has_secret(secret),
        (ClientAuth::Public, None) => true,
        _ => false,
    };
    if proven { Ok(client) } else { Err(OauthError::invalid_client(true)) }
}

/// User and password of HTTP Basic, each form-encoded (RFC 6749 section 2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("x={text}")).ok()?;
        pairs.into_iter().next().map(|(_, value)| value)
    };
    Some((decoded(id)?, decoded(secret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded() {
        let header = format!("Basic {}", STANDARD.encode("a%3Ab:s%26+x"));
        assert_eq!(basic(&header), Some(("a:b".into(), "s& x".into())));
        for bad in ["Bearer x", "Basic ?", "Basic", &format!("Basic {}", STANDARD.encode("no colon"))] {
            assert_eq!(basic(bad), None, "{bad}");
        }
    }
}
