//! What another OpenID provider may say of somebody, and when it is believed (OpenID Connect Core 3.1.3.7, RFC 9207).
use crate::domain::account::{normalise_email, normalise_name};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::IpAddr;
use url::{Host, Url};

/// A token may be so much older or younger than our clock says. Seconds.
const LEEWAY_S: i64 = 60;
/// Stands in Microsoft's issuer for the tenant of the person, where a provider is open to several.
const TENANT_PLACE: &str = "{tenantid}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Google,
    Microsoft,
    Oidc,
}

impl Kind {
    pub fn parse(text: &str) -> Option<Kind> {
        match text {
            "google" => Some(Kind::Google),
            "microsoft" => Some(Kind::Microsoft),
            "oidc" => Some(Kind::Oidc),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Google => "google",
            Kind::Microsoft => "microsoft",
            Kind::Oidc => "oidc",
        }
    }

    /// The issuer that is asked: what was given, else what the kind implies. `tenant` is Microsoft's.
    pub fn issuer(self, given: Option<&str>, tenant: Option<&str>) -> Option<String> {
        match (self, given, tenant) {
            (Kind::Google, None, None) => Some("https://accounts.google.com".into()),
            (Kind::Microsoft, None, Some(tenant)) if is_tenant(tenant) => {
                Some(format!("https://login.microsoftonline.com/{tenant}/v2.0"))
            }
            (Kind::Oidc, Some(issuer), None) => Some(issuer.to_owned()),
            _ => None,
        }
    }
}

fn is_tenant(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// Signatures that we take: asymmetric ones only, so that the client secret signs nothing.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    let known = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    known.into_iter().find(|algorithm| format!("{algorithm:?}") == name)
}

/// Whether a request of ours may go there by its text alone: https, to something that is no private address. In a
/// development platform also plain http, to this machine.
pub fn may_ask(url: &Url, development: bool) -> bool {
    let (here, address) = match url.host() {
        Some(Host::Domain(name)) => (name == "localhost", None),
        Some(Host::Ipv4(address)) => (address.is_loopback(), Some(IpAddr::V4(address))),
        Some(Host::Ipv6(address)) => (address.is_loopback(), Some(IpAddr::V6(address))),
        None => return false,
    };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && development && here);
    bare && scheme && address.is_none_or(|address| may_connect(address, development))
}

/// Whether we connect to this address: to a public one, in a development platform also to this machine. By the special
/// purpose registries of IANA (RFC 6890).
pub fn may_connect(address: IpAddr, development: bool) -> bool {
    let address = address.to_canonical();
    if address.is_loopback() {
        return development;
    }
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_link_local()
                || v4.is_documentation()
                || a == 0
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            // Global unicast only (2000::/3), without documentation, Teredo and 6to4, which hide other addresses.
            segments[0] & 0xe000 == 0x2000
                && !(segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8))
                && segments[0] != 0x2002
        }
    }
}

/// What a provider's ID token says. A number that is none, such as `exp` as text, is no token.
#[derive(Clone, Debug, Deserialize)]
pub struct IdToken {
    pub iss: String,
    pub sub: String,
    pub aud: Audience,
    #[serde(default)]
    pub azp: Option<String>,
    pub exp: i64,
    pub iat: i64,
    #[serde(default)]
    pub nbf: Option<i64>,
    #[serde(default)]
    pub nonce: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    /// True, or "true" at some.
    #[serde(default)]
    pub email_verified: Option<Value>,
    /// Microsoft's word for it: the address is of a domain that its tenant proved.
    #[serde(default)]
    pub xms_edov: Option<Value>,
    /// Microsoft's tenant.
    #[serde(default)]
    pub tid: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub amr: Option<Vec<String>>,
    #[serde(default)]
    pub acr: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn all(&self) -> &[String] {
        match self {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Several(several) => several,
        }
    }
}

/// What a token must say to be an answer to us.
pub struct Expected<'a> {
    /// As discovery wrote it; Microsoft's may have a place for the tenant.
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

