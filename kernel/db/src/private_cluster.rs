//! A PostgreSQL of our own: made, started, watched and stopped by this process, from whichever 15+ is installed.
use crate::DbError;
use crate::secrets::{random_token, sha256};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

const SUPERUSER: &str = "hitaji_admin";
const OLDEST_VERSION: u32 = 15;
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// A socket's path may have 107 bytes on Linux, its name included.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// What the data is worth: real data survives a power cut, a test's need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Real,
    Scratch,
}

/// A running private cluster. [`PrivateCluster::stop`] ends it in order; a killed process leaves it to the next start.
pub struct PrivateCluster {
    url: String,
    port: u16,
    watcher: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
    pid_file: PathBuf,
}

/// Where things are and who runs the server.
#[derive(Clone)]
struct Layout {
    bin: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    password: PathBuf,
    log: PathBuf,
    port: u16,
    /// The account that runs the server, when we are root; PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
}

fn failed(what: impl Into<String>) -> DbError {
    DbError::Invalid(what.into())
}

impl PrivateCluster {
    /// Starts the cluster below `folder`, making it the first time.
    pub async fn start(folder: &Path, durability: Durability) -> Result<PrivateCluster, DbError> {
        let layout = Layout::prepare(folder)?;
        layout.stop_leftover().await?;
        layout.put_aside_orphan()?;
        if !layout.data.join("PG_VERSION").exists() {
            layout.init(durability).await?;
        }
        let child = layout.spawn()?;
        layout.wait_until_ready().await?;
        let password = fs::read_to_string(&layout.password)
            .map_err(|error| failed(format!("{}: {error}", layout.password.display())))?;
        let (port, socket) = (layout.port, layout.socket.display());
        let url = format!("postgres://{SUPERUSER}:{}@localhost:{port}/postgres?host={socket}", password.trim());
        close_to_others(&url).await?;
        let stopping = Arc::new(AtomicBool::new(false));
        Ok(PrivateCluster {
            url,
            port: layout.port,
            pid_file: layout.data.join("postmaster.pid"),
            watcher: tokio::spawn(watch(layout, child, stopping.clone())),
            stopping,
        })
    }

    /// `postgres://…` of the superuser. A secret.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> Option<i32> {
        read_pid(&self.pid_file)
    }

    /// Stops the server: running statements are cancelled, everything committed is on disk.
    pub async fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
        signal(self.pid(), Signal::INT);
        if tokio::time::timeout(STOP_TIMEOUT, self.watcher).await.is_err() {
            signal(read_pid(&self.pid_file), Signal::QUIT);
        }
    }
}

/// A new cluster lets every role connect to the databases it comes with; a tenant's role has no business there.
async fn close_to_others(url: &str) -> Result<(), DbError> {
    let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
    let mut conn = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql("revoke all on database postgres, template1 from public").execute(&mut conn).await?;
    Ok(conn.close().await?)
}

/// Restarts the server when it ends without being asked to.
async fn watch(layout: Layout, mut child: Child, stopping: Arc<AtomicBool>) {
    let mut pause = Duration::from_millis(100);
    loop {
        let started = Instant::now();
        let status = child.wait().await;
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        tracing::error!(?status, log = %layout.log.display(), "PostgreSQL ended; it is started again");
        if started.elapsed() > Duration::from_secs(60) {
            pause = Duration::from_millis(100);
        }
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
            match layout.spawn() {
                Ok(next) => {
                    child = next;
                    break;
                }
                Err(error) => tracing::error!(%error, "PostgreSQL cannot be started"),
            }
        }
    }
}

