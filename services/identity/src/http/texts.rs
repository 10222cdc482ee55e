//! Texts to phones, by Africa's Talking, or as mails in development.
use crate::config::Settings;
use crate::domain::one_time_code::code;
use crate::http::provider::Provider;
use crate::pages;
use crate::store::one_time_code;
use hitaji_bus::{ConsumerError, Delivery};
use hitaji_contracts::identity::CodeSent;
use lettre::Address;
use lettre::message::Mailbox;
use serde::Deserialize;
use std::time::Duration;

/// The way to phones.
pub enum Texts {
    /// To `<number>@sms.localhost`, which the mail page of `hitaji up` shows.
    Mail,
    AfricasTalking(Gateway),
}

/// An account at a gateway. <https://developers.africastalking.com/docs/sms/sending/bulk>
pub struct Gateway {
    http: reqwest::Client,
    address: String,
    username: String,
    key: String,
    sender: String,
}

/// What the gateway says, as far as we look.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "SMSMessageData")]
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    #[serde(default)]
    message: String,
    recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    status_code: u16,
    status: String,
}

impl Texts {
    pub fn new(settings: &Settings) -> Result<Option<Texts>, String> {
        match settings.texts_url.as_str() {
            "" => return Ok(None),
            "mail:" => return Ok(Some(Texts::Mail)),
            _ => {}
        }
        let address = settings
            .texts_url
            .strip_prefix("africastalking:")
            .ok_or("identity.texts_url is africastalking:https://…, mail: or empty")?;
        let key = settings.texts_key()?;
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Some(Texts::AfricasTalking(Gateway {
            http,
            address: address.to_owned(),
            username: settings.texts_username.clone(),
            key,
            sender: settings.texts_sender.clone(),
        })))
    }
}

impl Gateway {
    async fn send(&self, to: &str, text: &str) -> Result<(), ConsumerError> {
        let failed = |why: String| ConsumerError::Other(format!("SMS gateway: {why}"));
        let mut form = vec![("username", self.username.as_str()), ("to", to), ("message", text)];
        if !self.sender.is_empty() {
            form.push(("from", &self.sender));
        }
        let request = self.http.post(&self.address).header("apiKey", &self.key).header("accept", "application/json");
        let response = request.form(&form).send().await.map_err(|error| failed(error.without_url().to_string()))?;
        if !response.status().is_success() {
            return Err(failed(response.status().to_string()));
        }
        let answer: Answer = response.json().await.map_err(|error| failed(error.without_url().to_string()))?;
        // 100 to 102: processed, sent, queued. 405: the account's balance is used up. Others are not better the next time.
        match answer.data.recipients.first() {
            Some(recipient) if (100..=102).contains(&recipient.status_code) => Ok(()),
            Some(recipient) if recipient.status_code == 405 => Err(failed(recipient.status.clone())),
            Some(recipient) => {
                tracing::warn!(status = recipient.status, "a text cannot be delivered and is given up");
                Ok(())
            }
            None => Err(failed(answer.data.message)),
        }
    }
}

/// Sends one text. Nothing where this platform does not send any.
pub async fn send(provider: &Provider, to: &str, text: &str) -> Result<(), ConsumerError> {
    match &provider.texts {
        None => Ok(()),
        Some(Texts::AfricasTalking(gateway)) => gateway.send(to, text).await,
        Some(Texts::Mail) => {
            let digits = to.trim_start_matches('+');
            let address =
                Address::new(digits, "sms.localhost").map_err(|error| ConsumerError::Other(error.to_string()))?;
            let html = format!("<p>{}</p>", text.replace('&', "&amp;").replace('<', "&lt;"));
            provider.mailer.send(Mailbox::new(None, address), "SMS", text.to_owned(), html).await
        }
    }
}

pub async fn send_code(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let provider = delivery.parts.get::<Provider>();
    let Some(event) = delivery.event.decode::<CodeSent>() else { return Ok(()) };
    let found = one_time_code::find(delivery.tx, event?.code_id).await?;
    let now = delivery.tx.scope().at;
    let Some(found) = found.filter(|found| found.used_at.is_none() && found.expires_at > now) else {
        return Ok(());
    };
    let digits = code(&provider.master, found.id);
    let text = pages::text(&found.locale, "text_code").replace("{code}", &digits);
    // Browsers on the phone offer to fill it in (WebOTP: the last line names the host).
    let host = provider.origin.split("://").nth(1).unwrap_or_default();
    send(&provider, &found.phone, &format!("{text}\n@{host} #{digits}")).await?;
    provider.databases.meter().message(None);
    Ok(())
}