/// Judges the claims of a token whose signature is good. The text names the claim that is wrong.
pub fn judge(token: &IdToken, expected: &Expected<'_>) -> Result<(), &'static str> {
    if !issuer_fits(expected.issuer, &token.iss, token.tid.as_deref()) {
        return Err("iss");
    }
    let audiences = token.aud.all();
    if !audiences.iter().any(|audience| audience == expected.client_id) {
        return Err("aud");
    }
    match &token.azp {
        Some(party) if party != expected.client_id => return Err("azp"),
        None if audiences.len() > 1 => return Err("azp"),
        _ => {}
    }
    if token.exp <= expected.now - LEEWAY_S {
        return Err("exp");
    }
    if token.iat > expected.now + LEEWAY_S || token.nbf.is_some_and(|from| from > expected.now + LEEWAY_S) {
        return Err("iat");
    }
    if token.nonce.as_deref() != Some(expected.nonce) {
        return Err("nonce");
    }
    if (1..=255).contains(&token.sub.len()) { Ok(()) } else { Err("sub") }
}

/// Exactly equal, or with the tenant in its place that the token itself names.
pub fn issuer_fits(discovered: &str, said: &str, tenant: Option<&str>) -> bool {
    if discovered == said {
        return !said.contains(TENANT_PLACE);
    }
    let tenant = tenant.filter(|tenant| is_tenant(tenant));
    tenant.is_some_and(|tenant| discovered.contains(TENANT_PLACE) && discovered.replace(TENANT_PLACE, tenant) == said)
}

/// Whether a discovery document that calls itself `said` is the one of `configured`: equal, or Microsoft's template where
/// the provider is open to several tenants.
pub fn discovered_fits(kind: Kind, configured: &str, said: &str) -> bool {
    let open = ["common", "organizations"].map(|tenant| format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    configured == said || (kind == Kind::Microsoft && open.iter().any(|open| open == configured) && said == template)
}

/// What we keep of somebody whom a provider vouches for, between their return and the session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Arrived {
    pub issuer: String,
    pub subject: String,
    /// Normalised, and only where it is believed to be theirs.
    pub email: Option<String>,
    /// Normalised, believed or not.
    pub claimed_email: Option<String>,
    pub name: Option<String>,
    pub mfa: bool,
}

/// How far a provider is believed.
pub struct Belief<'a> {
    pub kind: Kind,
    pub trust_mfa: bool,
    /// An organisation's own provider is believed for the domains that the organisation proved, and for no others:
    /// whoever runs a provider can let it say anything. None for the platform's providers.
    pub domains: Option<&'a [String]>,
}

impl Arrived {
    pub fn of(token: &IdToken, belief: &Belief<'_>) -> Arrived {
        let claimed_email = token.email.as_deref().and_then(normalise_email);
        let domain = claimed_email.as_deref().and_then(domain_of);
        let own = match belief.domains {
            Some(domains) => domain.is_some_and(|domain| domains.iter().any(|own| own == domain)),
            None => true,
        };
        let said = match belief.kind {
            // Its `email` can be set to anything by a tenant's administrator; only `xms_edov` says that it was proven.
            Kind::Microsoft => yes(token.xms_edov.as_ref()) || belief.domains.is_some(),
            Kind::Google | Kind::Oidc => yes(token.email_verified.as_ref()),
        };
        let methods = token.amr.as_deref().unwrap_or_default();
        let levels = ["phr", "phrh", crate::domain::assurance::TWO];
        let mfa = methods.iter().any(|method| method == "mfa")
            || token.acr.as_deref().is_some_and(|acr| levels.contains(&acr));
        Arrived {
            issuer: token.iss.clone(),
            subject: token.sub.clone(),
            email: claimed_email.clone().filter(|_| own && said),
            claimed_email,
            name: token.name.as_deref().and_then(normalise_name),
            mfa: belief.trust_mfa && mfa,
        }
    }

    pub fn amr(&self) -> &'static [&'static str] {
        if self.mfa { &["fed", "mfa"] } else { &["fed"] }
    }
}

fn yes(value: Option<&Value>) -> bool {
    value
        .is_some_and(|value| *value == Value::Bool(true) || value.as_str() == Some("true") || value.as_i64() == Some(1))
}

/// The domain of a normalised address.
pub fn domain_of(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, domain)| domain)
}

