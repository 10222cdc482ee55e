//! Enough of SQL to see which tables a text names: words and marks, without comments and quoted values.

pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A table as it is written after `from`, `join`, `into`, `update`, `references`, `table` or an index's `on`.
#[derive(Debug, PartialEq)]
pub struct Table {
    pub schema: Option<String>,
    pub name: String,
    pub line: usize,
}

const KEYWORDS: &[&str] = &[
    "select",
    "insert",
    "update",
    "delete",
    "from",
    "where",
    "join",
    "into",
    "values",
    "set",
    "and",
    "or",
    "on",
    "create",
    "table",
    "alter",
    "order",
    "group",
    "by",
    "returning",
    "with",
    "as",
    "not",
    "null",
    "primary",
    "key",
    "references",
    "index",
    "unique",
    "begin",
    "end",
    "if",
    "exists",
    "conflict",
    "limit",
];

impl Token {
    pub fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_shouted_keyword(&self) -> bool {
        self.text.len() > 1
            && self.text.bytes().all(|byte| byte.is_ascii_uppercase())
            && KEYWORDS.iter().any(|keyword| self.is(keyword))
    }

    fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Whether a string of a program is SQL, or a piece of it, rather than a sentence.
pub fn is_sql(text: &str) -> bool {
    let tokens = tokens(text);
    let has = |word: &str| tokens.iter().any(|token| token.text == word || token.text == word.to_uppercase());
    let pair = |first: &str, second: &str| {
        tokens
            .windows(2)
            .any(|pair| [first.to_owned(), first.to_uppercase()].contains(&pair[0].text) && pair[1].is(second))
    };
    (has("select") && has("from")) || pair("insert", "into") || pair("delete", "from") || (has("update") && has("set"))
}

/// Whether it begins as a statement, not as a piece of one.
pub fn is_statement(text: &str) -> bool {
    let tokens = tokens(text);
    ["select", "insert", "update", "delete", "with"]
        .iter()
        .any(|verb| tokens.first().is_some_and(|first| first.is(verb)))
}

pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = match first {
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |end| end + 2), false),
            '\'' => (quoted_length(rest), false),
            _ if first.is_whitespace() => (first.len_utf8(), false),
            _ if first.is_alphanumeric() || first == '_' => {
                let is_inside = |letter: char| letter.is_alphanumeric() || letter == '_';
                (rest.find(|letter| !is_inside(letter)).unwrap_or(rest.len()), true)
            }
            _ => (first.len_utf8(), true),
        };
        let (piece, tail) = rest.split_at(length);
        if is_token && piece != "\"" {
            tokens.push(Token { text: piece.into(), line });
        }
        line += piece.matches('\n').count();
        rest = tail;
    }
    tokens
}

/// The length of `'it''s'`, quotes included.
fn quoted_length(text: &str) -> usize {
    let mut from = 1;
    while let Some(end) = text[from..].find('\'') {
        from += end + 1;
        if !text[from..].starts_with('\'') {
            return from;
        }
        from += 1;
    }
    text.len()
}

pub fn tables(tokens: &[Token]) -> Vec<Table> {
    let named = common_table_names(tokens);
    let mut tables = Vec::new();
    for index in 0..tokens.len() {
        if names_a_table(tokens, index)
            && let Some(table) = table_at(tokens, index + 1)
            && !(table.schema.is_none() && (named.contains(&table.name) || table.name.starts_with("pg_")))
        {
            tables.push(table);
        }
    }
    tables
}

/// Whether a table's name follows the word at `index`.
fn names_a_table(tokens: &[Token], index: usize) -> bool {
    let token = &tokens[index];
    let before = |word: &str| index > 0 && tokens[index - 1].is(word);
    let statement = statement_before(tokens, index);
    let begins = |word: &str| statement.first().is_some_and(|first| first.is(word));
    let early = |word: &str| statement.iter().take(4).any(|token| token.is(word));
    match token.text.to_ascii_lowercase().as_str() {
        "from" => !before("distinct") && !begins("revoke") && !inside_call(tokens, index),
        "join" | "references" => true,
        "into" => before("insert") || before("merge"),
        "update" => index == 0 || [";", "(", ")", "$", "begin", "then", "else", "loop"].iter().any(|mark| before(mark)),
        "table" => ["create", "alter", "drop", "truncate", "unlogged", "lock"].iter().any(|word| before(word)),
        "on" => {
            let is_first = !statement.iter().any(|token| token.is("on"));
            is_first && begins("create") && ["index", "trigger", "policy"].iter().any(|word| early(word))
        }
        _ => false,
    }
}

