//! Second factors: codes of an authenticator app (RFC 6238) and recovery codes on paper.
use hitaji_db::secrets::sha256;
use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Builder, Totp};
use uuid::Uuid;

/// Bytes of a TOTP secret: 160 bits, as RFC 4226 section 4 recommends.
pub const SECRET_BYTES: usize = 20;
pub const RECOVERY_CODES: usize = 10;
/// Bytes of a recovery code: 80 bits, so that a plain hash at rest is enough.
pub const RECOVERY_BYTES: usize = 10;

/// The parameters that every authenticator app knows: SHA-1, six digits, 30 seconds; one step of clock drift either way.
fn totp(secret: &[u8], address: &str) -> Option<Totp> {
    // The label of an otpauth address is `issuer:account`, so neither may hold a colon.
    let address = address.replace(':', " ");
    Builder::new()
        .with_secret(secret.to_vec())
        .with_skew(1)
        .with_account_name(address)
        .with_issuer(Some("Hitaji"))
        .build()
        .ok()
}

/// The step that a code belongs to, if it is right at `now_s` (seconds since 1970) and of a later step than `last_step`.
pub fn accept(secret: &[u8], code: &str, now_s: i64, last_step: i64) -> Option<i64> {
    let step = totp(secret, "account")?.check(code, u64::try_from(now_s).ok()?)?;
    i64::try_from(step).ok().filter(|step| *step > last_step)
}

/// How a new secret is handed over: as text in groups of four, and as a picture.
pub struct Handed {
    pub text: String,
    pub svg: String,
}

pub fn hand_over(secret: &[u8], address: &str) -> Option<Handed> {
    let totp = totp(secret, address)?;
    let base32 = totp.secret().to_base32();
    let picture = QrCode::new(totp.to_url().ok()?.as_bytes()).ok()?;
    let drawn = picture.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    // The picture stands in a page, not in a file of its own.
    let svg = drawn.find("<svg").map(|start| drawn[start..].replacen("<svg", "<svg aria-hidden=\"true\"", 1))?;
    Some(Handed { text: grouped(&base32), svg })
}

/// A recovery code as people write it: `abcd-efgh-ijkl-mnop`.
pub fn recovery_code(random: [u8; RECOVERY_BYTES]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let letters: Vec<char> =
        (0..16).rev().map(|place| char::from(ALPHABET[(bits >> (place * 5) & 31) as usize])).collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// What is kept of a recovery code. Case, hyphens and spaces do not count.
pub fn recovery_hash(account_id: Uuid, code: &str) -> [u8; 32] {
    let bare: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    sha256(&[account_id.as_bytes().as_slice(), bare.as_bytes()].concat())
}

/// Six digits with any spaces between them; none where it is something else, such as a recovery code.
pub fn app_code(typed: &str) -> Option<String> {
    let bare: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    (bare.len() == 6 && bare.bytes().all(|byte| byte.is_ascii_digit())).then_some(bare)
}

fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six digits of the SHA-1 rows.
    #[test]
    fn the_codes_of_the_rfc_are_taken_once() {
        let secret = b"12345678901234567890";
        assert_eq!(accept(secret, "287082", 59, 0), Some(1));
        assert_eq!(accept(secret, "081804", 1_111_111_109, 0), Some(37_037_036));
        assert_eq!(accept(secret, "081804", 1_111_111_109, 37_037_036), None, "taken already");
        assert_eq!(accept(secret, "081804", 1_111_111_139, 0), Some(37_037_036), "the step before");
        assert_eq!(accept(secret, "081804", 1_111_111_199, 0), None, "too old");
        assert_eq!(accept(secret, "287083", 59, 0), None);
    }

    #[test]
    fn a_secret_is_handed_over_as_text_and_as_a_picture() {
        let handed = hand_over(b"12345678901234567890", "amina:x@uhuru.example").unwrap();
        assert_eq!(handed.text, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(handed.svg.starts_with("<svg aria-hidden") && handed.svg.ends_with("</svg>"));
    }

    #[test]
    fn a_recovery_code_may_be_written_in_any_way() {
        let code = recovery_code([0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1f]);
        assert_eq!(code, "aaaa-aaaa-aaaa-aaa7");
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(recovery_hash(one, &code), recovery_hash(one, " AAAA aaaa AAAA aaa7"));
        assert_ne!(recovery_hash(one, &code), recovery_hash(other, &code));
        assert_eq!(app_code(" 123 456 ").as_deref(), Some("123456"));
        assert!(app_code(&code).is_none() && app_code("12345").is_none());
    }
}
