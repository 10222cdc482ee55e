//! The commands that work on all organisations' databases, as an operator meets them: what they print and how they end.
use crate::process::Setting;
use hitaji_testkit::test_postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::str::FromStr as _;

/// Runs the binary; whether it ended well, and what it printed.
fn hitaji(setting: &Setting, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hitaji"));
    command.args(arguments).envs(setting.variables.iter().cloned());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text")).concat();
    (output.status.success(), text)
}

#[tokio::test]
async fn an_operator_migrates_and_checks() {
    let setting = Setting::new("http://localhost:8999".into()).await;
    let (planned, text) = hitaji(&setting, &["migrate", "--dry-run"], "");
    assert!(planned && text.contains("made on home"), "{text}");
    let (migrated, text) = hitaji(&setting, &["migrate"], "");
    assert!(migrated, "{text}");
    let details = [
        "--name",
        "Baobab",
        "--slug",
        "baobab",
        "--product",
        "school",
        "--owner",
        "Amina Odhiambo",
        "--email",
        "a@example.org",
    ];
    let create = [["tenant", "create"].as_slice(), &details].concat();
    let (made, text) = hitaji(&setting, &create, "a-long-password-of-kilimanjaro\n");
    assert!(made, "{text}");
    let (clean, text) = hitaji(&setting, &["tenant", "check", "baobab"], "");
    assert!(clean && text.contains("1 databases looked at, 1 as they should be"), "{text}");

    let control = setting.variables.iter().find(|(key, _)| key.ends_with("CONTROL")).expect("a name").1.clone();
    let options = PgConnectOptions::from_str(&test_postgres().await).expect("a URL");
    let mut directory = PgConnection::connect_with(&options.clone().database(&control)).await.expect("a connection");
    let name = "select name from directory.database where state = 'claimed'";
    let database: String = sqlx::query_scalar(name).fetch_one(&mut directory).await.expect("a database");
    let mut tenant = PgConnection::connect_with(&options.database(&database)).await.expect("a connection");
    sqlx::raw_sql("alter table school.student add column stray text").execute(&mut tenant).await.expect("altered");
    let (clean, text) = hitaji(&setting, &["tenant", "check"], "");
    assert!(!clean && text.contains("school.student: column stray is not part of the schema"), "{text}");

    // A schema that the directory does not know is brought along, by way of a copy, and what is where is told.
    let forgotten = "update directory.database set schema = null where state = 'claimed'";
    sqlx::raw_sql(forgotten).execute(&mut directory).await.expect("forgotten");
    let (migrated, text) = hitaji(&setting, &["migrate", "--shadow", "1"], "");
    assert!(migrated && text.contains("rows copied") && text.contains("1 done, 0 failed, 0 to do"), "{text}");
    let (told, text) = hitaji(&setting, &["migrate", "--status"], "");
    assert!(told && text.contains("this program's"), "{text}");
}
