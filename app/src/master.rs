//! Where the master key comes from: lines of a file or a variable, each a key as it is or wrapped by a key management service.
//!
//! The first line seals, all open. A running process follows changes of the file, so that a key changes without a restart.
use crate::runtime::Failure;
use futures::future::BoxFuture;
use hitaji_core::Config;
use hitaji_db::secrets::MasterKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);

/// Section `[keys]` of the configuration.
#[derive(Clone, Deserialize)]
pub struct Settings {
    pub master_file: String,
    master: String,
    vault_address: String,
    vault_key: String,
    vault_token_file: String,
}

/// What keeps master keys wrapped: nothing (a line is the key), or a service outside. A key is 32 bytes in base64.
pub trait Keeper: Send + Sync {
    /// The key in a line, if this keeper wrote the line.
    fn open<'a>(&'a self, line: &'a str) -> Option<BoxFuture<'a, Result<String, Failure>>>;
    /// A line for a key.
    fn keep<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<String, Failure>>;
}

/// The line is the key.
struct Plain;

impl Keeper for Plain {
    fn open<'a>(&'a self, line: &'a str) -> Option<BoxFuture<'a, Result<String, Failure>>> {
        Some(Box::pin(async move { Ok(line.to_owned()) }))
    }

    fn keep<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move { Ok(key.to_owned()) })
    }
}

/// HashiCorp Vault's transit engine: the line is `vault:v1:…`, which only the service opens.
/// <https://developer.hashicorp.com/vault/api-docs/secret/transit>
struct VaultTransit {
    http: reqwest::Client,
    address: String,
    key: String,
    token_file: String,
}

impl VaultTransit {
    async fn ask(&self, what: &str, body: Value, answer: &str) -> Result<String, Failure> {
        // Read each time: an agent renews it.
        let token = fs::read_to_string(&self.token_file).map_err(|error| format!("{}: {error}", self.token_file))?;
        let url = format!("{}/v1/transit/{what}/{}", self.address.trim_end_matches('/'), self.key);
        let request = self.http.post(url).header("x-vault-token", token.trim()).json(&body);
        let response = request.send().await.map_err(|error| format!("Vault: {}", error.without_url()))?;
        let status = response.status();
        let told: Value = response.json().await.map_err(|_| format!("Vault answered {status} without JSON"))?;
        match told["data"][answer].as_str() {
            Some(value) => Ok(value.to_owned()),
            None => Err(format!("Vault answered {status}: {}", told["errors"]).into()),
        }
    }
}

impl Keeper for VaultTransit {
    fn open<'a>(&'a self, line: &'a str) -> Option<BoxFuture<'a, Result<String, Failure>>> {
        line.starts_with("vault:")
            .then(|| -> BoxFuture<'a, _> { Box::pin(self.ask("decrypt", json!({"ciphertext": line}), "plaintext")) })
    }

    fn keep<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(self.ask("encrypt", json!({"plaintext": key}), "ciphertext"))
    }
}

/// The file's lines and who opens them.
pub struct Source {
    settings: Settings,
    /// The last one takes every line.
    keepers: Vec<Box<dyn Keeper>>,
}

impl Source {
    pub fn new(config: &Config) -> Result<Source, Failure> {
        let settings: Settings = config.section("keys")?;
        let mut keepers: Vec<Box<dyn Keeper>> = Vec::new();
        if !settings.vault_address.is_empty() {
            keepers.push(Box::new(VaultTransit {
                http: reqwest::Client::builder().timeout(PATIENCE).build()?,
                address: settings.vault_address.clone(),
                key: settings.vault_key.clone(),
                token_file: settings.vault_token_file.clone(),
            }));
        }
        keepers.push(Box::new(Plain));
        Ok(Source { settings, keepers })
    }

    fn text(&self) -> Result<String, Failure> {
        let Settings { master_file, master, .. } = &self.settings;
        if !master_file.is_empty() {
            return Ok(fs::read_to_string(master_file).map_err(|error| format!("{master_file}: {error}"))?);
        }
        if master.is_empty() {
            return Err("there is no master key: set keys.master_file, or HITAJI__KEYS__MASTER".into());
        }
        Ok(master.clone())
    }

    /// The keys as they are, one a line.
    async fn opened(&self) -> Result<String, Failure> {
        let mut opened = Vec::new();
        for line in self.text()?.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let open = self.keepers.iter().find_map(|keeper| keeper.open(line));
            opened.push(open.ok_or("a line of the master key's file cannot be read by anybody")?.await?);
        }
        Ok(opened.join("\n"))
    }

    pub async fn load(&self) -> Result<MasterKey, Failure> {
        Ok(MasterKey::from_base64(&self.opened().await?)?)
    }

    /// Gives what it loads to `master` whenever the file changes, for as long as the process lives.
    pub async fn follow(self, master: MasterKey) {
        let mut known = self.text().ok();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(text) = self.text() else { continue };
            if Some(&text) == known.as_ref() {
                continue;
            }
            match self.load().await {
                Ok(loaded) => {
                    master.replace(&loaded);
                    known = Some(text);
                    tracing::info!(key = master.id(), "the master key's file changed and was read again");
                }
                Err(error) => {
                    tracing::error!(%error, "the master key's file changed and cannot be read; the keys of before stay")
                }
            }
        }
    }

    /// Adds a new key behind the others, kept as new lines are here. Every process knows it before it seals anything.
    pub async fn add(&self) -> Result<(), Failure> {
        let line = self.keepers[0].keep(&MasterKey::generate().to_base64()).await?;
        let text = self.text()?;
        self.write(&format!("{}\n{line}\n", text.trim_end()))
    }

    /// Puts the last key first: it seals from now on.
    pub fn turn(&self) -> Result<(), Failure> {
        let text = self.text()?;
        let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.rotate_right(1);
        self.write(&format!("{}\n", lines.join("\n")))
    }

    /// Leaves only the first key.
    pub fn forget_old(&self) -> Result<(), Failure> {
        let text = self.text()?;
        let first =
            text.lines().map(str::trim).find(|line| !line.is_empty()).ok_or("the master key's file is empty")?;
        self.write(&format!("{first}\n"))
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let path = Path::new(&self.settings.master_file);
        if self.settings.master_file.is_empty() {
            return Err("the master key is not in a file (keys.master_file), so it cannot be changed from here".into());
        }
        // Renamed into place, so that nobody reads half of it.
        let draft = path.with_extension("draft");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(fs::rename(&draft, path)?)
    }
}

/// Opens wrapped keys: afterwards the configuration holds them as they are, and the file is not read again by this process.
pub async fn resolve(config: &mut Config) -> Result<(), Failure> {
    let source = Source::new(config)?;
    if source.settings.vault_address.is_empty() {
        return Ok(());
    }
    let opened = source.opened().await?;
    config.set("keys", "master_file", "");
    config.set("keys", "master", opened);
    Ok(())
}
