//! Any moment can be had back: random work, random moments, compared with a model that remembers every state.
use crate::world::{AWKWARD, KEEP, SHOP, SHOP_2, World};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::TenantId;
use hitaji_db::directory::database::NewDatabase;
use hitaji_db::secrets::random;
use hitaji_testkit::moment;
use serde_json::Value;

/// A state, from when it may have been the one in the database.
struct Known {
    began: DateTime<Utc>,
    done: DateTime<Utc>,
    state: Value,
}

const STATE: &str = "select json_build_object(
    'customers', (select json_agg(customer::text order by id) from shop.customer),
    'sales', (select json_agg(sale::text order by number) from shop.sale),
    'settings', (select json_agg(setting::text order by name) from shop.setting))";

fn dice(below: u32) -> u32 {
    u32::from_be_bytes(random()) % below
}

/// One random transaction.
fn work() -> String {
    let mut text = String::from("begin;");
    for _ in 0..=dice(4) {
        let (n, id) = (dice(1000), format!("01890000-0000-7000-8000-0000000001{:02x}", dice(24)));
        text.push_str(&match dice(9) {
            0..=2 => format!("insert into shop.customer (id, name, raw, extra) values ('{id}', E'N{n}\\n\"', '{{\"b\":{n}.10,  \"a\":1}}', '[{n}]') on conflict (id) do update set name = excluded.name;"),
            3 => format!("insert into shop.sale (customer_id, total) select id, {n} from shop.customer order by random() limit 3;"),
            4 => format!("update shop.customer set balance = balance + {n}.0001, weight = {n} / 7.0::float8, photo = '\\x{n:04x}' where id >= '{id}';"),
            5 => format!("delete from shop.customer where id = '{id}';"),
            6 => format!("update shop.customer set id = '01890000-0000-7000-8000-00000000ff{:02x}' where id = '{id}' and not exists (select from shop.sale where customer_id = shop.customer.id) and not exists (select from shop.customer other where other.id = '01890000-0000-7000-8000-00000000ff{:02x}');", n % 256, n % 256),
            7 => format!("insert into shop.setting values ('k{n}', 'v') on conflict (name) do update set value = 'w{n}';"),
            _ if n < 50 => "truncate shop.sale;".to_owned(),
            _ => format!("update shop.setting set name = name || '{n}' where name < 'k5';"),
        });
    }
    text + if dice(8) == 0 { "rollback" } else { "commit" }
}

async fn look(world: &World, new: &NewDatabase) -> Value {
    let mut conn = world.databases.admin(&new.cluster, &new.name).await.expect("the past");
    let state = sqlx::query_scalar(STATE).fetch_one(&mut *conn).await.expect("a state");
    conn.close();
    state
}

async fn present(world: &World, tenant: TenantId) -> Value {
    let mut conn = world.conn(tenant).await;
    let state = sqlx::query_scalar(STATE).fetch_one(&mut *conn).await.expect("a state");
    conn.release();
    state
}

/// Works for `rounds` transactions while shipments go on; remembers every state with its time.
async fn live(world: &World, tenant: TenantId, rounds: usize) -> Vec<Known> {
    let mut known = Vec::new();
    for round in 0..rounds {
        let began = world.clock.now();
        world.run(tenant, &work()).await;
        let done = world.clock.now();
        known.push(Known { began, done, state: present(world, tenant).await });
        if round % 3 == 0 {
            moment(u64::from(dice(30))).await;
        }
        if round % 7 == 0 {
            let place = world.databases.place_of(tenant, "shop").await.expect("a place");
            world.fleet.ship(&place, tenant).await.expect("it is shipped");
        }
    }
    known
}

/// Equal; if not, says where, and not all that is there.
#[track_caller]
fn same(found: &Value, expected: &Value) {
    for part in ["customers", "sales", "settings"] {
        let lines = |state: &Value| state[part].as_array().cloned().unwrap_or_default();
        for (found, expected) in lines(found).iter().zip(&lines(expected)) {
            assert_eq!(found, expected, "{part}");
        }
        assert_eq!(lines(found).len(), lines(expected).len(), "{part}");
    }
}

/// The state at a moment is one that was there then: begun by then, and not yet followed by another that was done.
fn was_then(known: &[Known], at: DateTime<Utc>, state: &Value) -> bool {
    known.iter().enumerate().any(|(index, one)| {
        let replaced = known.get(index + 1).is_some_and(|next| next.done < at);
        one.state == *state && one.began <= at && !replaced
    })
}

