//! The authorization request: read strictly, so that nothing doubtful is ever redirected (OpenID Connect Core 3.1.2).
use crate::domain::assurance;
use crate::domain::client::{Client, GrantType};
use crate::domain::{pkce, scope};
use std::sync::Arc;

/// Our own parameter that marks a request whose person must have signed in after this second.
pub const SIGNED_IN_AFTER: &str = "signed_in_after";

/// A longer request would not fit into the address of the sign-in page, which leads back to it.
const REQUEST_BYTES_MAX: usize = 7000;

/// Form-encoded parameters as they came.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn parse(encoded: &str) -> Parameters {
        Parameters(serde_urlencoded::from_str(encoded).unwrap_or_default())
    }

    /// The value; an empty one counts as absent (RFC 6749 section 3.1). A repeated one is an error.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Repeated(name.to_owned()));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// The value, where it does not matter whether there is another.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a name stands there twice (RFC 6749 section 3.1). Several resources may be named (RFC 8707 section 2).
    pub fn has_repeated(&self) -> bool {
        let mut names: Vec<&str> =
            self.0.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "resource").collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The same parameters with one set anew, or removed.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Parameters {
        self.0.retain(|(key, _)| key != name);
        self.0.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    pub fn encode(&self) -> String {
        serde_urlencoded::to_string(&self.0).unwrap_or_default()
    }
}

/// A parameter stands there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated(pub String);

/// Where the answer goes; known before anything else is judged.
#[derive(Clone, Debug)]
pub struct Destination {
    pub client: Arc<Client>,
    pub redirect_uri: String,
    pub state: Option<String>,
    /// Answered by a form that posts itself (OAuth 2.0 Form Post Response Mode), not by redirect.
    pub form_post: bool,
}

/// An error that the client is told by redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of RFC 6749, OpenID Connect Core 3.1.2.6.
    pub error: &'static str,
    pub description: &'static str,
}

impl Refusal {
    pub fn new(error: &'static str, description: &'static str) -> Refusal {
        Refusal { error, description }
    }
}

/// How the client wants the person to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub select_account: bool,
    pub consent: bool,
}

impl Prompt {
    /// What is still to be asked after the person signed in or chose an organisation.
    pub fn left(self) -> Option<&'static str> {
        self.consent.then_some("consent")
    }
}

/// A request that is well-formed.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    pub scope: String,
    pub nonce: Option<String>,
    pub code_challenge: String,
    /// The key that the code is bound to (RFC 9449 section 10).
    pub dpop_jkt: Option<String>,
    pub prompt: Prompt,
    pub max_age_s: Option<i64>,
    /// Levels of `assurance` that the client asks for, any of them; empty where it asks for none that we know: the parameter
    /// is voluntary (OpenID Connect Core 3.1.2.1).
    pub acr: Vec<&'static str>,
    pub id_token_hint: Option<String>,
    /// Slug or id.
    pub organisation: Option<String>,
    /// Seconds since 1970; an earlier sign-in does not count.
    pub signed_in_after: Option<i64>,
}

/// Which client asks; none where that is not said, or twice.
pub fn client_id(parameters: &Parameters) -> Option<&str> {
    parameters.get("client_id").ok().flatten()
}

/// Who asked and where they may be answered. Where this fails, people see a page and nobody is redirected: the text
/// is the key of what the page says.
pub fn destination(parameters: &Parameters, client: Option<Arc<Client>>) -> Result<Destination, &'static str> {
    let client = client.filter(|client| client.may_use(GrantType::AuthorizationCode)).ok_or("bad_client")?;
    let redirect_uri = parameters.get("redirect_uri").map_err(|_| "bad_redirect")?.ok_or("bad_redirect")?;
    if !client.may_redirect_to(redirect_uri) {
        return Err("bad_redirect");
    }
    let state = parameters.first("state").map(str::to_owned);
    let form_post = parameters.first("response_mode") == Some("form_post") && takes_forms(redirect_uri);
    Ok(Destination { client, redirect_uri: redirect_uri.to_owned(), state, form_post })
}