/// The words from the last `;` (or the border of a function's body) up to `index`.
fn statement_before(tokens: &[Token], index: usize) -> &[Token] {
    let begin = tokens[..index].iter().rposition(|token| token.text == ";" || token.text == "$");
    &tokens[begin.map_or(0, |begin| begin + 1)..index]
}

/// Whether `from` belongs to a call such as `extract(year from born_on)`.
fn inside_call(tokens: &[Token], index: usize) -> bool {
    let mut depth = 0;
    for at in (0..index).rev() {
        match tokens[at].text.as_str() {
            ")" => depth += 1,
            "(" if depth > 0 => depth -= 1,
            "(" => {
                let calls = ["extract", "substring", "trim", "overlay", "position"];
                return at > 0 && calls.iter().any(|call| tokens[at - 1].is(call));
            }
            _ => {}
        }
    }
    false
}

fn table_at(tokens: &[Token], mut at: usize) -> Option<Table> {
    while ["only", "lateral", "if", "not", "exists"]
        .iter()
        .any(|word| tokens.get(at).is_some_and(|token| token.is(word)))
    {
        at += 1;
    }
    let first = tokens.get(at).filter(|token| token.is_word() && !token.is("set") && !token.is("select"))?;
    let next = |offset: usize| tokens.get(at + offset).map(|token| token.text.as_str());
    let line = first.line;
    match (next(1), next(2)) {
        (Some("."), Some(name)) => Some(Table { schema: Some(first.text.clone()), name: name.into(), line }),
        (Some("("), _) if !is_table_with_columns(tokens, at) => None,
        _ => Some(Table { schema: None, name: first.text.clone(), line }),
    }
}

/// `insert into a (…)`, `references a (…)`, `create table a (…)`, `on a (…)` name a table; `from f(…)` calls a function.
fn is_table_with_columns(tokens: &[Token], at: usize) -> bool {
    !tokens[..at]
        .iter()
        .rev()
        .find(|token| token.is_word())
        .is_some_and(|word| ["from", "join", "lateral", "only"].iter().any(|call| word.is(call)))
}

/// Names given by `with a as (…)`, which need no schema.
fn common_table_names(tokens: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_word()) {
        let next = |offset: usize, word: &str| tokens.get(index + offset).is_some_and(|token| token.is(word));
        let is_query = next(1, "as") && (next(2, "(") || next(2, "materialized") || next(2, "not"));
        let is_listed = index > 0 && (tokens[index - 1].is("with") || tokens[index - 1].is("recursive"));
        if is_query || (is_listed && next(1, "(")) {
            names.push(token.text.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let name = |table: Table| table.schema.map_or(table.name.clone(), |schema| format!("{schema}.{}", table.name));
        tables(&tokens(text)).into_iter().map(name).collect()
    }

    #[test]
    fn comments_and_values_are_not_read() {
        assert_eq!(names("select 'from x' /* from y */ from a.b -- join c\nwhere d = 'it''s from e'"), ["a.b"]);
    }

    #[test]
    fn names_stand_after_the_words_that_take_them() {
        assert_eq!(names("update a.b set c = 1 from d.e join f on true"), ["a.b", "d.e", "f"]);
        assert_eq!(names("insert into a (b) select 1 from c.d"), ["a", "c.d"]);
        assert_eq!(
            names("create unique index i on a.b (c); alter table if exists d.e add f uuid references g (h)"),
            ["a.b", "d.e", "g"]
        );
        assert_eq!(
            names("create trigger t before insert or update on a.b for each row execute function a.f()"),
            ["a.b"]
        );
    }

    #[test]
    fn words_that_only_look_like_it_are_left_out() {
        assert!(
            names("revoke all on schema a from public; grant select, update on all tables in schema a to b").is_empty()
        );
        assert!(names("select * from unnest($1) for update").is_empty());
        assert!(names("with recursive up(id) as (select 1 from a.b) select 1 from up").eq(&["a.b"]));
    }
}
