//! Rules for what an organisation may be called, where it is and what it uses.
pub mod lifecycle;
pub mod support;

use chrono_tz::Tz;
use hitaji_core::FieldError;
use iso_currency::Currency;

const MAX_SLUG: usize = 40;

/// A short name for addresses, made from the full one: `Uhuru Academy` becomes `uhuru-academy`.
pub fn slug_from_name(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let slug = plain.split_whitespace().collect::<Vec<_>>().join("-");
    let slug = slug.get(..slug.len().min(MAX_SLUG - 4)).unwrap_or_default().trim_matches('-').to_owned();
    if slug.is_empty() { "organisation".to_owned() } else { slug }
}

/// The same slug for the `attempt`-th organisation that wants it; the first has no number.
pub fn numbered(slug: &str, attempt: u32) -> String {
    if attempt == 0 { slug.to_owned() } else { format!("{slug}-{}", attempt + 1) }
}

pub fn check_slug(slug: &str) -> Result<(), FieldError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=MAX_SLUG).contains(&slug.len()) && slug.bytes().all(inner) && !slug.starts_with('-') && !slug.ends_with('-')
    {
        return Ok(());
    }
    Err(FieldError::new("/slug", "malformed", "Use up to 40 small letters, digits and hyphens."))
}

pub fn check_name(name: &str) -> Result<(), FieldError> {
    if (2..=120).contains(&name.trim().chars().count()) {
        return Ok(());
    }
    Err(FieldError::new("/name", "length", "Give the organisation a name of 2 to 120 characters."))
}

pub fn check_country(country: &str) -> Result<(), FieldError> {
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(FieldError::new(
        "/country",
        "unknown_value",
        "Use the two-letter ISO 3166 code of the country, for example KE.",
    ))
}

pub fn check_currency(currency: &str) -> Result<(), FieldError> {
    match Currency::from_code(currency) {
        Some(_) => Ok(()),
        None => {
            Err(FieldError::new("/currency", "unknown_value", "Use a three-letter ISO 4217 code, for example KES."))
        }
    }
}

pub fn parse_time_zone(time_zone: &str) -> Result<Tz, FieldError> {
    time_zone.parse().map_err(|_| {
        FieldError::new("/time_zone", "unknown_value", "Use an IANA time zone, for example Africa/Nairobi.")
    })
}

/// Products are named once each and must be there.
pub fn check_products(products: &[String], known: &[&str]) -> Result<(), FieldError> {
    for (index, product) in products.iter().enumerate() {
        if !known.contains(&product.as_str()) || products[..index].contains(product) {
            let message = format!("Choose products from: {}.", known.join(", "));
            return Err(FieldError::new(format!("/products/{index}"), "unknown_value", message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_plain_and_never_empty() {
        for (name, slug) in [
            ("Uhuru Academy", "uhuru-academy"),
            ("  St. Mary's -- Girls' School ", "st-mary-s-girls-school"),
            ("学校", "organisation"),
            (
                "A very long name of a school that does not end before forty characters",
                "a-very-long-name-of-a-school-that-do",
            ),
        ] {
            assert_eq!(slug_from_name(name), slug);
            assert!(check_slug(&numbered(slug, 99)).is_ok(), "{slug}");
        }
        for bad in ["", "-a", "a-", "Uhuru", "a b", &"a".repeat(41)] {
            assert!(check_slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn products_must_be_known_and_named_once() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(check_products(&list(&["school"]), &["school"]).is_ok());
        assert_eq!(check_products(&list(&["school", "school"]), &["school"]).unwrap_err().pointer, "/products/1");
        assert!(check_products(&list(&["casino"]), &["school"]).is_err());
    }
}
