//! The master key and what is derived from it: sealed values (AES-256-GCM), signatures (HMAC-SHA256) and random secrets.
use crate::DbError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// First byte of every sealed value; a new algorithm or key layout takes the next number.
const SEAL_VERSION: u8 = 1;

/// The root of all keys: 32 bytes from a file or the environment. Never printed.
#[derive(Clone)]
pub struct MasterKey(Arc<[u8; 32]>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    pub fn generate() -> MasterKey {
        MasterKey(Arc::new(random()))
    }

    /// Reads 32 bytes written as standard base64; surrounding white space is ignored.
    pub fn from_base64(text: &str) -> Result<MasterKey, DbError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| DbError::Secret("the master key is not base64"))?;
        let bytes = bytes.try_into().map_err(|_| DbError::Secret("the master key is not 32 bytes"))?;
        Ok(MasterKey(Arc::new(bytes)))
    }

    pub fn to_base64(&self) -> String {
        STANDARD.encode(*self.0)
    }

    /// A key for one purpose: HKDF-SHA256 (RFC 5869) with the purpose as `info`.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"hitaji");
        let mut key = [0; 32];
        salt.extract(self.0.as_slice())
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("cannot fail: 32 bytes are one block of HKDF-SHA256");
        key
    }

    /// Encrypts `plain` so that it opens only for the same `owner` and `purpose`.
    pub fn seal(&self, owner: &str, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut body = plain.to_vec();
        self.cipher(purpose)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(owner, purpose), &mut body)
            .expect("cannot fail: secrets are far below the length limit of AES-GCM");
        [&[SEAL_VERSION][..], &nonce, &body].concat()
    }

    /// Decrypts what [`MasterKey::seal`] made for the same `owner` and `purpose`.
    pub fn open(&self, owner: &str, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, DbError> {
        let (header, body) = sealed.split_at_checked(1 + NONCE_LEN).ok_or(DbError::Secret("too short"))?;
        if header[0] != SEAL_VERSION {
            return Err(DbError::Secret("unknown version"));
        }
        let nonce = Nonce::try_assume_unique_for_key(&header[1..]).map_err(|_| DbError::Secret("nonce"))?;
        let mut body = body.to_vec();
        let plain = self
            .cipher(purpose)
            .open_in_place(nonce, aad(owner, purpose), &mut body)
            .map_err(|_| DbError::Secret("wrong key, owner or purpose"))?;
        Ok(plain.to_vec())
    }

    /// HMAC-SHA256 of `message` under the key for `purpose`.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.derive(purpose)), message);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// Compares in constant time.
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.sign(purpose, message), signature).is_ok()
    }

    fn cipher(&self, purpose: &str) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &self.derive(&format!("seal/{purpose}")));
        LessSafeKey::new(key.expect("cannot fail: the key has 32 bytes"))
    }
}

fn aad(owner: &str, purpose: &str) -> Aad<Vec<u8>> {
    let mut bytes = vec![SEAL_VERSION];
    for part in [owner, purpose] {
        bytes.extend((part.len() as u32).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    Aad::from(bytes)
}

/// Bytes from the operating system's generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("cannot fail on a machine that has a random generator");
    bytes
}

/// 256 random bits as base64url: for tokens, codes and passwords of roles.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Compares two byte strings in constant time.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// What PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5803), so that a password never travels in SQL.
///
/// Our passwords are 256 random bits: stretching them would add no safety, but time to every new connection.
pub fn scram_verifier(password: &str) -> String {
    const ITERATIONS: NonZeroU32 = NonZeroU32::MIN;
    let salt: [u8; 16] = random();
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password.as_bytes(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored_key = sha256(hmac::sign(&key, b"Client Key").as_ref());
    let server_key = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_for_its_owner_and_purpose() {
        let key = MasterKey::generate();
        let sealed = key.seal("tenant-a", "database-password", b"secret");
        assert_eq!(key.open("tenant-a", "database-password", &sealed).unwrap(), b"secret");
        assert!(key.open("tenant-b", "database-password", &sealed).is_err());
        assert!(key.open("tenant-a", "other", &sealed).is_err());
        assert!(MasterKey::generate().open("tenant-a", "database-password", &sealed).is_err());
        for index in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[index] ^= 1;
            assert!(key.open("tenant-a", "database-password", &bent).is_err(), "byte {index}");
        }
        assert!(key.open("tenant-a", "database-password", &sealed[..5]).is_err());
    }
}
