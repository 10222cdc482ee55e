//! What the fuzz targets in `fuzz/` call: each says by a panic that something must not be.
use crate::domain::client::Client;
use crate::domain::link::{self, LinkKind};
use crate::domain::request::{self, Parameters};
use crate::http::browser::{continue_to, cookie};
use axum::http::{HeaderMap, HeaderValue, header};
use hitaji_db::secrets::MasterKey;
use url::Url;

/// A client that could be registered redirects to exactly its address, or to another port of a loopback address.
pub fn redirect_uri(registered: &str, given: &str) {
    let client = Client { redirect_uris: vec![registered.to_owned()], ..Client::web("https://h.example") };
    if client.check().is_err() || !client.may_redirect_to(given) || registered == given {
        return;
    }
    let (registered, given) = (Url::parse(registered).expect("checked"), Url::parse(given).expect("compared"));
    assert_eq!(registered.host(), given.host());
    assert_eq!((registered.scheme(), given.scheme()), ("http", "http"));
    assert_eq!((registered.path(), registered.query()), (given.path(), given.query()));
    assert!(given.username().is_empty() && given.password().is_none() && given.fragment().is_none());
}

/// Whatever stands in a request, it is read or refused, and people are only sent on to pages of ours.
pub fn authorization_request(text: &str) {
    let parameters = Parameters::parse(text);
    let _ = request::read(&parameters);
    let again = Parameters::parse(&parameters.encode());
    assert_eq!(again.encode(), parameters.encode());
    let target = continue_to(Some(text));
    assert!(target.starts_with('/') && !target.starts_with("//") && !target.contains('\\'));
    let base = Url::parse("https://h.example/sign-in").expect("an address");
    assert_eq!(base.join(&target).expect("a path").host_str(), Some("h.example"));
}

/// Cookies are read, and no link or form token of somebody else's is ours.
pub fn cookies(text: &str) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(header::COOKIE, value);
    }
    let _ = cookie(&headers, "hitaji_session");
    let master = MasterKey::generate();
    assert!(link::open(&master, LinkKind::Invitation, text).is_none());
    assert!(!link::is_form_token(&master, "cookie", text));
}
