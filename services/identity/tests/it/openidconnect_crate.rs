//! The `openidconnect` crate, which is not ours and strict about types, as a client.
use crate::browser::{Browser, query};
use hitaji_core::Clock;
use hitaji_testkit::{PASSWORD, TestApp};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};

/// Sends what the crate wants sent, and follows no redirect.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let response = http.execute(request.try_into()?).await?;
    let mut answer = HttpResponse::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await?.to_vec();
    Ok(answer)
}

#[tokio::test]
async fn the_crate_signs_a_person_in() {
    // The crate reads the machine's clock.
    let app = TestApp::start_with(Clock::system(), |config| {
        let client = toml::toml! {
            id = "portal"
            secret = "portal-secret"
            redirect_uris = ["https://portal.example/cb"]
            refresh = true
        };
        config.set("identity", "clients", vec![toml::Value::from(client)]);
    })
    .await;
    let school = app.organisation("Uhuru Academy").await;
    let issuer = IssuerUrl::new(app.address.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.expect("discovery and keys are readable");
    let secret = ClientSecret::new("portal-secret".into());
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new("portal".into()), Some(secret))
        .set_redirect_uri(RedirectUrl::new("https://portal.example/cb".into()).unwrap());
    let (challenge, pkce) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email"].map(|scope| Scope::new(scope.into())))
        .set_pkce_challenge(challenge)
        .url();

    let mut browser = Browser::new(&app.address);
    browser.open(url.as_str()).await.follow().await;
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    let back = browser.leads();
    assert!(back.starts_with("https://portal.example/cb?"), "{back}");
    assert_eq!(query(&back, "state").as_ref(), Some(state.secret()));

    let code = AuthorizationCode::new(query(&back, "code").unwrap());
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(pkce).request_async(&send).await.unwrap();
    let (id_token, verifier) = (tokens.id_token().expect("an ID token"), client.id_token_verifier());
    let claims = id_token.claims(&verifier, &nonce).expect("the ID token is good");
    assert_eq!(claims.email().map(|email| email.as_str()), Some(school.owner_email.as_str()));
    assert!(id_token.claims(&verifier, &Nonce::new("another".into())).is_err());
    let (algorithm, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&verifier).unwrap());
    let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));

    let asked = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap();
    let person: CoreUserInfoClaims = asked.request_async(&send).await.expect("the person's claims are readable");
    assert_eq!(person.email().map(|email| email.as_str()), Some(school.owner_email.as_str()));
    let refresh = tokens.refresh_token().expect("a refresh token");
    let next = client.exchange_refresh_token(refresh).unwrap().request_async(&send).await.expect("a refresh");
    assert_ne!(next.access_token().secret(), tokens.access_token().secret());
    assert_ne!(next.refresh_token().unwrap().secret(), refresh.secret());
    assert!(client.exchange_refresh_token(refresh).unwrap().request_async(&send).await.is_ok(), "a lost answer");
}
