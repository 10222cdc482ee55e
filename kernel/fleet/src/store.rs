//! Where backups, journals and exports rest: a local folder, or a bucket of any S3 service.
use crate::FleetError;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use serde::Deserialize;
use std::sync::Arc;

/// Parts of an upload under way at once.
const PARALLEL_PARTS: usize = 4;
/// S3 takes parts of 5 MiB and more.
const PART: usize = 8 * 1024 * 1024;

/// Section `[files]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// A folder, or `s3://bucket/prefix`.
    pub store: String,
    pub s3_endpoint: String,
    pub s3_region: String,
    pub s3_key_id: String,
    pub s3_secret: String,
}

#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: String,
}

/// A stored object.
#[derive(Clone, Debug)]
pub struct Stored {
    pub name: String,
    pub bytes: u64,
}

impl Store {
    pub fn open(settings: &Settings) -> Result<Store, FleetError> {
        if let Some(rest) = settings.store.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(bucket)
                .with_region(&settings.s3_region)
                .with_access_key_id(&settings.s3_key_id)
                .with_secret_access_key(&settings.s3_secret);
            if !settings.s3_endpoint.is_empty() {
                // Plain HTTP only where the operator wrote it.
                builder = builder
                    .with_endpoint(&settings.s3_endpoint)
                    .with_allow_http(settings.s3_endpoint.starts_with("http://"));
            }
            return Ok(Store { inner: Arc::new(builder.build()?), prefix: prefix.trim_matches('/').to_owned() });
        }
        Store::folder(std::path::Path::new(&settings.store))
    }

    pub fn folder(path: &std::path::Path) -> Result<Store, FleetError> {
        std::fs::create_dir_all(path)?;
        let files = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
        Ok(Store { inner: Arc::new(files), prefix: String::new() })
    }

    fn path(&self, name: &str) -> Path {
        if self.prefix.is_empty() { Path::from(name) } else { Path::from(format!("{}/{name}", self.prefix)) }
    }

    /// An upload that is there only once it is finished.
    pub async fn create(&self, name: &str) -> Result<Upload, FleetError> {
        let upload = self.inner.put_multipart(&self.path(name)).await?;
        Ok(Upload { write: WriteMultipart::new_with_chunk_size(upload, PART), bytes: 0 })
    }

    pub async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), FleetError> {
        self.inner.put(&self.path(name), content.into()).await?;
        Ok(())
    }

    pub async fn get(&self, name: &str) -> Result<Bytes, FleetError> {
        Ok(self.inner.get(&self.path(name)).await?.bytes().await?)
    }

    /// The content in chunks.
    pub async fn read(
        &self,
        name: &str,
    ) -> Result<futures::stream::BoxStream<'static, Result<Bytes, FleetError>>, FleetError> {
        Ok(self.inner.get(&self.path(name)).await?.into_stream().map_err(FleetError::from).boxed())
    }

    /// Everything below a folder, in order of name.
    pub async fn list(&self, folder: &str) -> Result<Vec<Stored>, FleetError> {
        let found: Vec<_> = self.inner.list(Some(&self.path(folder))).try_collect().await?;
        let skip = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let stored = |meta: object_store::ObjectMeta| Stored {
            name: meta.location.as_ref()[skip..].to_owned(),
            bytes: meta.size,
        };
        let mut found: Vec<Stored> = found.into_iter().map(stored).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Removes an object; a missing one is no error.
    pub async fn delete(&self, name: &str) -> Result<(), FleetError> {
        match self.inner.delete(&self.path(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// An upload under way; dropped, it leaves nothing.
pub struct Upload {
    write: WriteMultipart,
    bytes: u64,
}

impl Upload {
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), FleetError> {
        self.write.wait_for_capacity(PARALLEL_PARTS).await?;
        self.write.write(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Completes it; returns its size in bytes.
    pub async fn finish(self) -> Result<u64, FleetError> {
        self.write.finish().await?;
        Ok(self.bytes)
    }
}
