//! The command line.
pub mod ask;
pub mod demo;
pub mod inspect;
pub mod plan;
pub mod serve;
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
    /// Make, list or show organisations, or give one another plan.
    #[command(subcommand)]
    Tenant(ask::TenantCommand),
    /// List the plans with their limits.
    Plans,
    /// Bring every database to this program's schema.
    Migrate,
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
            Command::Tenant(command) => ask::tenant(&place, command).await,
            Command::Plans => plan::list(&place).await,
            Command::Migrate => ask::migrate(&place).await,
            Command::Doctor => inspect::doctor(&place).await,
            Command::Openapi { service } => inspect::openapi(service.as_deref()),
            Command::Demo => demo::run(&place).await,
            Command::Token(arguments) => ask::token(&place, arguments).await,
        }
    }
}
