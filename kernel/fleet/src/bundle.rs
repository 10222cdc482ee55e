//! A bundle: everything in a tenant's database as one stream, the same for backups and for exports.
//!
//! It is a tar archive compressed by Zstandard: `manifest.json` first, then each table's rows as CSV (RFC 4180 with a header;
//! a missing value is empty without quotes) in parts `tables/<schema>.<table>/000001.csv`, which put together in order are
//! one CSV file. In the store it is encrypted besides ([`crate::sealed`]). `docs/bundle.md` is the description for others.
use crate::FleetError;
use crate::copy::{begin_snapshot, copy_in_sql, copy_out_sql};
use crate::sealed::{HEADER, Opener, Sealer};
use crate::store::{Store, Upload};
use crate::tables::{self, Digest, Scope, Table};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use hitaji_core::TenantId;
use hitaji_db::migrate::AppliedMigration;
use hitaji_db::{DataKeys, Tenant};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::io::Write as _;
use zstd::stream::raw::{InBuffer, Operation as _, OutBuffer};

pub const FORMAT: &str = "hitaji-bundle/1";
const MANIFEST: &str = "manifest.json";
/// Rows are put into files of about this size.
const PART: usize = 1024 * 1024;
const MAX_MANIFEST: u64 = 16 * 1024 * 1024;
const BLOCK: usize = 512;
const LEVEL: i32 = 3;

/// What a bundle is of, and what must be in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    pub organisation: Organisation,
    pub taken_at: DateTime<Utc>,
    /// What the database showed at that moment (`pg_current_snapshot`): which entries of the journal are in here.
    pub snapshot: String,
    /// The migrations that made these tables.
    pub schema: Vec<AppliedMigration>,
    pub tables: Vec<Table>,
    /// By table: its rows and the sum of their hashes (`hashtextextended(row(…)::text, 0)` of PostgreSQL).
    pub digests: BTreeMap<String, Digest>,
    pub sequences: BTreeMap<String, i64>,
}

/// The organisation as the directory knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Organisation {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub country: String,
    pub currency: String,
    pub time_zone: String,
    pub products: Vec<String>,
}

impl From<&Tenant> for Organisation {
    fn from(tenant: &Tenant) -> Organisation {
        Organisation {
            id: tenant.id,
            slug: tenant.slug.clone(),
            name: tenant.name.clone(),
            country: tenant.country.clone(),
            currency: tenant.currency.clone(),
            time_zone: tenant.time_zone.name().to_owned(),
            products: tenant.products.clone(),
        }
    }
}

impl Manifest {
    pub fn rows(&self) -> i64 {
        self.digests.values().map(|digest| digest.rows).sum()
    }
}

/// Describes the database as this connection sees it; begins the snapshot that [`write`] goes on with.
pub async fn describe(
    conn: &mut PgConnection,
    organisation: Organisation,
    taken_at: DateTime<Utc>,
) -> Result<Manifest, FleetError> {
    let snapshot = begin_snapshot(conn).await?;
    let list = tables::tables(conn, Scope::All).await?;
    Ok(Manifest {
        format: FORMAT.to_owned(),
        organisation,
        taken_at,
        snapshot,
        schema: hitaji_db::migrate::applied(conn).await?,
        digests: tables::digests(conn, &list, Scope::All).await?,
        sequences: tables::sequences(conn).await?,
        tables: list,
    })
}

/// What came of writing a bundle.
#[derive(Clone, Debug)]
pub struct Written {
    /// Of the compressed, encrypted object.
    pub bytes: u64,
    /// SHA-256 over the uncompressed archive.
    pub content: [u8; 32],
}

/// Streams the database into the store, encrypted under the tenant's newest key. `written` is told the plain bytes so far and
/// says whether to go on.
pub async fn write(
    conn: &mut PgConnection,
    manifest: &Manifest,
    keys: &DataKeys,
    upload: Upload,
    mut written: impl FnMut(u64) -> bool,
) -> Result<Written, FleetError> {
    let mut writer = Writer::new(manifest.organisation.id, keys, upload)?;
    writer.file(MANIFEST, &serde_json::to_vec_pretty(manifest)?).await?;
    for table in &manifest.tables {
        let mut rows = conn.copy_out_raw(&copy_out_sql(table)).await?;
        let (mut part, mut number) = (Vec::with_capacity(PART + BLOCK), 1);
        while let Some(chunk) = rows.try_next().await? {
            part.extend_from_slice(&chunk);
            if part.len() >= PART {
                writer.file(&part_name(table, number), &part).await?;
                part.clear();
                number += 1;
                if !written(writer.plain) {
                    return Err(FleetError::Cancelled);
                }
            }
        }
        if !part.is_empty() {
            writer.file(&part_name(table, number), &part).await?;
        }
    }
    sqlx::raw_sql("rollback").execute(conn).await?;
    writer.finish().await
}

