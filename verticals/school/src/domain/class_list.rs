//! A class list: CSV of pupils with their guardians, read and checked row by row, nothing written.
use chrono::NaiveDate;
use hitaji_core::{FieldError, normal_phone};
use std::collections::BTreeMap;

pub const MAX_ROWS: usize = 5_000;
const MAX_TEXT: usize = 120;

/// Known columns; the first six must be there.
pub const COLUMNS: [&str; 16] = [
    "admission_number",
    "first_name",
    "last_name",
    "date_of_birth",
    "year_group",
    "stream",
    "sex",
    "guardian1_name",
    "guardian1_phone",
    "guardian1_email",
    "guardian1_relation",
    "guardian1_sms",
    "guardian2_name",
    "guardian2_phone",
    "guardian2_email",
    "guardian2_relation",
];
pub const LAST_COLUMN: &str = "guardian2_sms";
const REQUIRED: usize = 6;

/// The texts of one row, by column.
pub type Values = BTreeMap<String, String>;

/// A row whose values are all good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub admission_number: String,
    pub first_name: String,
    pub last_name: String,
    pub date_of_birth: Option<NaiveDate>,
    pub sex: Option<&'static str>,
    pub year_group: String,
    pub stream: String,
    pub guardians: Vec<Guardian>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardian {
    pub name: String,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub relation: &'static str,
    pub sms_consent: bool,
}

pub fn all_columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().chain([LAST_COLUMN])
}

/// Reads the file: its columns and the texts of every row. A file that cannot be read is refused as a whole.
pub fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Values>), FieldError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        malformed(line as u64, "this line is not UTF-8 text; save the file as \"CSV UTF-8\"")
    })?;
    if text.contains('\0') {
        return Err(malformed(1, "the file is not text"));
    }
    let delimiter =
        if text.lines().next().is_some_and(|line| line.contains(';') && !line.contains(',')) { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| csv_error(&error))?.clone();
    let columns: Vec<String> = header.iter().map(|name| name.to_lowercase().replace([' ', '-'], "_")).collect();
    check_columns(&columns)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| csv_error(&error))?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        if rows.len() == MAX_ROWS {
            return Err(FieldError::new(
                "",
                "too_many_rows",
                format!("A class list has at most {MAX_ROWS} rows; send it in parts."),
            ));
        }
        rows.push(columns.iter().cloned().zip(record.iter().map(str::to_owned)).collect());
    }
    if rows.is_empty() {
        return Err(FieldError::new("", "empty", "The file has a header but no pupils."));
    }
    Ok((columns, rows))
}

fn malformed(line: u64, message: &str) -> FieldError {
    FieldError::new(format!("/line/{line}"), "malformed_csv", format!("Line {line}: {message}."))
}

fn csv_error(error: &csv::Error) -> FieldError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => malformed(
            line,
            &format!("{len} values where the header has {expected_len}; is a comma or a quote too many?"),
        ),
        _ => malformed(line, "this cannot be read as CSV"),
    }
}

fn check_columns(columns: &[String]) -> Result<(), FieldError> {
    for (index, column) in columns.iter().enumerate() {
        if !all_columns().any(|known| known == column) {
            let message =
                format!("There is no column `{column}`. Known ones: {}.", all_columns().collect::<Vec<_>>().join(", "));
            return Err(FieldError::new(format!("/columns/{index}"), "unknown_column", message));
        }
        if columns[..index].contains(column) {
            return Err(FieldError::new(
                format!("/columns/{index}"),
                "repeated_column",
                format!("The column `{column}` is there twice."),
            ));
        }
    }
    match COLUMNS[..REQUIRED].iter().find(|name| !columns.iter().any(|column| column == *name)) {
        Some(missing) => {
            Err(FieldError::new("/columns", "missing_column", format!("The column `{missing}` is missing.")))
        }
        None => Ok(()),
    }
}

/// Checks one row; all that is wrong with it at once. `country` is where phone numbers without calling code are of.
pub fn check(values: &Values, today: NaiveDate, country: &str) -> Result<Row, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut text = |column: &'static str, limit: usize| {
        let value = values.get(column).map(|value| value.trim().to_owned()).unwrap_or_default();
        if value.is_empty() {
            errors.push(FieldError::new(format!("/{column}"), "required", "This value is needed."));
        } else if value.chars().count() > limit {
            errors.push(FieldError::new(format!("/{column}"), "too_long", format!("At most {limit} characters.")));
        }
        value
    };
    let admission_number = text("admission_number", 30);
    let first_name = text("first_name", 60);
    let last_name = text("last_name", 60);
    let year_group = text("year_group", 40);
    let stream = text("stream", 40);
    let date_of_birth = check_birth(values, today, &mut errors);
    let sex = check_sex(values, &mut errors);
    let guardians = ["guardian1", "guardian2"]
        .iter()
        .filter_map(|prefix| check_guardian(values, prefix, country, &mut errors))
        .collect();
    if errors.is_empty() {
        Ok(Row { admission_number, first_name, last_name, date_of_birth, sex, year_group, stream, guardians })
    } else {
        Err(errors)
    }
}

