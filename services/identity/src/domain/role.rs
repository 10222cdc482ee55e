//! Roles that organisations make themselves.

/// The role that may do everything; an organisation never is without somebody who has it.
pub const OWNER: &str = "owner";

/// A role of an organisation's own, as far as rights go.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct OwnRole {
    pub key: String,
    pub scopes: Vec<String>,
}

/// A key from a name: lower-case ASCII letters, digits and underscores, at most 40. None where nothing is left of it.
pub fn key_of(name: &str) -> Option<String> {
    let mut key = String::new();
    for letter in name.trim().chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' => key.push(letter),
            _ if !key.is_empty() && !key.ends_with('_') => key.push('_'),
            _ => {}
        }
    }
    key.truncate(40);
    let key = key.trim_matches('_').trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    (key.len() >= 2).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        assert_eq!(key_of(" Exams officer (upper school) ").as_deref(), Some("exams_officer_upper_school"));
        assert_eq!(key_of("4th form tutor").as_deref(), Some("th_form_tutor"));
        assert_eq!(key_of("Économe").as_deref(), Some("conome"));
        assert_eq!(key_of("???"), None);
        assert_eq!(key_of(&"a".repeat(90)).map(|key| key.len()), Some(40));
    }
}
