//! A browser without script: cookies, one page at a time, redirects followed by hand.
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};

pub struct Browser {
    http: Client,
    origin: String,
    pub url: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Browser {
    pub fn new(origin: &str) -> Browser {
        let http = Client::builder().cookie_store(true).redirect(Policy::none()).build().unwrap();
        Browser {
            http,
            origin: origin.to_owned(),
            url: origin.to_owned(),
            status: 0,
            headers: HeaderMap::new(),
            html: String::new(),
        }
    }

    pub async fn open(&mut self, address: &str) -> &mut Browser {
        let url = Url::parse(&self.origin).unwrap().join(address).unwrap();
        self.url = url.to_string();
        let request = self.http.get(url);
        self.send(request).await
    }

    /// Fills in the page's first form and sends it.
    pub async fn submit(&mut self, typed: &[(&str, &str)]) -> &mut Browser {
        let form = self.html.split("<form").nth(1).expect("a form").split("</form>").next().unwrap().to_owned();
        let action = attribute(form.split('>').next().unwrap(), "action").unwrap_or_else(|| self.url.clone());
        let mut fields: Vec<(String, String)> = Vec::new();
        for input in form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            let name = attribute(input, "name").expect("a name");
            let unticked = attribute(input, "type").as_deref() == Some("checkbox") && !input.contains(" checked");
            if !unticked && !typed.iter().any(|(known, _)| *known == name) {
                fields.push((name, attribute(input, "value").unwrap_or_default()));
            }
        }
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(&action, &fields).await
    }

    /// Sends the page's form that goes to `action`, whose fields are all in `typed` but the token.
    pub async fn submit_to(&mut self, action: &str, typed: &[(&str, &str)]) -> &mut Browser {
        let token =
            attribute(self.html.split("name=\"form_token\"").nth(1).expect("a form"), "value").expect("a token");
        let mut fields = vec![("form_token".to_owned(), token)];
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(action, &fields).await
    }

    /// The page's text between two marks.
    pub fn between(&self, from: &str, to: &str) -> String {
        let rest = self.html.split(from).nth(1).unwrap_or_else(|| panic!("no {from} in {}", self.html));
        rest.split(to).next().unwrap().to_owned()
    }

    pub async fn post(&mut self, address: &str, fields: &[(String, String)]) -> &mut Browser {
        let url = Url::parse(&self.origin).unwrap().join(address).unwrap();
        self.url = url.to_string();
        let request = self.http.post(url).form(fields);
        self.send(request).await
    }

    /// Where the answer leads.
    pub fn location(&self) -> Option<&str> {
        self.headers.get("location").and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub fn leads(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.html);
        self.location().expect("a location").to_owned()
    }

    /// Opens where the answer leads.
    pub async fn follow(&mut self) -> &mut Browser {
        let to = self.leads();
        self.open(&to).await
    }

    /// Signs in by the form, from wherever the page is.
    pub async fn sign_in(&mut self, email: &str, password: &str) -> &mut Browser {
        if !self.html.contains("name=\"password\"") {
            self.open("/sign-in").await;
        }
        self.submit(&[("email", email), ("password", password)]).await
    }

    /// The page without what differs from request to request.
    pub fn bare(&self) -> String {
        let token = attribute(self.html.split("name=\"form_token\"").nth(1).unwrap_or_default(), "value");
        token.map_or_else(|| self.html.clone(), |token| self.html.replace(&token, ""))
    }

    async fn send(&mut self, request: RequestBuilder) -> &mut Browser {
        let response = request.send().await.expect("an answer");
        self.status = response.status().as_u16();
        self.headers = response.headers().clone();
        self.html = response.text().await.expect("a body");
        self
    }
}

pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[start..].split('"').next()?;
    Some(value.replace("&#x2f;", "/").replace("&amp;", "&").replace("&quot;", "\"").replace("&#x27;", "'"))
}

/// A query parameter of an address.
pub fn query(address: &str, name: &str) -> Option<String> {
    let url = Url::parse("http://x/").unwrap().join(address).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
