//! Commands on whole organisations and clusters: back up, restore, move, take along, erase; and keys.
use crate::commands::ask::{Place, told};
use crate::commands::inspect::print;
use crate::master;
use crate::runtime::Failure;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use futures::{StreamExt as _, TryStreamExt as _};
use hitaji_bus::JobContext;
use hitaji_contracts::identity::{Adopt, RotateSigningKeys, SignedUp, SigningKeysRotated};
use hitaji_contracts::tenancy::CreateOrganisation;
use hitaji_core::TenantId;
use hitaji_db::directory::{cluster, operation};
use hitaji_db::{Databases, Tenant};
use hitaji_fleet::{Fleet, FleetError, What, leaving};
use hitaji_web::Assembled;
use http::Method;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const ACTOR: &str = "operator";
/// Time for every process to read the master key's file again.
const KEYS_SETTLE: Duration = Duration::from_secs(6);
/// Time for every process to read the signing keys again.
const SIGNING_KEYS_SETTLE: Duration = Duration::from_secs(65);

#[derive(Subcommand)]
pub enum FleetCommand {
    /// Back up an organisation now.
    Backup {
        slug: String,
        #[arg(long, default_value_t = 30)]
        keep_days: u32,
    },
    /// List an organisation's backups, and when each was proven to be restorable.
    Backups { slug: String },
    /// Put an organisation back to a backup, or to a moment where its changes are journaled. What was in use is kept a week.
    Restore {
        slug: String,
        /// A backup's set, from `backups`; the newest where absent.
        #[arg(long, conflicts_with = "at")]
        set: Option<Uuid>,
        /// A moment, for example 2026-11-23T10:15:30Z.
        #[arg(long)]
        at: Option<DateTime<Utc>>,
    },
    /// Restore the newest backup into a scratch database and compare every table.
    Prove {
        slug: String,
        /// Leave the copy at hand: restoring this backup is then a clone of it.
        #[arg(long)]
        keep: bool,
    },
    /// Journal every change from now on, so that any second can be restored.
    Journal { slug: String },
    /// Move to another cluster while people work, or one service into a database of its own.
    Move {
        slug: String,
        /// The cluster to move to.
        #[arg(long)]
        to: String,
        /// This service, out of the shared database into one of its own.
        #[arg(long)]
        split_off: Option<String>,
        /// The database that this service has of its own.
        #[arg(long, conflicts_with = "split_off")]
        service: Option<String>,
    },
    /// Write everything an organisation owns to a file (.tar.zst), with the signed proof beside it.
    Export { slug: String, file: PathBuf },
    /// Take in such a file as a new organisation.
    Import {
        file: PathBuf,
        #[arg(long)]
        slug: String,
        /// The owner's e-mail address; the account must be there.
        #[arg(long)]
        owner: String,
    },
    /// Copy an organisation for support or tests; nothing leaves the copy.
    Clone {
        slug: String,
        #[arg(long = "as")]
        copy: String,
        /// Who may work in the copy: an e-mail address; the account must be there.
        #[arg(long)]
        owner: String,
    },
    /// Erase an organisation for good: keys, databases, files. Prints the signed certificate.
    Erase {
        slug: String,
        /// The short name once more.
        #[arg(long)]
        confirm: String,
    },
    /// Print the certificate of an erased organisation, by its id.
    Certificate { id: Uuid },
    /// Give an organisation a new data key and new passwords.
    RotateKey { slug: String },
}

#[derive(Subcommand)]
pub enum ClusterCommand {
    /// Add a PostgreSQL cluster. Its URL (of a role that may create databases and roles) is read from standard input.
    Add { name: String },
    /// List clusters with how full they are.
    List,
    /// Say whether a cluster takes new organisations, and how many databases it may hold.
    Set {
        name: String,
        #[arg(long, value_parser = ["open", "full"])]
        state: String,
        #[arg(long)]
        capacity: i32,
    },
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Say which master key seals, and how much an earlier one still holds.
    Status,
    /// Change the master key while everything runs: a new one is added, takes over, and everything is wrapped anew.
    RotateMaster,
    /// Remove earlier master keys from the file, once nothing needs them.
    ForgetOld,
    /// Give every organisation's databases new passwords.
    RotatePasswords,
    /// Publish new signing keys of tokens; they sign from tomorrow on.
    RotateSigning {
        /// Sign by them as soon as every process has read them: in a minute. Applications that keep our keys for longer
        /// refuse tokens until they read them again.
        #[arg(long)]
        now: bool,
    },
}

