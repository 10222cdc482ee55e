//! The master key and what is derived from it: sealed values (AES-256-GCM), signatures (HMAC-SHA256) and random secrets.
use crate::DbError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};

/// First byte of every sealed value: what it was sealed with. A new algorithm or key layout takes the next number.
const SEALED_BY_ONLY_KEY: u8 = 1;
pub(crate) const SEALED_BY_DATA_KEY: u8 = 2;
const SEALED_BY_NAMED_KEY: u8 = 3;

/// The root of all keys: one or more keys of 32 bytes. The first seals and signs, all open and verify, so that a new key can
/// take over without a moment in which something is refused. Never printed.
#[derive(Clone)]
pub struct MasterKey(Arc<RwLock<Arc<[RootKey]>>>);

#[derive(Clone)]
struct RootKey {
    id: [u8; 4],
    bytes: [u8; 32],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    pub fn generate() -> MasterKey {
        MasterKey::from_keys(vec![random()]).expect("cannot fail: there is one key")
    }

    /// The first one seals. None is an error.
    pub fn from_keys(keys: Vec<[u8; 32]>) -> Result<MasterKey, DbError> {
        if keys.is_empty() {
            return Err(DbError::Secret("there is no master key"));
        }
        let root = |bytes: [u8; 32]| RootKey { id: key_id(&bytes), bytes };
        Ok(MasterKey(Arc::new(RwLock::new(keys.into_iter().map(root).collect()))))
    }

    /// Reads keys of 32 bytes in standard base64, one a line; empty lines and those that begin with `#` are skipped.
    pub fn from_base64(text: &str) -> Result<MasterKey, DbError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        MasterKey::from_keys(lines.map(parse_key).collect::<Result<_, _>>()?)
    }

    /// All keys, the sealing one first, as [`MasterKey::from_base64`] reads them.
    pub fn to_base64(&self) -> String {
        self.keys().iter().map(|key| STANDARD.encode(key.bytes)).collect::<Vec<_>>().join("\n")
    }

    /// Takes over the keys of another one, in every clone of this one.
    pub fn replace(&self, other: &MasterKey) {
        let keys = other.keys();
        *self.0.write().expect("cannot be poisoned: assigning does not panic") = keys;
    }

    fn keys(&self) -> Arc<[RootKey]> {
        self.0.read().expect("cannot be poisoned: nothing panics while it is held").clone()
    }

    /// A name for the sealing key that tells nothing of it.
    pub fn id(&self) -> String {
        hex(&self.keys()[0].id)
    }

    /// A key for one purpose: HKDF-SHA256 (RFC 5869) with the purpose as `info`.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        derive_from(&self.keys()[0].bytes, purpose)
    }

    /// [`MasterKey::derive`] of every key, the sealing one first.
    pub fn derive_all(&self, purpose: &str) -> Vec<[u8; 32]> {
        self.keys().iter().map(|key| derive_from(&key.bytes, purpose)).collect()
    }

    /// Encrypts `plain` so that it opens only for the same `owner` and `purpose`.
    pub fn seal(&self, owner: &str, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let key = &self.keys()[0];
        let header = [&[SEALED_BY_NAMED_KEY][..], &key.id].concat();
        seal_with(&derive_from(&key.bytes, &format!("seal/{purpose}")), &header, owner, purpose, plain)
    }

    /// Decrypts what [`MasterKey::seal`] made for the same `owner` and `purpose`.
    pub fn open(&self, owner: &str, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, DbError> {
        let header_length = match sealed.first() {
            Some(&SEALED_BY_NAMED_KEY) => 5,
            Some(&SEALED_BY_ONLY_KEY) => 1,
            _ => return Err(DbError::Secret("unknown version")),
        };
        for key in &*self.keys() {
            if header_length == 1 || sealed.get(1..5) == Some(&key.id[..]) {
                let opened = open_with(
                    &derive_from(&key.bytes, &format!("seal/{purpose}")),
                    header_length,
                    owner,
                    purpose,
                    sealed,
                );
                if opened.is_ok() {
                    return opened;
                }
            }
        }
        Err(DbError::Secret("wrong key, owner or purpose"))
    }

    /// Whether the sealing key of today made this; if not, it waits to be sealed anew.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&SEALED_BY_NAMED_KEY) && sealed.get(1..5) == Some(&self.keys()[0].id[..])
    }

    /// HMAC-SHA256 of `message` under the key for `purpose`.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.derive(purpose), message)
    }

    /// What each key would sign; the sealing one's first.
    pub fn sign_all(&self, purpose: &str, message: &[u8]) -> Vec<[u8; 32]> {
        self.derive_all(purpose).iter().map(|key| hmac_sha256(key, message)).collect()
    }

    /// Compares in constant time, by every key.
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        self.sign_all(purpose, message).iter().any(|expected| same(expected, signature))
    }
}

