//! A sheet of people to invite: CSV with the columns email, name, roles and, if wanted, language.
use crate::domain::account::{locale_of, normalise_email, normalise_name};
use csv::{ReaderBuilder, StringRecord, Trim};
use hitaji_core::FieldError;

pub const ROWS_MAX: usize = 1000;
/// More is of no help to anybody.
const ERRORS_MAX: usize = 200;

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In the file, the heading being line 1.
    pub line: u64,
    pub email: String,
    pub name: String,
    pub roles: Vec<String>,
    pub locale: Option<&'static str>,
}

/// All that is wrong with a sheet, by line.
#[derive(Debug, Default)]
pub struct Flaws(Vec<FieldError>);

impl Flaws {
    /// `column` of a line; `/lines/7/email`.
    pub fn add(&mut self, line: u64, column: &str, code: &'static str, message: impl Into<String>) {
        if self.0.len() < ERRORS_MAX {
            self.0.push(FieldError::new(format!("/lines/{line}/{column}"), code, message));
        }
    }

    pub fn end(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// Columns by their place.
struct Columns {
    email: usize,
    name: usize,
    roles: usize,
    language: Option<usize>,
}

/// Reads comma or semicolon separated text, with or without a byte order mark. What is wrong with single rows is added to
/// `flaws`; what is wrong with the whole is the error.
pub fn read(bytes: &[u8], flaws: &mut Flaws) -> Result<Vec<Row>, Vec<FieldError>> {
    let whole = |code: &'static str, message: &str| vec![FieldError::new("", code, message)];
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
        .map_err(|_| whole("malformed", "Save the sheet as CSV in UTF-8."))?;
    // The reader counts a line that ends in both as begun one line too early.
    let text = text.replace("\r\n", "\n");
    let heading = text.lines().next().unwrap_or_default();
    let semicolons = heading.matches(';').count() > heading.matches(',').count();
    let mut reader = ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .trim(Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(|_| whole("malformed", "The first line cannot be read."))?)?;
    let (mut rows, mut count) = (Vec::new(), 0);
    for record in reader.records() {
        let record = record.map_err(|_| whole("malformed", "The sheet is not CSV."))?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        count += 1;
        if count > ROWS_MAX {
            return Err(whole("too_long", "At most 1,000 people are invited at once."));
        }
        rows.extend(row(&record, &columns, flaws));
    }
    if count == 0 {
        return Err(whole("required", "There is nobody in the sheet."));
    }
    Ok(rows)
}

fn columns(headers: &StringRecord) -> Result<Columns, Vec<FieldError>> {
    let known = ["email", "name", "roles", "language"];
    let named: Vec<String> = headers.iter().map(str::to_ascii_lowercase).collect();
    let place = |name: &str| named.iter().position(|known| known == name);
    let (mut errors, missing) = (Vec::new(), |name: &str| {
        FieldError::new(format!("/columns/{name}"), "required", format!("The first line names no column {name}."))
    });
    for (index, name) in named.iter().enumerate() {
        if !known.contains(&name.as_str()) && !name.is_empty() {
            let message = "The columns are email, name, roles and language.";
            errors.push(FieldError::new(format!("/columns/{index}"), "unknown_field", message));
        } else if named[..index].contains(name) {
            errors.push(FieldError::new(format!("/columns/{index}"), "repeated", "This column stands there twice."));
        }
    }
    errors.extend(known[..3].iter().filter(|name| place(name).is_none()).map(|name| missing(name)));
    match (place("email"), place("name"), place("roles")) {
        (Some(email), Some(name), Some(roles)) if errors.is_empty() => {
            Ok(Columns { email, name, roles, language: place("language") })
        }
        _ => Err(errors),
    }
}

fn row(record: &StringRecord, columns: &Columns, flaws: &mut Flaws) -> Option<Row> {
    let line = record.position().map_or(0, csv::Position::line);
    let cell = |index: usize| record.get(index).unwrap_or_default();
    let email = normalise_email(cell(columns.email));
    if email.is_none() {
        flaws.add(line, "email", "malformed", "Write an e-mail address like amina@example.org.");
    }
    let name = normalise_name(cell(columns.name));
    if name.is_none() {
        flaws.add(line, "name", "required", "Write the person's name.");
    }
    let between = |letter: char| letter.is_whitespace() || [',', ';', '|'].contains(&letter);
    let mut roles: Vec<String> = Vec::new();
    for role in cell(columns.roles).split(between).filter(|role| !role.is_empty()) {
        if !roles.iter().any(|known| known == role) {
            roles.push(role.to_owned());
        }
    }
    if roles.is_empty() || roles.len() > 16 {
        flaws.add(line, "roles", "required", "Name one role or up to 16, with spaces between them.");
    }
    let language = columns.language.map(cell).filter(|text| !text.is_empty());
    let locale = language.and_then(locale_of);
    if language.is_some() && locale.is_none() {
        flaws.add(line, "language", "unknown_value", "The language is en, sw or fr.");
    }
    Some(Row { line, email: email?, name: name?, roles, locale })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|error| &*error.pointer).collect()
    }

    #[test]
    fn sheets_of_every_program_are_read() {
        let mut flaws = Flaws::default();
        let text = "\u{feff}Email;Name;Roles;Language\r\n Juma@Uhuru.example ;\"Ali; Juma\";teacher bursar;sw\r\n;;;\r\na@b.example;A;teacher;\r\n";
        let rows = read(text.as_bytes(), &mut flaws).unwrap();
        assert!(flaws.end().is_ok());
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].line, &*rows[0].email, &*rows[0].name), (2, "juma@uhuru.example", "Ali; Juma"));
        assert_eq!((&*rows[0].roles, rows[0].locale), (&["teacher".to_owned(), "bursar".to_owned()][..], Some("sw")));
        assert_eq!((rows[1].line, rows[1].locale), (4, None));
        let rows = read(b"name,roles,email\nA,\"teacher,bursar\",a@b.example", &mut Flaws::default()).unwrap();
        assert_eq!(rows[0].roles.len(), 2);
    }

    #[test]
    fn every_flaw_is_told_with_its_line() {
        let mut flaws = Flaws::default();
        let text = "email,name,roles,language\nx,,,\nok@b.example,B,teacher,xx\n";
        let rows = read(text.as_bytes(), &mut flaws).unwrap();
        assert_eq!(rows.len(), 1);
        let errors = flaws.end().unwrap_err();
        assert_eq!(pointers(&errors), ["/lines/2/email", "/lines/2/name", "/lines/2/roles", "/lines/3/language"]);
    }

    #[test]
    fn what_is_no_sheet_is_refused_as_a_whole() {
        let refused = |text: &str| read(text.as_bytes(), &mut Flaws::default()).unwrap_err();
        assert_eq!(pointers(&refused("email,name\na@b.example,A")), ["/columns/roles"]);
        assert_eq!(pointers(&refused("email,name,roles,salary\n")), ["/columns/3"]);
        assert_eq!(pointers(&refused("email,name,roles\n")), [""]);
        assert_eq!(refused("")[0].code, "required");
        assert_eq!(read(b"email,name,roles\n\xff,a,b", &mut Flaws::default()).unwrap_err()[0].code, "malformed");
        let many = format!("email,name,roles\n{}", "a@b.example,A,teacher\n".repeat(1001));
        assert_eq!(refused(&many)[0].code, "too_long");
    }
}