#[derive(Args)]
pub struct OperationsArguments {
    /// Cancel this one.
    #[arg(long)]
    cancel: Option<Uuid>,
}

fn fleet(assembled: &Assembled) -> Arc<Fleet> {
    assembled.platform.parts().get::<Fleet>()
}

async fn find(databases: &Databases, slug: &str) -> Result<Arc<Tenant>, Failure> {
    Ok(databases.find_by_slug(slug).await?.ok_or_else(|| format!("there is no organisation {slug}"))?)
}

pub async fn run(assembled: &Assembled, command: FleetCommand) -> Result<(), Failure> {
    let (fleet, databases) = (fleet(assembled), assembled.platform.databases());
    match command {
        FleetCommand::Backup { slug, keep_days } => {
            let tenant = find(databases, &slug).await?;
            let set = fleet.backup(tenant.id, TimeDelta::days(keep_days.into()), ACTOR).await?;
            print(&format!("{set}\n"))
        }
        FleetCommand::Backups { slug } => backups(&fleet, find(databases, &slug).await?.id).await,
        FleetCommand::Restore { slug, set, at } => {
            let tenant = find(databases, &slug).await?;
            let restored = match at {
                Some(at) => fleet.restore_to(tenant.id, at, ACTOR).await?,
                None => fleet.restore(tenant.id, set, ACTOR).await?,
            };
            assembled.relay().redeliver(tenant.id, restored.as_of).await?;
            print(&format!("{slug} is as it was at {}\n", restored.as_of))
        }
        FleetCommand::Prove { slug, keep } => {
            let id = find(databases, &slug).await?.id;
            if keep {
                fleet.prove_keeping(id, ACTOR).await?
            } else {
                fleet.prove(id, ACTOR).await?
            };
            print(&format!("the newest backup of {slug} was restored and every table is as it was\n"))
        }
        FleetCommand::Journal { slug } => {
            fleet.journal_on(find(databases, &slug).await?.id, TimeDelta::days(30), ACTOR).await?;
            print(&format!("every change of {slug} is journaled from now on\n"))
        }
        FleetCommand::Move { slug, to, split_off, service } => {
            let what = match (&split_off, &service) {
                (Some(service), _) => What::Service(service),
                (_, Some(service)) => What::Own(service),
                _ => What::Shared,
            };
            relocate(&fleet, &*find(databases, &slug).await?, what, &to).await
        }
        FleetCommand::Export { slug, file } => export(&fleet, find(databases, &slug).await?.id, file).await,
        FleetCommand::Import { file, slug, owner } => {
            let reader = tokio::fs::File::open(&file).await.map_err(|error| format!("{}: {error}", file.display()))?;
            let id = fleet.import(chunks(reader), &slug, ACTOR).await?;
            adopt(assembled, id, owner).await?;
            print(&format!("{id}  {slug}\n"))
        }
        FleetCommand::Clone { slug, copy, owner } => {
            let id = fleet.clone_tenant(find(databases, &slug).await?.id, &copy, ACTOR).await?;
            adopt(assembled, id, owner).await?;
            print(&format!("{id}  {copy}\n"))
        }
        FleetCommand::Erase { slug, confirm } => {
            if confirm != slug {
                return Err("to erase it for good, give its short name once more with --confirm".into());
            }
            erase(assembled, &fleet, &*find(databases, &slug).await?).await
        }
        FleetCommand::Certificate { id } => {
            let signed = fleet.certificate(TenantId(id)).await?.ok_or("there is no certificate for this id")?;
            let readable = leaving::read_certificate(&signed, &fleet.public_keys().await?);
            print(&format!("{signed}\n{}\n", serde_json::to_string_pretty(&readable)?))
        }
        FleetCommand::RotateKey { slug } => {
            let version = fleet.rotate_data_key(find(databases, &slug).await?.id).await?;
            print(&format!("{slug} seals by its data key {version} from now on\n"))
        }
    }
}

async fn relocate(fleet: &Fleet, tenant: &Tenant, what: What<'_>, to: &str) -> Result<(), Failure> {
    let moved = fleet.move_tenant(tenant.id, what, to, ACTOR).await?;
    let (slug, rows, held) = (&tenant.slug, moved.rows, moved.held.as_millis());
    print(&format!("{slug} is on {to}: {rows} rows, the same on both sides; writers waited {held} ms\n"))
}