fn parse_key(text: &str) -> Result<[u8; 32], DbError> {
    let bytes = STANDARD.decode(text).map_err(|_| DbError::Secret("the master key is not base64"))?;
    bytes.try_into().map_err(|_| DbError::Secret("the master key is not 32 bytes"))
}

fn key_id(key: &[u8; 32]) -> [u8; 4] {
    let mut id = [0; 4];
    id.copy_from_slice(&derive_from(key, "key-id")[..4]);
    id
}

/// HKDF-SHA256 (RFC 5869) with the purpose as `info`.
pub(crate) fn derive_from(key: &[u8; 32], purpose: &str) -> [u8; 32] {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"hitaji");
    let mut derived = [0; 32];
    salt.extract(key)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut derived))
        .expect("cannot fail: 32 bytes are one block of HKDF-SHA256");
    derived
}

fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    bytes
}

/// `header`, a random nonce, and AES-256-GCM of `plain` bound to header, owner and purpose.
pub(crate) fn seal_with(key: &[u8; 32], header: &[u8], owner: &str, purpose: &str, plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = random();
    let mut body = plain.to_vec();
    cipher(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(header, owner, purpose), &mut body)
        .expect("cannot fail: secrets are far below the length limit of AES-GCM");
    [header, &nonce, &body].concat()
}

pub(crate) fn open_with(
    key: &[u8; 32],
    header_length: usize,
    owner: &str,
    purpose: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, DbError> {
    let (header, rest) = sealed.split_at_checked(header_length).ok_or(DbError::Secret("too short"))?;
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(DbError::Secret("too short"))?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| DbError::Secret("nonce"))?;
    let mut body = body.to_vec();
    let plain = cipher(key)
        .open_in_place(nonce, aad(header, owner, purpose), &mut body)
        .map_err(|_| DbError::Secret("wrong key, owner or purpose"))?;
    Ok(plain.to_vec())
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("cannot fail: the key has 32 bytes"))
}

fn aad(header: &[u8], owner: &str, purpose: &str) -> Aad<Vec<u8>> {
    let mut bytes = header.to_vec();
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

/// Bytes as small hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn a_new_key_takes_over_while_the_old_one_still_opens() {
        let (old, new) = ([1; 32], [2; 32]);
        let ring = |keys: &[[u8; 32]]| MasterKey::from_keys(keys.to_vec()).unwrap();
        let before = ring(&[old]);
        let (sealed, signed) = (before.seal("a", "p", b"secret"), before.sign("p", b"text"));
        let during = MasterKey::from_base64(&ring(&[new, old]).to_base64()).unwrap();
        assert_eq!(during.open("a", "p", &sealed).unwrap(), b"secret");
        assert!(during.verify("p", b"text", &signed) && !during.is_current(&sealed));
        let anew = during.seal("a", "p", b"secret");
        assert!(ring(&[old, new]).open("a", "p", &anew).is_ok() && before.open("a", "p", &anew).is_err());
        let clone = before.clone();
        before.replace(&ring(&[new]));
        assert!(clone.is_current(&anew) && clone.open("a", "p", &sealed).is_err());
        assert!(MasterKey::from_base64("# nothing\n").is_err());
    }

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
