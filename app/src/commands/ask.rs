//! Commands that ask a platform something: they speak to the same databases, through the same code as requests.
use crate::master;
use crate::runtime::{self, Failure};
use clap::Args;
use hitaji_contracts::identity::{OperatorToken, OperatorTokenRequest};
use hitaji_core::{Clock, Config};
use hitaji_web::{Assembled, Problem};
use http::Method;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the platform is: a configuration file, or the data folder of `hitaji up`.
pub struct Place {
    pub config: Option<PathBuf>,
    pub data_dir: PathBuf,
}

/// How to reach what `hitaji up` runs; in its data folder while it runs, readable by its owner only.
#[derive(Serialize, Deserialize)]
pub struct State {
    pub admin_url: String,
    pub origin: String,
    pub mail_address: String,
}

impl State {
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("state.json")
    }

    pub fn write(&self, data_dir: &Path) -> Result<(), Failure> {
        let path = State::path(data_dir);
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(file.write_all(&serde_json::to_vec(self)?)?)
    }

    /// Sets what `hitaji up` decides by itself.
    pub fn apply(&self, config: &mut Config, data_dir: &Path) {
        config.set("database", "admin_url", self.admin_url.clone());
        config.set("server", "origin", self.origin.clone());
        config.set("keys", "master_file", data_dir.join("master.key").display().to_string());
        config.set("files", "store", data_dir.join("files").display().to_string());
    }
}

impl Place {
    /// The configuration: that of a running `hitaji up` where there is one.
    pub fn config(&self) -> Result<Config, Failure> {
        let mut config = runtime::load_config(self.config.as_deref())?;
        if let Ok(text) = fs::read_to_string(State::path(&self.data_dir)) {
            serde_json::from_str::<State>(&text)?.apply(&mut config, &self.data_dir);
        }
        Ok(config)
    }

    /// The state of a running `hitaji up`.
    pub fn running(&self) -> Result<State, Failure> {
        let path = State::path(&self.data_dir);
        let text = fs::read_to_string(&path).map_err(|_| "`hitaji up` does not run here; start it first")?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The configuration with its wrapped keys opened.
    pub async fn opened_config(&self) -> Result<Config, Failure> {
        let mut config = self.config()?;
        master::resolve(&mut config).await?;
        Ok(config)
    }

    pub async fn platform(&self) -> Result<Assembled, Failure> {
        runtime::build(&self.opened_config().await?, &[], Clock::system())
    }
}

#[derive(Args)]
pub struct TokenArguments {
    /// The organisation's short name; without one the token is an operator's, for the platform.
    #[arg(long, default_value = "")]
    organisation: String,
    /// The member's or operator's e-mail address.
    #[arg(long)]
    account: String,
    /// Space-separated permissions; all of the person's where absent.
    #[arg(long, default_value = "")]
    scope: String,
}

pub fn told(problem: Problem) -> Failure {
    let errors = problem.errors.iter().map(|error| format!("\n  {}: {}", error.pointer, error.message));
    format!("{}{}", problem.detail, errors.collect::<String>()).into()
}

pub async fn token(place: &Place, arguments: TokenArguments) -> Result<(), Failure> {
    let request = OperatorTokenRequest {
        organisation: arguments.organisation,
        account: arguments.account,
        scope: arguments.scope,
    };
    let assembled = place.platform().await?;
    let peers = assembled.platform.peers();
    let asked = peers.ask("operator", "identity", Method::POST, "/identity/v1/operator-tokens", &request).await;
    let token: OperatorToken = asked.map_err(told)?;
    super::inspect::print(&format!("{}\n", token.access_token))
}
