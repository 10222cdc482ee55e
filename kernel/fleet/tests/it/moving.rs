//! Moves while people work: nothing acknowledged is lost, nothing is there twice, reading goes on.
use crate::world::{AWKWARD, World};
use hitaji_core::TenantId;
use hitaji_fleet::What;
use hitaji_testkit::{another_postgres, moment};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Somebody who writes numbers one after another and remembers which were acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(Vec<i64>, u64)>,
    longest_read_ms: Arc<AtomicU64>,
}

fn write(world: &World, tenant: TenantId) -> Writer {
    let (stop, longest_read_ms) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (databases, stopped, longest) = (world.databases.clone(), stop.clone(), longest_read_ms.clone());
    let task = tokio::spawn(async move {
        let (mut written, mut refused) = (Vec::new(), 0);
        for number in 0_i64.. {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let outcome = async {
                let mut conn = databases.tenant(tenant, "shop").await?;
                sqlx::query("insert into shop.setting (name, value) values ($1, 'x')")
                    .bind(format!("w{number:06}"))
                    .execute(&mut *conn)
                    .await?;
                conn.release();
                Ok::<_, hitaji_db::DbError>(())
            };
            match outcome.await {
                Ok(()) => written.push(number),
                Err(error) => {
                    assert!(error.is_unavailable() || error.is_stale_placement(), "{error}");
                    refused += 1;
                }
            }
            let since = std::time::Instant::now();
            let read = async {
                let mut conn = databases.tenant(tenant, "shop").await?;
                let count: i64 = sqlx::query_scalar("select count(*) from shop.customer").fetch_one(&mut *conn).await?;
                conn.release();
                Ok::<_, hitaji_db::DbError>(count)
            };
            if let Ok(count) = read.await {
                assert_eq!(count, 3);
            }
            longest.fetch_max(since.elapsed().as_millis() as u64, Ordering::Relaxed);
            moment(1).await;
        }
        (written, refused)
    });
    Writer { stop, task, longest_read_ms }
}

impl Writer {
    async fn finish(self) -> (Vec<i64>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the writer")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_moves_to_another_cluster_and_back_while_people_write() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    let other = world.tenant("other").await;
    world.run(tenant, AWKWARD).await;
    world.databases.add_cluster("east", &another_postgres().await).await.expect("a second cluster");
    let customers = world.rows(tenant, "select customer::text from shop.customer order by id").await;
    for (to, from) in [("east", "home"), ("home", "east")] {
        let writer = write(&world, tenant);
        moment(100).await;
        let moved = world.fleet.move_tenant(tenant, What::Shared, to, "test").await.expect("it moves");
        assert!(moved.held < Duration::from_secs(5), "{moved:?}");
        moment(100).await;
        assert!(writer.longest_read_ms.load(Ordering::Relaxed) < 5_000);
        let (written, refused) = writer.finish().await;
        assert!(written.len() > 20, "{} written, {refused} refused", written.len());
        assert!(refused <= 3, "writers are held, hardly ever refused: {refused}");
        let names: Vec<String> = written.iter().map(|number| format!("w{number:06}")).collect();
        let mut conn = world.conn(tenant).await;
        let kept: i64 = sqlx::query_scalar("select count(*) from shop.setting where name = any($1)")
            .bind(&names)
            .fetch_one(&mut *conn)
            .await
            .expect("a count");
        conn.release();
        assert_eq!(kept as usize, names.len(), "every acknowledged write is there");
        world.run(tenant, "delete from shop.setting where name like 'w%'").await;
        assert_eq!(world.rows(tenant, "select customer::text from shop.customer order by id").await, customers);
        let places = world
            .control(
                "select state, cluster from directory.database where tenant_id is not null order by state, cluster, id",
            )
            .await;
        assert!(places.to_string().contains(&format!(r#"{{"cluster":"{to}","state":"claimed"}}"#)), "{places}");
        assert!(places.to_string().contains(&format!(r#"{{"cluster":"{from}","state":"retired"}}"#)), "{places}");
    }
    // Numbers of rows go on, and triggers of the journal are gone.
    world
        .run(tenant, "insert into shop.sale (customer_id, total) values ('01890000-0000-7000-8000-000000000003', 1)")
        .await;
    assert_eq!(world.rows(tenant, "select max(number) as last from shop.sale").await, json!([{"last": 501}]));
    let triggers = world.rows(tenant, "select count(*) from pg_trigger where tgname ~ '^hitaji_journal'").await;
    assert_eq!(triggers, json!([{"count": 0}]));
    let refused = world.fleet.move_tenant(other, What::Shared, "home", "test").await.expect_err("it is there");
    assert!(refused.to_string().contains("already"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_gets_a_database_of_its_own() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    world.run(tenant, "insert into hitaji.outbox_head (service, sequence) values ('shop', 3), ('other', 4)").await;
    let before = world.everything(tenant).await;
    let writer = write(&world, tenant);
    moment(50).await;
    world.fleet.move_tenant(tenant, What::Service("shop"), "home", "test").await.expect("it moves");
    moment(50).await;
    let (written, _) = writer.finish().await;
    let count = world.rows(tenant, "select count(*) from shop.setting where name like 'w%'").await;
    assert!(count[0]["count"].as_u64().expect("a count") as usize >= written.len());
    world.run(tenant, "delete from shop.setting where name like 'w%'").await;
    assert_eq!(world.everything(tenant).await, before);
    assert_eq!(world.rows(tenant, "select service from hitaji.outbox_head").await, json!([{"service": "shop"}]));
    let mut shared = world.databases.tenant(tenant, "other").await.expect("the shared database");
    let left: (i64, String) = sqlx::query_as(
        "select (select count(*) from shop.customer), (select string_agg(service, ',') from hitaji.outbox_head)",
    )
    .fetch_one(&mut *shared)
    .await
    .expect("what is left");
    assert_eq!(left, (0, "other".to_owned()), "its rows are in one place only");
    drop(shared);
    // Backups and restores have both databases.
    world.fleet.backup(tenant, crate::world::KEEP, "test").await.expect("a backup");
    world.run(tenant, "delete from shop.customer").await;
    world.fleet.restore(tenant, None, "test").await.expect("it is restored");
    assert_eq!(world.everything(tenant).await, before);
    let again = world.fleet.move_tenant(tenant, What::Service("shop"), "home", "test").await.expect_err("it has one");
    assert!(again.to_string().contains("already"), "{again}");
}

/// A move that ends at any point leaves the tenant where it was, or where it was to go; never between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_cut_short_leaves_the_tenant_whole() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    world.databases.add_cluster("east", &another_postgres().await).await.expect("a second cluster");
    let before = world.everything(tenant).await;
    for round in 0..8_u64 {
        let fleet = world.fleet.clone();
        let to = if world.control("select cluster from directory.database where state = 'claimed'").await[0]["cluster"]
            == "home"
        {
            "east"
        } else {
            "home"
        };
        let mover = tokio::spawn(async move { fleet.move_tenant(tenant, What::Shared, to, "test").await.map(|_| ()) });
        moment(100 + 173 * round).await;
        mover.abort();
        let _ = mover.await;
        world.recover(tenant).await;
        assert_eq!(world.everything(tenant).await, before, "round {round}");
        world.run(tenant, "update shop.setting set value = value").await;
    }
    let triggers = world.rows(tenant, "select count(*) from pg_trigger where tgname ~ '^hitaji_journal'").await;
    assert_eq!(triggers, json!([{"count": 0}]), "nobody's changes are journaled for nothing");
    assert!(world.is_tidy().await, "nothing half loaded is left");
}
