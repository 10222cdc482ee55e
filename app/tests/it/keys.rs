//! The master key: wrapped by a key management service, and changed while the platform serves.
use hitaji::master::Source;
use hitaji_core::{Clock, Config};
use hitaji_testkit::{TestApp, VAULT_TOKEN, at, until, vault};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn config(file: &Path, address: &str, token: &Path) -> Config {
    let mut config = hitaji::runtime::load_config(None).expect("the default configuration");
    config.set("keys", "master_file", file.display().to_string());
    config.set("keys", "vault_address", address);
    config.set("keys", "vault_token_file", token.display().to_string());
    config
}

#[tokio::test]
async fn vault_keeps_the_key_wrapped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, token) = (folder.path().join("master.key"), folder.path().join("token"));
    std::fs::write(&token, format!("{VAULT_TOKEN}\n")).expect("written");
    let plain = hitaji_db::secrets::MasterKey::generate();
    std::fs::write(&file, plain.to_base64()).expect("written");
    let address = vault().await;
    // A key as it is stays readable; the next one is wrapped.
    let source = Source::new(&config(&file, &address, &token)).expect("settings");
    source.add().await.expect("a new key");
    source.turn().expect("it seals");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.starts_with("vault:v1:") && text.lines().count() == 2, "{text}");
    let ring = source.load().await.expect("both open");
    assert_eq!(ring.open("a", "p", &plain.seal("a", "p", b"before")).expect("it opens"), b"before");
    source.forget_old().expect("only the wrapped one");
    let text = std::fs::read_to_string(&file).expect("the file");
    let sealed = source.load().await.expect("it opens").seal("a", "p", b"secret");
    assert!(plain.open("a", "p", &sealed).is_err() && !text.contains(&plain.to_base64()));

    let mut resolved = config(&file, &address, &token);
    hitaji::master::resolve(&mut resolved).await.expect("resolved for a process");
    let master = hitaji::runtime::master_key(&resolved).expect("a key");
    assert_eq!(master.open("a", "p", &sealed).expect("it opens"), b"secret");

    std::fs::write(&token, "s.stolen").expect("written");
    let refused = source.load().await.expect_err("Vault refuses");
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    let away = Source::new(&config(&file, "http://127.0.0.1:9", &token)).expect("settings");
    let refused = away.load().await.expect_err("nobody there");
    assert!(refused.to_string().starts_with("Vault") && !refused.to_string().contains(VAULT_TOKEN), "{refused}");
}

/// The file changes under a serving platform; people notice nothing, and the old key is worth nothing in the end.
#[tokio::test]
async fn the_master_key_changes_while_people_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("master.key");
    std::fs::write(&file, hitaji_db::secrets::MasterKey::generate().to_base64()).expect("written");
    let path = file.display().to_string();
    let app = TestApp::start_with(Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        config.set("keys", "master_file", path.clone());
    })
    .await;
    let organisation = app.organisation("Aardvark House").await;
    let owner = app.owner(&organisation).await;
    let source = || {
        let mut config = hitaji::runtime::load_config(None).expect("the default configuration");
        config.set("keys", "master_file", path.clone());
        Source::new(&config).expect("settings")
    };
    let master = app.platform.databases().master().clone();
    let follower = tokio::spawn(source().follow(master.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, reader) = (stop.clone(), owner.clone());
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while !stopped.load(Ordering::Relaxed) {
            reader.get("/school/v1/students?limit=1").await.ok();
            reader.get("/identity/v1/members").await.ok();
            read += 1;
            hitaji_testkit::moment(20).await;
        }
        read
    });
    let first = master.id();
    let page = owner.get("/identity/v1/roles").await.ok();
    source().add().await.expect("a new key");
    until("the process knows both keys", async || (master.to_base64().lines().count() == 2).then_some(())).await;
    assert_eq!(master.id(), first, "the new one does not seal yet");
    source().turn().expect("the new one seals");
    until("it seals here too", async || (master.id() != first).then_some(())).await;
    let fleet = app.platform.parts().get::<hitaji_fleet::Fleet>();
    assert!(fleet.rewrap().await.expect("rewrapped").data_keys >= 1);
    let services = app.platform.registry().services();
    let jobs = services.iter().flat_map(|service| service.jobs).filter(|job| job.name.ends_with(".rewrap"));
    for job in jobs {
        let (databases, parts) = (app.platform.databases().clone(), app.platform.parts().clone());
        (job.run)(hitaji_bus::JobContext { databases, parts }).await.expect("signing keys are sealed anew");
    }
    assert_eq!(fleet.waiting_for_rewrap().await.expect("a count"), 0);
    source().forget_old().expect("the old one goes");
    until("only one key is left", async || (master.to_base64().lines().count() == 1).then_some(())).await;
    app.platform.databases().forget(organisation.id);
    assert_eq!(owner.get("/identity/v1/roles").await.ok(), page);
    stop.store(true, Ordering::Relaxed);
    assert!(reading.await.expect("no read failed") > 3);
    // What was signed under the old key and lives on: the owner's token is a signing key's, not the master's.
    let renewed = app.owner(&organisation).await;
    assert_eq!(renewed.get("/tenancy/v1/organisation").await.ok()["slug"], json!("aardvark-house"));
    follower.abort();
    app.settle().await;
}
