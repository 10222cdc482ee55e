//! Runners that die: every database is before or after, and the next runner does only what remains.
use crate::fleet::{Fleet, Stage, moment, options, until};
use crate::program;
use hitaji_fleet::migrate::{Event, Options, migrate};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the ledger says is done, with when that was.
async fn finished(fleet: &Fleet) -> Vec<String> {
    fleet
        .control(
            "select coalesce(array_agg(concat(database_id, ' ', attempts, ' ', changed_at) order by database_id), '{}')
             from directory.migration_result where state = 'done'",
        )
        .await
}

async fn assert_never_between(fleet: &Fleet) {
    assert_eq!(fleet.stages().await.get(&Stage::Between), None);
}

/// What was done before stays as it was: nobody did it again.
fn assert_untouched(before: &[String], after: &[String]) {
    assert!(before.iter().all(|line| after.contains(line)), "{before:?}\n{after:?}");
}

#[tokio::test]
async fn dropped_at_any_point_it_goes_on_where_it_was() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    fleet.sign_up(&old, 40).await;
    let mut before = Vec::new();
    // At the first sign, in the middle of each wave, at the end; a few milliseconds later each time.
    for (nth, lateness) in [(0, 0), (1, 3), (2, 8), (3, 1), (6, 5), (11, 13), (9, 2)] {
        let new = fleet.program(program::new());
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = heard.clone();
        let running = tokio::spawn(async move {
            let hear = |event| {
                if matches!(event, Event::Database { .. } | Event::Templates { .. }) {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            };
            migrate(&new, &options(), &hear).await.map(|outcome| outcome.done)
        });
        until("so many events", async || heard.load(Ordering::SeqCst) > nth).await;
        moment(lateness).await;
        running.abort();
        let _ = running.await;
        assert_never_between(&fleet).await;
        let after = finished(&fleet).await;
        assert_untouched(&before, &after);
        before = after;
    }
    assert!(before.len() > 10, "{}", before.len());
    let new = fleet.program(program::new());
    let done = fleet.migrate(&new, &options()).await;
    assert_eq!((done.done, done.problem), (40, None));
    assert_untouched(&before, &finished(&fleet).await);
    assert_eq!(fleet.stages().await, [(Stage::After, 40)].into());
    assert_eq!(fleet.control::<i64>("select count(*) from directory.migration_run").await, 1);
}

const CHILD: &str = "HITAJI_FLEET_TEST_CHILD";

/// Not a test of its own: the runner that the next test kills. It is this test binary, started again.
#[tokio::test]
async fn runner_that_is_killed() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let mut parts = text.split(' ').map(str::to_owned);
    let mut next = || parts.next().expect("three parts");
    let fleet = Fleet { url: next(), control: next(), master: next() };
    let new = fleet.program(program::newest());
    fleet.migrate(&new, &Options { parallel: 3, ..options() }).await;
}

#[tokio::test]
async fn killed_at_any_point_it_goes_on_where_it_was() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    fleet.sign_up(&old, 30).await;
    let run = "select exists (select from directory.migration_run)";
    let mut before = Vec::new();
    for more in [0, 1, 5, 7] {
        let mut child = std::process::Command::new(std::env::current_exe().expect("a path of our own"));
        child.args(["--exact", "interrupted::runner_that_is_killed"]);
        child.env(CHILD, format!("{} {} {}", fleet.url, fleet.control, fleet.master));
        child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = child.spawn().expect("the test binary starts");
        let wanted = i64::try_from(before.len()).unwrap() + more;
        until("a run", async || fleet.control::<bool>(run).await).await;
        until("so many done", async || fleet.results("done").await >= wanted).await;
        // SIGKILL: no destructor runs, nothing says goodbye.
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert_never_between(&fleet).await;
        let after = finished(&fleet).await;
        assert_untouched(&before, &after);
        before = after;
    }
    let newest = fleet.program(program::newest());
    let done = fleet.migrate(&newest, &options()).await;
    assert_eq!((done.done, done.problem), (30, None));
    assert_untouched(&before, &finished(&fleet).await);
    assert_eq!(fleet.stages().await, [(Stage::After, 30)].into());
}

#[tokio::test]
async fn two_runners_do_not_run_at_once() {
    let fleet = Fleet::start().await;
    let old = fleet.program(program::old());
    old.prepare().await.unwrap();
    fleet.sign_up(&old, 6).await;
    let (one, two) = (fleet.program(program::new()), fleet.program(program::new()));
    let wished = options();
    let (first, second) = tokio::join!(fleet.migrate(&one, &wished), fleet.migrate(&two, &wished));
    // Whoever came second waited, and found everything done.
    assert_eq!(first.done + second.done, 6, "{first:?} {second:?}");
    assert_eq!(fleet.control::<i64>("select sum(attempts) from directory.migration_result").await, 6);
}
