//! `hitaji`: the platform's one program.
use clap::Parser as _;
use hitaji::commands::Cli;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hitaji: {error}");
            ExitCode::FAILURE
        }
    }
}