/// A domain as we store and compare it. None for what can be no domain of an organisation: one label, an address.
pub fn normalise_domain(text: &str) -> Option<String> {
    let domain = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    let good = domain.len() <= 253
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && !top.bytes().all(|byte| byte.is_ascii_digit());
    good.then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(change: Value) -> IdToken {
        let mut claims = json!({"iss": "https://op.example", "sub": "s", "aud": "us", "exp": 1000, "iat": 900,
            "nonce": "n", "email": "Amina@Uhuru.example", "email_verified": true});
        for (key, value) in change.as_object().unwrap() {
            claims[key] = value.clone();
        }
        serde_json::from_value(claims).unwrap()
    }

    fn judged(change: Value) -> Result<(), &'static str> {
        let expected = Expected { issuer: "https://op.example", client_id: "us", nonce: "n", now: 950 };
        judge(&token(change), &expected)
    }

    #[test]
    fn a_token_is_for_us_now_and_for_this_attempt() {
        assert_eq!(judged(json!({})), Ok(()));
        assert_eq!(judged(json!({"aud": ["us", "other"], "azp": "us"})), Ok(()));
        for (change, wrong) in [
            (json!({"iss": "https://op.example/"}), "iss"),
            (json!({"aud": "other"}), "aud"),
            (json!({"aud": ["us", "other"]}), "azp"),
            (json!({"azp": "other"}), "azp"),
            (json!({"exp": 890}), "exp"),
            (json!({"iat": 1011}), "iat"),
            (json!({"nbf": 1011}), "iat"),
            (json!({"nonce": "m"}), "nonce"),
            (json!({"nonce": null}), "nonce"),
            (json!({"sub": ""}), "sub"),
        ] {
            assert_eq!(judged(change), Err(wrong));
        }
        let text = json!({"iss": "i", "sub": "s", "aud": "us", "exp": "9", "iat": 1});
        assert!(serde_json::from_value::<IdToken>(text).is_err());
    }

    #[test]
    fn microsofts_issuer_names_the_tenant_of_the_token() {
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let said = "https://login.microsoftonline.com/9188/v2.0";
        assert!(issuer_fits(template, said, Some("9188")));
        assert!(!issuer_fits(template, said, Some("9189")) && !issuer_fits(template, said, None));
        assert!(!issuer_fits(template, template, None));
        assert!(!issuer_fits(template, "https://evil.example/x/v2.0", Some("x/../evil")));
        assert!(discovered_fits(Kind::Microsoft, "https://login.microsoftonline.com/common/v2.0", template));
        assert!(!discovered_fits(Kind::Oidc, "https://login.microsoftonline.com/common/v2.0", template));
        assert!(!discovered_fits(Kind::Microsoft, said, template));
    }

    #[test]
    fn an_address_is_believed_as_far_as_the_provider_is() {
        let email = |kind, domains: Option<&[String]>, change| {
            Arrived::of(&token(change), &Belief { kind, trust_mfa: false, domains }).email.is_some()
        };
        let own = ["uhuru.example".to_owned()];
        assert!(email(Kind::Oidc, None, json!({})));
        assert!(email(Kind::Oidc, None, json!({"email_verified": "true"})));
        assert!(!email(Kind::Oidc, None, json!({"email_verified": false})));
        assert!(!email(Kind::Oidc, None, json!({"email_verified": null})));
        assert!(!email(Kind::Oidc, Some(&[]), json!({})), "an organisation without a domain vouches for nobody");
        assert!(email(Kind::Oidc, Some(&own), json!({})));
        assert!(!email(Kind::Oidc, Some(&own), json!({"email": "a@gmail.example"})));
        assert!(!email(Kind::Oidc, Some(&own), json!({"email": "a@uhuru.example.evil.example"})));
        assert!(!email(Kind::Microsoft, None, json!({})), "any tenant's administrator can write any address");
        assert!(email(Kind::Microsoft, None, json!({"xms_edov": true})));
        assert!(email(Kind::Microsoft, Some(&own), json!({"email_verified": null})));
        assert!(!email(Kind::Microsoft, Some(&own), json!({"email": "a@gmail.example"})));
    }

    #[test]
    fn two_factors_are_believed_where_that_was_configured() {
        let arrived = |trust_mfa, change| {
            Arrived::of(&token(change), &Belief { kind: Kind::Oidc, trust_mfa, domains: None }).amr().to_vec()
        };
        assert_eq!(arrived(true, json!({"amr": ["pwd", "mfa"]})), ["fed", "mfa"]);
        assert_eq!(arrived(false, json!({"amr": ["pwd", "mfa"]})), ["fed"]);
        assert_eq!(arrived(true, json!({"amr": ["pwd"]})), ["fed"]);
    }

    #[test]
    fn requests_go_to_public_places_over_tls() {
        let may = |text: &str, development| may_ask(&Url::parse(text).unwrap(), development);
        assert!(may("https://accounts.google.com/x", false));
        assert!(may("http://localhost:4000/x", true) && may("http://127.0.0.1:4000/x", true));
        for bad in [
            "http://accounts.google.com/",
            "http://localhost/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://2130706433/",
            "https://user@op.example/",
            "file:///etc/passwd",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
        ] {
            assert!(!may(bad, false), "{bad}");
        }
        assert!(!may("http://10.0.0.1/", true) && !may("http://op.example/", true) && !may("https://10.0.0.1/", true));
    }

    #[test]
    fn only_asymmetric_signatures_count() {
        assert!(algorithm("RS256").is_some() && algorithm("ES256").is_some() && algorithm("EdDSA").is_some());
        assert!(algorithm("none").is_none() && algorithm("HS256").is_none() && algorithm("rs256").is_none());
    }

    #[test]
    fn a_domain_has_one_form() {
        assert_eq!(normalise_domain(" Uhuru.AC.KE. ").as_deref(), Some("uhuru.ac.ke"));
        for bad in ["localhost", "", "a..b", "-a.b", "10.0.0.1", "a b.c", "a_b.c"] {
            assert_eq!(normalise_domain(bad), None, "{bad}");
        }
    }
}
