//! Query strings: readable text, and only parameters that the route declares.
use crate::Problem;
use hitaji_core::ErrorCode;
use std::borrow::Cow;

/// Refuses what cannot be read and what is not declared. `date[gte]` is declared by its own name or by `date`.
pub(crate) fn check_query(query: &str, declared: &[String]) -> Result<(), Problem> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(_)) = (decode(name), decode(value)) else {
            let detail = "The query string is not percent-encoded UTF-8 text.";
            return Err(Problem::new(ErrorCode::Malformed, detail));
        };
        let base = name.split('[').next().unwrap_or_default();
        if !declared.iter().any(|known| *known == name || known == base) {
            let known = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
            let detail = format!("There is no query parameter `{base}` here; there are: {known}.");
            return Err(Problem::new(ErrorCode::Malformed, detail));
        }
    }
    Ok(())
}

/// Text of a form-encoded part. None for broken escapes, other encodings than UTF-8, and NUL, which nothing stores.
fn decode(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains(['%', '+']) {
        return Some(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok().filter(|byte| *byte != 0)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declared_parameters_in_readable_text() {
        let declared = ["sex".to_owned(), "date[gte]".to_owned()];
        for good in ["", "sex=male", "sex[ne]=m%C3%A4nnlich", "date%5Bgte%5D=2026-01-01&sex", "&&sex=a+b"] {
            assert!(check_query(good, &declared).is_ok(), "{good}");
        }
        for bad in [
            "sexy=1",
            "date=1",
            "date[lt]=1",
            "=1",
            "sex=%",
            "sex=%4",
            "sex=%zz",
            "sex=%+1",
            "sex=%ff",
            "sex=%00",
            "%00=1",
        ] {
            assert!(check_query(bad, &declared).is_err(), "{bad}");
        }
        assert!(check_query("anything=1", &[]).is_err());
    }
}
