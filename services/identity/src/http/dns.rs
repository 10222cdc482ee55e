//! What stands in the DNS: the records by which an organisation proves that a domain is its own.
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::net::SocketAddr;
use std::time::Duration;

const PREFIX: &str = "hitaji-verification=";
/// More records of one name are not looked at.
const RECORDS_MAX: usize = 100;

/// Asks the machine's own name servers, or the configured one.
pub struct Dns {
    server: Option<SocketAddr>,
}

/// No server answered: nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl Dns {
    /// `server` is an address with a port; empty for the machine's own.
    pub fn new(server: &str) -> Result<Dns, String> {
        let wrong = |_| "identity.dns_server is not an address like 9.9.9.9:53".to_owned();
        let server =
            Some(server).filter(|text| !text.is_empty()).map(|text| text.parse().map_err(wrong)).transpose()?;
        Ok(Dns { server })
    }

    /// Whether the domain carries the record with this token. Nothing is cached: people change it and try again.
    pub async fn is_proven(&self, domain: &str, token: &str) -> Result<bool, NoAnswer> {
        let wanted = record(token);
        match self.resolver()?.txt_lookup(format!("{domain}.")).await {
            Ok(found) => Ok(found.answers().iter().take(RECORDS_MAX).any(|answer| match &answer.data {
                // A long text comes in several parts.
                RData::TXT(text) => text.txt_data.concat() == wanted.as_bytes(),
                _ => false,
            })),
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(false),
            Err(_) => Err(NoAnswer),
        }
    }

    fn resolver(&self) -> Result<TokioResolver, NoAnswer> {
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio().map_err(|_| NoAnswer)?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = Duration::from_secs(2);
        options.attempts = 1;
        options.cache_size = 0;
        builder.build().map_err(|_| NoAnswer)
    }
}

/// The text of the record.
pub fn record(token: &str) -> String {
    format!("{PREFIX}{token}")
}