fn part_name(table: &Table, number: u32) -> String {
    format!("tables/{}/{number:06}.csv", table.full_name())
}

/// Tar, then Zstandard, then encryption, then the store.
struct Writer {
    compress: zstd::stream::write::Encoder<'static, Vec<u8>>,
    sealer: Sealer,
    sealed: Vec<u8>,
    upload: Upload,
    hash: Context,
    plain: u64,
}

impl Writer {
    fn new(tenant: TenantId, keys: &DataKeys, upload: Upload) -> Result<Writer, FleetError> {
        let mut sealed = Vec::new();
        let sealer = Sealer::new(tenant, keys, &mut sealed)?;
        let compress = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        Ok(Writer { compress, sealer, sealed, upload, hash: Context::new(&SHA256), plain: 0 })
    }

    async fn file(&mut self, name: &str, content: &[u8]) -> Result<(), FleetError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        self.push(header.as_bytes()).await?;
        self.push(content).await?;
        self.push(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()]).await
    }

    async fn push(&mut self, plain: &[u8]) -> Result<(), FleetError> {
        self.plain += plain.len() as u64;
        self.hash.update(plain);
        self.compress.write_all(plain)?;
        self.drain().await
    }

    async fn drain(&mut self) -> Result<(), FleetError> {
        let compressed = std::mem::take(self.compress.get_mut());
        self.sealer.push(&compressed, &mut self.sealed)?;
        self.upload.write(&self.sealed).await?;
        self.sealed.clear();
        Ok(())
    }

    async fn finish(mut self) -> Result<Written, FleetError> {
        self.push(&[0; 2 * BLOCK]).await?;
        let rest = self.compress.finish()?;
        self.sealer.push(&rest, &mut self.sealed)?;
        self.sealer.finish(&mut self.sealed)?;
        self.upload.write(&self.sealed).await?;
        let mut content = [0; 32];
        content.copy_from_slice(self.hash.finish().as_ref());
        Ok(Written { bytes: self.upload.finish().await?, content })
    }
}

/// A stored bundle's content as it was before encryption: the compressed archive.
pub async fn open(
    store: &Store,
    name: &str,
    tenant: TenantId,
    keys: &DataKeys,
) -> Result<BoxStream<'static, Result<Bytes, FleetError>>, FleetError> {
    let mut sealed = store.read(name).await?;
    let mut begin = Vec::new();
    while begin.len() < HEADER {
        match sealed.try_next().await? {
            Some(chunk) => begin.extend_from_slice(&chunk),
            None => return Err(FleetError::Damaged("the bundle is cut off".into())),
        }
    }
    let mut opener = Opener::new(tenant, keys, &begin[..HEADER])?;
    let mut first = Vec::new();
    opener.push(&begin[HEADER..], &mut first)?;
    let state = Some((sealed, opener, first));
    let chunks = futures::stream::try_unfold(state, async |state| {
        let Some((mut sealed, mut opener, mut out)) = state else { return Ok(None) };
        while out.is_empty() {
            match sealed.try_next().await? {
                Some(chunk) => opener.push(&chunk, &mut out)?,
                None => {
                    opener.finish(&mut out)?;
                    return Ok(Some((Bytes::from(out), None)));
                }
            }
        }
        Ok(Some((Bytes::from(out), Some((sealed, opener, Vec::new())))))
    });
    Ok(chunks.boxed())
}

/// Reads a bundle from its compressed archive.
pub struct Reader {
    compressed: BoxStream<'static, Result<Bytes, FleetError>>,
    decoder: zstd::stream::raw::Decoder<'static>,
    input: Bytes,
    plain: Vec<u8>,
    /// Bytes of the present file that were not read yet, and its padding.
    left: u64,
    padding: u64,
}

