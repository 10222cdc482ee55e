//! Codes of six digits that are sent to a phone. A code is an HMAC of its id, so that it can be sent and checked without
//! being stored.
use hitaji_db::secrets::{MasterKey, same};
use uuid::Uuid;

/// Wrong codes after which the right one is worth nothing: a guess of six digits then succeeds once in 200,000.
pub const ATTEMPTS_MAX: i32 = 5;

/// Six digits, by the dynamic truncation of RFC 4226 section 5.3.
pub fn code(master: &MasterKey, id: Uuid) -> String {
    let tag = master.sign("one-time-code", id.as_bytes());
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let number = u32::from_be_bytes([tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
    format!("{:06}", number % 1_000_000)
}

/// Whether this was typed, spaces apart.
pub fn fits(master: &MasterKey, id: Uuid, typed: &str) -> bool {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    digits.len() == 6 && same(digits.as_bytes(), code(master, id).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_its_id_only() {
        let master = MasterKey::generate();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let right = code(&master, one);
        assert!(right.len() == 6 && right.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(fits(&master, one, &right) && fits(&master, one, &format!(" {} {} ", &right[..3], &right[3..])));
        assert!(right == code(&master, other) || !fits(&master, other, &right));
        assert!(!fits(&MasterKey::generate(), one, "") && !fits(&master, one, &right[..5]));
    }
}
