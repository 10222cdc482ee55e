//! Organisations with an owner: made by one call where only the result matters, and as a browser makes them.
use crate::http::{Connection, Reply};
use crate::platform::{CONTROL, Platform};
use serde_json::{Value, json};
use uuid::Uuid;

/// Good enough for the password rules, and nobody's.
pub const PASSWORD: &str = "kijani kibichi na mawingu";

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An organisation with its owner's token.
pub struct Organisation {
    pub authorization: String,
    /// The name of its database and of the role that serves requests there.
    pub database: String,
    pub role: String,
}

impl Organisation {
    /// Signs up by the JSON call, and takes a token by the operator's right.
    pub async fn make(platform: &Platform, name: &str) -> Organisation {
        Organisation::make_as(platform, name, None).await
    }

    /// With an id that is known beforehand.
    pub async fn make_as(platform: &Platform, name: &str, id: Option<Uuid>) -> Organisation {
        let mut connection = Connection::open(&platform.address).await;
        let email = format!("owner@{}.example", name.to_lowercase());
        let body = json!({
            "organisation_id": id, "organisation": name, "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi", "products": ["school"],
            "name": "Wanjiku Kamau", "email": email, "password": PASSWORD,
        });
        let done = connection.json("POST", "/identity/v1/sign-ups", "", &body).await.expect(201).json();
        let id = done["organisation_id"].as_str().expect("an id").to_owned();
        let asked = json!({"organisation": done["slug"], "account": email, "scope": ""});
        let peer = platform.peer();
        let token = connection.json("POST", "/identity/v1/operator-tokens", &peer, &asked).await.expect(200).json();
        let name = |column: &str| format!("select {column} from directory.database where tenant_id = '{id}'");
        Organisation {
            authorization: format!("Bearer {}", token["access_token"].as_str().expect("a token")),
            database: platform.postgres.ask(CONTROL, &name("name")).await,
            role: platform.postgres.ask(CONTROL, &name("login_role")).await,
        }
    }

    /// Waits until the school knows that it has begun, and who its members are.
    pub async fn settled(&self, platform: &Platform) {
        let both = "select exists (select from school.academic_year) and exists (select from school.member)";
        platform.postgres.wait_for(&self.database, both).await;
    }
}

/// A person at a browser, who has the sign-up form before them.
pub struct Newcomer {
    pub connection: Connection,
    form: Vec<(String, String)>,
}

impl Newcomer {
    pub async fn arrive(platform: &Platform, name: &str) -> Newcomer {
        let mut connection = Connection::open(&platform.address).await;
        let page = connection.visit("GET", "/sign-up", &[]).await.expect(200);
        let mut form = hidden(&page.text());
        let email = format!("owner@{}.example", name.to_lowercase());
        let typed = [
            ("organisation", name),
            ("country", "KE"),
            ("currency", "KES"),
            ("time_zone", "Africa/Nairobi"),
            ("products", "school"),
            ("name", "Wanjiku Kamau"),
            ("email", &email),
            ("password", PASSWORD),
        ];
        form.retain(|(known, _)| !typed.iter().any(|(name, _)| name == known));
        form.extend(typed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Newcomer { connection, form }
    }

    pub async fn sign_up(&mut self) -> Reply {
        self.connection.visit("POST", "/sign-up", &self.form).await.expect(303)
    }

    /// The code flow, as the browser application runs it after the sign-up.
    pub async fn token(&mut self, origin: &str) -> String {
        let tokens = self.tokens("hitaji-web", "", &format!("{origin}/callback"), "openid profile email hitaji").await;
        format!("Bearer {}", tokens["access_token"].as_str().expect("a token"))
    }

    /// The code flow of an application; without a secret of a public one.
    pub async fn tokens(&mut self, client: &str, secret: &str, callback: &str, scope: &str) -> Value {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("client_id", client), ("redirect_uri", callback)])
            .extend_pairs([("scope", scope), ("state", "s"), ("nonce", "n")])
            .extend_pairs([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")])
            .finish();
        let leads = self.connection.visit("GET", &format!("/oauth/authorize?{query}"), &[]).await.expect(303);
        let target = leads.headers("location").next().expect("a location").to_owned();
        let target = url::Url::parse(&target).expect("an address");
        let code = target.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned());
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("client_secret", secret),
            ("code", &code.expect("a code")),
            ("redirect_uri", callback),
            ("code_verifier", VERIFIER),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.connection.visit("POST", "/oauth/token", &form).await.expect(200).json()
    }

    /// One record of the new organisation's own.
    pub async fn write(&mut self, authorization: &str) {
        let subject = json!({"name": "Mathematics", "code": "MAT"});
        self.connection.json("POST", "/school/v1/subjects", authorization, &subject).await.expect(201);
    }
}

/// Somebody who does not know the password: a page, and one password hash.
pub async fn refused_sign_in(connection: &mut Connection, form: &[(String, String)], email: &str) {
    let mut form = form.to_vec();
    form.retain(|(name, _)| name != "email" && name != "password");
    form.extend([("email".to_owned(), email.to_owned()), ("password".to_owned(), PASSWORD.to_owned())]);
    connection.visit("POST", "/sign-in", &form).await.expect(422);
}

/// The fields of the page's first form with the values they have.
pub fn hidden(html: &str) -> Vec<(String, String)> {
    let form = html.split("<form").nth(1).and_then(|rest| rest.split("</form>").next()).expect("a form");
    let inputs = form.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
    inputs
        .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())))
        .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\"")).map(|at| at + name.len() + 3)?;
    let value = tag[start..].split('"').next()?;
    Some(value.replace("&#x2f;", "/").replace("&amp;", "&").replace("&quot;", "\"").replace("&#x27;", "'"))
}
