//! What a person may call themselves, be reached at, and use as a password.
use std::sync::OnceLock;
use zxcvbn::feedback::Warning;
use zxcvbn::{Score, zxcvbn};

pub const PASSWORD_CHARS_MIN: usize = 8;
pub const PASSWORD_CHARS_MAX: usize = 100;

/// The address as we store and compare it: trimmed, lower case. None where it cannot be one.
pub fn normalise_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@')?;
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\\,;:\"@".contains(c);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let good = email.len() <= 254
        && (1..=64).contains(&local.len())
        && !local.contains(forbidden)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain.split('.').all(is_label);
    good.then_some(email)
}

/// A name on one line, without more than single spaces. None where nothing or too much is left.
pub fn normalise_name(text: &str) -> Option<String> {
    let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let good = (1..=120).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    good.then_some(name)
}

/// `en`, `sw` or `fr`, from a language tag or a list of them in order of preference.
pub fn locale_of(tags: &str) -> Option<&'static str> {
    tags.split([' ', ',']).find_map(|tag| {
        let primary = tag.split([';', '-', '_']).next().unwrap_or_default().trim();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some("en"),
            "sw" => Some("sw"),
            "fr" => Some("fr"),
            _ => None,
        }
    })
}

/// Why a password is not accepted; the text is the key of the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordProblem {
    /// For programs.
    pub code: &'static str,
    /// Which text says what to do.
    pub advice: &'static str,
}

/// Passwords of at least eight characters that are tried first: lower case, sorted bytewise. Joined on 2026-11-23 from
/// `common-passwords.txt` of Django 5.2.19 (BSD-3-Clause; by frequency in breaches) and our own: words that people in East Africa
/// choose (places, clubs, faith, money, school in Swahili, English and French) with the endings that they add.
const COMMON: &str = include_str!("common_passwords.txt");

/// Whether a password is among those that everybody tries first, in any case of its letters.
fn is_common(password: &str) -> bool {
    static SORTED: OnceLock<Vec<&str>> = OnceLock::new();
    let sorted = SORTED.get_or_init(|| COMMON.lines().collect());
    sorted.binary_search(&password.to_lowercase().as_str()).is_ok()
}

/// Judges a new password. `known` is what an attacker would try first: name, address, organisation.
pub fn judge_password(password: &str, known: &[&str]) -> Result<(), PasswordProblem> {
    let problem = |code, advice| Err(PasswordProblem { code, advice });
    let length = password.chars().count();
    if length < PASSWORD_CHARS_MIN {
        return problem("too_short", "password_too_short");
    }
    // Also keeps the estimate below from taking long.
    if length > PASSWORD_CHARS_MAX {
        return problem("too_long", "password_too_long");
    }
    if is_common(password) {
        return problem("too_weak", "password_weak_common");
    }
    let estimate = zxcvbn(password, known);
    if estimate.score() >= Score::Three {
        return Ok(());
    }
    problem("too_weak", estimate.feedback().and_then(|feedback| feedback.warning()).map_or("password_weak", advice))
}

fn advice(warning: Warning) -> &'static str {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess => {
            "password_weak_keys"
        }
        Warning::RepeatsLikeAaaAreEasyToGuess
        | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess
        | Warning::SequencesLikeAbcAreEasyToGuess => "password_weak_repeats",
        Warning::ThisIsATop10Password
        | Warning::ThisIsATop100Password
        | Warning::ThisIsACommonPassword
        | Warning::ThisIsSimilarToACommonlyUsedPassword => "password_weak_common",
        Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess => "password_weak_dates",
        Warning::AWordByItselfIsEasyToGuess
        | Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
        | Warning::CommonNamesAndSurnamesAreEasyToGuess => "password_weak_names",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(normalise_email("  Amina.Otieno@Uhuru.AC.KE ").as_deref(), Some("amina.otieno@uhuru.ac.ke"));
        assert!(normalise_email("amina+school@example.org").is_some());
        for bad in [
            "",
            "@",
            "a@",
            "@b.c",
            "a b@c.de",
            "a@b",
            "a@b@c.de",
            "a@-b.de",
            "a@b..de",
            ".a@b.de",
            "a..b@c.de",
            "a@b.de\nx",
            "a\u{0}@b.de",
            "<a@b.de>",
            "a@b.de,c@d.ef",
        ] {
            assert_eq!(normalise_email(bad), None, "{bad:?}");
        }
        assert!(normalise_email("a@b.de\r\nBcc: c@d.ef").is_none());
        assert!(normalise_email(&format!("{}@b.de", "a".repeat(65))).is_none());
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(normalise_name("  Wanjiku \n Kamau ").as_deref(), Some("Wanjiku Kamau"));
        assert!(normalise_name(" \t ").is_none() && normalise_name(&"x".repeat(121)).is_none());
        assert!(normalise_name("a\u{7}b").is_none());
    }

    #[test]
    fn the_first_language_that_we_speak_is_taken() {
        assert_eq!(locale_of("de-DE,sw;q=0.9,en;q=0.8"), Some("sw"));
        assert_eq!(locale_of("en-KE sw"), Some("en"));
        assert_eq!(locale_of("fr-CD"), Some("fr"));
        assert_eq!(locale_of("de"), None);
    }

    #[test]
    fn common_passwords_are_refused_whatever_their_case() {
        assert!(COMMON.lines().is_sorted() && COMMON.lines().count() > 4000);
        for password in ["hakunamatata2026", "MunguNiMwema123", "Iloveyou", "arsenal@2026"] {
            assert!(is_common(password), "{password}");
        }
        assert!(!is_common("mvua kubwa ya masika"));
    }

    #[test]
    fn a_guessable_password_is_refused_with_advice() {
        for (password, code) in [
            ("short", "too_short"),
            ("password1", "too_weak"),
            ("qwertyuiop", "too_weak"),
            ("Wanjiku2024", "too_weak"),
            ("UhuruAcademy", "too_weak"),
        ] {
            let judged = judge_password(
                password,
                &["Wanjiku Kamau", "wanjiku@uhuru.ac.ke", "Uhuru Academy", "Wanjiku", "uhuruacademy"],
            );
            assert_eq!(judged.map_err(|problem| problem.code), Err(code), "{password}");
        }
        assert_eq!(judge_password(&"x".repeat(101), &[]).map_err(|problem| problem.code), Err("too_long"));
        assert_eq!(judge_password("mvua kubwa ya masika", &["Wanjiku"]), Ok(()));
        assert_eq!(judge_password("correct horse battery", &[]), Ok(()));
    }
}