async fn erase(assembled: &Assembled, fleet: &Fleet, tenant: &Tenant) -> Result<(), Failure> {
    let physical = assembled.platform.parts().get::<hitaji_tenancy::Backups>().physical();
    print(&format!("{}\n", hitaji_tenancy::erase(&assembled.platform, fleet, tenant, physical, ACTOR).await?))
}

/// Gives an organisation that tenancy knows its owner.
async fn adopt(assembled: &Assembled, id: TenantId, email: String) -> Result<(), Failure> {
    let tenant = assembled.platform.databases().describe(id).await?;
    let organisation = CreateOrganisation {
        id,
        name: tenant.name.clone(),
        slug: Some(tenant.slug.clone()),
        country: tenant.country.clone(),
        currency: tenant.currency.clone(),
        time_zone: tenant.time_zone.name().to_owned(),
        products: tenant.products.clone(),
    };
    let adopt = Adopt { organisation, email };
    let peers = assembled.platform.peers();
    let asked = peers.ask("operator", "identity", Method::POST, "/identity/v1/adoptions", &adopt).await;
    asked.map(|_: SignedUp| ()).map_err(told)
}

async fn backups(fleet: &Fleet, tenant: TenantId) -> Result<(), Failure> {
    for backup in fleet.backups(tenant).await? {
        let proven = match (&backup.fault, backup.proven_at) {
            (Some(fault), _) => format!("FAULT: {fault}"),
            (None, Some(at)) => format!("proven {}", at.format("%F %R")),
            (None, None) => "not proven yet".to_owned(),
        };
        let line = format!(
            "{}  {}  {:>9} rows  {:>11} bytes  kept until {}  {}{proven}\n",
            backup.set_id,
            backup.taken_at.format("%F %T"),
            backup.rows,
            backup.bytes,
            backup.expires_at.format("%F"),
            backup.service.map(|service| format!("({service}) ")).unwrap_or_default(),
        );
        print(&line)?;
    }
    Ok(())
}

async fn export(fleet: &Fleet, tenant: TenantId, file: PathBuf) -> Result<(), Failure> {
    let (set, proof) = fleet.export(tenant, ACTOR).await?;
    let parts: Vec<_> = fleet.backups(tenant).await?.into_iter().filter(|part| part.set_id == set).collect();
    for part in &parts {
        let path = match &part.service {
            Some(service) => file.with_extension(format!("{service}.tar.zst")),
            None => file.clone(),
        };
        let mut out = std::fs::File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut archive = fleet.download(tenant, part).await?;
        while let Some(chunk) = archive.try_next().await? {
            out.write_all(&chunk)?;
        }
        out.sync_all()?;
        print(&format!("{}\n", path.display()))?;
    }
    let beside = PathBuf::from(format!("{}.proof", file.display()));
    std::fs::write(&beside, format!("{proof}\n"))?;
    std::fs::write(
        PathBuf::from(format!("{}.keys", file.display())),
        serde_json::to_vec_pretty(&fleet.public_keys().await?)?,
    )?;
    print(&format!("{}\n", beside.display()))
}

/// A file as a stream of chunks.
fn chunks(file: tokio::fs::File) -> futures::stream::BoxStream<'static, Result<bytes::Bytes, FleetError>> {
    use tokio::io::AsyncReadExt as _;
    futures::stream::try_unfold(file, async |mut file| {
        let mut chunk = vec![0; 256 * 1024];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then(|| (bytes::Bytes::from(chunk), file)))
    })
    .boxed()
}

pub async fn clusters(place: &Place, command: ClusterCommand) -> Result<(), Failure> {
    let assembled = place.platform().await?;
    let databases = assembled.platform.databases();
    match command {
        ClusterCommand::Add { name } => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            databases.add_cluster(&name, line.trim()).await?;
            print(&format!("{name} is ready for organisations\n"))
        }
        ClusterCommand::List => {
            for cluster in cluster::list(&mut *databases.control().await?).await? {
                let cluster::Cluster { name, state, capacity, databases } = cluster;
                print(&format!("{name:<20} {state:<6} {databases:>6} of {capacity} databases\n"))?;
            }
            Ok(())
        }
        ClusterCommand::Set { name, state, capacity } => {
            if !cluster::set(&mut *databases.control().await?, &name, &state, capacity).await? {
                return Err(format!("there is no cluster {name}").into());
            }
            Ok(())
        }
    }
}