/// Forms are posted to servers; an address of a private scheme opens an application.
fn takes_forms(redirect_uri: &str) -> bool {
    redirect_uri.starts_with("https:") || redirect_uri.starts_with("http:")
}

/// Reads the rest.
pub fn read(parameters: &Parameters) -> Result<AuthorizationRequest, Refusal> {
    let text =
        |name: &str| parameters.get(name).map_err(|_| Refusal::new("invalid_request", "a parameter is repeated"));
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if text(name)?.is_some() {
            return Err(Refusal::new(error, "send the parameters themselves, or push them first"));
        }
    }
    if parameters.has_repeated() {
        return Err(Refusal::new("invalid_request", "a parameter is repeated"));
    }
    if parameters.encode().len() > REQUEST_BYTES_MAX {
        return Err(Refusal::new("invalid_request", "the request is too long"));
    }
    match text("response_type")? {
        Some("code") => {}
        Some(_) => return Err(Refusal::new("unsupported_response_type", "response_type is code")),
        None => return Err(Refusal::new("invalid_request", "response_type is missing")),
    }
    match text("response_mode")? {
        None | Some("query") => {}
        Some("form_post") if text("redirect_uri")?.is_some_and(takes_forms) => {}
        _ => return Err(Refusal::new("invalid_request", "response_mode is query, or form_post to a web address")),
    }
    let code_challenge = challenge(text("code_challenge")?, text("code_challenge_method")?)?;
    let scope = text("scope")?.ok_or(Refusal::new("invalid_scope", "scope is missing"))?;
    let nonce = text("nonce")?;
    if nonce.is_some_and(|nonce| nonce.len() > 1000) || scope.len() > 4000 {
        return Err(Refusal::new("invalid_request", "a parameter is too long"));
    }
    let dpop_jkt = text("dpop_jkt")?;
    // A thumbprint is written like a challenge: SHA-256 in base64url.
    if dpop_jkt.is_some_and(|jkt| !pkce::is_challenge(jkt)) {
        return Err(Refusal::new("invalid_request", "dpop_jkt is not a thumbprint"));
    }
    let number = |name: &str| {
        let value = text(name)?.map(|value| value.parse::<i64>().ok().filter(|value| *value >= 0));
        value.map_or(Ok(None), |value| value.map(Some).ok_or(Refusal::new("invalid_request", "a number is not one")))
    };
    Ok(AuthorizationRequest {
        scope: scope.to_owned(),
        nonce: nonce.map(str::to_owned),
        code_challenge: code_challenge.to_owned(),
        dpop_jkt: dpop_jkt.map(str::to_owned),
        prompt: prompt(text("prompt")?)?,
        max_age_s: number("max_age")?,
        acr: text("acr_values")?.map_or_else(Vec::new, assurance::known),
        id_token_hint: text("id_token_hint")?.map(str::to_owned),
        organisation: text("organization")?.or(scope::organisation_hint(scope)).map(str::to_owned),
        signed_in_after: number(SIGNED_IN_AFTER)?,
    })
}

fn challenge<'a>(challenge: Option<&'a str>, method: Option<&str>) -> Result<&'a str, Refusal> {
    let challenge = challenge.ok_or(Refusal::new("invalid_request", "code_challenge is missing: PKCE is required"))?;
    // An absent method would mean `plain`.
    if method != Some("S256") {
        return Err(Refusal::new("invalid_request", "code_challenge_method is S256"));
    }
    if !pkce::is_challenge(challenge) {
        return Err(Refusal::new("invalid_request", "code_challenge is not an S256 challenge"));
    }
    Ok(challenge)
}