impl Layout {
    fn prepare(folder: &Path) -> Result<Layout, DbError> {
        let bin = find_binaries()?;
        fs::create_dir_all(folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
        let folder = folder.canonicalize().map_err(|error| failed(format!("{}: {error}", folder.display())))?;
        let tag = sha256(folder.as_os_str().as_encoded_bytes())[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let user = geteuid().is_root().then(unprivileged_user).transpose()?;
        let home = match user {
            Some(_) if !everybody_may_enter(&folder) => {
                let elsewhere = PathBuf::from(format!("/var/lib/hitaji-{tag}"));
                tracing::info!(folder = %elsewhere.display(), "PostgreSQL cannot enter the data folder (it does not run as root); its files are elsewhere");
                elsewhere
            }
            _ => folder.clone(),
        };
        let mut socket = home.join("socket");
        if socket.as_os_str().len() > LONGEST_SOCKET_FOLDER {
            socket = std::env::temp_dir().join(format!("hitaji-{tag}"));
        }
        let layout = Layout {
            bin,
            data: home.join("data"),
            password: folder.join("password"),
            log: home.join("postgres.log"),
            port: free_port()?,
            socket,
            user,
        };
        for path in [&home, &layout.data, &layout.socket] {
            layout.own_folder(path)?;
        }
        Ok(layout)
    }

    /// Makes a folder that only the server's account (and root) may enter.
    fn own_folder(&self, path: &Path) -> Result<(), DbError> {
        let make = || {
            fs::create_dir_all(path)?;
            let shared = path != self.data && path != self.socket;
            fs::set_permissions(path, fs::Permissions::from_mode(if shared { 0o711 } else { 0o700 }))?;
            match self.user {
                Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
                None => Ok(()),
            }
        };
        make().map_err(|error: std::io::Error| failed(format!("{}: {error}", path.display())))
    }

    async fn init(&self, durability: Durability) -> Result<(), DbError> {
        let password = random_token();
        write_secret(&self.password, &password)?;
        // initdb runs as another account, which cannot read our file; it gets a copy for the moment, never argv.
        let copy = self.socket.join("password");
        write_secret(&copy, &password)?;
        if let Some((uid, gid)) = self.user {
            chown(&copy, Some(uid), Some(gid)).map_err(|error| failed(format!("{}: {error}", copy.display())))?;
        }
        let mut command = self.command("initdb");
        command.arg("-D").arg(&self.data).args([
            "-U",
            SUPERUSER,
            "--auth=scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]);
        command.arg("--pwfile").arg(&copy).arg("--no-instructions").stdin(Stdio::null());
        if durability == Durability::Scratch {
            command.arg("--no-sync");
        }
        let output = command.output().await.map_err(|error| failed(format!("initdb: {error}")));
        // Whatever came of it, the copy goes; a folder without it is no loss.
        let _ = fs::remove_file(&copy);
        let output = output?;
        if !output.status.success() {
            let _ = fs::remove_dir_all(&self.data);
            return Err(failed(format!("initdb: {}", String::from_utf8_lossy(&output.stderr).trim())));
        }
        let settings = self.settings(durability);
        let conf = self.data.join("postgresql.auto.conf");
        fs::write(&conf, settings).map_err(|error| failed(format!("{}: {error}", conf.display())))
    }

    fn settings(&self, durability: Durability) -> String {
        let common = "max_connections = 200\nshared_buffers = '256MB'\njit = off\nautovacuum_naptime = '60s'\n\
            log_min_messages = error\nlog_line_prefix = '%m %d '\npassword_encryption = 'scram-sha-256'\n\
            max_wal_size = '1GB'\ncheckpoint_timeout = '10min'\nmax_locks_per_transaction = 128\n";
        match durability {
            Durability::Real => common.to_owned(),
            Durability::Scratch => format!("{common}fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"),
        }
    }

    fn spawn(&self) -> Result<Child, DbError> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.log)
            .map_err(|error| failed(format!("{}: {error}", self.log.display())))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data).arg("-k").arg(&self.socket).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // A group of its own: Ctrl-C in a terminal must reach us alone, and we stop the server when we are done.
        command.process_group(0);
        command.spawn().map_err(|error| failed(format!("postgres: {error}")))
    }

    /// A program of PostgreSQL, as the account that may run it.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={uid}"), format!("--regid={gid}")])
                    .args(["--clear-groups", "--"])
                    .arg(program);
                command
            }
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
        command.current_dir(if self.data.exists() { self.data.as_path() } else { Path::new("/") });
        command
    }

    /// Ends a server that an earlier process, killed without warning, left running on this data.
    async fn stop_leftover(&self) -> Result<(), DbError> {
        let pid_file = self.data.join("postmaster.pid");
        let Some(pid) = read_pid(&pid_file).filter(|pid| is_postgres(*pid)) else { return Ok(()) };
        signal(Some(pid), Signal::INT);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while is_postgres(pid) {
            if Instant::now() > deadline {
                return Err(failed(format!(
                    "another PostgreSQL (process {pid}) uses {} and does not stop",
                    self.data.display()
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Data without its password: the folder we are told of was removed, while the server's files were elsewhere.
    fn put_aside_orphan(&self) -> Result<(), DbError> {
        if self.password.exists() || !self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let aside = self.data.with_file_name(format!("data-without-password-{}", self.port));
        tracing::warn!(folder = %aside.display(), "data of an earlier start, whose keys are gone, is put aside");
        fs::rename(&self.data, &aside).map_err(|error| failed(format!("{}: {error}", aside.display())))?;
        self.own_folder(&self.data)
    }

    async fn wait_until_ready(&self) -> Result<(), DbError> {
        let (status, deadline) = (self.data.join("postmaster.pid"), Instant::now() + START_TIMEOUT);
        while Instant::now() < deadline {
            // The eighth line of the file is the server's own word on its state.
            let text = fs::read_to_string(&status).unwrap_or_default();
            if text.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(failed(format!("PostgreSQL did not start; see {}", self.log.display())))
    }
}

fn read_pid(pid_file: &Path) -> Option<i32> {
    fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()
}

fn signal(pid: Option<i32>, signal: Signal) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // A process that is gone needs no signal.
        let _ = kill_process(pid, signal);
    }
}

fn is_postgres(pid: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A process that ended but was not collected yet is no server any more.
    state.contains("(postgres)") && !state.contains(") Z ")
}

fn write_secret(path: &Path, text: &str) -> Result<(), DbError> {
    let write = || {
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| failed(format!("{}: {error}", path.display())))
}

fn free_port() -> Result<u16, DbError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| failed(format!("no free port: {error}")))?;
    Ok(listener.local_addr().map_err(|error| failed(format!("no free port: {error}")))?.port())
}

/// The newest installed PostgreSQL that is new enough: Debian's and Ubuntu's folders, else the PATH.
fn find_binaries() -> Result<PathBuf, DbError> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= OLDEST_VERSION && bin.join("initdb").exists())
        .max();
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    };
    newest
        .map(|(_, bin)| bin)
        .or_else(on_path)
        .ok_or_else(|| failed(format!("PostgreSQL {OLDEST_VERSION} or newer is not installed; ./dev up installs it")))
}

/// Debian's `postgres` account, else `nobody`.
fn unprivileged_user() -> Result<(u32, u32), DbError> {
    let accounts = fs::read_to_string("/etc/passwd").map_err(|error| failed(format!("/etc/passwd: {error}")))?;
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).ok_or_else(|| failed("there is neither an account postgres nor nobody"))
}

/// Whether every folder above lets other accounts through.
fn everybody_may_enter(folder: &Path) -> bool {
    folder.ancestors().skip(1).all(|above| fs::metadata(above).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0))
}
