//! A stream encrypted under a tenant's data key, in chunks that cannot be dropped, swapped or cut off unnoticed
//! (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015, with AES-256-GCM).
//!
//! Header: `HITAJIB1`, tenant (16 bytes), number of the data key (4, big endian), salt (16). The key of the stream is derived
//! from the data key with the salt. Then chunks of 64 KiB, the last one shorter, each followed by its 16-byte tag; the nonce is
//! the chunk's number (11 bytes, big endian) and 1 for the last chunk, else 0; the header is bound to every chunk.
use crate::FleetError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use hitaji_core::TenantId;
use hitaji_db::DataKeys;
use hitaji_db::secrets::{hex, random};
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"HITAJIB1";
const SALT: usize = 16;
pub const HEADER: usize = 8 + 16 + 4 + SALT;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

struct Cipher {
    key: LessSafeKey,
    header: Vec<u8>,
    counter: u64,
}

impl Cipher {
    fn new(keys: &DataKeys, version: u32, header: Vec<u8>) -> Result<Cipher, FleetError> {
        let salt = hex(&header[HEADER - SALT..]);
        let key = UnboundKey::new(&AES_256_GCM, &keys.derive(version, &format!("stream/{salt}"))?);
        let key = LessSafeKey::new(key.expect("cannot fail: the key has 32 bytes"));
        Ok(Cipher { key, header, counter: 0 })
    }

    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.counter.to_be_bytes());
        nonce[11] = u8::from(last);
        self.counter += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Encrypts a stream.
pub struct Sealer {
    cipher: Cipher,
    pending: Vec<u8>,
}

impl Sealer {
    /// Begins a stream under the tenant's newest data key; its header is the first of `out`.
    pub fn new(tenant: TenantId, keys: &DataKeys, out: &mut Vec<u8>) -> Result<Sealer, FleetError> {
        let version = keys.version();
        let salt: [u8; SALT] = random();
        let header = [&MAGIC[..], tenant.0.as_bytes(), &version.to_be_bytes(), &salt].concat();
        out.extend(&header);
        Ok(Sealer { cipher: Cipher::new(keys, version, header)?, pending: Vec::with_capacity(2 * CHUNK) })
    }

    pub fn push(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), FleetError> {
        self.pending.extend_from_slice(plain);
        while self.pending.len() > CHUNK {
            let rest = self.pending.split_off(CHUNK);
            let chunk = std::mem::replace(&mut self.pending, rest);
            self.seal(chunk, false, out)?;
        }
        Ok(())
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), FleetError> {
        let chunk = std::mem::take(&mut self.pending);
        self.seal(chunk, true, out)
    }

    fn seal(&mut self, mut chunk: Vec<u8>, last: bool, out: &mut Vec<u8>) -> Result<(), FleetError> {
        let nonce = self.cipher.nonce(last);
        let sealed = self.cipher.key.seal_in_place_append_tag(nonce, Aad::from(&self.cipher.header[..]), &mut chunk);
        sealed.map_err(|_| FleetError::Damaged("a chunk cannot be encrypted".into()))?;
        out.extend(chunk);
        Ok(())
    }
}

/// Decrypts a stream of [`Sealer`].
pub struct Opener {
    cipher: Cipher,
    pending: Vec<u8>,
}

impl Opener {
    /// `header` is the first [`HEADER`] bytes; they must name this tenant.
    pub fn new(tenant: TenantId, keys: &DataKeys, header: &[u8]) -> Result<Opener, FleetError> {
        let damaged = |why: &str| FleetError::Damaged(format!("the encrypted stream {why}"));
        if header.len() != HEADER || !header.starts_with(MAGIC) {
            return Err(damaged("does not begin as one"));
        }
        if Uuid::from_slice(&header[8..24]).ok() != Some(tenant.0) {
            return Err(damaged("belongs to another organisation"));
        }
        let version = u32::from_be_bytes([header[24], header[25], header[26], header[27]]);
        Ok(Opener { cipher: Cipher::new(keys, version, header.to_vec())?, pending: Vec::with_capacity(2 * CHUNK) })
    }

    pub fn push(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), FleetError> {
        self.pending.extend_from_slice(sealed);
        while self.pending.len() > CHUNK + TAG {
            let rest = self.pending.split_off(CHUNK + TAG);
            let chunk = std::mem::replace(&mut self.pending, rest);
            self.open(chunk, false, out)?;
        }
        Ok(())
    }

    /// Says that nothing follows; a stream that was cut off is refused here.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), FleetError> {
        let chunk = std::mem::take(&mut self.pending);
        self.open(chunk, true, out)
    }

    fn open(&mut self, mut chunk: Vec<u8>, last: bool, out: &mut Vec<u8>) -> Result<(), FleetError> {
        let nonce = self.cipher.nonce(last);
        let opened = self.cipher.key.open_in_place(nonce, Aad::from(&self.cipher.header[..]), &mut chunk);
        let plain = opened.map_err(|_| FleetError::Damaged("the encrypted stream was changed or cut off".into()))?;
        out.extend_from_slice(plain);
        Ok(())
    }
}