impl Reader {
    /// Reads the manifest; the tables follow by [`Reader::load`].
    pub async fn new(
        compressed: BoxStream<'static, Result<Bytes, FleetError>>,
    ) -> Result<(Reader, Manifest), FleetError> {
        let decoder = zstd::stream::raw::Decoder::new()?;
        let (input, plain) = (Bytes::new(), Vec::new());
        let mut reader = Reader { compressed, decoder, input, plain, left: 0, padding: 0 };
        let first = reader.next_file().await?;
        if first.as_deref() != Some(MANIFEST) || reader.left > MAX_MANIFEST {
            return Err(FleetError::Damaged("this is no bundle: its first file is not manifest.json".into()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = reader.chunk().await? {
            text.extend(chunk);
        }
        let manifest: Manifest = serde_json::from_slice(&text)?;
        if manifest.format != FORMAT {
            return Err(FleetError::Refused(format!("this program reads {FORMAT}, not {}", manifest.format)));
        }
        Ok((reader, manifest))
    }

    /// Puts all rows into the tables, which are empty and have no foreign keys just now. `loaded` is told the bytes so far and
    /// says whether to go on.
    pub async fn load(
        mut self,
        conn: &mut PgConnection,
        list: &[Table],
        mut loaded: impl FnMut(u64) -> bool,
    ) -> Result<(), FleetError> {
        let mut bytes = 0;
        let mut file = self.next_file().await?;
        for table in list {
            let folder = format!("tables/{}/", table.full_name());
            if !file.as_deref().is_some_and(|name| name.starts_with(&folder)) {
                continue;
            }
            let mut into = conn.copy_in_raw(&copy_in_sql(table)).await?;
            while file.as_deref().is_some_and(|name| name.starts_with(&folder)) {
                loop {
                    match self.chunk().await {
                        Ok(Some(chunk)) => {
                            bytes += chunk.len() as u64;
                            into.send(chunk).await?;
                        }
                        Ok(None) => break,
                        Err(error) => {
                            into.abort("the bundle is damaged").await?;
                            return Err(error);
                        }
                    }
                }
                if !loaded(bytes) {
                    into.abort("cancelled").await?;
                    return Err(FleetError::Cancelled);
                }
                file = self.next_file().await?;
            }
            into.finish().await?;
        }
        match file {
            None => Ok(()),
            Some(name) => {
                Err(FleetError::Damaged(format!("the bundle has a file that its manifest does not know: {name}")))
            }
        }
    }

    /// Goes on to the next file; none at the archive's end.
    async fn next_file(&mut self) -> Result<Option<String>, FleetError> {
        let skip = self.left + self.padding;
        self.skip(skip).await?;
        let Some(header) = self.take(BLOCK).await? else {
            return Err(FleetError::Damaged("the bundle is cut off".into()));
        };
        if header.iter().all(|byte| *byte == 0) {
            // Read to its very end, so that a stream that was cut off is noticed.
            while self.fill().await? {
                self.plain.clear();
            }
            return Ok(None);
        }
        let header = tar::Header::from_byte_slice(&header);
        self.left = header.entry_size()?;
        self.padding = self.left.next_multiple_of(BLOCK as u64) - self.left;
        Ok(Some(header.path()?.to_string_lossy().into_owned()))
    }

    /// The next piece of the present file.
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, FleetError> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.plain.is_empty() {
            if !self.fill().await? {
                return Err(FleetError::Damaged("the bundle is cut off".into()));
            }
        }
        let size = self.plain.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let rest = self.plain.split_off(size);
        self.left -= size as u64;
        Ok(Some(std::mem::replace(&mut self.plain, rest)))
    }

    async fn skip(&mut self, mut bytes: u64) -> Result<(), FleetError> {
        while bytes > 0 {
            if self.plain.is_empty() && !self.fill().await? {
                return Err(FleetError::Damaged("the bundle is cut off".into()));
            }
            let size = self.plain.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.plain.drain(..size);
            bytes -= size as u64;
        }
        Ok(())
    }

    async fn take(&mut self, size: usize) -> Result<Option<Vec<u8>>, FleetError> {
        while self.plain.len() < size {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let rest = self.plain.split_off(size);
        Ok(Some(std::mem::replace(&mut self.plain, rest)))
    }

    /// Decompresses a little more; never more than a fixed step, whatever the input claims. False at the end.
    async fn fill(&mut self) -> Result<bool, FleetError> {
        const STEP: usize = 256 * 1024;
        loop {
            let mut step = vec![0; STEP];
            let mut output = OutBuffer::around(&mut step[..]);
            let mut input = InBuffer::around(&self.input);
            self.decoder.run(&mut input, &mut output)?;
            let (read, made) = (input.pos(), output.pos());
            self.input = self.input.slice(read..);
            if made > 0 {
                self.plain.extend_from_slice(&step[..made]);
                return Ok(true);
            }
            if self.input.is_empty() {
                match self.compressed.try_next().await? {
                    Some(chunk) => self.input = chunk,
                    None => return Ok(false),
                }
            }
        }
    }
}
