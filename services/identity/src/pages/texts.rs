//! What pages and mails say, in English, Swahili and French side by side; a file for each area.
mod account;
mod applications;
mod factor;
mod federation;
mod frame;
mod invitation;
mod mail;
mod notice;
mod password;
mod phone;
mod sign_in;
mod sign_up;

/// Key, English, Swahili, French.
type Text = (&'static str, &'static str, &'static str, &'static str);

const AREAS: &[&[Text]] = &[
    account::TEXTS,
    applications::TEXTS,
    factor::TEXTS,
    federation::TEXTS,
    frame::TEXTS,
    invitation::TEXTS,
    mail::TEXTS,
    notice::TEXTS,
    password::TEXTS,
    phone::TEXTS,
    sign_in::TEXTS,
    sign_up::TEXTS,
];

/// Languages by their tags, with their own names.
pub const LANGUAGES: [(&str, &str); 3] = [("en", "English"), ("sw", "Kiswahili"), ("fr", "Français")];

/// The text; nothing where there is none of this key.
pub fn text(locale: &str, key: &str) -> &'static str {
    all(locale).find(|(known, _)| *known == key).map_or("", |(_, text)| text)
}

pub fn all(locale: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    AREAS.iter().copied().flatten().map(move |(key, en, sw, fr)| match locale {
        "sw" => (*key, *sw),
        "fr" => (*key, *fr),
        _ => (*key, *en),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of a text: `{name}`.
    fn places(text: &str) -> Vec<&str> {
        let mut found: Vec<_> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_text_stands_there_once_in_every_language() {
        let all: Vec<&Text> = AREAS.iter().copied().flatten().collect();
        for (index, (key, en, sw, fr)) in all.iter().enumerate() {
            assert!(!en.is_empty() && !sw.is_empty() && !fr.is_empty(), "{key}");
            assert!(all[..index].iter().all(|(other, ..)| other != key), "{key} stands there twice");
            assert!(places(en) == places(sw) && places(en) == places(fr), "{key}");
        }
    }
}