pub async fn keys(place: &Place, command: KeysCommand) -> Result<(), Failure> {
    let source = master::Source::new(&place.config()?)?;
    let assembled = place.platform().await?;
    let (fleet, databases) = (fleet(&assembled), assembled.platform.databases());
    databases.master().replace(&source.load().await?);
    match command {
        KeysCommand::Status => {
            let waiting = fleet.waiting_for_rewrap().await?;
            print(&format!(
                "master key {} seals; {waiting} things are sealed by an earlier one\n",
                databases.master().id()
            ))
        }
        KeysCommand::RotateMaster => {
            source.add().await?;
            eprintln!("a new key is in the file; every process reads it now");
            tokio::time::sleep(KEYS_SETTLE).await;
            source.turn()?;
            tokio::time::sleep(KEYS_SETTLE).await;
            databases.master().replace(&source.load().await?);
            let rewrapped = fleet.rewrap().await?;
            let context = JobContext { databases: databases.clone(), parts: assembled.platform.parts().clone() };
            let services = assembled.platform.registry().services();
            for job in services.iter().flat_map(|service| service.jobs).filter(|job| job.name.ends_with(".rewrap")) {
                (job.run)(context.clone()).await?;
            }
            print(&format!(
                "master key {} seals now; {} data keys and {} other things were sealed anew. Back up the file, then: hitaji keys forget-old\n",
                databases.master().id(),
                rewrapped.data_keys,
                rewrapped.others
            ))
        }
        KeysCommand::ForgetOld => {
            let waiting = fleet.waiting_for_rewrap().await?;
            if waiting > 0 {
                return Err(format!(
                    "{waiting} things are still sealed by an earlier key: run `hitaji keys rotate-master` first"
                )
                .into());
            }
            source.forget_old()?;
            print("only the newest master key is left in the file\n")
        }
        KeysCommand::RotateSigning { now } => rotate_signing(&assembled, now).await,
        KeysCommand::RotatePasswords => {
            let (rotated, failed) = fleet.rotate_all_passwords().await?;
            print(&format!("{rotated} organisations have new passwords\n"))?;
            if failed.is_empty() { Ok(()) } else { Err(format!("{} could not be reached", failed.len()).into()) }
        }
    }
}

async fn rotate_signing(assembled: &Assembled, now: bool) -> Result<(), Failure> {
    let ask = async |step: &str| {
        let asked = RotateSigningKeys { step: step.to_owned() };
        let path = "/identity/v1/signing-keys/rotations";
        let answer = assembled.platform.peers().ask("keys", "identity", Method::POST, path, &asked).await;
        answer.map(|done: SigningKeysRotated| done.changed).map_err(told)
    };
    let published = ask("publish").await?;
    if !now {
        return print(&format!("{published} new signing keys are published; they sign in 24 hours\n"));
    }
    eprintln!("the new keys are published; every process reads them now");
    tokio::time::sleep(SIGNING_KEYS_SETTLE).await;
    let used = ask("use").await?;
    print(&format!("{used} new signing keys sign now; what earlier ones signed stays good\n"))
}

/// Lists long work that runs or ended lately, or cancels one.
pub async fn operations(place: &Place, arguments: OperationsArguments) -> Result<(), Failure> {
    let assembled = place.platform().await?;
    let mut conn = assembled.platform.databases().control().await?;
    if let Some(id) = arguments.cancel {
        return if operation::cancel(&mut conn, id).await? { Ok(()) } else { Err("it does not run".into()) };
    }
    for work in operation::latest(&mut conn, 50).await? {
        let share = work.total.filter(|total| *total > 0).map(|total| format!("{} %", work.done * 100 / total));
        let took = work.finished_at.unwrap_or(work.updated_at) - work.started_at;
        let (kind, state, step) = (&work.kind, &work.state, &work.step);
        let what = work.error.or(share).unwrap_or_default();
        print(&format!(
            "{}  {kind:<8} {state:<9} {step:<14} {:>7} ms  {}  {what}\n",
            work.started_at.format("%F %T"),
            took.num_milliseconds(),
            work.tenant_id.map(|id| id.to_string()).unwrap_or_default(),
        ))?;
    }
    Ok(())
}