#[tokio::test]
async fn any_moment_can_be_had_back() {
    // A hundred moments where there is time for them.
    let moments = std::env::var("HITAJI_LONG").map_or(20, |_| 100);
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    world.fleet.journal_on(tenant, KEEP, "test").await.expect("it is journaled");
    let first = Known { began: world.clock.now(), done: world.clock.now(), state: present(&world, tenant).await };
    let mut known = vec![first];
    known.extend(live(&world, tenant, 60).await);
    let (from, to) = (known[0].done, known[known.len() - 1].done);
    for _ in 0..moments {
        let at =
            from + TimeDelta::microseconds((to - from).num_microseconds().unwrap_or(1) * i64::from(dice(1000)) / 1000);
        let past = world.fleet.past(tenant, at, "test").await.expect("the past");
        let state = look(&world, &past).await;
        assert!(was_then(&known, at, &state), "at {at}, not a state of then");
        world.fleet.discard(&past).await.expect("it goes");
    }
}

#[tokio::test]
async fn a_tenant_goes_back_and_lives_on_and_goes_back_again() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.fleet.journal_on(tenant, KEEP, "test").await.expect("it is journaled");
    world.run(tenant, AWKWARD).await;
    let before = present(&world, tenant).await;
    moment(20).await;
    let good = world.clock.now();
    moment(20).await;
    world.run(tenant, "delete from shop.customer; update shop.setting set value = 'lost'").await;
    let early = world.fleet.restore_to(tenant, good - TimeDelta::days(1), "test").await.expect_err("too early");
    assert!(early.to_string().contains("no backup"), "{early}");
    world.fleet.restore_to(tenant, good, "test").await.expect("it is restored");
    same(&present(&world, tenant).await, &before);
    world.run(tenant, "insert into shop.setting values ('later', 'x')").await;
    let (later, middle) = (present(&world, tenant).await, world.clock.now());
    moment(20).await;
    world.run(tenant, "truncate shop.setting").await;
    world.fleet.restore_to(tenant, middle, "test").await.expect("it is restored again");
    same(&present(&world, tenant).await, &later);
    assert_eq!(world.rows(tenant, "select count(*) from hitaji.journal").await, serde_json::json!([{"count": 0}]));
    world.fleet.expire_journals(tenant).await.expect("old shipments go");
}

#[tokio::test]
async fn the_journal_goes_on_across_a_change_of_schema() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    world.fleet.journal_on(tenant, KEEP, "test").await.expect("it is journaled");
    world.run(tenant, "update shop.setting set value = 'before'").await;
    let (before, then) = (present(&world, tenant).await, world.clock.now());
    moment(5).await;
    let (newer, fleet) = world.another(&[SHOP, SHOP_2]);
    newer.prepare().await.expect("the newer program starts");
    for (_, cluster, database) in newer.tenant_places().await.expect("places") {
        newer.migrate_database(&cluster, &database).await.expect("it migrates");
    }
    world.run(tenant, "update shop.customer set phone = '0712 ' || name where name like 'Ñ%'; insert into shop.customer (id, name, phone) values (gen_random_uuid(), 'New', '1')").await;
    let (after, now) = (present(&world, tenant).await, world.clock.now());
    moment(5).await;
    world.run(tenant, "delete from shop.customer").await;
    let past = fleet.past(tenant, now, "test").await.expect("after the change");
    same(&look(&world, &past).await, &after);
    let past = fleet.past(tenant, then, "test").await.expect("before the change, in today's schema");
    let old = look(&world, &past).await;
    assert_eq!(old["settings"], before["settings"]);
    assert_eq!(old["customers"].as_array().map(Vec::len), before["customers"].as_array().map(Vec::len));
}

/// A journaled tenant that was put back to a backup can be put back to any second after it, as before.
#[tokio::test]
async fn a_tenant_put_back_to_a_backup_is_journaled_on() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    world.fleet.journal_on(tenant, KEEP, "test").await.expect("it is journaled");
    world.fleet.restore(tenant, None, "test").await.expect("it is restored");
    world.run(tenant, "insert into shop.setting values ('later', 'x')").await;
    let (later, then) = (present(&world, tenant).await, world.clock.now());
    moment(20).await;
    world.run(tenant, "truncate shop.setting").await;
    world.fleet.restore_to(tenant, then, "test").await.expect("any second since");
    same(&present(&world, tenant).await, &later);
}
