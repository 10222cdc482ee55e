//! Leaving: what is taken along is whole and proven, and what is erased cannot be had back from anywhere.
use crate::world::{AWKWARD, KEEP, World};
use futures::{StreamExt as _, TryStreamExt as _};
use hitaji_db::{DbError, TenantState};
use hitaji_fleet::{FleetError, leaving, signature};
use serde_json::json;

#[tokio::test]
async fn an_export_is_signed_and_comes_in_elsewhere_as_it_was() {
    let (world, elsewhere) = (World::start().await, World::start().await);
    let mine = world.tenant("mine").await;
    world.run(mine, AWKWARD).await;
    let (set, signed) = world.fleet.export(mine, "owner").await.expect("an export");
    let proof = signature::verify(&signed, &world.fleet.public_keys().await.expect("keys")).expect("our signature");
    assert!(signature::verify(&signed, &elsewhere.fleet.public_keys().await.expect("keys")).is_none());
    assert!(signature::verify(&signed.replace('.', ".A"), &world.fleet.public_keys().await.expect("keys")).is_none());
    let part =
        world.fleet.backups(mine).await.expect("parts").into_iter().find(|part| part.set_id == set).expect("a part");
    let archive: Vec<_> =
        world.fleet.download(mine, &part).await.expect("a stream").try_collect().await.expect("all of it");
    let archive = archive.concat();
    // Anybody can look into it with tar and zstd, and can tell that it is what was signed.
    let plain = zstd::stream::decode_all(&archive[..]).expect("Zstandard");
    let hash: String = hitaji_db::secrets::sha256(&plain).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(proof["archives"], json!([hash]));
    assert!(
        plain.windows(9).any(|window| window == b"customer/")
            || plain.windows(13).any(|window| window == b"shop.customer")
    );
    let stream = |bytes: Vec<u8>| futures::stream::iter([Ok(bytes::Bytes::from(bytes))]).boxed();
    let taken = elsewhere.fleet.import(stream(archive.clone()), "arrived", "operator").await.expect("it comes in");
    assert_eq!(elsewhere.everything(taken).await, world.everything(mine).await);
    let described = elsewhere.databases.describe(taken).await.expect("a tenant");
    assert_eq!(
        (described.slug.as_str(), described.name.as_str(), described.state),
        ("arrived", "The mine", TenantState::Active)
    );
    // Exporting it again gives the same manifest of rows.
    elsewhere.fleet.export(taken, "owner").await.expect("an export");
    for (what, bytes) in [
        ("cut", archive[..archive.len() / 2].to_vec()),
        ("nothing", Vec::new()),
        ("no archive", b"hello".repeat(9)),
        ("another tar", { zstd::stream::encode_all(&[0_u8; 1024][..], 1).expect("Zstandard") }),
    ] {
        let refused = elsewhere.fleet.import(stream(bytes), &format!("bad-{}", what.len()), "operator").await;
        assert!(matches!(refused, Err(FleetError::Damaged(_) | FleetError::Io(_))), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn a_clone_is_a_tenant_of_its_own_from_which_nothing_leaves() {
    let world = World::start().await;
    let mine = world.tenant("mine").await;
    world.run(mine, AWKWARD).await;
    let copy = world.fleet.clone_tenant(mine, "mine-copy", "support").await.expect("a copy");
    assert_eq!(world.everything(copy).await, world.everything(mine).await);
    world.run(copy, "delete from shop.customer").await;
    assert_ne!(world.everything(copy).await, world.everything(mine).await);
    assert!(world.databases.describe(copy).await.expect("a tenant").neutralised);
    assert!(!world.databases.describe(mine).await.expect("a tenant").neutralised);
}

#[tokio::test]
async fn what_is_erased_cannot_be_had_back() {
    let world = World::start().await;
    let (mine, other) = (world.tenant("mine").await, world.tenant("other").await);
    world.run(mine, AWKWARD).await;
    world.run(other, AWKWARD).await;
    let others = world.everything(other).await;
    world.fleet.journal_on(mine, KEEP, "test").await.expect("it is journaled");
    world.run(mine, "update shop.setting set value = 'x'").await;
    world.fleet.ship(&hitaji_db::Place::Tenant(mine), mine).await.expect("shipped");
    let rows = world.control("select name, login_role from directory.database where tenant_id is not null").await;
    let kept = tempfile::tempdir().expect("a folder");
    let stored = world.fleet.store().list(&format!("tenants/{mine}")).await.expect("a list");
    assert!(stored.len() >= 2, "a backup and a shipment: {stored:?}");
    // Somebody kept copies of everything that was stored, and of the row of the backup.
    for object in &stored {
        let to = kept.path().join(&object.name);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(world.folder.path().join(&object.name), to).expect("copied");
    }
    let backup = world.fleet.backups(mine).await.expect("a list")[0].clone();
    let keys_before = world.databases.data_keys(mine).await.expect("keys");
    assert!(format!("{keys_before:?}").contains("1 versions"));
    drop(keys_before);

    let signed = world.fleet.erase(mine, chrono::TimeDelta::days(14), "owner:wanjiku").await.expect("erased");
    let certificate =
        leaving::read_certificate(&signed, &world.fleet.public_keys().await.expect("keys")).expect("a certificate");
    assert_eq!((certificate.organisation, certificate.data_keys, certificate.databases.len()), (mine.0, vec![1], 1));
    assert_eq!(certificate.physical_copies_expire_at - certificate.erased_at, chrono::TimeDelta::days(14));
    assert_eq!(world.fleet.certificate(mine).await.expect("stored").as_deref(), Some(signed.as_str()));

    assert!(matches!(world.databases.data_keys(mine).await, Err(DbError::Secret(_))), "no process has the keys");
    assert!(world.databases.tenant(mine, "shop").await.is_err());
    let left = world.control("select (select count(*) from directory.tenant_key) as keys, (select count(*) from directory.backup) as backups, (select count(*) from pg_database where datname ~ (current_database() || '_t_')) as databases, (select count(*) from pg_roles where rolname ~ (current_database() || '_r_')) as roles").await;
    assert_eq!(left, json!([{"keys": 1, "backups": 0, "databases": 1, "roles": 1}]), "only the other tenant's: {rows}");
    assert_eq!(world.fleet.store().list(&format!("tenants/{mine}")).await.expect("a list").len(), 0);
    // The kept copies, put back where they were, open for nobody.
    for object in &stored {
        let to = world.folder.path().join(&object.name);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(kept.path().join(&object.name), to).expect("copied");
    }
    assert!(world.fleet.download(mine, &backup).await.is_err());
    let others_keys = world.databases.data_keys(other).await.expect("keys");
    let wrong = hitaji_fleet::bundle::open(world.fleet.store(), &backup.object, mine, &others_keys).await;
    let read = match wrong {
        Ok(stream) => stream.try_collect::<Vec<_>>().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(read.is_err(), "and with no other key either");
    assert_eq!(world.everything(other).await, others, "nobody else is touched");
    let again =
        world.fleet.erase(mine, chrono::TimeDelta::days(14), "owner").await.expect("erasing twice changes nothing");
    let again =
        leaving::read_certificate(&again, &world.fleet.public_keys().await.expect("keys")).expect("a certificate");
    assert_eq!((again.data_keys, again.databases.len()), (vec![1], 1), "it still names what was destroyed");
}
