//! Waiting for a thing itself, never for a time; and the one pause that is the test's own matter.
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is some; fails with `what` when it never is.
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        moment(10).await;
    }
}

/// A pause whose length is chance, as in a test that kills a process at any moment, or between two tries.
pub async fn moment(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
