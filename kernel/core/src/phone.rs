//! Telephone numbers in one form, so that the same person is found by the same number however it was typed.

/// ISO 3166-1 country, calling code, digits after it. Numbers of these countries may be written without the calling code, with
/// or without a leading zero (ITU-T E.123 national form); those of others are written in full.
const NATIONAL: &[(&str, &str, usize)] = &[
    ("BI", "257", 8),
    ("CD", "243", 9),
    ("DJ", "253", 8),
    ("EG", "20", 10),
    ("ET", "251", 9),
    ("GH", "233", 9),
    ("KE", "254", 9),
    ("MW", "265", 9),
    ("MZ", "258", 9),
    ("NG", "234", 10),
    ("RW", "250", 9),
    ("SD", "249", 9),
    ("SO", "252", 9),
    ("SS", "211", 9),
    ("TZ", "255", 9),
    ("UG", "256", 9),
    ("ZA", "27", 9),
    ("ZM", "260", 9),
];

/// The number in the form of ITU-T E.164: a plus and 7 to 15 digits. `country` is where a number without calling code is
/// taken to be of. None where it cannot be a number, or where the calling code is missing and cannot be told.
pub fn normal_phone(text: &str, country: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '(' | ')' | '.' | '/')).collect();
    let international = plain.strip_prefix('+').or(plain.strip_prefix("00"));
    let digits = international.unwrap_or(&plain);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let full =
        |digits: &str| ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| format!("+{digits}"));
    if international.is_some() {
        return full(digits);
    }
    let (_, code, length) = NATIONAL.iter().find(|(known, ..)| *known == country)?;
    let local = digits.strip_prefix('0').unwrap_or(digits);
    match local.strip_prefix(code) {
        Some(rest) if rest.len() == *length => full(local),
        _ if local.len() == *length => full(&format!("{code}{local}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for text in
            ["+254 712-345 678", "0712345678", "712 345 678", "254712345678", "00254712345678", "(0712) 345.678"]
        {
            assert_eq!(normal_phone(text, "KE").as_deref(), Some("+254712345678"), "{text}");
        }
        assert_eq!(normal_phone("0712345678", "TZ").as_deref(), Some("+255712345678"));
        assert_eq!(normal_phone("+44 20 7946 0018", "KE").as_deref(), Some("+442079460018"));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for text in ["", "12ab", "07123", "+0712345678", "+1234567890123456", "0712345678 ext 3", "+"] {
            assert_eq!(normal_phone(text, "KE"), None, "{text}");
        }
        assert_eq!(normal_phone("0712345678", "DE"), None);
    }
}
