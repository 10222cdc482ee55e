//! Backups and restores: everything comes back as it was, and nothing that was changed on the way goes unnoticed.
use crate::world::{AWKWARD, KEEP, SHOP, SHOP_2, World};
use hitaji_fleet::FleetError;
use serde_json::json;

#[tokio::test]
async fn a_restored_tenant_is_what_it_was() {
    let world = World::start().await;
    let (mine, other) = (world.tenant("mine").await, world.tenant("other").await);
    world.run(mine, AWKWARD).await;
    let before = world.everything(mine).await;
    world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    world.run(mine, "delete from shop.customer; update shop.setting set value = 'lost'").await;
    let restored = world.fleet.restore(mine, None, "test").await.expect("it is restored");
    assert!(restored.rows >= 494, "{restored:?}");
    assert_eq!(world.everything(mine).await, before);
    // Numbers go on where they stood, and constraints hold as before.
    world
        .run(mine, "insert into shop.sale (customer_id, total) values ('01890000-0000-7000-8000-000000000003', 1)")
        .await;
    assert_eq!(world.rows(mine, "select max(number) as last from shop.sale").await, json!([{"last": 501}]));
    let mut conn = world.conn(mine).await;
    let orphan = sqlx::raw_sql("insert into shop.sale (customer_id, total) values (gen_random_uuid(), 1)");
    assert!(orphan.execute(&mut *conn).await.is_err(), "foreign keys are back");
    drop(conn);
    let states = world.control("select state, count(*) from directory.database group by state order by state").await;
    assert_eq!(states, json!([{"state": "claimed", "count": 2}, {"state": "retired", "count": 1}]));
    assert_eq!(world.rows(other, "select * from shop.customer").await, json!([]));
}

#[tokio::test]
async fn a_backup_of_an_old_schema_is_restored_into_the_new_one() {
    let world = World::start().await;
    let mine = world.tenant("mine").await;
    world.run(mine, AWKWARD).await;
    let set = world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    let (newer, fleet) = world.another(&[SHOP, SHOP_2]);
    newer.prepare().await.expect("the newer program starts");
    fleet.restore(mine, Some(set), "test").await.expect("it is restored");
    world.databases.forget(mine);
    let phones = world.rows(mine, "select name, phone from shop.customer where phone is not null").await;
    assert_eq!(phones, json!([{"name": "Akinyi", "phone": "unknown"}]));
    // The other way round is refused: the old program does not know what it would lose.
    let set = fleet.backup(mine, KEEP, "test").await.expect("a backup");
    let refused = world.fleet.restore(mine, Some(set), "test").await.expect_err("too new");
    assert!(refused.to_string().contains("newer program"), "{refused}");
}

#[tokio::test]
async fn a_changed_or_cut_bundle_is_refused_and_the_tenant_stays_as_it_is() {
    let world = World::start().await;
    let (mine, other) = (world.tenant("mine").await, world.tenant("other").await);
    world.run(mine, AWKWARD).await;
    world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    let object = world.fleet.backups(mine).await.expect("a list")[0].object.clone();
    let path = world.folder.path().join(&object);
    let whole = std::fs::read(&path).expect("the bundle");
    assert!(!whole.windows(6).any(|window| window == b"Akinyi"), "it is encrypted");
    let before = world.everything(mine).await;
    for (what, bytes) in [
        ("cut off", whole[..whole.len() - 20].to_vec()),
        ("cut at a chunk", whole[..44].to_vec()),
        ("empty", Vec::new()),
        ("bent", whole.iter().enumerate().map(|(at, byte)| if at == 3000 { byte ^ 1 } else { *byte }).collect()),
        ("longer", [&whole[..], b"more"].concat()),
    ] {
        std::fs::write(&path, bytes).expect("written");
        let refused = world.fleet.restore(mine, None, "test").await;
        assert!(matches!(refused, Err(FleetError::Damaged(_))), "{what}: {refused:?}");
    }
    // Another tenant's bundle does not open with these keys, whatever its place says.
    world.fleet.backup(other, KEEP, "test").await.expect("a backup");
    let foreign = world.fleet.backups(other).await.expect("a list")[0].object.clone();
    std::fs::copy(world.folder.path().join(foreign), &path).expect("copied");
    assert!(matches!(world.fleet.restore(mine, None, "test").await, Err(FleetError::Damaged(_))));
    assert_eq!(world.everything(mine).await, before);
    let left = world.control("select state from directory.database where state <> 'claimed'").await;
    assert_eq!(left, json!([]), "nothing half loaded is left");
    let ended = world.control("select distinct state from directory.operation where kind = 'restore'").await;
    assert_eq!(ended, json!([{"state": "failed"}]));
}

