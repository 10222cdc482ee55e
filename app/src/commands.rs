//! The command line.
pub mod ask;
pub mod check;
pub mod demo;
pub mod fleet;
pub mod inspect;
pub mod migrate;
pub mod operator;
pub mod plan;
pub mod serve;
pub mod tenant;
pub mod up;

use crate::runtime::Failure;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Hitaji: a platform that organisations run their work on.
#[derive(Parser)]
#[command(name = "hitaji", version, about)]
pub struct Cli {
    /// A configuration file; see `hitaji config` for every setting.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Where `hitaji up` keeps everything.
    #[arg(long, global = true, default_value = ".hitaji")]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine, with a PostgreSQL of its own.
    Up(up::UpArguments),
    /// Serve with a configured PostgreSQL.
    Serve(serve::ServeArguments),
    /// List the services of this program.
    Services,
    /// Print every setting with its default.
    Config,
    /// Make, list, show, check, suspend, back up, restore, move, take along or erase organisations.
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// The people who run this platform: add, list, remove.
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// PostgreSQL clusters that organisations are on.
    #[command(subcommand)]
    Cluster(fleet::ClusterCommand),
    /// The master key and the passwords of databases.
    #[command(subcommand)]
    Keys(fleet::KeysCommand),
    /// Long work that runs or ended lately.
    Operations(fleet::OperationsArguments),
    /// List the plans with their limits.
    Plans,
    /// Bring every database to this program's schema, in waves.
    Migrate(migrate::MigrateArguments),
    /// Check that this machine and configuration can run the platform.
    Doctor,
    /// Print the OpenAPI document, of all services or of one.
    Openapi {
        #[arg(long)]
        service: Option<String>,
    },
    /// Fill a running platform with a believable school and a second organisation.
    Demo,
    /// Print a short-lived access token (operator's right, audited).
    Token(ask::TokenArguments),
}

impl Cli {
    pub async fn run(self) -> Result<(), Failure> {
        let place = ask::Place { config: self.config, data_dir: self.data_dir };
        match self.command {
            Command::Up(arguments) => up::run(&place, arguments).await,
            Command::Serve(arguments) => serve::run(&place, arguments).await,
            Command::Services => inspect::services(),
            Command::Config => inspect::print(crate::runtime::DEFAULT_CONFIG),
            Command::Tenant(command) => tenant::run(&place, command).await,
            Command::Operator(command) => operator::run(&place, command).await,
            Command::Cluster(command) => fleet::clusters(&place, command).await,
            Command::Keys(command) => fleet::keys(&place, command).await,
            Command::Operations(arguments) => fleet::operations(&place, arguments).await,
            Command::Plans => plan::list(&place).await,
            Command::Migrate(arguments) => migrate::run(&place, arguments).await,
            Command::Doctor => inspect::doctor(&place).await,
            Command::Openapi { service } => inspect::openapi(service.as_deref()),
            Command::Demo => demo::run(&place).await,
            Command::Token(arguments) => ask::token(&place, arguments).await,
        }
    }
}
