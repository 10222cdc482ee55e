//! Requests to addresses that somebody else wrote down: https to public places only, bounded in time and size, and never
//! redirected, so that nobody reaches our own network through us.
use crate::domain::federation::{may_ask, may_connect};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use url::{Host, Url};

const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Asks other servers.
pub struct Outgoing {
    client: Client,
    /// Our own address is of this machine, so others may be too.
    development: bool,
}

/// Why there is no answer. Nothing of what the other side said is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The address is none that we ask.
    Forbidden,
    /// No connection, no TLS, or no answer in time.
    Unreachable,
    TooLarge,
    /// Not the JSON that belongs there.
    Malformed,
    Status(u16),
}

impl Failed {
    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Failed::Forbidden => "forbidden_address",
            Failed::Unreachable => "unreachable",
            Failed::TooLarge => "too_large",
            Failed::Malformed => "malformed",
            Failed::Status(_) => "refused",
        }
    }
}

/// Leaves out addresses that we do not connect to. What is connected to is what was judged here: nothing is resolved twice.
struct PublicOnly {
    development: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let development = self.development;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let judged: Vec<SocketAddr> = found.filter(|found| may_connect(found.ip(), development)).collect();
            if judged.is_empty() {
                return Err("the name has no public address".into());
            }
            let addresses: Addrs = Box::new(judged.into_iter());
            Ok(addresses)
        })
    }
}

impl Outgoing {
    /// `origin` is our own public address.
    pub fn new(origin: &str) -> Result<Outgoing, String> {
        let development = is_loopback(origin);
        let client = Client::builder()
            .dns_resolver(PublicOnly { development })
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .user_agent("hitaji-identity")
            .build()
            .map_err(|error| format!("the HTTP client: {error}"))?;
        Ok(Outgoing { client, development })
    }

    /// Whether an address could be asked at all.
    pub fn may_ask(&self, address: &str) -> bool {
        Url::parse(address).is_ok_and(|url| may_ask(&url, self.development))
    }

    pub async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, Failed> {
        self.ask(self.client.get(self.judged(address)?)).await
    }

    /// Sends a form, with HTTP Basic where a user and password are given, already encoded.
    pub async fn form<T: DeserializeOwned>(
        &self,
        address: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<T, Failed> {
        let mut request = self.client.post(self.judged(address)?).form(form);
        if let Some((user, password)) = basic {
            request = request.basic_auth(user, Some(password));
        }
        self.ask(request).await
    }

    fn judged(&self, address: &str) -> Result<Url, Failed> {
        let url = Url::parse(address).map_err(|_| Failed::Forbidden)?;
        if may_ask(&url, self.development) { Ok(url) } else { Err(Failed::Forbidden) }
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failed> {
        let request = request.header("accept", "application/json");
        let response = request.send().await.map_err(|_| Failed::Unreachable)?;
        if response.status() != 200 {
            return Err(Failed::Status(response.status().as_u16()));
        }
        let body = read(response).await?;
        serde_json::from_slice(&body).map_err(|_| Failed::Malformed)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Failed::Unreachable)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failed::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_loopback(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_platform_of_this_machine_asks_this_machine() {
        assert!(
            is_loopback("http://localhost:8080") && is_loopback("http://127.0.0.1:1") && is_loopback("http://[::1]")
        );
        assert!(!is_loopback("https://hitaji.example") && !is_loopback("https://localhost.evil.example"));
    }

    #[tokio::test]
    async fn a_name_that_leads_here_is_refused_at_its_resolution() {
        let outgoing = Outgoing::new("https://hitaji.example").unwrap();
        assert_eq!(outgoing.get::<serde_json::Value>("https://localhost:1/").await, Err(Failed::Unreachable));
        assert_eq!(outgoing.get::<serde_json::Value>("http://localhost:1/").await, Err(Failed::Forbidden));
        let refused = PublicOnly { development: false }.resolve("localhost".parse().unwrap()).await;
        assert!(refused.is_err());
    }
}
