//! As much of a browser as the demo needs: cookies, one form at a time, and the mail page.
use crate::runtime::Failure;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::Value;
use std::time::Duration;

pub struct Browser {
    http: Client,
    url: String,
    html: String,
}

impl Browser {
    pub fn new() -> Result<Browser, Failure> {
        let http = Client::builder().cookie_store(true).redirect(Policy::none()).build()?;
        Ok(Browser { http, url: String::new(), html: String::new() })
    }

    pub async fn open(&mut self, url: &str) -> Result<(), Failure> {
        let response = self.http.get(url).send().await?.error_for_status()?;
        self.url = response.url().to_string();
        self.html = response.text().await?;
        Ok(())
    }

    /// Sends the page's form: its hidden fields, and those given. An accepted form leads elsewhere; where, is not followed.
    pub async fn submit(&mut self, given: &[(&str, &str)]) -> Result<(), Failure> {
        let form = self
            .html
            .split("<form")
            .nth(1)
            .and_then(|rest| rest.split("</form>").next())
            .ok_or("the page has no form")?;
        let tag = form.split('>').next().unwrap_or_default();
        let action = attribute(tag, "action").filter(|action| !action.is_empty());
        let target = reqwest::Url::parse(&self.url)?.join(action.as_deref().unwrap_or(&self.url))?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for input in form.split("<input").skip(1).filter_map(|rest| rest.split('>').next()) {
            let Some(name) = attribute(input, "name") else { continue };
            let typed = given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let value = typed.unwrap_or_else(|| attribute(input, "value").unwrap_or_default());
            fields.push((name, value));
        }
        let response = self.http.post(target).form(&fields).send().await?;
        let status = response.status();
        self.url = response.url().to_string();
        self.html = response.text().await?;
        if status.is_redirection() { Ok(()) } else { Err(format!("{}: {status}", self.url).into()) }
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\"")).map(|at| at + name.len() + 3)?;
    let value = tag[start..].split('"').next()?;
    Some(value.replace("&#x2f;", "/").replace("&amp;", "&").replace("&quot;", "\"").replace("&#x27;", "'"))
}

/// The link in the newest mail to `email`; waits for it.
pub async fn mailed_link(http: &Client, mail: &str, email: &str) -> Result<String, Failure> {
    for _ in 0..200 {
        let mails: Value = http.get(format!("{mail}/messages")).send().await?.json().await?;
        let found = mails.as_array().into_iter().flatten().find(|message| message["to"] == email);
        if let Some(link) = found.and_then(|message| message["links"][0].as_str()) {
            return Ok(link.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("no mail came for {email}").into())
}