fn prompt(text: Option<&str>) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    for word in text.unwrap_or_default().split_ascii_whitespace() {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "select_account" => prompt.select_account = true,
            "consent" => prompt.consent = true,
            _ => return Err(Refusal::new("invalid_request", "prompt has an unknown value")),
        }
    }
    if prompt.none && text != Some("none") {
        return Err(Refusal::new("invalid_request", "prompt=none stands alone"));
    }
    Ok(prompt)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&client_id=hitaji-web&redirect_uri=https%3A%2F%2Fh.example%2Fcallback&scope=openid\
        &state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn refused(query: &str) -> &'static str {
        read(&Parameters::parse(query)).unwrap_err().error
    }

    #[test]
    fn a_good_request_is_read() {
        let request =
            read(&Parameters::parse(&format!("{GOOD}&prompt=login%20consent&max_age=0&organization=uhuru&unknown=1")))
                .unwrap();
        assert_eq!(request.prompt, Prompt { login: true, consent: true, ..Prompt::default() });
        assert_eq!((request.max_age_s, request.organisation.as_deref()), (Some(0), Some("uhuru")));
    }

    #[test]
    fn doubtful_requests_are_refused() {
        assert_eq!(refused(&GOOD.replace("type=code", "type=token")), "unsupported_response_type");
        assert_eq!(refused(&GOOD.replace("response_type=code", "x=y")), "invalid_request");
        assert_eq!(refused(&GOOD.replace("S256", "plain")), "invalid_request");
        assert_eq!(refused(&GOOD.replace("&code_challenge_method=S256", "")), "invalid_request");
        assert_eq!(refused(&GOOD.replace("code_challenge=", "challenge=")), "invalid_request");
        assert_eq!(refused(&GOOD.replace("&scope=openid", "")), "invalid_scope");
        assert_eq!(refused(&format!("{GOOD}&nonce=1&nonce=2")), "invalid_request");
        assert_eq!(refused(&format!("{GOOD}&display=page&display=popup")), "invalid_request");
        assert_eq!(refused(&format!("{GOOD}&login_hint={}", "x".repeat(REQUEST_BYTES_MAX))), "invalid_request");
        assert!(read(&Parameters::parse(&format!("{GOOD}&resource=a&resource=b"))).is_ok());
        let native = GOOD.replace("https%3A%2F%2Fh.example%2Fcallback", "org.example.app%3A%2Fcb");
        assert_eq!(refused(&format!("{native}&response_mode=form_post")), "invalid_request");
        assert!(read(&Parameters::parse(&format!("{GOOD}&response_mode=form_post"))).is_ok());
        assert_eq!(refused(&format!("{GOOD}&prompt=none%20login")), "invalid_request");
        assert_eq!(refused(&format!("{GOOD}&prompt=whatever")), "invalid_request");
        assert_eq!(refused(&format!("{GOOD}&max_age=-1")), "invalid_request");
        assert_eq!(refused(&format!("{GOOD}&response_mode=fragment")), "invalid_request");
        assert_eq!(refused(&format!("{GOOD}&request=eyJ")), "request_not_supported");
        assert_eq!(refused(&format!("{GOOD}&request_uri=https%3A%2F%2Fx")), "request_uri_not_supported");
    }

    #[test]
    fn without_a_known_destination_nobody_is_redirected() {
        let web = Arc::new(Client::web("https://h.example"));
        let find = |parameters: &Parameters| {
            let known = client_id(parameters).filter(|id| *id == web.id).map(|_| web.clone());
            destination(parameters, known)
        };
        assert!(find(&Parameters::parse(GOOD)).is_ok());
        for (bad, key) in [
            (GOOD.replace("hitaji-web", "other"), "bad_client"),
            (GOOD.replace("h.example", "evil.example"), "bad_redirect"),
            (format!("{GOOD}&redirect_uri=https%3A%2F%2Fevil.example%2F"), "bad_redirect"),
            (format!("{GOOD}&client_id=hitaji-web"), "bad_client"),
            (GOOD.replace("&redirect_uri=https%3A%2F%2Fh.example%2Fcallback", ""), "bad_redirect"),
        ] {
            assert_eq!(find(&Parameters::parse(&bad)).map(|found| found.redirect_uri), Err(key), "{bad}");
        }
    }

    #[test]
    fn parameters_are_replaced_and_written_back() {
        let changed = Parameters::parse("a=1&b=x%20y&a=2").with("a", Some("3&4")).with("b", None);
        assert_eq!(changed.encode(), "a=3%264");
        assert_eq!(Parameters::parse("a=&b=1").get("a"), Ok(None));
    }
}
