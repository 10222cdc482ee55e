//! The differences of two catalogues, said to a person.
use hitaji_db::catalogue::Catalogue;

/// What of `expected` is missing, not the same, or too much in `found`. What belongs to a missing table is not told again.
pub fn differences(expected: &Catalogue, found: &Catalogue) -> Vec<String> {
    let mut words = Vec::new();
    for (object, definition) in expected {
        match found.get(object) {
            None if !goes_with_table(object, found) => words.push(said(object, "is missing")),
            Some(other) if other != definition => words.push(said(object, "is not as the schema says")),
            _ => {}
        }
    }
    for object in found.keys().filter(|object| !expected.contains_key(*object)) {
        if !goes_with_table(object, expected) {
            words.push(said(object, "is not part of the schema"));
        }
    }
    words
}

/// Whether the object belongs to a table that the catalogue does not have at all.
fn goes_with_table(object: &str, without: &Catalogue) -> bool {
    let Some((kind, name)) = split(object) else {
        return false;
    };
    let table = match kind {
        "column" | "constraint" | "trigger" | "policy" => name.rsplit_once('.').map(|(table, _)| table),
        "rights on" => Some(name),
        _ => None,
    };
    let kinds = ["table", "view", "sequence"];
    table.is_some_and(|table| kinds.iter().all(|kind| !without.contains_key(&format!("{kind} {table}"))))
}

fn said(object: &str, what: &str) -> String {
    match split(object) {
        Some((kind @ ("column" | "constraint" | "trigger" | "policy"), name)) => match name.rsplit_once('.') {
            Some((table, part)) => format!("{table}: {kind} {part} {what}"),
            None => format!("{object} {what}"),
        },
        Some(("rights on", name)) => format!("{name}: who has rights on it {what}"),
        Some((kind, name)) => format!("{name}: the {kind} {what}"),
        None => format!("{object} {what}"),
    }
}

fn split(object: &str) -> Option<(&str, &str)> {
    match object.strip_prefix("rights on schema ") {
        Some(name) => Some(("rights on", name)),
        None => match object.strip_prefix("rights on ") {
            Some(name) => Some(("rights on", name)),
            None => object.split_once(' '),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(objects: &[(&str, &str)]) -> Catalogue {
        objects.iter().map(|(object, definition)| ((*object).to_owned(), (*definition).to_owned())).collect()
    }

    #[test]
    fn differences_are_said_in_words() {
        let expected = catalogue(&[
            ("table a.b", "1"),
            ("column a.b.c", "1"),
            ("column a.b.d", "1"),
            ("table a.gone", "1"),
            ("column a.gone.id", "1"),
            ("rights on a.gone", "1"),
            ("rights on a.b", "1"),
        ]);
        let found =
            catalogue(&[("table a.b", "1"), ("column a.b.d", "2"), ("rights on a.b", "2"), ("index a.more", "1")]);
        assert_eq!(
            differences(&expected, &found),
            [
                "a.b: column c is missing",
                "a.b: column d is not as the schema says",
                "a.b: who has rights on it is not as the schema says",
                "a.gone: the table is missing",
                "a.more: the index is not part of the schema",
            ]
        );
    }

    #[test]
    fn equal_catalogues_have_no_differences() {
        let both = catalogue(&[("table a.b", "1"), ("column a.b.c", "1")]);
        assert!(differences(&both, &both).is_empty());
    }
}