fn given<'a>(values: &'a Values, column: &str) -> Option<&'a str> {
    values.get(column).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn check_birth(values: &Values, today: NaiveDate, errors: &mut Vec<FieldError>) -> Option<NaiveDate> {
    let text = given(values, "date_of_birth")?;
    let parsed =
        ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y"].iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    let earliest = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
    match parsed {
        Some(date) if date <= today && date >= earliest => Some(date),
        Some(_) => {
            errors.push(FieldError::new("/date_of_birth", "out_of_range", "A date of birth is in the past."));
            None
        }
        None => {
            errors.push(FieldError::new("/date_of_birth", "malformed", "Write the date as 2014-03-27 or 27/03/2014."));
            None
        }
    }
}

fn check_sex(values: &Values, errors: &mut Vec<FieldError>) -> Option<&'static str> {
    match given(values, "sex")?.to_lowercase().as_str() {
        "f" | "female" | "girl" | "mke" => Some("female"),
        "m" | "male" | "boy" | "mume" => Some("male"),
        _ => {
            errors.push(FieldError::new("/sex", "unknown_value", "Write female or male, or leave it empty."));
            None
        }
    }
}

fn check_guardian(values: &Values, prefix: &str, country: &str, errors: &mut Vec<FieldError>) -> Option<Guardian> {
    let column = |name: &str| format!("{prefix}_{name}");
    let value = |name: &str| given(values, &column(name));
    let mut refuse = |name: &str, code: &'static str, message: &str| {
        errors.push(FieldError::new(format!("/{}", column(name)), code, message));
    };
    let Some(name) = value("name") else {
        if ["phone", "email", "relation", "sms"].iter().any(|other| value(other).is_some()) {
            refuse("name", "required", "A guardian needs a name.");
        }
        return None;
    };
    if name.chars().count() > MAX_TEXT {
        refuse("name", "too_long", "At most 120 characters.");
    }
    let phone = value("phone").and_then(|text| {
        let phone = normal_phone(text, country);
        if phone.is_none() {
            refuse("phone", "malformed", "Write the number as +254712345678 or 0712345678.");
        }
        phone
    });
    let email = value("email").map(str::to_lowercase);
    if email
        .as_ref()
        .is_some_and(|email| email.split_once('@').is_none_or(|(user, host)| user.is_empty() || !host.contains('.')))
    {
        refuse("email", "malformed", "This is not an e-mail address.");
    }
    let relation = match value("relation").map(str::to_lowercase).as_deref() {
        None | Some("guardian" | "mlezi") => "guardian",
        Some("mother" | "mama" | "mum") => "mother",
        Some("father" | "baba" | "dad") => "father",
        Some(_) => "other",
    };
    let sms_consent = match value("sms").map(str::to_lowercase).as_deref() {
        None | Some("no" | "n" | "false" | "0" | "hapana") => false,
        Some("yes" | "y" | "true" | "1" | "ndiyo") => true,
        Some(_) => {
            refuse("sms", "unknown_value", "Write yes or no.");
            false
        }
    };
    if sms_consent && phone.is_none() && value("phone").is_none() {
        refuse("phone", "required", "A guardian who gets SMS needs a phone number.");
    }
    Some(Guardian { name: name.to_owned(), phone, email, relation, sms_consent })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "admission_number,first_name,last_name,date_of_birth,sex,year_group,stream,guardian1_name,guardian1_phone,guardian1_sms\n";

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, 12).unwrap()
    }

    fn rows(body: &str) -> Vec<Values> {
        read(format!("{HEADER}{body}").as_bytes()).unwrap().1
    }

    #[test]
    fn a_good_row_is_normalised() {
        let row =
            check(&rows("A1, Amina ,Otieno,27/03/2014,F,7,7 East,Grace Otieno,0712 345 678,yes\n")[0], today(), "KE")
                .unwrap();
        assert_eq!(row.date_of_birth.unwrap().to_string(), "2014-03-27");
        assert_eq!((row.sex, row.first_name.as_str()), (Some("female"), "Amina"));
        assert_eq!(row.guardians[0].phone.as_deref(), Some("+254712345678"));
        assert!(row.guardians[0].sms_consent);
    }

    #[test]
    fn every_error_of_a_row_is_named() {
        let errors = check(&rows(",A,,2027-01-01,x,7,7 East,,12,maybe\n")[0], today(), "KE").unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_ref()).collect();
        assert_eq!(pointers, ["/admission_number", "/last_name", "/date_of_birth", "/sex", "/guardian1_name"]);
    }

    #[test]
    fn files_that_cannot_be_read_say_where() {
        let error = read(format!("{HEADER}A1,Amina\n").as_bytes()).unwrap_err();
        assert_eq!((error.code.as_ref(), error.pointer.as_ref()), ("malformed_csv", "/line/2"));
        let error = read(&[HEADER.as_bytes(), b"A1,Am\xff"].concat()).unwrap_err();
        assert_eq!(error.pointer, "/line/2");
        assert_eq!(read(b"admission_number,shoe_size\n1,2\n").unwrap_err().code, "unknown_column");
        assert_eq!(read(b"admission_number\n1\n").unwrap_err().code, "missing_column");
        assert_eq!(read(HEADER.as_bytes()).unwrap_err().code, "empty");
        assert_eq!(read(b"").unwrap_err().code, "missing_column");
    }

    #[test]
    fn a_byte_order_mark_and_semicolons_are_taken() {
        let text = format!("\u{feff}{HEADER}A1,Amina,Otieno,,,7,7 East,,,\n").replace(',', ";");
        assert_eq!(read(text.as_bytes()).unwrap().1[0]["stream"], "7 East");
    }
}
