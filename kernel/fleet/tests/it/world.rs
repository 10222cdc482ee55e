//! A platform's databases with one made-up service, a shop, whose tables have everything that is awkward to copy.
use chrono::TimeDelta;
use hitaji_core::{Clock, TenantId, new_id};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Conn, Databases, Home, Migration, NewTenant, Settings, TenantState};
use hitaji_fleet::{Fleet, Store};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

pub const KEEP: TimeDelta = TimeDelta::days(30);

pub const SHOP: Migration = Migration {
    service: "shop",
    home: Home::Tenant,
    version: 1,
    sql: "create schema shop;
create table shop.customer (
    id uuid primary key, name text not null, note text, born date, balance numeric(20, 4) not null default 0, weight float8,
    tags text[] not null default '{}', extra jsonb, raw json, photo bytea, initial text generated always as (left(name, 1)) stored,
    favourite uuid, created_at timestamptz not null default now());
create table shop.sale (
    number bigint generated always as identity primary key, customer_id uuid not null references shop.customer on delete cascade,
    total bigint not null check (total >= 0), at timestamptz not null default now());
alter table shop.customer add constraint customer_favourite_fkey foreign key (favourite) references shop.customer deferrable;
create table shop.setting (name text primary key, value text not null);
insert into shop.setting values ('currency', 'KES');
grant usage on schema shop to hitaji_app;
grant select, insert, update, delete, truncate on all tables in schema shop to hitaji_app;",
};

pub const SHOP_2: Migration = Migration {
    service: "shop",
    home: Home::Tenant,
    version: 2,
    sql: "alter table shop.customer add column phone text; update shop.customer set phone = 'unknown' where name like 'A%';",
};

pub struct World {
    pub databases: Databases,
    pub fleet: Fleet,
    pub folder: TempDir,
    pub settings: Settings,
    pub master: MasterKey,
    pub clock: Clock,
}

impl World {
    pub async fn start() -> World {
        World::with(&[SHOP], |_| {}).await
    }

    pub async fn with(migrations: &[Migration], change: impl FnOnce(&mut Settings)) -> World {
        let mut settings = Settings {
            admin_url: hitaji_testkit::test_postgres().await,
            control: format!("test_{}", &new_id().simple().to_string()[22..]),
            connections: 24,
            connections_per_tenant: 8,
            wait_ms: 5000,
            idle_s: 60,
            statement_timeout_ms: 30_000,
            warm: 0,
        };
        change(&mut settings);
        let folder = TempDir::with_prefix("hitaji-fleet-").expect("a folder");
        let (master, clock) = (MasterKey::generate(), Clock::system());
        let databases =
            Databases::new(settings.clone(), master.clone(), clock.clone(), migrations.to_vec()).expect("settings");
        databases.prepare().await.expect("the control database");
        let fleet = Fleet::new(databases.clone(), Store::folder(folder.path()));
        World { databases, fleet, folder, settings, master, clock }
    }

    /// The same platform as another process sees it, with these migrations.
    pub fn another(&self, migrations: &[Migration]) -> (Databases, Fleet) {
        let (settings, master, clock) = (self.settings.clone(), self.master.clone(), self.clock.clone());
        let databases = Databases::new(settings, master, clock, migrations.to_vec()).expect("settings");
        let fleet = Fleet::new(databases.clone(), self.fleet.store().clone());
        (databases, fleet)
    }

    pub async fn tenant(&self, slug: &str) -> TenantId {
        let id = TenantId(new_id());
        let new = NewTenant {
            id,
            slug: slug.to_owned(),
            name: format!("The {slug}"),
            country: "KE".into(),
            currency: "KES".into(),
            time_zone: chrono_tz::Africa::Nairobi,
            products: vec!["shop".into()],
        };
        self.databases.intend(&new).await.expect("a wish");
        self.databases.provision(id).await.expect("a database");
        let mut conn = self.databases.control().await.expect("the control database");
        self.databases.set_state(&mut conn, id, TenantState::Active, None).await.expect("active");
        conn.release();
        id
    }

    pub async fn conn(&self, tenant: TenantId) -> Conn {
        self.databases.tenant(tenant, "shop").await.expect("a connection")
    }

    pub async fn run(&self, tenant: TenantId, sql: &str) {
        let mut conn = self.conn(tenant).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *conn).await.expect("the statement runs");
        conn.release();
    }

    /// Everything in a query's answer, as JSON.
    pub async fn rows(&self, tenant: TenantId, sql: &str) -> Value {
        let mut conn = self.conn(tenant).await;
        let sql = format!("select coalesce(json_agg(row), '[]') from ({sql}) row");
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *conn).await.expect("rows");
        conn.release();
        rows
    }

    /// All that the shop of a tenant holds.
    pub async fn everything(&self, tenant: TenantId) -> Value {
        let customers = self.rows(tenant, "select customer::text from shop.customer order by id").await;
        let sales = self.rows(tenant, "select sale::text from shop.sale order by number").await;
        let settings = self.rows(tenant, "select setting::text from shop.setting order by name").await;
        serde_json::json!([customers, sales, settings])
    }

    /// What a crash leaves is ended by the first look a minute later, and this process forgets what it knew.
    pub async fn recover(&self, tenant: TenantId) {
        let mut conn = self.databases.control().await.expect("the control database");
        sqlx::query("update directory.operation set updated_at = now() - interval '1 hour' where state = 'running'")
            .execute(&mut *conn)
            .await
            .expect("time passes");
        conn.release();
        self.fleet.recover().await.expect("it recovers");
        self.databases.forget(tenant);
    }

    /// After upkeep nothing is left of what was half loaded.
    pub async fn is_tidy(&self) -> bool {
        self.databases.reap(TimeDelta::zero()).await.expect("the reaper");
        let others = "select distinct state from directory.database where state not in ('claimed', 'retired')";
        self.control(others).await == serde_json::json!([])
    }

    pub async fn control(&self, sql: &str) -> Value {
        let mut conn = self.databases.control().await.expect("the control database");
        let sql = format!("select coalesce(json_agg(row), '[]') from ({sql}) row");
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *conn).await.expect("rows");
        conn.release();
        rows
    }
}

/// Customers and sales with awkward values: empty texts, quotes, line ends, NULL, infinities, JSON kept as typed.
pub const AWKWARD: &str = r#"
insert into shop.customer (id, name, note, born, balance, weight, tags, extra, raw, photo) values
 ('01890000-0000-7000-8000-000000000001', 'Akinyi', '', '2016-02-29', 12345.6789, 0.1, '{a,"b,c",NULL}', '{"x": [1, 2.50, null]}', '{"b":1,  "a":2}', '\x00ff10'),
 ('01890000-0000-7000-8000-000000000002', E'Line\nend, "quoted" \\ back', null, '-infinity', -0.0001, 'NaN', '{}', null, '[1.10]', ''),
 ('01890000-0000-7000-8000-000000000003', 'Ñandú 学校 🌍', '\.', 'infinity', 0, 1e-300, '{}', '"text"', 'null', null);
update shop.customer set favourite = '01890000-0000-7000-8000-000000000003' where id = '01890000-0000-7000-8000-000000000001';
insert into shop.sale (customer_id, total, at)
 select '01890000-0000-7000-8000-000000000001', n, timestamptz '2026-01-01 00:00:00.123456+03' + n * interval '1 minute' from generate_series(1, 500) n;
delete from shop.sale where number > 490;
update shop.setting set value = 'UGX';
"#;
