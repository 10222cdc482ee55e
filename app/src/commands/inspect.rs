//! Commands that only look: services, the OpenAPI document, and whether everything is in order.
use crate::commands::ask::Place;
use crate::runtime::{self, Failure};
use hitaji_core::Clock;
use hitaji_web::{Registry, document};
use std::fmt::Write as _;
use std::io::Write as _;

/// Writes to standard output; a closed pipe is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub fn services() -> Result<(), Failure> {
    let mut out = String::new();
    for service in crate::registry::services() {
        let kind = if service.product { "product" } else { "shared" };
        let needs = if service.needs.is_empty() { "-".to_owned() } else { service.needs.join(", ") };
        writeln!(out, "{:<10} {kind:<8} {:<48} needs {needs}", service.name, service.summary)?;
    }
    print(&out)
}

pub fn openapi(service: Option<&str>) -> Result<(), Failure> {
    let registry = Registry::new(crate::registry::services())?;
    let known = service.is_none_or(|name| registry.services().iter().any(|service| service.name == name));
    if !known {
        return Err("there is no such service; see `hitaji services`".into());
    }
    print(&format!("{:#}\n", document(&registry, service)))
}

/// Says of each thing the platform needs whether it is there; fails when one is not.
pub async fn doctor(place: &Place) -> Result<(), Failure> {
    let mut healthy = true;
    let mut say = |what: &str, outcome: Result<String, Failure>| {
        let line = match outcome {
            Ok(detail) => format!("ok    {what}: {detail}\n"),
            Err(error) => {
                healthy = false;
                format!("FAIL  {what}: {error}\n")
            }
        };
        print(&line)
    };
    let config = place.config();
    say(
        "configuration",
        config.as_ref().map(|_| "every key is known".to_owned()).map_err(|error| error.to_string().into()),
    )?;
    if let Ok(config) = &config {
        say("master key", runtime::master_key(config).map(|_| "readable".to_owned()))?;
        let databases = runtime::databases(config, Clock::system());
        match databases {
            Err(error) => say("database", Err(error))?,
            Ok((_, databases)) => {
                let reached = databases.list(None, 1).await;
                say("control database", reached.map(|_| "answers".to_owned()).map_err(Failure::from))?;
                let tenants = databases.tenant_places().await.map_err(Failure::from);
                say("organisations", tenants.map(|tenants| format!("{} with a database", tenants.len())))?;
            }
        }
    }
    if healthy { Ok(()) } else { Err("something is not in order; see above".into()) }
}
