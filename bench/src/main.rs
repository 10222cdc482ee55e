//! The benchmarks of the targets, each against the release binary on a PostgreSQL of its own.
mod capture;
mod control;
mod h1;
mod h15;
mod h16;
mod h19;
mod h4;
mod h5;
mod h6;
mod h7;
mod h8;
mod http;
mod load;
mod machine;
mod people;
mod pgbench;
mod platform;
mod postgres;
mod report;
mod school;
mod socket;

use report::say;

const USAGE: &str =
    "usage: ./dev bench [--quick] [--tenants N] [h1] [h4] [h5] [h6] [h7] [h8] [control] [h15] [h16] [h19]

h1   an organisation is ready: sign-up, sign-in by the code flow, first write; from the warm pool and without it
h4   many organisations on 64 connections; one of them asks for fifty times its share
h5   the first request to a cold tenant, against a warm one
h6   a list of 20 rows: throughput, our CPU, and the database's ceiling by pgbench with the same SQL
h7   a class register of 40 pupils, likewise
h8   a migration of 1,000 tenants (of N with --tenants), against a plain loop over the same databases
control  H2 H3 H10 H11 H17 over 1,000 databases (N with --tenants): provision, work, restore, new passwords, erase
h15  from commit to handler: a consumer, and a Socket.IO client; nothing lost, nothing doubled
h16  memory with 1,000 tenants known, time until ready, size of the binary
h19  refresh, client credentials, introspection, beside npm oidc-provider; with 10 and with 1,000 organisations

--quick makes short runs that show whether everything works; their figures mean nothing.";

/// How long the runs are.
#[derive(Clone, Copy)]
pub struct Size {
    pub quick: bool,
    /// How many tenants, where a benchmark is about many of them.
    pub tenants: Option<usize>,
}

impl Size {
    /// `full`, or a small number of the same for a try.
    pub fn of(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let mut wished: Vec<String> = std::env::args().skip(1).collect();
    let mut size = Size { quick: wished.iter().any(|word| word == "--quick"), tenants: None };
    wished.retain(|word| word != "--quick");
    if let Some(place) = wished.iter().position(|word| word == "--tenants")
        && let Some(Ok(tenants)) = wished.get(place + 1).map(|word| word.parse())
    {
        size.tenants = Some(tenants);
        wished.drain(place..=place + 1);
    }
    let known = ["h1", "h4", "h5", "h6", "h7", "h8", "control", "h15", "h16", "h19"];
    if wished.iter().any(|word| !known.contains(&word.as_str())) {
        eprintln!("{USAGE}");
        return std::process::ExitCode::FAILURE;
    }
    let mut missed = 0;
    for name in known.iter().filter(|name| wished.is_empty() || wished.iter().any(|word| word == *name)) {
        say(&format!("\n{}", machine::header()));
        missed += match *name {
            "h1" => h1::run(size).await,
            "h4" => h4::run(size).await,
            "h5" => h5::run(size).await,
            "h6" => h6::run(size).await,
            "h7" => h7::run(size).await,
            "h8" => h8::run(size).await,
            "control" => control::run(size).await,
            "h15" => h15::run(size).await,
            "h16" => h16::run(size).await,
            _ => h19::run(size).await,
        };
    }
    say(&format!("\n{missed} missed; load average at the end {}", machine::load_average()));
    std::process::ExitCode::SUCCESS
}
