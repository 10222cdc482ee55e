//! `hitaji tenant`: organisations, by the command line.
use crate::commands::ask::{Place, told};
use crate::commands::fleet::FleetCommand;
use crate::commands::inspect::print;
use crate::runtime::Failure;
use clap::{Args, Subcommand, ValueEnum};
use hitaji_contracts::identity::{SignUp, SignedUp};
use hitaji_contracts::tenancy::{ChangeState, StateAction, StateChanged};
use hitaji_core::TenantId;
use hitaji_db::{Databases, Search, TenantState};
use hitaji_web::Peers;
use http::Method;
use std::io::{BufRead as _, IsTerminal as _};

const PAGE: i64 = 200;

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Make an organisation with its owner. The owner's password is read from standard input.
    Create(NewOrganisation),
    /// List organisations, newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<State>,
        /// Part of the name or short name, or the id.
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one by its short name.
    Show { slug: String },
    /// Nobody works in it for now; its data stays.
    Suspend(Change),
    /// It can be worked in again.
    Resume(Change),
    /// Put it away, with its data.
    Archive(Change),
    /// Compare the databases of one organisation, or of all, with what their schemas say.
    Check { slug: Option<String> },
    /// Give one another plan; `hitaji plans` lists them.
    Plan {
        slug: String,
        #[arg(long)]
        plan: String,
    },
    #[command(flatten)]
    Fleet(FleetCommand),
}

#[derive(Args)]
pub struct NewOrganisation {
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
}

#[derive(Args)]
pub struct Change {
    /// The organisation's short name.
    slug: String,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum State {
    Provisioning,
    Active,
    Suspended,
    Archived,
    Erasing,
    Erased,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Provisioning => TenantState::Provisioning.as_str(),
            State::Active => TenantState::Active.as_str(),
            State::Suspended => TenantState::Suspended.as_str(),
            State::Archived => TenantState::Archived.as_str(),
            State::Erasing => TenantState::Erasing.as_str(),
            State::Erased => TenantState::Erased.as_str(),
        }
    }
}

pub async fn run(place: &Place, command: TenantCommand) -> Result<(), Failure> {
    let assembled = place.platform().await?;
    let (databases, peers) = (assembled.platform.databases(), assembled.platform.peers());
    match command {
        TenantCommand::Create(new) => create(peers, new).await,
        TenantCommand::List { state, search } => list(databases, state, search.as_deref()).await,
        TenantCommand::Show { slug } => show(databases, &slug).await,
        TenantCommand::Suspend(change) => set_state(peers, StateAction::Suspend, change).await,
        TenantCommand::Resume(change) => set_state(peers, StateAction::Resume, change).await,
        TenantCommand::Archive(change) => set_state(peers, StateAction::Archive, change).await,
        TenantCommand::Check { slug } => super::check::run(databases, slug.as_deref()).await,
        TenantCommand::Plan { slug, plan } => super::plan::change(databases, &slug, &plan).await,
        TenantCommand::Fleet(command) => super::fleet::run(&assembled, command).await,
    }
}

async fn create(peers: &Peers, new: NewOrganisation) -> Result<(), Failure> {
    let sign_up = SignUp {
        organisation_id: None,
        organisation: new.name,
        slug: new.slug,
        country: new.country,
        currency: new.currency,
        time_zone: new.time_zone,
        products: new.products,
        name: new.owner,
        email: new.email,
        password: read_password()?,
        locale: None,
    };
    let asked = peers.ask("operator", "identity", Method::POST, "/identity/v1/sign-ups", &sign_up).await;
    let done: SignedUp = asked.map_err(told)?;
    print(&format!("{}  {}\n", done.organisation_id, done.slug))
}

async fn list(databases: &Databases, state: Option<State>, search: Option<&str>) -> Result<(), Failure> {
    let mut before: Option<TenantId> = None;
    loop {
        let wanted = Search { text: search, state: state.map(State::name), before, limit: PAGE };
        let page = databases.search(&wanted).await?;
        for tenant in &page {
            let state = tenant.state.as_str();
            print(&format!("{}  {state:<12} {:<24} {}\n", tenant.id, tenant.slug, tenant.name))?;
        }
        match page.last().filter(|_| page.len() as i64 == PAGE) {
            Some(last) => before = Some(last.id),
            None => return Ok(()),
        }
    }
}

async fn show(databases: &Databases, slug: &str) -> Result<(), Failure> {
    let tenant = databases.find_by_slug(slug).await?.ok_or_else(|| format!("there is no organisation {slug}"))?;
    print(&format!(
        "id         {}\nname       {}\nstate      {}\ncountry    {}\ncurrency   {}\ntime zone  {}\nproducts   {}\nsince      {}\n",
        tenant.id,
        tenant.name,
        tenant.state.as_str(),
        tenant.country,
        tenant.currency,
        tenant.time_zone,
        tenant.products.join(", "),
        tenant.created_at
    ))
}

async fn set_state(peers: &Peers, action: StateAction, change: Change) -> Result<(), Failure> {
    let asked = ChangeState { slug: change.slug.clone(), action, reason: change.reason };
    let answer = peers.ask("operator", "tenancy", Method::POST, "/tenancy/v1/organisation-states", &asked).await;
    let done: StateChanged = answer.map_err(told)?;
    print(&format!("{}  {}\n", change.slug, done.state))
}

fn read_password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        eprint!("Password for the owner (it is shown as you type): ");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
