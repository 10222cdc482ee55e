//! `hitaji operator`: the people who run the platform.
use crate::commands::ask::{Place, told};
use crate::commands::inspect::print;
use crate::runtime::Failure;
use clap::Subcommand;
use hitaji_contracts::identity::{EndOperator, MakeOperator, OperatorMade, Operators};
use http::Method;

#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Make somebody an operator, or give them another role. Who has no account gets one, and a mail to set a password.
    Add {
        email: String,
        /// support: looks, and asks organisations for access. operator: also changes organisations. owner: also erases.
        #[arg(long, value_parser = ["support", "operator", "owner"])]
        role: String,
        /// The name of a new account.
        #[arg(long)]
        name: Option<String>,
    },
    /// List them.
    List,
    /// Somebody is an operator no more; their tokens end at once.
    Remove { email: String },
}

pub async fn run(place: &Place, command: OperatorCommand) -> Result<(), Failure> {
    let assembled = place.platform().await?;
    let peers = assembled.platform.peers();
    match command {
        OperatorCommand::Add { email, role, name } => {
            let asked = MakeOperator { email, role, name };
            let answer = peers.ask("operator", "identity", Method::POST, "/identity/v1/operators", &asked).await;
            let made: OperatorMade = answer.map_err(told)?;
            let mailed = if made.invited { "; a link to set a password was mailed" } else { "" };
            print(&format!("{}  {}  {}{mailed}\n", made.account_id, made.email, asked.role))
        }
        OperatorCommand::List => {
            let answer = peers.ask("operator", "identity", Method::GET, "/identity/v1/operators", &()).await;
            let found: Operators = answer.map_err(told)?;
            found.operators.iter().try_for_each(|one| {
                print(&format!("{}  {:<10} {:<34} {}\n", one.account_id, one.role, one.email, one.name))
            })
        }
        OperatorCommand::Remove { email } => {
            let asked = EndOperator { email };
            let answer = peers.ask("operator", "identity", Method::POST, "/identity/v1/operators/end", &asked).await;
            let ended: OperatorMade = answer.map_err(told)?;
            print(&format!("{}  {} is no operator any more\n", ended.account_id, ended.email))
        }
    }
}
