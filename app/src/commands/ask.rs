//! Commands that ask a platform something: they speak to the same databases, through the same code as requests.
use crate::runtime::{self, Failure};
use clap::{Args, Subcommand};
use hitaji_contracts::identity::{OperatorToken, OperatorTokenRequest, SignUp, SignedUp};
use hitaji_core::{Clock, Config, TenantId};
use hitaji_web::{Assembled, Problem};
use http::Method;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
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

    pub fn platform(&self) -> Result<Assembled, Failure> {
        runtime::build(&self.config()?, &[], Clock::system())
    }
}

#[derive(Args)]
pub struct TokenArguments {
    /// The organisation's short name.
    #[arg(long)]
    organisation: String,
    /// The member's e-mail address.
    #[arg(long)]
    account: String,
    /// Space-separated permissions; all of the member's where absent.
    #[arg(long, default_value = "")]
    scope: String,
}

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Make an organisation with its owner. The owner's password is read from standard input.
    Create {
        #[arg(long)]
        name: String,
        #[arg(long)]
        slug: Option<String>,
        #[arg(long, default_value = "KE")]
        country: String,
        #[arg(long, default_value = "KES")]
        currency: String,
        #[arg(long, default_value = "Africa/Nairobi")]
        time_zone: String,
        #[arg(long = "product")]
        products: Vec<String>,
        #[arg(long)]
        owner: String,
        #[arg(long)]
        email: String,
    },
    /// List organisations.
    List,
    /// Show one by its short name.
    Show { slug: String },
    /// Give one another plan; `hitaji plans` lists them.
    Plan {
        slug: String,
        #[arg(long)]
        plan: String,
    },
}

fn told(problem: Problem) -> Failure {
    let errors = problem.errors.iter().map(|error| format!("\n  {}: {}", error.pointer, error.message));
    format!("{}{}", problem.detail, errors.collect::<String>()).into()
}

pub async fn token(place: &Place, arguments: TokenArguments) -> Result<(), Failure> {
    let request = OperatorTokenRequest {
        organisation: arguments.organisation,
        account: arguments.account,
        scope: arguments.scope,
    };
    let assembled = place.platform()?;
    let peers = assembled.platform.peers();
    let asked = peers.ask("operator", "identity", Method::POST, "/identity/v1/operator-tokens", &request).await;
    let token: OperatorToken = asked.map_err(told)?;
    super::inspect::print(&format!("{}\n", token.access_token))
}

pub async fn tenant(place: &Place, command: TenantCommand) -> Result<(), Failure> {
    let assembled = place.platform()?;
    let databases = assembled.platform.databases();
    match command {
        TenantCommand::Create { name, slug, country, currency, time_zone, products, owner, email } => {
            let password = read_password()?;
            let (organisation, organisation_id, locale) = (name, None, None);
            let sign_up = SignUp {
                organisation_id,
                organisation,
                slug,
                country,
                currency,
                time_zone,
                products,
                name: owner,
                email,
                password,
                locale,
            };
            let peers = assembled.platform.peers();
            let asked = peers.ask("operator", "identity", Method::POST, "/identity/v1/sign-ups", &sign_up).await;
            let done: SignedUp = asked.map_err(told)?;
            super::inspect::print(&format!("{}  {}\n", done.organisation_id, done.slug))
        }
        TenantCommand::List => {
            let mut after: Option<TenantId> = None;
            loop {
                let page = databases.list(after, 200).await?;
                for tenant in &page {
                    let line =
                        format!("{}  {:<12} {:<24} {}\n", tenant.id, tenant.state.as_str(), tenant.slug, tenant.name);
                    super::inspect::print(&line)?;
                }
                match page.last() {
                    Some(last) => after = Some(last.id),
                    None => return Ok(()),
                }
            }
        }
        TenantCommand::Plan { slug, plan } => super::plan::change(databases, &slug, &plan).await,
        TenantCommand::Show { slug } => {
            let tenant =
                databases.find_by_slug(&slug).await?.ok_or_else(|| format!("there is no organisation {slug}"))?;
            super::inspect::print(&format!(
                "id         {}\nname       {}\nstate      {}\ncountry    {}\ncurrency   {}\ntime zone  {}\nproducts   {}\nplan       {}\nsince      {}\n",
                tenant.id,
                tenant.name,
                tenant.state.as_str(),
                tenant.country,
                tenant.currency,
                tenant.time_zone,
                tenant.products.join(", "),
                tenant.plan.key,
                tenant.created_at
            ))
        }
    }
}

pub async fn migrate(place: &Place) -> Result<(), Failure> {
    let (_, databases) = runtime::databases(&place.config()?, Clock::system())?;
    let control = databases.prepare().await?;
    super::inspect::print(&format!("control database: {} steps\n", control.len()))?;
    for (_, cluster, database) in databases.tenant_places().await? {
        let applied =
            databases.migrate_database(&cluster, &database).await.map_err(|error| format!("{database}: {error}"))?;
        super::inspect::print(&format!("{database}: {} steps\n", applied.len()))?;
    }
    Ok(())
}

fn read_password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        eprint!("Password for the owner (it is shown as you type): ");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
