//! What one process changes in the directory, every other one knows at once.
use crate::world::{SHOP, World};
use hitaji_db::TenantState;
use hitaji_testkit::until;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_to_every_process() {
    let world = World::start().await;
    let tenant = world.tenant("mine").await;
    let (other, _) = world.another(&[SHOP]);
    let follower = tokio::spawn(other.clone().follow_directory());
    assert_eq!(other.describe(tenant).await.expect("known").state, TenantState::Active);
    let keys = other.data_keys(tenant).await.expect("keys");
    assert_eq!(keys.version(), 1);
    // Until it listens, changes are only found by the look every two seconds.
    let mut state = TenantState::Suspended;
    until("it listens", async || {
        let mut conn = world.databases.control().await.expect("the control database");
        world.databases.set_state(&mut conn, tenant, state, Some("a test")).await.expect("changed");
        conn.release();
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(500) {
            if other.describe(tenant).await.expect("known").state == state {
                return Some(());
            }
            hitaji_testkit::moment(5).await;
        }
        state = if state == TenantState::Suspended { TenantState::Active } else { TenantState::Suspended };
        None
    })
    .await;
    let mut conn = world.databases.control().await.expect("the control database");
    hitaji_db::keys::destroy(&mut conn, tenant).await.expect("destroyed");
    conn.release();
    until("nobody has the keys", async || other.data_keys(tenant).await.is_err().then_some(())).await;
    follower.abort();
}
