//! What the server really sends to PostgreSQL, so that the ceiling is that of the same SQL.
use crate::platform::Platform;
use std::fs;
use std::future::Future;

/// The statements of the connection that sent one containing `marker`, while `work` ran: from the last `begin` before
/// it to the next `commit`, or that one alone outside a transaction.
pub async fn statements(
    platform: &Platform,
    database: &str,
    marker: &str,
    work: impl Future<Output = ()>,
) -> Vec<String> {
    platform.postgres.set("set log_line_prefix = '#%p %d '").await;
    platform.postgres.set("set log_statement = 'all'").await;
    let from = fs::metadata(platform.postgres.log()).expect("a log").len() as usize;
    work.await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    platform.postgres.set("reset log_statement").await;
    let log = fs::read(platform.postgres.log()).expect("a log");
    let log = String::from_utf8_lossy(&log[from..]).into_owned();
    let sent: Vec<(String, String)> =
        format!("\n{log}").split("\n#").filter_map(|record| sent(record, database)).collect();
    let marked = sent.iter().rposition(|(_, text)| text.contains(marker));
    let (process, marked) = marked.map(|at| (sent[at].0.clone(), at)).expect("the marked statement was sent");
    let same = |(pid, text): &(String, String)| (*pid == process).then(|| text.clone());
    let before: Vec<String> = sent[..=marked].iter().filter_map(same).collect();
    let after: Vec<String> = sent[marked + 1..].iter().filter_map(same).collect();
    let Some(begin) = before.iter().rposition(|text| text == "begin") else {
        return before.last().cloned().into_iter().collect();
    };
    if before[begin..].iter().any(|text| text == "commit") {
        return before.last().cloned().into_iter().collect();
    }
    let end = after.iter().position(|text| text == "commit").map_or(after.len(), |at| at + 1);
    [&before[begin..], &after[..end]].concat()
}

/// Process and text of a log record that is a statement in this database.
fn sent(record: &str, database: &str) -> Option<(String, String)> {
    let (prefix, rest) = record.split_once(" LOG:  ")?;
    let (pid, name) = prefix.split_once(' ')?;
    let text = match rest.strip_prefix("execute ") {
        Some(named) => named.split_once(": ")?.1,
        None => rest.strip_prefix("statement: ")?,
    };
    (name.trim() == database).then(|| (pid.to_owned(), normal(text)))
}

/// Statements of a pgbench script, in the same form as [`statements`]; commands of pgbench and what they need are left out.
pub fn script(text: &str) -> Vec<String> {
    let (_, own) = text.split_once("-- the server's own").unwrap_or(("", text));
    let lines = own.lines().filter(|line| !line.starts_with('\\') && !line.starts_with("--"));
    let text: String = lines.skip(usize::from(own.len() < text.len())).map(|line| format!("{line}\n")).collect();
    text.split(';').map(normal).filter(|statement| !statement.is_empty()).collect()
}

/// One blank between words; every parameter a question mark, without the cast that tells pgbench its type.
fn normal(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', ':']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let word =
            tail.len() - tail.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_').len();
        if word == 0 {
            // A cast of something that is no parameter.
            out.push_str(&rest[at..at + 2]);
            rest = &tail[1..];
            continue;
        }
        out.push('?');
        rest = &tail[word..];
        if let Some(cast) = rest.strip_prefix("::") {
            rest = cast.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "_[]".contains(letter));
        }
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Stops the run when the kept SQL is not what the server sends.
pub fn compare(kept: &[String], sent: &[String]) {
    for (index, (kept, sent)) in kept.iter().zip(sent).enumerate() {
        assert_eq!(kept, sent, "statement {index} of the ceiling is not the server's any more: change it in bench/sql");
    }
    assert_eq!(kept.len(), sent.len(), "the server sends {sent:#?}");
}
