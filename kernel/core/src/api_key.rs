//! How an API key looks: `hitaji_live_`, 43 characters of secret, `_`, 6 characters of checksum. By the prefix scanners of
//! source code find leaked ones; by the checksum a mistyped one is refused without asking anybody.

pub const PREFIX: &str = "hitaji_live_";

/// 256 bits as base64url.
const SECRET_CHARACTERS: usize = 43;
const CHECK_CHARACTERS: usize = 6;
/// As many of the secret's characters as lists show beside the prefix, so that people tell keys apart.
const SHOWN_CHARACTERS: usize = 4;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The key of a secret with 43 base64url characters.
pub fn assemble(secret: &str) -> String {
    format!("{PREFIX}{secret}_{}", checksum(secret))
}

/// Whether a bearer token means to be an API key.
pub fn is_meant(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Whether a key can be a real one: its form and its checksum are right.
pub fn is_well_formed(key: &str) -> bool {
    let Some((secret, check)) = key.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(SECRET_CHARACTERS))
    else {
        return false;
    };
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    secret.bytes().all(is_base64url) && check.strip_prefix('_') == Some(checksum(secret).as_str())
}

/// What lists show of a key: enough to tell it from others, and no help in guessing it.
pub fn shown(key: &str) -> String {
    key.chars().take(PREFIX.len() + SHOWN_CHARACTERS).collect()
}

/// CRC-32 (IEEE 802.3) in base 62, the highest digit first, filled with zeros.
fn checksum(secret: &str) -> String {
    let mut rest = crc32fast::hash(secret.as_bytes());
    let mut digits = [b'0'; CHECK_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_typing_error_is_seen() {
        let key = assemble("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcde");
        assert!(is_well_formed(&key) && is_meant(&key) && key.len() == 62, "{key}");
        assert_eq!(shown(&key), "hitaji_live_AbCd");
        for position in PREFIX.len()..key.len() {
            let mut other = key.clone().into_bytes();
            other[position] = if other[position] == b'x' { b'y' } else { b'x' };
            assert!(!is_well_formed(&String::from_utf8(other).unwrap()), "{position}");
        }
        for bad in [&key[..61], &format!("{key}0"), "hitaji_live_", "", "hitaji_live_é", &key.replace("live", "test")]
        {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn the_checksum_is_the_common_one() {
        // The check value of CRC-32/ISO-HDLC is 0xCBF43926 = 3421780262.
        assert_eq!(checksum("123456789"), "3jZRME");
    }
}
