//! A PostgreSQL with a platform of made-up tenants in it.
use hitaji_core::{Clock, TenantId, new_id};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, HOME_CLUSTER, Migration, NewTenant, Settings};
use hitaji_fleet::migrate::{Options, Outcome, migrate};
use hitaji_testkit::test_postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

/// A pause between two looks, or of a length that is chance.
pub async fn moment(millis: u64) {
    let never = std::future::pending::<()>();
    let _ = tokio::time::timeout(Duration::from_millis(millis), never).await;
}

/// Asks again and again until the answer is yes.
pub async fn until(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !probe().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        moment(5).await;
    }
}

/// A platform: where it is, and its key.
pub struct Fleet {
    pub url: String,
    pub control: String,
    pub master: String,
}

/// A database is before all steps, after all, or (never!) between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Before,
    After,
    Between,
}

pub fn options() -> Options {
    Options { shadow: 0, ..Options::default() }
}

impl Fleet {
    pub async fn start() -> Fleet {
        let tail = new_id().simple().to_string();
        Fleet {
            url: test_postgres().await,
            control: format!("f{}", &tail[20..]),
            master: MasterKey::generate().to_base64(),
        }
    }

    /// A program of the version that knows these steps.
    pub fn program(&self, migrations: Vec<Migration>) -> Databases {
        let settings = Settings {
            admin_url: self.url.clone(),
            control: self.control.clone(),
            connections: 16,
            connections_per_tenant: 6,
            wait_ms: 20_000,
            idle_s: 30,
            statement_timeout_ms: 30_000,
            warm: 2,
        };
        let master = MasterKey::from_base64(&self.master).expect("a key");
        Databases::new(settings, master, Clock::system(), migrations).expect("settings are right")
    }

    /// Signs up organisations with that program, each with a pupil.
    pub async fn sign_up(&self, program: &Databases, count: usize) -> Vec<TenantId> {
        let mut ids = Vec::new();
        for n in 0..count {
            let id = TenantId(new_id());
            let slug = format!("t{n}-{}", &id.0.simple().to_string()[20..]);
            let new = NewTenant {
                id,
                slug,
                name: format!("Organisation {n}"),
                country: "KE".into(),
                currency: "KES".into(),
                time_zone: chrono_tz::Africa::Nairobi,
                products: Vec::new(),
            };
            program.intend(&new).await.expect("recorded");
            program.provision(id).await.expect("a database");
            self.work(program, id).await;
            ids.push(id);
        }
        ids
    }

    /// What any version of the program does all day.
    pub async fn work(&self, program: &Databases, id: TenantId) {
        let mut conn = program.tenant(id, "synthetic").await.expect("a connection");
        let insert = "insert into synthetic.pupil (name, score) values (' Wanjiru ', 7) returning name";
        let name: String = sqlx::query_scalar(insert).fetch_one(&mut *conn).await.expect("written");
        assert_eq!(name, "Wanjiru");
    }

    pub async fn connect(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::from_str(&self.url).expect("a URL").database(database);
        PgConnection::connect_with(&options).await.expect("a connection")
    }

    pub async fn run(&self, database: &str, sql: &str) {
        let mut conn = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("the SQL runs");
        conn.close().await.expect("a goodbye");
    }

    pub async fn ask<T>(&self, database: &str, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let mut conn = self.connect(database).await;
        let answer = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await;
        conn.close().await.expect("a goodbye");
        answer.expect("the query answers")
    }

    pub async fn control<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.ask(&self.control, sql).await
    }

    pub async fn database(&self, id: TenantId) -> String {
        self.control(&format!("select name from directory.database where tenant_id = '{id}' and state = 'claimed'"))
            .await
    }

    /// Gives an organisation's pupils a score that the third step refuses.
    pub async fn spoil(&self, id: TenantId) {
        self.run(&self.database(id).await, "update synthetic.pupil set score = -1").await;
    }

    /// Where an organisation's database is between the first step and the third, by its objects and by its own record.
    pub async fn stage(&self, database: &str) -> Stage {
        let seen: i64 = self
            .ask(
                database,
                "select (select count(*) from hitaji.schema_version where service = 'synthetic' and version in (2, 3))
                   + (select count(*) from pg_attribute where attrelid = 'synthetic.pupil'::regclass and attname = 'grade')
                   + (select count(*) from pg_class where relname in ('mark', 'mark_value'))
                   + (select count(*) from pg_constraint where conname = 'pupil_score_check')",
            )
            .await;
        match seen {
            0 => Stage::Before,
            6 => Stage::After,
            _ => Stage::Between,
        }
    }

    pub async fn stages(&self) -> BTreeMap<Stage, usize> {
        let names: Vec<String> = self
            .control("select array_agg(name order by tenant_id) from directory.database where state = 'claimed'")
            .await;
        let mut stages = BTreeMap::new();
        for name in names {
            *stages.entry(self.stage(&name).await).or_default() += 1;
        }
        stages
    }

    /// How many results of the last run are in that state.
    pub async fn results(&self, state: &str) -> i64 {
        self.control(&format!("select count(*) from directory.migration_result where state = '{state}'")).await
    }

    pub async fn migrate(&self, program: &Databases, options: &Options) -> Outcome {
        migrate(program, options, &|_| {}).await.expect("the run ends by itself")
    }

    pub async fn catalogue(&self, program: &Databases, database: &str) -> hitaji_db::catalogue::Catalogue {
        let mut conn = program.admin(HOME_CLUSTER, database).await.expect("a connection");
        hitaji_db::catalogue::read(&mut conn).await.expect("a catalogue")
    }
}
