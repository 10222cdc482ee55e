//! What a client's signed assertion must say (RFC 7523 section 3, and FAPI 2.0 section 5.3.2.1 on its audience).
use serde_json::Value;

/// An assertion is made for one request.
const LIFETIME_MAX_S: i64 = 300;
/// Clocks of two machines may differ by this much.
const LEEWAY_S: i64 = 10;
const JTI_LENGTH_MAX: usize = 256;

/// A good assertion.
#[derive(Debug, PartialEq, Eq)]
pub struct Assertion<'a> {
    pub jti: &'a str,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// Judges the claims of an assertion whose signature is good. `now` in seconds since 1970.
///
/// The audience is our issuer as one text: an array, or the address of an endpoint, might be meant for another server
/// (the audience injection that draft-ietf-oauth-rfc7523bis closes).
pub fn judge<'a>(claims: &'a Value, client_id: &str, issuer: &str, now: i64) -> Result<Assertion<'a>, &'static str> {
    if claims["iss"] != client_id || claims["sub"] != client_id {
        return Err("iss and sub are the client's id");
    }
    if claims["aud"] != issuer {
        return Err("aud is the issuer, as one text");
    }
    let expires_at = seconds(&claims["exp"])?.ok_or("exp is missing")?;
    if expires_at + LEEWAY_S <= now {
        return Err("it has expired");
    }
    if expires_at > now + LIFETIME_MAX_S + LEEWAY_S {
        return Err("it lives for more than five minutes");
    }
    let (not_before, issued_at) = (seconds(&claims["nbf"])?, seconds(&claims["iat"])?);
    if [not_before, issued_at].iter().flatten().any(|at| *at > now + LEEWAY_S) {
        return Err("it is of the future");
    }
    if issued_at.is_some_and(|at| at + LIFETIME_MAX_S + LEEWAY_S < now) {
        return Err("it was made more than five minutes ago");
    }
    let jti = claims["jti"].as_str().filter(|jti| (1..=JTI_LENGTH_MAX).contains(&jti.len()));
    Ok(Assertion { jti: jti.ok_or("jti is missing")?, expires_at })
}

/// A NumericDate (RFC 7519 section 2). A text is none, however much it looks like one.
fn seconds(value: &Value) -> Result<Option<i64>, &'static str> {
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_f64().filter(|number| (0.0..1e12).contains(number));
    number.map(|number| Some(number.floor() as i64)).ok_or("a time is not a number of seconds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn good() -> Value {
        json!({"iss": "robot", "sub": "robot", "aud": "https://id.example", "exp": NOW + 60, "iat": NOW, "nbf": NOW, "jti": "a"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn judged(claims: &Value) -> bool {
        judge(claims, "robot", "https://id.example", NOW).is_ok()
    }

    #[test]
    fn a_good_one_says_who_for_whom_and_until_when() {
        let claims = good();
        let expected = Assertion { jti: "a", expires_at: NOW + 60 };
        assert_eq!(judge(&claims, "robot", "https://id.example", NOW), Ok(expected));
        for (name, value) in [("iat", Value::Null), ("nbf", Value::Null), ("exp", json!(NOW as f64 + 0.5))] {
            assert!(judged(&with(name, value)), "{name}");
        }
    }

    #[test]
    fn times_have_ten_seconds_of_grace_and_no_more() {
        for (name, offset, good) in [
            ("exp", -9, true),
            ("exp", -10, false),
            ("exp", 310, true),
            ("exp", 311, false),
            ("nbf", 10, true),
            ("nbf", 11, false),
            ("iat", 10, true),
            ("iat", 11, false),
            ("iat", -310, true),
            ("iat", -311, false),
        ] {
            assert_eq!(judged(&with(name, json!(NOW + offset))), good, "{name} {offset}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (name, value) in [
            ("iss", json!("other")),
            ("sub", Value::Null),
            ("sub", json!("other")),
            ("aud", Value::Null),
            ("aud", json!(["https://id.example"])),
            ("aud", json!("https://id.example/")),
            ("aud", json!("https://id.example/oauth/token")),
            ("exp", Value::Null),
            ("exp", json!((NOW + 60).to_string())),
            ("exp", json!(1e300)),
            ("nbf", json!("soon")),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("x".repeat(257))),
        ] {
            assert!(!judged(&with(name, value.clone())), "{name} {value}");
        }
        assert!(!judged(&json!("text")) && !judged(&Value::Null));
    }
}
