//! Configuration: a commented default that names every key, then a file, then `HITAJI__SECTION__KEY` variables.
use serde::de::DeserializeOwned;
use toml::{Table, Value};

const ENV_PREFIX: &str = "HITAJI__";

/// Why the configuration is refused. Messages name keys, never values.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{origin}: {message}")]
    Syntax { origin: String, message: String },
    #[error("{origin}: there is no setting `{key}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey { origin: String, key: String, nearest: Option<String> },
    #[error("section [{section}]: {message}")]
    Section { section: String, message: String },
}

/// The merged settings.
#[derive(Clone, Debug)]
pub struct Config {
    table: Table,
}

impl Config {
    /// Merges `default` (which has every known key), an optional file's text and environment variables.
    pub fn load(
        default: &str,
        file: Option<(&str, &str)>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut table = parse("config.default.toml", default)?;
        let mut known = Vec::new();
        collect_keys("", &table, &mut known);
        if let Some((name, text)) = file {
            merge(name, "", &mut table, parse(name, text)?, &known)?;
        }
        for (name, text) in env {
            if let Some(path) = name.strip_prefix(ENV_PREFIX) {
                let path = path.to_lowercase().replace("__", ".");
                merge(&name, "", &mut table, nest(&path, env_value(&text)), &known)?;
            }
        }
        Ok(Config { table })
    }

    /// Reads one section into its type.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let value = self.table.get(name).cloned().unwrap_or_else(|| Value::Table(Table::new()));
        value.try_into().map_err(|error: toml::de::Error| ConfigError::Section {
            section: name.to_owned(),
            message: error.message().to_owned(),
        })
    }

    /// Sets one value; for command-line flags that stand above everything else.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<Value>) {
        let entry = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = entry {
            table.insert(key.to_owned(), value.into());
        }
    }
}

fn parse(origin: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>()
        .map_err(|error| ConfigError::Syntax { origin: origin.to_owned(), message: error.message().to_owned() })
}

/// A variable's text is a TOML value where it parses as one (`25`, `true`, `["a"]`), else a string.
fn env_value(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn nest(path: &str, value: Value) -> Table {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let inner = match rest {
        Some(rest) => Value::Table(nest(rest, value)),
        None => value,
    };
    Table::from_iter([(head.to_owned(), inner)])
}

fn collect_keys(prefix: &str, table: &Table, keys: &mut Vec<String>) {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        if let Value::Table(inner) = value {
            collect_keys(&format!("{path}."), inner, keys);
        }
        keys.push(path);
    }
}

fn merge(origin: &str, prefix: &str, into: &mut Table, from: Table, known: &[String]) -> Result<(), ConfigError> {
    for (key, value) in from {
        let path = format!("{prefix}{key}");
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => {
                merge(origin, &format!("{path}."), inner, value, known)?;
            }
            (Some(slot), value) => *slot = value,
            (None, _) => {
                let nearest = known
                    .iter()
                    .map(|candidate| (strsim::damerau_levenshtein(candidate, &path), candidate))
                    .min()
                    .filter(|(distance, _)| *distance <= path.len().div_ceil(2))
                    .map(|(_, candidate)| candidate.clone());
                return Err(ConfigError::UnknownKey { origin: origin.to_owned(), key: path, nearest });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "[server]\nport = 8360\n[database]\nconnections = 32\n";

    #[derive(serde::Deserialize)]
    struct Server {
        port: u16,
    }

    #[test]
    fn environment_stands_above_file_above_default() {
        let file = Some(("h.toml", "[server]\nport = 1\n"));
        let env = [("HITAJI__SERVER__PORT".to_owned(), "2".to_owned()), ("HOME".to_owned(), "/".to_owned())];
        let config = Config::load(DEFAULT, file, env.into_iter()).unwrap();
        assert_eq!(config.section::<Server>("server").unwrap().port, 2);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = Config::load(DEFAULT, Some(("h.toml", "[server]\nprot = 1\n")), std::iter::empty()).unwrap_err();
        assert_eq!(error.to_string(), "h.toml: there is no setting `server.prot`; did you mean `server.port`?");
    }

    #[test]
    fn a_wrong_type_names_the_section() {
        let env = [("HITAJI__SERVER__PORT".to_owned(), "many".to_owned())];
        let config = Config::load(DEFAULT, None, env.into_iter()).unwrap();
        assert!(config.section::<Server>("server").is_err_and(|error| error.to_string().contains("[server]")));
    }
}
