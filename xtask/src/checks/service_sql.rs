//! SQL of services: fixed text in `store`, lowercase, every table with its schema, and only schemas of its own.

use crate::finding::Finding;
use crate::rust_source::{Kind, RustSource};
use crate::sql;
use crate::tree::{File, Tree};

const RULE: &str = "sql";
/// Besides its own, a service's SQL may name the platform's schema and the database's own catalogues.
const COMMON_SCHEMAS: &[&str] = &["hitaji", "pg_catalog", "information_schema", "pg_temp"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let services: Vec<String> = tree.services().into_iter().map(|(_, name)| name).collect();
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.is_test()) {
        let Some(service) = file.service() else { continue };
        if file.path.contains("/migrations/") {
            findings.extend(text(file, 1, &file.text, service, &services));
        } else if let Some(Ok(source)) = &file.rust {
            findings.extend(assembled(file, source));
            for (line, literal) in source.texts().filter(|(line, _)| !source.in_test_module(*line)) {
                if sql::is_sql(literal) {
                    findings.extend(text(file, line, literal, service, &services));
                    findings.extend(outside_store(file, line, literal));
                }
            }
        }
    }
    findings
}

/// Text that is put together from pieces, which only the kernel's resource engine does.
fn assembled(file: &File, source: &RustSource) -> Vec<Finding> {
    let mut findings = Vec::new();
    for window in source.tokens.windows(4) {
        let [name, bang, open, first] = window else {
            continue;
        };
        let is_format = ["format", "write", "writeln", "format_args", "concat"].iter().any(|macro_| name.is(macro_));
        if let (true, Kind::Text(text)) = (is_format && bang.is("!") && open.is("("), &first.kind)
            && sql::is_sql(text)
        {
            let message = "SQL is put together here: write it as one fixed text with $1, $2 …; only kernel/resource assembles SQL";
            findings.push(Finding::new(RULE, &file.path, name.line, message));
        }
    }
    for word in ["AssertSqlSafe", "QueryBuilder"] {
        for line in source.find(word) {
            let message = format!("`{word}` is for kernel/resource alone: write the SQL as one fixed text");
            findings.push(Finding::new(RULE, &file.path, line, message));
        }
    }
    findings
}

fn outside_store(file: &File, line: usize, literal: &str) -> Option<Finding> {
    let in_store = file.path.ends_with("/src/store.rs") || file.path.contains("/src/store/");
    let is_fragment = file.path.ends_with("/src/resources.rs") || !sql::is_statement(literal);
    (!in_store && !is_fragment).then(|| {
        let message =
            "SQL outside store: make it a function of store.rs or store/, so that all SQL is found in one place";
        Finding::new("sql-place", &file.path, line, message)
    })
}

/// The checks of one SQL text that begins on `line` of `file`.
fn text(file: &File, line: usize, sql_text: &str, service: &str, services: &[String]) -> Vec<Finding> {
    let tokens = sql::tokens(sql_text);
    let at = |token_line: usize| line + token_line - 1;
    let mut findings = Vec::new();
    for token in tokens.iter().filter(|token| token.is_shouted_keyword()) {
        let message = format!("'{}': SQL is written in lowercase", token.text);
        findings.push(Finding::new(RULE, &file.path, at(token.line), message));
    }
    for table in sql::tables(&tokens) {
        let message = match table.schema.as_deref() {
            Some(schema) if schema == service || COMMON_SCHEMAS.contains(&schema) => continue,
            Some(schema) => format!(
                "'{schema}.{}' belongs to another service: no statement crosses services, ask by contracts",
                table.name
            ),
            None => format!("'{}' has no schema: write {service}.{}", table.name, table.name),
        };
        findings.push(Finding::new(RULE, &file.path, at(table.line), message));
    }
    // A foreign schema in any other place, such as after a comma or `using`.
    let known = findings.len();
    for window in tokens.windows(2).filter(|window| window[1].text == ".") {
        let word = &window[0].text;
        let line = at(window[0].line);
        if word != service && services.contains(word) && !findings[..known].iter().any(|found| found.line == line) {
            let message =
                format!("'{word}.…' belongs to another service: no statement crosses services, ask by contracts");
            findings.push(Finding::new(RULE, &file.path, line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[(path, text), ("services/identity/README.md", ""), ("verticals/school/README.md", "")]);
        check(&tree).into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    fn in_store(sql: &str) -> Vec<String> {
        messages("verticals/school/src/store.rs", &format!("//! SQL.\nconst A: &str = \"{sql}\";\n"))
    }

    #[test]
    fn own_and_platform_schemas_are_fine() {
        for sql in [
            "select id from school.students where id = any($1)",
            "with due as (select 1 from school.terms) insert into school.marks (id) select id from due",
            "select u.id from unnest($1::uuid[]) as u(id) join school.students s on s.id = u.id",
            "update school.students set name = $2 where name is distinct from $2 returning id",
            "insert into school.a (id) values ($1) on conflict (id) do update set id = excluded.id",
            "select extract(year from s.born_on) from school.students s for update of s",
            "select 1 from hitaji.outbox, lateral (select 2) x",
            "delete from school.a using school.b where a.id = b.id",
        ] {
            assert!(in_store(sql).is_empty(), "{sql}: {:?}", in_store(sql));
        }
    }

    #[test]
    fn planted_sql_is_caught() {
        for (sql, expected) in [
            ("SELECT id FROM school.students", "lowercase"),
            ("select id from students", "has no schema"),
            ("select s.id from school.students s join identity.accounts a on a.id = s.id", "another service"),
            ("delete from school.a using identity.b where true", "another service"),
            ("update students set name = $1", "has no schema"),
            ("insert into marks (id) values ($1)", "has no schema"),
        ] {
            let found = in_store(sql);
            assert!(found.iter().any(|message| message.contains(expected)), "{sql}: {found:?}");
        }
    }

    #[test]
    fn assembled_sql_and_sql_outside_store_are_caught() {
        let planted = "//! H.\nfn a() { let _ = format!(\"select {x} from school.a\"); }\n";
        assert!(messages("verticals/school/src/store.rs", planted)[0].contains("put together"));
        let planted = "//! H.\nfn a() { query(AssertSqlSafe(b)); }\n";
        assert!(messages("verticals/school/src/http/a.rs", planted)[0].contains("AssertSqlSafe"));
        let planted = "//! H.\nfn a() { query(\"select id from school.a\"); }\n";
        assert!(messages("verticals/school/src/http/a.rs", planted)[0].contains("outside store"));
        assert!(messages("kernel/resource/src/lib.rs", planted).is_empty());
    }

    #[test]
    fn migrations_are_read_too_with_their_lines() {
        let sql = "create table school.a (\n  id uuid primary key,\n  who uuid references identity.accounts (id)\n);\n\
                   create index a_who on a (who);\ncreate table b (id uuid);\n";
        let found = messages("verticals/school/migrations/0001_a.sql", sql);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("3:") && found[1].starts_with("5:") && found[2].starts_with("6:"), "{found:?}");
    }

    #[test]
    fn plain_english_is_not_sql() {
        assert!(in_store("Select a class, then update the register.").is_empty());
        assert!(in_store("no update from the server").is_empty());
    }
}
