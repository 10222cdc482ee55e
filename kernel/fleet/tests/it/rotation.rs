//! Rotation under load: nobody who works notices, and the old secrets are worth nothing afterwards.
use crate::world::{AWKWARD, KEEP, World};
use hitaji_core::TenantId;
use hitaji_db::Databases;
use hitaji_db::secrets::{MasterKey, random};
use hitaji_testkit::moment;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Works on all tenants until told to stop; answers how much was done. Nothing may fail.
fn work(databases: Databases, tenants: Vec<TenantId>, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            for tenant in &tenants {
                let mut conn = databases.tenant(*tenant, "shop").await.expect("a connection");
                sqlx::query("select count(*) from shop.customer").execute(&mut *conn).await.expect("an answer");
                // Ended, so that every round needs a new sign-in.
                if done % 3 == 0 {
                    conn.close()
                } else {
                    conn.release()
                }
                done += 1;
                databases.control().await.expect("the control database").release();
                moment(1).await;
            }
        }
        done
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_turn_while_two_processes_work() {
    let world = World::start().await;
    let mut tenants = Vec::new();
    for number in 0..4 {
        tenants.push(world.tenant(&format!("t{number}")).await);
    }
    let (other, _) = world.another(&[crate::world::SHOP]);
    let follower = tokio::spawn(other.clone().follow_directory());
    let stop = Arc::new(AtomicBool::new(false));
    let here = work(world.databases.clone(), tenants.clone(), stop.clone());
    let there = work(other.clone(), tenants.clone(), stop.clone());
    let before =
        world.control("select login_role from directory.database where state = 'claimed' order by login_role").await;
    for _ in 0..3 {
        let (rotated, failed) = world.fleet.rotate_all_passwords().await.expect("rotated");
        assert_eq!((rotated, failed.len()), (4, 0));
        moment(50).await;
        // Time passes: the roles of before are closed while others are in use.
        let mut conn = world.databases.control().await.expect("the control database");
        sqlx::query(
            "update directory.database set retire_at = now() - interval '1 second' where retire_at is not null",
        )
        .execute(&mut *conn)
        .await
        .expect("time");
        conn.release();
        moment(150).await;
        assert_eq!(world.fleet.retire_roles().await.expect("retired"), 4);
        moment(50).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(here.await.expect("nothing failed here") > 20);
    assert!(there.await.expect("nothing failed there") > 20);
    follower.abort();
    let after =
        world.control("select login_role from directory.database where state = 'claimed' order by login_role").await;
    assert_ne!(before, after, "an odd number of turns ends at the other role");
    let open = world
        .control(
            "select count(*) from pg_roles where rolcanlogin and rolname like (select current_database() || '_r_%')",
        )
        .await;
    assert_eq!(open, json!([{"count": 4}]), "one role a database can sign in");
}

#[tokio::test]
async fn a_new_data_key_leaves_old_backups_readable() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    let old = world.fleet.backup(tenant, KEEP, "test").await.expect("a backup");
    let before = world.everything(tenant).await;
    assert_eq!(world.fleet.rotate_data_key(tenant).await.expect("rotated"), 2);
    world.run(tenant, "delete from shop.sale").await;
    let new = world.fleet.backup(tenant, KEEP, "test").await.expect("a backup");
    let versions = world.control("select data_key from directory.backup order by taken_at").await;
    assert_eq!(versions, json!([{"data_key": 1}, {"data_key": 2}]));
    world.fleet.restore(tenant, Some(old), "test").await.expect("the old one");
    assert_eq!(world.everything(tenant).await, before);
    world.fleet.restore(tenant, Some(new), "test").await.expect("the new one");
    assert_eq!(world.rows(tenant, "select count(*) from shop.sale").await, json!([{"count": 0}]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_changes_while_two_processes_work() {
    let world = World::start().await;
    let mut tenants = Vec::new();
    for number in 0..3 {
        tenants.push(world.tenant(&format!("t{number}")).await);
    }
    world.fleet.public_keys().await.expect("a signature key");
    let old: [u8; 32] = random();
    let new: [u8; 32] = random();
    let ring = |keys: &[[u8; 32]]| MasterKey::from_keys(keys.to_vec()).expect("keys");
    // Begin under a key that the test knows.
    let current = MasterKey::from_base64(&world.master.to_base64()).expect("the key of now");
    let with = |first: [u8; 32]| {
        MasterKey::from_base64(&format!("{}\n{}", ring(&[first]).to_base64(), current.to_base64())).expect("keys")
    };
    world.master.replace(&with(old));
    world.fleet.rewrap().await.expect("rewrapped");
    world.master.replace(&ring(&[old]));

    let theirs = ring(&[old]);
    let other = Databases::new(world.settings.clone(), theirs.clone(), world.clock.clone(), vec![crate::world::SHOP])
        .expect("settings");
    let stop = Arc::new(AtomicBool::new(false));
    let here = work(world.databases.clone(), tenants.clone(), stop.clone());
    let there = work(other, tenants.clone(), stop.clone());
    moment(50).await;
    // Known to all before it seals for anybody; seals for all before the old one goes.
    for step in [[old, new], [new, old]] {
        world.master.replace(&ring(&step));
        moment(40).await;
        theirs.replace(&ring(&step));
        moment(40).await;
    }
    let waiting = world.fleet.waiting_for_rewrap().await.expect("a count");
    assert!(waiting >= 4, "three data keys and the signature key: {waiting}");
    assert_eq!(world.fleet.rewrap().await.expect("rewrapped").data_keys, 3);
    assert_eq!(world.fleet.waiting_for_rewrap().await.expect("a count"), 0);
    for master in [&world.master, &theirs] {
        master.replace(&ring(&[new]));
    }
    for tenant in &tenants {
        world.databases.forget(*tenant);
    }
    moment(100).await;
    stop.store(true, Ordering::Relaxed);
    assert!(here.await.expect("nothing failed here") > 10);
    assert!(there.await.expect("nothing failed there") > 10);
    let lost = Databases::new(world.settings.clone(), ring(&[old]), world.clock.clone(), vec![crate::world::SHOP])
        .expect("settings");
    assert!(lost.control().await.is_err(), "the old key opens nothing any more");
}

/// A rotation that ends at any point leaves a password that opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_cut_short_leaves_the_tenant_open() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    world.run(tenant, AWKWARD).await;
    for round in 0..25_u64 {
        let fleet = world.fleet.clone();
        let turning = tokio::spawn(async move {
            if round % 2 == 0 {
                fleet.rotate_data_key(tenant).await.map(|_| ())
            } else {
                fleet.rotate_passwords(tenant).await
            }
        });
        moment(round * 2).await;
        turning.abort();
        let _ = turning.await;
        world.databases.forget(tenant);
        let customers = world.rows(tenant, "select count(*) from shop.customer").await;
        assert_eq!(customers, json!([{"count": 3}]), "round {round}");
    }
    // And what it left half made is finished by the next one.
    world.fleet.rotate_passwords(tenant).await.expect("rotated");
    assert_eq!(world.rows(tenant, "select count(*) from shop.customer").await, json!([{"count": 3}]));
}