#[tokio::test]
async fn streams_of_events_go_on_in_a_restored_database() {
    let world = World::start().await;
    let mine = world.tenant("mine").await;
    world.run(mine, "insert into hitaji.outbox_head (service, sequence) values ('shop', 10); insert into hitaji.consumer (name, service, sequence) values ('up-to-date', 'shop', 10), ('behind', 'shop', 4)").await;
    world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    world.run(mine, "update hitaji.outbox_head set sequence = 25").await;
    let before = world.rows(mine, "select epoch from hitaji.outbox_head").await;
    world.fleet.restore(mine, None, "test").await.expect("it is restored");
    assert_eq!(world.rows(mine, "select sequence from hitaji.outbox_head").await, json!([{"sequence": 25}]));
    assert_ne!(world.rows(mine, "select epoch from hitaji.outbox_head").await, before, "followers are told to reload");
    let consumers = world.rows(mine, "select name, sequence from hitaji.consumer order by name").await;
    assert_eq!(consumers, json!([{"name": "behind", "sequence": 4}, {"name": "up-to-date", "sequence": 25}]));
}

#[tokio::test]
async fn backups_come_when_due_and_go_when_old_but_never_the_last() {
    let world = World::start().await;
    let mine = world.tenant("mine").await;
    let day = chrono::TimeDelta::days(1);
    assert_eq!(world.fleet.backup_due(10).await.expect("a list"), [mine]);
    world.fleet.backup(mine, -day, "test").await.expect("a backup");
    assert_eq!(world.fleet.backup_due(10).await.expect("a list"), []);
    assert_eq!(world.fleet.expire_backups().await.expect("expired"), 0, "the newest one stays");
    world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    assert_eq!(world.fleet.expire_backups().await.expect("expired"), 1);
    let stored = world.fleet.store().list(&format!("tenants/{mine}/backups")).await.expect("a list");
    let known = world.fleet.backups(mine).await.expect("a list");
    assert_eq!((stored.len(), known.len(), &stored[0].name), (1, 1, &known[0].object));
}

/// A restore that ends at any point leaves the tenant as it is, or as it was to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_cut_short_leaves_the_tenant_whole() {
    let world = World::start().await;
    let mine = world.tenant("mine").await;
    world.run(mine, AWKWARD).await;
    let old = world.everything(mine).await;
    world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    world.run(mine, "delete from shop.sale; update shop.setting set value = 'new'").await;
    let new = world.everything(mine).await;
    for round in 0..8_u64 {
        let fleet = world.fleet.clone();
        let restoring = tokio::spawn(async move { fleet.restore(mine, None, "test").await.map(|_| ()) });
        hitaji_testkit::moment(60 * round).await;
        restoring.abort();
        let _ = restoring.await;
        world.recover(mine).await;
        let now = world.everything(mine).await;
        assert!(now == old || now == new, "round {round}");
    }
    assert!(world.is_tidy().await, "nothing half loaded is left");
}

#[tokio::test]
async fn a_proof_can_leave_a_copy_at_hand() {
    let world = World::start().await;
    let mine = world.tenant("mine").await;
    world.run(mine, AWKWARD).await;
    let before = world.everything(mine).await;
    world.fleet.backup(mine, KEEP, "test").await.expect("a backup");
    world.fleet.prove(mine, "test").await.expect("proven");
    assert!(world.fleet.backups(mine).await.expect("a list")[0].proven_at.is_some());
    for _ in 0..2 {
        world.fleet.prove_keeping(mine, "test").await.expect("proven, and kept");
    }
    world.run(mine, "delete from shop.sale").await;
    // The stored bundle is not needed: the copy is.
    let object = world.fleet.backups(mine).await.expect("a list")[0].object.clone();
    std::fs::remove_file(world.folder.path().join(object)).expect("gone");
    world.fleet.restore(mine, None, "test").await.expect("it is restored");
    assert_eq!(world.everything(mine).await, before);
    world.databases.reap(chrono::TimeDelta::zero()).await.expect("the reaper");
    let states = world.control("select state, count(*) from directory.database group by state order by state").await;
    assert_eq!(
        states,
        json!([{"state": "claimed", "count": 1}, {"state": "copy", "count": 1}, {"state": "retired", "count": 1}])
    );
    assert!(world.fleet.prove(mine, "test").await.is_err(), "a lost bundle is found by the next proof");
    let faults = world.control("select fault is not null as fault from directory.backup").await;
    assert_eq!(faults, json!([{"fault": true}]));
}
